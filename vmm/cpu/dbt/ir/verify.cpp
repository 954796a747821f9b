// SPDX-License-Identifier: Apache-2.0
#include "cpu/dbt/ir/verify.hpp"

#include "cpu/dbt/ir/print.hpp"
#include "cpu/dbt/ir/shape.hpp"

#include <cstdio>
#include <cstdlib>
#include <vector>

namespace vmm::dbt::ir {
namespace {

constexpr unsigned kPageBytes = 4096;
constexpr int kNoIndex = -1;

constexpr std::uint8_t kHighestRounding = 4;

bool is_atomic(Op op) {
    return op >= Op::load_reserved && op <= Op::amo_max_unsigned;
}

bool is_integer(Var var) {
    return var < kFirstFloat || is_temp(var);
}

class BlockCheck {
public:
    BlockCheck(const Region& region, const Block& block, std::vector<bool>& defined)
        : region_(region)
        , block_(block)
        , defined_(defined)
        , in_block_(defined.size(), false) {}

    /// Empty: nothing is wrong.
    std::string run() {
        if (const char* wrong = offsets()) {
            return wrong;
        }
        if (block_.insts.empty() || !ends_block(block_.insts.back())) {
            return "block does not end in a terminator";
        }
        for (const Inst& inst : block_.insts) {
            const char* wrong = one(inst);
            if (wrong == nullptr && ends_block(inst) && &inst != &block_.insts.back()) {
                wrong = "terminator in the middle of a block";
            }
            if (wrong != nullptr) {
                return print(inst) + ": " + wrong;
            }
        }
        return {};
    }

private:
    const char* offsets() const {
        if (block_.offsets.empty()) {
            return "block without offsets";
        }
        for (const std::uint16_t& offset : block_.offsets) {
            const bool last = &offset == &block_.offsets.back();
            if (offset % 2 != 0 || (offset >= kPageBytes && !(last && offset <= kPageBytes + 2))) {
                return "offset outside of the page";
            }
        }
        return nullptr;
    }

    const char* one(const Inst& inst) {
        for (const auto check :
             {&BlockCheck::index,
              &BlockCheck::operands,
              &BlockCheck::fields,
              &BlockCheck::probe,
              &BlockCheck::where}) {
            if (const char* wrong = (this->*check)(inst)) {
                return wrong;
            }
        }
        return reads_and_writes(inst);
    }

    const char* index(const Inst& inst) {
        const bool stands_for_nothing = inst.op == Op::jump || inst.op == Op::leave;
        if (inst.index < last_index_ || inst.index > block_.count()
            || (inst.index == block_.count() && !stands_for_nothing)) {
            return "index out of order";
        }
        last_index_ = inst.index;
        return nullptr;
    }

    static bool fits(Var var, Operand operand) {
        switch (operand) {
        case Operand::none:
            return var == kNone;
        case Operand::integer:
            return is_integer(var);
        case Operand::optional_integer:
            return var == kNone || is_integer(var);
        case Operand::floating:
            return is_float(var);
        case Operand::guest:
            return var == kNone || is_integer(var) || is_float(var);
        }
        return false;
    }

    // Not static: one of the checks that run() goes through.
    const char* operands(const Inst& inst) {
        const Shape& shape = shape_of(inst.op);
        if (!fits(inst.dst, shape.dst) || !fits(inst.a, shape.a) || !fits(inst.b, shape.b)) {
            return "operand of the wrong class";
        }
        const bool third_fits = inst.op == Op::float_op
                                    ? is_float(inst.c)
                                    : is_plain_access(inst.op) && is_temp(inst.c);
        if (inst.c != kNone && !third_fits) {
            return "third operand of the wrong class";
        }
        if (inst.dst == kZero) {
            return "x0 is written";
        }
        if (inst.op == Op::float_op && (inst.dst == kNone || inst.a == kNone)) {
            return "operand missing";
        }
        return nullptr;
    }

    const char* fields(const Inst& inst) {
        const Shape& shape = shape_of(inst.op);
        if (inst.word && !shape.has_word) {
            return "no such operation on words";
        }
        if (inst.op == Op::shift_add && (inst.scale < 1 || inst.scale > 3)) {
            return "scale out of range";
        }
        if (shape.kind == Kind::memory) {
            const bool is_power =
                inst.size == 1 || inst.size == 2 || inst.size == 4 || inst.size == 8;
            const bool wide_only =
                is_atomic(inst.op) || inst.op == Op::load_float || inst.op == Op::store_float;
            if (!is_power || (wide_only && inst.size < 4)) {
                return "size out of range";
            }
            if (is_atomic(inst.op) && inst.imm != 0) {
                return "atomic access with a displacement";
            }
        }
        if (inst.op == Op::float_op && (inst.rm > kHighestRounding || !region_.mode.float_on)) {
            return "illegal in this mode";
        }
        return nullptr;
    }

