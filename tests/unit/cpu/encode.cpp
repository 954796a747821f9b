// SPDX-License-Identifier: Apache-2.0
// Instruction words from the table and operands, by the encoding chapters of the specification.
#include "instruction_vectors.hpp"
#include "riscv_assembler.hpp"

#include <cstddef>

namespace cpu_test {
namespace {

/// The immediate where the format has it; other fields are 0.
std::uint32_t immediate_fields(vmm::riscv::Format format, std::int64_t imm) {
    using rv::bits;
    using vmm::riscv::Format;
    switch (format) {
    case Format::i:
    case Format::fp_load:
    case Format::csr:
        return bits(imm, 11, 0) << 20;
    case Format::s:
    case Format::fp_store:
        return rv::s(0, 0, 0, 0, imm);
    case Format::b:
        return rv::b(0, 0, 0, imm);
    case Format::u:
        return bits(imm, 19, 0) << 12;
    case Format::j:
        return rv::jal(0, imm);
    case Format::shift5:
        return bits(imm, 4, 0) << 20;
    case Format::shift6:
        return bits(imm, 5, 0) << 20;
    default:
        return 0;
    }
}

}  // namespace

std::uint32_t encode(Op op, const Operands& operands) {
    using vmm::riscv::Format;
    const auto& info = vmm::riscv::instruction_table()[static_cast<std::size_t>(op) - 1];
    std::uint32_t fields = immediate_fields(info.format, operands.imm);
    const bool has_rd = info.format != Format::s && info.format != Format::fp_store
                        && info.format != Format::b && info.format != Format::none;
    if (has_rd) {
        fields |= operands.rd << 7;
    }
    switch (info.format) {
    case Format::none:
    case Format::u:
    case Format::j:
        break;
    case Format::fp_r4:
        fields |= operands.rs3 << 27;
        [[fallthrough]];
    case Format::fp_rm:
        fields |= operands.rm << 12;
        [[fallthrough]];
    case Format::r:
    case Format::s:
    case Format::b:
    case Format::fp_r:
    case Format::fp_store:
        fields |= operands.rs1 << 15 | operands.rs2 << 20;
        break;
    case Format::amo:
        fields |= operands.rs1 << 15 | operands.rs2 << 20 | operands.aqrl << 25;
        break;
    default:
        fields |= operands.rs1 << 15;
        break;
    }
    return info.match | (fields & ~info.mask);
}

}  // namespace cpu_test
