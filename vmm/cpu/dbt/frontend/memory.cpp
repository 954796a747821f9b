// SPDX-License-Identifier: Apache-2.0
// Loads, stores and fences.
#include "cpu/dbt/frontend/translate.hpp"

namespace vmm::dbt::frontend {
namespace {

struct Access {
    std::uint8_t size = 0;  ///< 0: no such access.
    bool sign = false;
    bool store = false;
};

// clang-format off
constexpr Access access_of(riscv::Op op) {
    using enum riscv::Op;
    switch (op) {
    case lb:  return {.size = 1, .sign = true};
    case lh:  return {.size = 2, .sign = true};
    case lw:  return {.size = 4, .sign = true};
    case ld:  return {.size = 8};
    case lbu: return {.size = 1};
    case lhu: return {.size = 2};
    case lwu: return {.size = 4};
    case sb:  return {.size = 1, .store = true};
    case sh:  return {.size = 2, .store = true};
    case sw:  return {.size = 4, .store = true};
    case sd:  return {.size = 8, .store = true};
    default:  return {};
    }
}
constexpr Access float_access_of(riscv::Op op) {
    using enum riscv::Op;
    switch (op) {
    case flw: return {.size = 4};
    case fld: return {.size = 8};
    case fsw: return {.size = 4, .store = true};
    case fsd: return {.size = 8, .store = true};
    default:  return {};
    }
}
// clang-format on

constexpr ir::Var float_register(std::uint8_t number) {
    return static_cast<ir::Var>(ir::kFirstFloat + number);
}

}  // namespace

bool Translator::memory(const Guest& guest) {
    const riscv::Decoded& d = guest.decoded;
    if (d.op == riscv::Op::fence) {
        fence(d);
        return true;
    }
    const Access access = access_of(d.op);
    if (access.size == 0) {
        return false;
    }
    ir::Inst& inst = emit(access.store ? ir::Op::store : ir::Op::load);
    inst.size = access.size;
    inst.sign = access.sign;
    inst.a = d.rs1;
    inst.imm = d.imm;
    if (access.store) {
        inst.b = d.rs2;
    } else if (d.rd != 0) {
        inst.dst = d.rd;
    }
    return true;
}

bool Translator::float_memory(const Guest& guest) {
    const riscv::Decoded& d = guest.decoded;
    const Access access = float_access_of(d.op);
    if (access.size == 0) {
        return false;
    }
    ir::Inst& inst = emit(access.store ? ir::Op::store_float : ir::Op::load_float);
    inst.size = access.size;
    inst.a = d.rs1;
    inst.imm = d.imm;
    if (access.store) {
        inst.b = float_register(d.rs2);
    } else {
        inst.dst = float_register(d.rd);
        float_dirty();  // not when it faults
    }
    return true;
}

void Translator::fence(const riscv::Decoded& d) {
    constexpr std::int64_t kReadsWrites = 3;
    constexpr std::int64_t kTso = 8 << 8 | kReadsWrites << 4 | kReadsWrites;
    const auto append = [&](std::int64_t ordering) { emit(ir::Op::fence).imm = ordering; };
    const std::int64_t fields = d.imm & 0xfff;
    if (fields == kTso) {  // all but writes before reads
        append(2 << 4 | kReadsWrites);
        append(1 << 4 | 1);
        return;
    }
    // Reserved modes count as 0. Without a predecessor or successor set it is a hint (pause).
    const std::int64_t ordering = fields & 0xff;
    if ((ordering & 0xf0) != 0 && (ordering & 0xf) != 0) {
        append(ordering);
    }
}

}  // namespace vmm::dbt::frontend
