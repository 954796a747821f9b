// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/dbt/ir/ir.hpp"
#include "cpu/riscv/decode.hpp"

#include <cstdint>

/// One guest instruction at a time.
namespace vmm::dbt::frontend {

/// A fetched and decoded instruction.
struct Guest {
    riscv::Decoded decoded;
    std::uint32_t word_bits = 0;  ///< As fetched: 16 bits when compressed.
    std::uint16_t offset = 0;     ///< In its page.
    std::uint8_t length = 0;      ///< 2 or 4

    /// Page offset of the instruction behind it.
    unsigned next() const { return unsigned{offset} + length; }
    /// Where it goes, when it is a branch or jal: relative to the page.
    std::int64_t target() const { return std::int64_t{offset} + decoded.imm; }
};

/// Whether nothing of the block follows behind the instruction, in `mode`.
bool ends_block(const Guest& guest, const ir::Mode& mode);

/// Whether the instruction is illegal in `mode` though it exists.
bool is_illegal_in(const riscv::Decoded& decoded, const ir::Mode& mode);

/// Appends guest instructions to a block.
class Translator {
public:
    Translator(ir::Region& region, ir::Block& block)
        : region_(region)
        , block_(block) {}

    /// Appends everything that `guest` does, jumps excepted, whose targets are `target`.
    void append(const Guest& guest, const ir::Target& target);
    /// Ends the block without a guest instruction.
    void jump(const ir::Target& target);
    void leave(std::int64_t offset, ir::Hint hint);

private:
    /// What instructions of one kind share, in files of their own; false: it is another kind.
    bool integer(const Guest& guest);
    bool memory(const Guest& guest);
    bool atomic(const Guest& guest);
    bool float_memory(const Guest& guest);
    bool float_operation(const Guest& guest);
    bool control(const Guest& guest, const ir::Target& target);
    void link(const Guest& guest);
    void indirect(const Guest& guest);
    void fence(const riscv::Decoded& decoded);
    void system(const Guest& guest);

    ir::Inst& emit(ir::Op op);
    ir::Var temporary() { return region_.next_temp++; }
    void float_dirty();

    ir::Region& region_;
    ir::Block& block_;
    std::uint16_t index_ = 0;
    bool is_float_dirty_ = false;
};

}  // namespace vmm::dbt::frontend
