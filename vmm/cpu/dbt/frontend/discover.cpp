// SPDX-License-Identifier: Apache-2.0
#include "cpu/dbt/frontend/discover.hpp"

#include <algorithm>
#include <cstring>

namespace vmm::dbt::frontend {
namespace {

bool is_branch(const Guest& guest) {
    return guest.decoded.op >= riscv::Op::beq && guest.decoded.op <= riscv::Op::bgeu;
}

bool is_call(const Guest& guest) {
    return guest.decoded.op == riscv::Op::jal && guest.decoded.rd != 0;
}

/// Walks the code breadth first.
class Walk {
public:
    Walk(const Code& code, const ir::Mode& mode, const Limits& limits, Plan& plan)
        : code_(code)
        , mode_(mode)
        , limits_(limits)
        , plan_(plan) {}

    void from(std::uint16_t entry) {
        mark_leader(entry);
        // Grows meanwhile.
        for (std::size_t next = 0; next < plan_.blocks.size(); ++next) {
            straight(plan_.blocks[next]);
        }
    }

private:
    void mark_leader(std::int64_t offset) {
        plan_.leader[Plan::half(offset)] = true;
        plan_.blocks.push_back(static_cast<std::uint16_t>(offset));
    }

    void propose_leader(std::int64_t offset) {
        if (code_.holds(offset) && !plan_.is_leader(offset)
            && plan_.blocks.size() < limits_.blocks) {
            mark_leader(offset);
        }
    }

    /// Includes everything from a leader up to where the way surely ends.
    void straight(std::int64_t offset) {
        while (instructions_ < limits_.instructions) {
            const auto guest = code_.at(offset);
            if (!guest) {
                return;
            }
            if (plan_.includes(offset)) {
                // Ways meet: what follows becomes a block of its own, over the limit if need be,
                // lest it be translated twice.
                if (!plan_.is_leader(offset)) {
                    mark_leader(offset);
                }
                return;
            }
            plan_.included[Plan::half(offset)] = true;
            if (code_.is_breakpoint(offset)) {
                return;
            }
            ++instructions_;
            if (is_branch(*guest) || guest->decoded.op == riscv::Op::jal) {
                propose_leader(guest->target());
            }
            if (is_call(*guest) && plan_.is_leader(guest->target())) {
                propose_leader(guest->next());  // the optimiser may find the way back
            }
            if (closes_loop(*guest, plan_)) {
                propose_leader(guest->next());
                return;
            }
            if (ends_block(*guest, mode_)) {
                return;
            }
            offset = guest->next();
        }
    }

    const Code& code_;
    const ir::Mode& mode_;
    const Limits& limits_;
    Plan& plan_;
    unsigned instructions_ = 0;
};

}  // namespace

std::uint16_t Code::half(unsigned offset) const {
    std::uint16_t value = 0;
    std::memcpy(&value, source_.page.data() + offset, sizeof value);
    return value;
}

bool Code::holds(std::int64_t offset) const {
    return offset >= 0 && offset < kPageBytes;
}

bool Code::is_breakpoint(std::int64_t offset) const {
    return std::ranges::binary_search(source_.breakpoints, offset);
}

std::optional<Guest> Code::at(std::int64_t offset) const {
    if (!holds(offset)) {
        return {};
    }
    if (source_.has_crossing) {
        if (offset != kCrossingOffset) {
            return {};
        }
        return Guest{
            .decoded = riscv::decode(source_.crossing_word),
            .word_bits = source_.crossing_word,
            .offset = kCrossingOffset,
            .length = 4,
        };
    }
    const auto at = static_cast<unsigned>(offset);
    Guest guest{.word_bits = half(at), .offset = static_cast<std::uint16_t>(at), .length = 2};
    if (riscv::instruction_length(half(at)) == 2) {
        guest.decoded = riscv::decode(riscv::expand_compressed(half(at)));
        return guest;
    }
    if (at + 4 > kPageBytes) {
        return {};
    }
    guest.length = 4;
    guest.word_bits |= std::uint32_t{half(at + 2)} << 16;
    guest.decoded = riscv::decode(guest.word_bits);
    return guest;
}

std::uint16_t Plan::block_at(std::int64_t offset) const {
    return static_cast<std::uint16_t>(std::ranges::find(blocks, offset) - blocks.begin());
}

bool closes_loop(const Guest& guest, const Plan& plan) {
    return is_branch(guest) && guest.target() <= guest.offset && plan.is_leader(guest.target());
}

Plan discover(const Code& code, std::uint16_t entry, const ir::Mode& mode, const Limits& limits) {
    Plan plan;
    Walk(code, mode, limits, plan).from(entry);
    // What was found after the limit was reached stays outside: a block without instructions that
    // jumps to itself would never end.
    std::erase_if(plan.blocks, [&plan](std::uint16_t offset) {
        const bool outside = !plan.includes(offset);
        if (outside) {
            plan.leader[Plan::half(offset)] = false;
        }
        return outside;
    });
    std::ranges::sort(plan.blocks, {}, [entry](std::uint16_t offset) {
        return (unsigned{offset} - entry) % kPageBytes;
    });
    return plan;
}

}  // namespace vmm::dbt::frontend
