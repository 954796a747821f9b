// SPDX-License-Identifier: Apache-2.0
#include "cpu/interp/translate.hpp"

#include "cpu/interp/block_cache.hpp"
#include "cpu/interp/fuse.hpp"
#include "cpu/interp/ops.hpp"
#include "cpu/riscv/decode.hpp"

#include <algorithm>
#include <array>

namespace vmm::interp {
namespace {

using riscv::Decoded;
using riscv::Op;

constexpr std::array kHandlers = {
    Handler{op_illegal},
#define X(name, mnemonic, format, mask, match) Handler{op_##name},
#include "cpu/riscv/instructions.inc"
#undef X
};

/// Whether nothing follows in the block: the instruction always jumps or changes how code is found.
bool ends_block(Op op) {
    switch (op) {
    case Op::illegal:
    case Op::jal:
    case Op::jalr:
    case Op::ecall:
    case Op::ebreak:
    case Op::sret:
    case Op::uret:
    case Op::wfi:
    case Op::sfence_vma:
    case Op::sinval_vma:
    case Op::fence_i:
        return true;
    default:
        return false;
    }
}

Handler far_form(Op op) {
    switch (op) {
    case Op::beq:
        return op_beq_far;
    case Op::bne:
        return op_bne_far;
    case Op::blt:
        return op_blt_far;
    case Op::bge:
        return op_bge_far;
    case Op::bltu:
        return op_bltu_far;
    case Op::bgeu:
        return op_bgeu_far;
    default:
        return op_jal_far;
    }
}

/// Integer computation whose only effect is rd.
bool is_pure(Op op) {
    return op == Op::lui || op == Op::auipc || (op >= Op::addi && op <= Op::sraw)
           || (op >= Op::mul && op <= Op::czero_nez);
}

class Translator {
public:
    Translator(Block& block, const BlockLimits& limits)
        : block_(block)
        , limits_(limits)
        , page_(*block.page)
        , out_(first_insn(&block))
        , offset_(block.offset) {}

    std::size_t whole_block() {
        while (count_ < limits_.instructions && offset_ < kPageSize) {
            if (stops_here()) {
                return stop();
            }
            const std::uint16_t low = page_.half(offset_);
            const unsigned length = riscv::instruction_length(low);
            if (length == 2) {
                if (one(riscv::decode(riscv::expand_compressed(low)), 2)) {
                    return finish();
                }
            } else {
                if (offset_ + 4 > kPageSize) {
                    break;  // a block of its own, see BlockCache::crossing_block
                }
                const std::uint32_t word = low | std::uint32_t{page_.half(offset_ + 2)} << 16;
                if (one(riscv::decode(word), 4)) {
                    return finish();
                }
            }
        }
        return fall_through();
    }

    std::size_t crossing() {
        if (stops_here()) {
            return stop();
        }
        return one(riscv::decode(block_.word), 4) ? finish() : fall_through();
    }

private:
    bool near(std::int64_t target) const { return target >= 0 && target < std::int64_t{kPageSize}; }

    bool stops_here() const {
        return !limits_.stops.empty()
               && std::ranges::binary_search(limits_.stops, static_cast<std::uint16_t>(offset_));
    }

    std::size_t stop() {
        out_[count_] = {
            .run = op_breakpoint,
            .imm = 0,
            .rd = 0,
            .rs1 = 0,
            .rs2 = 0,
            .index = static_cast<std::uint8_t>(count_),
        };
        finish();
        return count_ + 1;
    }

    std::size_t finish() {
        block_.count = static_cast<std::uint16_t>(count_);
        return count_;
    }

    std::size_t fall_through() {
        const bool is_near = near(offset_);
        out_[count_] = {
            .run = is_near ? op_end_near : op_end_far,
            .imm = static_cast<std::int32_t>(offset_),
            .rd = 0,
            .rs1 = 0,
            .rs2 = 0,
            .index = static_cast<std::uint8_t>(count_),
        };
        finish();
        return count_ + 1;
    }

    /// Appends one instruction; true when the block ends with it.
    bool one(const Decoded& d, unsigned length) {
        Insn& insn = out_[count_];
        insn = {
            .run = kHandlers[static_cast<std::size_t>(d.op)],
            .imm = d.imm,
            .rd = d.rd,
            .rs1 = d.rs1,
            .rs2 = d.rs2,
            .index = static_cast<std::uint8_t>(count_),
        };
        specialise(insn, d, length);
        offset_ += length;
        ++count_;
        return ends_block(d.op);
    }

    void specialise(Insn& insn, const Decoded& d, unsigned length) {
        if (d.op == Op::illegal) {
            return;
        }
        const riscv::Format format =
            riscv::instruction_table()[static_cast<std::size_t>(d.op) - 1].format;
        if (d.rd == 0 && riscv::register_operands(d.op).rd == riscv::RegisterKind::x) {
            insn.rd = kSink;
            if (is_pure(d.op)) {
                insn.run = op_nop;
                return;
            }
        }
        const auto here = static_cast<std::int64_t>(offset_);
        switch (format) {
        case riscv::Format::b:
        case riscv::Format::j: {
            const std::int64_t target = here + d.imm;
            insn.imm = static_cast<std::int32_t>(target);
            if (!near(target)) {
                insn.run = far_form(d.op);
            }
            if (d.op == Op::jal) {
                const std::uint64_t link = offset_ + length;
                insn.rs1 = static_cast<std::uint8_t>(link);
                insn.rs2 = static_cast<std::uint8_t>(link >> 8);
            }
            break;
        }
        case riscv::Format::fp_r4:
        case riscv::Format::fp_rm:
            insn.imm = d.rm | d.rs3 << 3;
            break;
        case riscv::Format::amo:
            insn.imm = (d.rl ? 1 : 0) | (d.aq ? 2 : 0);
            break;
        default:
            break;
        }
        switch (d.op) {
        case Op::auipc:
            insn.imm = static_cast<std::int32_t>(here + d.imm);
            break;
        case Op::jalr:
            insn.imm = pack_jalr(d.imm, static_cast<std::uint32_t>(offset_ + length));
            break;
        case Op::addi:
            if (d.rs1 == 0) {
                insn.run = op_li;
            } else if (d.imm == 0) {
                insn.run = op_mv;
            }
            break;
        case Op::add:
            if (d.rs1 == 0) {
                insn.rs1 = d.rs2;
                insn.run = op_mv;
            } else if (d.rs2 == 0) {
                insn.run = op_mv;
            }
            break;
        default:
            break;
        }
    }

    Block& block_;
    const BlockLimits& limits_;
    CodePage& page_;
    Insn* out_;
    unsigned offset_;
    std::size_t count_ = 0;
};

}  // namespace

std::size_t translate_block(Block& block, const BlockLimits& limits) {
    const std::size_t insns = Translator(block, limits).whole_block();
    fuse_block(first_insn(&block), block.count);
    return insns;
}

std::size_t translate_crossing(Block& block, const BlockLimits& limits) {
    return Translator(block, limits).crossing();
}

}  // namespace vmm::interp