    /// Keeps the probes that accesses may name.
    const char* probe(const Inst& inst) {
        if (inst.op == Op::system) {
            probes_.clear();
        } else if (inst.op == Op::probe) {
            if (!is_temp(inst.dst) || inst.span == 0 || inst.span > kPageBytes) {
                return "probe out of range";
            }
            probes_.push_back(&inst);
        } else if (is_plain_access(inst.op) && inst.c != kNone) {
            for (const Inst* known : probes_) {
                if (known->dst == inst.c) {
                    const bool fits = inst.within + inst.size <= known->span
                                      && (known->store || !is_store(inst.op))
                                      && known->by_address == inst.by_address
                                      && !(inst.by_address && is_store(inst.op));
                    return fits ? nullptr : "access outside of its probe";
                }
            }
            return "access without its probe";
        }
        return nullptr;
    }

    const char* where(const Inst& inst) {
        if (inst.op != Op::branch && inst.op != Op::jump && inst.op != Op::leave) {
            return nullptr;
        }
        const Target& to = inst.target;
        if (to.internal) {
            if (inst.op == Op::leave) {
                return "leave to a block";
            }
            if (to.block >= region_.blocks.size()) {
                return "no such block";
            }
            const Block& block = region_.blocks[to.block];
            return block.offsets.empty() || block.offsets.front() == to.offset
                       ? nullptr
                       : "offset of another block";
        }
        return to.offset % 2 == 0 ? nullptr : "odd offset";
    }

    bool is_defined(Var var) const {
        return !is_temp(var) || (var < region_.next_temp && in_block_[var - kFirstTemp]);
    }

    const char* reads_and_writes(const Inst& inst) {
        if (!is_defined(inst.a) || !is_defined(inst.b) || !is_defined(inst.c)) {
            return "temporary read before it is defined";
        }
        if (may_fault(inst.op) && changed_at_ == inst.index) {
            return "may fault after a change by the same guest instruction";
        }
        const Kind kind = shape_of(inst.op).kind;
        const bool writes_guest = inst.dst != kNone && !is_temp(inst.dst);
        if (writes_guest || kind == Kind::memory || kind == Kind::state) {
            changed_at_ = inst.index;
        }
        if (is_temp(inst.dst)) {
            if (inst.dst >= region_.next_temp) {
                return "temporary beyond next_temp";
            }
            if (defined_[inst.dst - kFirstTemp]) {
                return "temporary defined twice";
            }
            defined_[inst.dst - kFirstTemp] = true;
            in_block_[inst.dst - kFirstTemp] = true;
        }
        return nullptr;
    }

    const Region& region_;
    const Block& block_;
    std::vector<bool>& defined_;  ///< In the whole region.
    std::vector<bool> in_block_;
    std::vector<const Inst*> probes_;  ///< Since the last `system`.
    std::uint16_t last_index_ = 0;
    int changed_at_ = kNoIndex;
};

}  // namespace

std::string verify(const Region& region) {
    if (region.blocks.empty()) {
        return "region without blocks";
    }
    std::vector<bool> defined(static_cast<std::size_t>(region.next_temp - kFirstTemp), false);
    for (std::size_t number = 0; number < region.blocks.size(); ++number) {
        const std::string wrong = BlockCheck(region, region.blocks[number], defined).run();
        if (!wrong.empty()) {
            return "block " + std::to_string(number) + ": " + wrong;
        }
    }
    return {};
}

void expect_valid([[maybe_unused]] const Region& region, [[maybe_unused]] std::string_view maker) {
#if COPS_ASSERTIONS
    const std::string wrong = verify(region);
    if (!wrong.empty()) {
        std::fprintf(
            stderr,
            "%.*s made an invalid region: %s\n%s",
            static_cast<int>(maker.size()),
            maker.data(),
            wrong.c_str(),
            print(region).c_str()
        );
        std::abort();
    }
#endif
}

}  // namespace vmm::dbt::ir
