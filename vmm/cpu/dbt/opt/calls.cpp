// SPDX-License-Identifier: Apache-2.0
// Calls within a region. Where everything that a called function can do ends in a return, or in
// another such call, its returns are told apart by comparing: the caller goes on inside of the
// region, nothing is written back for it, and no return address is predicted.
//
// A function that may go elsewhere is left alone: its return would find a prediction missing.
#include "cpu/dbt/opt/passes.hpp"

#include <algorithm>
#include <optional>
#include <vector>

namespace vmm::dbt::opt {
namespace {

using ir::Inst;
using ir::Op;

/// More than so many comparisons cost more than they save.
constexpr std::size_t kMostReturns = 4;

struct Call {
    std::size_t block = 0;    ///< Ends with it.
    std::size_t callee = 0;   ///< Block that it goes to.
    std::size_t back = 0;     ///< Block behind it.
    std::int64_t offset = 0;  ///< Of that.
    bool inside = true;
};

/// The push_return of a block that ends in a call.
const Inst* pushed(const ir::Block& block) {
    const std::size_t count = block.insts.size();
    const bool is_call = count >= 2 && block.insts[count - 1].op == Op::jump
                         && block.insts[count - 2].op == Op::push_return;
    return is_call ? &block.insts[count - 2] : nullptr;
}

bool is_return(const Inst& inst) {
    return inst.op == Op::jump_indirect && inst.hint == ir::Hint::ret && inst.imm == 0;
}

class Calls {
public:
    explicit Calls(ir::Region& region)
        : region_(region)
        , call_of_(region.blocks.size()) {
        for (std::size_t number = 0; number < region.blocks.size(); ++number) {
            find(number);
        }
    }

    bool any() const { return !calls_.empty(); }

    void run() {
        for (;;) {
            settle();
            const auto crowded = std::ranges::find_if(returns_, [](const auto& list) {
                return list.size() > kMostReturns;
            });
            if (crowded == returns_.end()) {
                break;
            }
            calls_[crowded->back()].inside = false;
        }
        for (std::size_t number = 0; number < region_.blocks.size(); ++number) {
            compare(number);
        }
        for (const Call& call : calls_) {
            if (call.inside) {
                auto& insts = region_.blocks[call.block].insts;
                insts.back().hint = ir::Hint::none;
                insts.erase(insts.end() - 2);
            }
        }
    }

private:
    void find(std::size_t number) {
        const Inst* push = pushed(region_.blocks[number]);
        if (push == nullptr || !region_.blocks[number].insts.back().target.internal) {
            return;
        }
        for (std::size_t back = 0; back < region_.blocks.size(); ++back) {
            if (region_.blocks[back].offsets.front() == push->imm) {
                call_of_[number] = calls_.size();
                calls_.push_back({
                    .block = number,
                    .callee = region_.blocks[number].insts.back().target.block,
                    .back = back,
                    .offset = push->imm,
                });
                return;
            }
        }
    }

    /// Finds what calls may be inside: as many as can be, given those that may not.
    void settle() {
        for (bool changed = true; changed;) {
            changed = false;
            returns_.assign(region_.blocks.size(), {});
            for (std::size_t number = 0; number < calls_.size(); ++number) {
                if (calls_[number].inside && !stays_inside(number)) {
                    calls_[number].inside = false;
                    changed = true;
                }
            }
        }
    }

    /// Follows all ways through the called function; notes its returns.
    bool stays_inside(std::size_t call) {
        std::vector<bool> seen(region_.blocks.size(), false);
        std::vector<std::size_t> work{calls_[call].callee};
        while (!work.empty()) {
            const std::size_t block = work.back();
            work.pop_back();
            if (seen[block]) {
                continue;
            }
            seen[block] = true;
            if (!follow(block, work)) {
                return false;
            }
        }
        for (std::size_t block = 0; block < seen.size(); ++block) {
            if (seen[block] && is_return(region_.blocks[block].insts.back())) {
                returns_[block].push_back(call);
            }
        }
        return true;
    }

