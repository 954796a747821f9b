// SPDX-License-Identifier: Apache-2.0
// The F and D extensions, loads and stores excepted.
#include "cpu/dbt/frontend/translate.hpp"
#include "cpu/riscv/encoding.hpp"

#include <algorithm>

namespace vmm::dbt::frontend {
namespace {

using riscv::Format;
using riscv::Rounding;

/// Where an instruction's operands are, beyond what its format says.
struct Form {
    bool writes_x = false;
    bool reads_x = false;  ///< rs1
    bool unary = false;
    bool keeps_state = false;  ///< Writes no f register and raises no flag.
};

// clang-format off
constexpr Form form_of(riscv::Op op) {
    using enum riscv::Op;
    switch (op) {
    case fsqrt_s: case fsqrt_d: case fcvt_s_d: case fcvt_d_s:
        return {.unary = true};
    case feq_s: case flt_s: case fle_s: case feq_d: case flt_d: case fle_d:
        return {.writes_x = true};
    case fcvt_w_s: case fcvt_wu_s: case fcvt_l_s: case fcvt_lu_s:
    case fcvt_w_d: case fcvt_wu_d: case fcvt_l_d: case fcvt_lu_d:
        return {.writes_x = true, .unary = true};
    case fclass_s: case fclass_d: case fmv_x_w: case fmv_x_d:
        return {.writes_x = true, .unary = true, .keeps_state = true};
    case fcvt_s_w: case fcvt_s_wu: case fcvt_s_l: case fcvt_s_lu:
    case fcvt_d_w: case fcvt_d_wu: case fcvt_d_l: case fcvt_d_lu:
    case fmv_w_x: case fmv_d_x:
        return {.reads_x = true, .unary = true};
    default:
        return {};
    }
}
// clang-format on

constexpr ir::Var float_register(std::uint8_t number) {
    return static_cast<ir::Var>(ir::kFirstFloat + number);
}

Format format_of(riscv::Op op) {
    return riscv::instruction_table()[static_cast<std::size_t>(op) - 1].format;
}

constexpr bool rounds(Format format) {
    return format == Format::fp_rm || format == Format::fp_r4;
}

constexpr bool is_float(Format format) {
    return format == Format::fp_r || format == Format::fp_load || format == Format::fp_store
           || rounds(format);
}

std::uint8_t resolve(std::uint8_t field, const ir::Mode& mode) {
    return field == static_cast<std::uint8_t>(Rounding::dynamic) ? mode.frm : field;
}

}  // namespace

bool is_illegal_in(const riscv::Decoded& d, const ir::Mode& mode) {
    if (d.op == riscv::Op::illegal) {
        return true;
    }
    const Format format = format_of(d.op);
    if (!is_float(format)) {
        return false;
    }
    return !mode.float_on
           || (rounds(format)
               && resolve(d.rm, mode) > static_cast<std::uint8_t>(Rounding::nearest_away));
}

bool Translator::float_operation(const Guest& guest) {
    const riscv::Decoded& d = guest.decoded;
    const Format format = format_of(d.op);
    if (format != Format::fp_r && !rounds(format)) {
        return false;
    }
    const Form form = form_of(d.op);
    if (!form.keeps_state) {
        float_dirty();
    }
    ir::Inst& inst = emit(ir::Op::float_op);
    inst.guest = d.op;
    inst.rm = rounds(format) ? resolve(d.rm, region_.mode) : std::uint8_t{0};
    inst.a = form.reads_x ? ir::Var{d.rs1} : float_register(d.rs1);
    if (!form.unary) {
        inst.b = float_register(d.rs2);
    }
    if (format == Format::fp_r4) {
        inst.c = float_register(d.rs3);
    }
    if (!form.writes_x) {
        inst.dst = float_register(d.rd);
    } else {
        inst.dst = d.rd != 0 ? ir::Var{d.rd} : temporary();
    }
    return true;
}

void Translator::float_dirty() {
    if (!is_float_dirty_) {
        is_float_dirty_ = true;
        emit(ir::Op::float_dirty);
    }
}

}  // namespace vmm::dbt::frontend
