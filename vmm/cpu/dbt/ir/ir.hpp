// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/riscv/decode.hpp"

#include <array>
#include <cstdint>
#include <vector>

/// The translator's intermediate representation: three-address code over the guest's own registers.
///
/// A Region is what is translated at once: blocks of one guest page that know each other. A Block
/// is entered at its top only, and left at its end or by the side exits on the way (an extended
/// basic block). Variables are the guest's registers and a few temporaries; guest registers live
/// over the whole region, so that a back end can keep them in host registers over loops, and
/// temporaries within one guest instruction (or what the optimiser made of several).
///
/// Nothing here depends on where a page is mapped: addresses are offsets from the page's start.
namespace vmm::dbt::ir {

/// 0..31: x registers (0 reads as zero and is never written); 32..63: f registers, raw 64 bits;
/// from kFirstTemp: temporaries, 64-bit integers each defined in one block and used there only.
/// Where the guest drops a result by naming x0, `dst` of a memory access is kNone (it still has all
/// its other effects), and that of a float_op is a temporary that nobody reads.
using Var = std::uint16_t;
inline constexpr Var kZero = 0;
inline constexpr Var kFirstFloat = 32;
inline constexpr Var kFirstTemp = 64;
inline constexpr Var kNone = 0xffff;

constexpr bool is_temp(Var v) {
    return v >= kFirstTemp && v != kNone;
}
constexpr bool is_float(Var v) {
    return v >= kFirstFloat && v < kFirstTemp;
}

enum class Op : std::uint8_t {
    // Integer: dst = a op b. `b` is kNone where the instruction says `imm` instead. With `word`,
    // operands are the low halves and the result is sign-extended from 32 bits; add, sub, shifts,
    // rotations, mul, the divisions and the counts have that form.
    mov,  ///< dst = a, or imm when a is kNone
    add,
    sub,
    bit_and,
    bit_or,
    bit_xor,
    and_not,  ///< a & ~b
    or_not,   ///< a | ~b
    xor_not,  ///< ~(a ^ b)
    shl,      ///< Shift amounts count modulo the operand's width.
    shr,
    sar,
    rotate_left,
    rotate_right,
    set_less,           ///< a < b, signed
    set_less_unsigned,  ///< a < b
    mul,
    mul_high,           ///< signed * signed
    mul_high_unsigned,  ///< unsigned * unsigned
    mul_high_mixed,     ///< signed a * unsigned b
    div,                ///< Division by zero and overflow as RISC-V has them, no trap.
    div_unsigned,
    rem,
    rem_unsigned,
    min,
    max,
    min_unsigned,
    max_unsigned,
    zero_if_zero,      ///< b == 0 ? 0 : a  (czero.eqz)
    zero_if_not_zero,  ///< b != 0 ? 0 : a  (czero.nez)
    bit_set,
    bit_clear,
    bit_invert,
    bit_extract,
    shift_add,  ///< (a << scale) + b
    // Integer, one operand: dst = op a.
    sign_extend_8,
    sign_extend_16,
    sign_extend_32,
    zero_extend_16,
    zero_extend_32,
    count_leading_zeros,   ///< The operand's width for 0.
    count_trailing_zeros,  ///< The operand's width for 0.
    count_ones,
    byte_swap,
    or_combine_bytes,  ///< orc.b
    page_address,      ///< dst = virtual address of the region's page + imm (auipc, link addresses)

    // Memory. Address: a + imm. Each may fault, or be a device.
    load,        ///< dst (x) = memory, extended as `sign` says
    store,       ///< memory = low bytes of b
    load_float,  ///< dst (f) = memory, NaN-boxed when size is 4
    store_float,
    load_reserved,      ///< Sign-extended; imm is 0, as for all atomics.
    store_conditional,  ///< dst = 0 when it stored b, else 1
    amo_swap,           ///< dst = memory (sign-extended); memory = memory op b; atomic
    amo_add,
    amo_and,
    amo_or,
    amo_xor,
    amo_min,
    amo_max,
    amo_min_unsigned,
    amo_max_unsigned,
    fence,  ///< imm: pred << 4 | succ, bits I O R W from 8 down to 1
    /// dst (a temporary) = where in the host's memory the `span` bytes at a + imm are, when they
    /// lie
    /// in one page of RAM that the TLB knows (as writable, if `store`). load, store, load_float and
    /// store_float that name it in `c` are then a host access at dst + `within`. When it fails,
    /// nothing is known, and all accesses up to the last that names dst have to find their bytes
    /// themselves, by a and imm: a back end has a second copy of those instructions for that. Never
    /// faults; no `system` stands between it and its accesses. With `by_address`, dst is what to
    /// add to a virtual address in those bytes, for loads whose place in them is not constant: a
    /// host access at a + imm + dst.
    probe,