    /// Adds where a block goes on in its own function; false: it may leave the region other than by
    /// a return.
    bool follow(std::size_t number, std::vector<std::size_t>& work) const {
        const ir::Block& block = region_.blocks[number];
        for (const Inst& inst : block.insts) {
            switch (inst.op) {
            case Op::branch:
            case Op::jump:
                if (!inst.target.internal) {
                    return false;
                }
                work.push_back(inst.target.block);
                break;
            case Op::push_return:
                if (!call_of_[number] || !calls_[*call_of_[number]].inside) {
                    return false;
                }
                // What the other function does has been looked at for that call.
                work.push_back(calls_[*call_of_[number]].back);
                return true;
            case Op::system:
            case Op::leave:
                return false;
            case Op::jump_indirect:
                if (!is_return(inst)) {
                    return false;
                }
                break;
            default:
                break;
            }
        }
        return true;
    }

    /// Puts comparisons with the return addresses in front of a return.
    void compare(std::size_t number) {
        const std::vector<std::size_t>& calls = returns_[number];
        if (calls.empty()) {
            return;
        }
        auto& insts = region_.blocks[number].insts;
        Inst jump = insts.back();
        insts.pop_back();
        const std::int64_t first = calls_[calls.front()].offset;
        const ir::Var address = region_.next_temp++;
        insts.push_back({.op = Op::page_address, .dst = address, .index = jump.index, .imm = first}
        );
        const ir::Var distance = region_.next_temp++;
        insts.push_back(
            {.op = Op::sub, .dst = distance, .a = jump.a, .b = address, .index = jump.index}
        );
        for (const std::size_t n : calls) {
            const Call& call = calls_[n];
            const bool is_first = call.offset == first;
            insts.push_back({
                .op = Op::branch,
                .condition = ir::Condition::eq,
                .a = distance,
                .b = is_first ? ir::kZero : ir::kNone,
                .index = jump.index,
                .imm = call.offset - first,
                .target =
                    {
                        .internal = true,
                        .block = static_cast<std::uint16_t>(call.back),
                        .offset = call.offset,
                    },
            });
        }
        insts.push_back(jump);
    }

    ir::Region& region_;
    std::vector<Call> calls_;
    std::vector<std::optional<std::size_t>> call_of_;  ///< By block.
    std::vector<std::vector<std::size_t>> returns_;    ///< By block: the calls that it ends.
};

}  // namespace

void keep_calls_inside(ir::Region& region) {
    Calls calls(region);
    if (calls.any()) {
        calls.run();
    }
}

void remove_unreachable(ir::Region& region) {
    constexpr std::uint16_t kGone = 0xffff;
    std::vector<std::uint16_t> renamed(region.blocks.size(), kGone);
    std::vector<std::size_t> work{0};
    renamed[0] = 0;
    while (!work.empty()) {
        const std::size_t number = work.back();
        work.pop_back();
        for (const Inst& inst : region.blocks[number].insts) {
            const bool jumps = inst.op == Op::branch || inst.op == Op::jump;
            if (jumps && inst.target.internal && renamed[inst.target.block] == kGone) {
                renamed[inst.target.block] = 0;
                work.push_back(inst.target.block);
            }
        }
    }
    if (std::ranges::find(renamed, kGone) == renamed.end()) {
        return;
    }
    std::uint16_t next = 0;
    for (std::size_t number = 0; number < renamed.size(); ++number) {
        if (renamed[number] == kGone) {
            continue;
        }
        if (next != number) {
            region.blocks[next] = std::move(region.blocks[number]);
        }
        renamed[number] = next++;
    }
    region.blocks.resize(next);
    for (ir::Block& block : region.blocks) {
        for (Inst& inst : block.insts) {
            if (inst.target.internal) {
                inst.target.block = renamed[inst.target.block];
            }
        }
    }
}

}  // namespace vmm::dbt::opt