    // Floating point: `guest` says which instruction; a, b, c, dst are its operands. `rm` is
    // resolved: never Rounding::dynamic. What raises flags raises them in the hart's fflags.
    float_op,
    /// sstatus.FS becomes dirty. Stands in the first guest instruction of a block that writes an f
    /// register or may raise a flag (behind a load_float, which may fault), and again in the first
    /// after a `system`, which may have changed FS.
    float_dirty,

    // Control. Side exit:
    branch,  ///< If `condition`(a, b), or with imm where b is kNone: to `target`.
    // Ends of a block:
    jump,           ///< To `target`.
    jump_indirect,  ///< To the virtual address a + imm with bit 0 cleared; see `hint`.
    /// The return address page + imm is likely to be jumped to when the function called next ends.
    push_return,
    /// The runtime executes the guest instruction `word_bits` on the hart's state, all of which it
    /// may read and write: CSRs, system instructions, illegal instructions (riscv::Op::illegal also
    /// for instructions that the mode makes illegal). It may go on after it (`falls_through`), or
    /// ends the block. What follows it in the guest is at offsets[index + 1].
    system,
    /// Ends a block that was cut off for its length, or stops for a debugger: leaves to
    /// `target` (not internal) through the runtime with `hint` saying why.
    leave,
};

enum class Condition : std::uint8_t { eq, ne, lt, ge, ltu, geu };

/// What kind of jump_indirect or leave this is.
enum class Hint : std::uint8_t {
    none,
    call,        ///< The link register is written: push_return comes before.
    ret,         ///< Likely to match the last push_return.
    poll,        ///< leave: as if the budget had run out.
    counted,     ///< leave: an instruction limit is reached.
    breakpoint,  ///< leave: a debugger wants to stop before this instruction.
};

/// Where a jump goes: a block of this region, or out of it.
struct Target {
    bool internal = false;
    std::uint16_t block = 0;  ///< When internal.
    /// Virtual address relative to the region's page; outside of 0..4095 it is another page's.
    std::int64_t offset = 0;
};

struct Inst {
    Op op{};
    std::uint8_t size = 8;   ///< Memory: bytes accessed, 1, 2, 4 or 8.
    std::uint8_t scale = 0;  ///< shift_add
    Condition condition{};
    Hint hint{};
    riscv::Op guest{};           ///< float_op and system: the guest instruction.
    std::uint8_t rm = 0;         ///< float_op: riscv::Rounding, resolved.
    bool word = false;           ///< 32-bit operation, result sign-extended.
    bool sign = false;           ///< load: sign-extend.
    bool aq = false;             ///< Atomics: acquire.
    bool rl = false;             ///< Atomics: release.
    bool falls_through = false;  ///< system: execution may go on behind it.
    bool store = false;          ///< probe: one of its accesses is a store.
    bool by_address = false;     ///< probe, and load with such a probe in c.
    Var dst = kNone;
    Var a = kNone;
    Var b = kNone;
    Var c = kNone;
    /// The guest instruction it belongs to, counted from the block's first: what a fault reports. A
    /// branch that is taken has retired index + 1 of the block. A jump or leave that no guest
    /// instruction stands for has the block's count.
    std::uint16_t index = 0;
    std::uint16_t span = 0;    ///< probe: how many bytes.
    std::uint16_t within = 0;  ///< Memory access with a probe in c: its offset in those bytes.
    std::int64_t imm = 0;
    Target target;
    std::uint32_t word_bits = 0;  ///< system: the instruction as fetched (16 bits when compressed).
};

struct Block {
    std::vector<Inst> insts;
    /// Page offset of each guest instruction in the order of execution, and last of what follows
    /// the last one in memory: count + 1 elements. Usually each follows the one before in memory;
    /// where the block goes on at the target of a jump, it does not. The last element may be 4096
    /// or more. A block may be empty (count 0) when a debugger stops before its first instruction.
    std::vector<std::uint16_t> offsets;

    unsigned count() const { return static_cast<unsigned>(offsets.size()) - 1; }
};

/// What a translation depends on besides the bytes. Part of a region's key.
struct Mode {
    bool float_on = false;  ///< sstatus.FS is not off.
    std::uint8_t frm = 0;   ///< fcsr.frm; 5..7 make instructions with a dynamic mode illegal.

    bool operator==(const Mode&) const = default;
};

struct Region {
    Mode mode;
    std::vector<Block> blocks;  ///< The first is the entry.
    Var next_temp = kFirstTemp;

    std::uint16_t entry_offset() const { return blocks.front().offsets.front(); }
};

}  // namespace vmm::dbt::ir
