// SPDX-License-Identifier: Apache-2.0
// Vectors of loads, stores and atomics.
#include "instruction_vectors.hpp"

namespace cpu_test {
namespace {

constexpr u64 kMin = 0x8000'0000'0000'0000, kAll = ~u64{0};

// clang-format off
// The pattern's bytes from the lowest: 81 92 a3 b4 c5 d6 e7 f8.
constexpr LoadVector kLoads[] = {
    {Op::lb,  0, 0xffffffffffffff81},
    {Op::lb,  7, 0xfffffffffffffff8},
    {Op::lbu, 0, 0x81},
    {Op::lbu, 3, 0xb4},
    {Op::lh,  0, 0xffffffffffff9281},
    {Op::lh,  6, 0xfffffffffffff8e7},
    {Op::lhu, 2, 0xb4a3},
    {Op::lhu, 1, 0xa392},
    {Op::lw,  0, 0xffffffffb4a39281},
    {Op::lw,  4, 0xfffffffff8e7d6c5},
    {Op::lwu, 0, 0xb4a39281},
    {Op::lwu, 4, 0xf8e7d6c5},
    {Op::lwu, 3, 0xe7d6c5b4},
    {Op::ld,  0, kLoadPattern},
    {Op::flw, 0, sb(0xb4a39281)},
    {Op::flw, 4, sb(0xf8e7d6c5)},
    {Op::fld, 0, kLoadPattern},
};

constexpr StoreVector kStores[] = {
    {Op::sb,  0, kAll, 0xff},
    {Op::sb,  7, 0x1234, 0x3400000000000000},
    {Op::sh,  0, kAll, 0xffff},
    {Op::sh,  6, 0x12345678, 0x5678000000000000},
    {Op::sh,  3, 0x12345678, 0x5678000000},
    {Op::sw,  0, kAll, 0xffffffff},
    {Op::sw,  4, 0x123456789abcdef0, 0x9abcdef000000000},
    {Op::sd,  0, 0x123456789abcdef0, 0x123456789abcdef0},
    {Op::fsw, 0, sb(0x12345678), 0x12345678},
    {Op::fsw, 4, 0x123456789abcdef0, 0x9abcdef000000000},  // the bits, boxed or not
    {Op::fsd, 0, 0x7ff0000000000001, 0x7ff0000000000001},
};

constexpr u64 kUpper = 0x1122334400000000;  // stays as it is under the .w forms
constexpr AtomicVector kAtomics[] = {
    {Op::lr_w, kUpper | 0x80000001, 0, 0xffffffff80000001, kUpper | 0x80000001},
    {Op::lr_d, kMin + 5, 0, kMin + 5, kMin + 5},
    {Op::sc_w, kUpper | 7, 0xffffffff00000009, 0, kUpper | 9},
    {Op::sc_d, 7, kMin + 9, 0, kMin + 9},
    {Op::amoswap_w, kUpper | 0x80000000, 0xdead00000005, 0xffffffff80000000, kUpper | 5},
    {Op::amoadd_w, kUpper | 0xffffffff, 1, kAll, kUpper},
    {Op::amoadd_w, kUpper | 0x7fffffff, 2, 0x7fffffff, kUpper | 0x80000001},
    {Op::amoxor_w, kUpper | 0xff00ff00, 0x0ff00ff0, 0xffffffffff00ff00, kUpper | 0xf0f0f0f0},
    {Op::amoand_w, kUpper | 0xff00ff00, 0x0ff00ff0, 0xffffffffff00ff00, kUpper | 0x0f000f00},
    {Op::amoor_w,  kUpper | 0x00ff0000, 0x0000ff00, 0x00ff0000, kUpper | 0x00ffff00},
    {Op::amomin_w, kUpper | 0x80000000, 1, 0xffffffff80000000, kUpper | 0x80000000},
    {Op::amomin_w, kUpper | 1, 0x80000000, 1, kUpper | 0x80000000},
    {Op::amomin_w, kUpper | 1, 0x1'00000002, 1, kUpper | 1},
    {Op::amomax_w, kUpper | 0x80000000, 1, 0xffffffff80000000, kUpper | 1},
    {Op::amomax_w, kUpper | 1, 0x80000000, 1, kUpper | 1},
    {Op::amominu_w, kUpper | 0x80000000, 1, 0xffffffff80000000, kUpper | 1},
    {Op::amominu_w, kUpper | 1, 0x1'00000000, 1, kUpper},
    {Op::amomaxu_w, kUpper | 0x80000000, 1, 0xffffffff80000000, kUpper | 0x80000000},
    {Op::amomaxu_w, kUpper | 1, 0xffffffff80000000, 1, kUpper | 0x80000000},
    {Op::amoswap_d, kMin, 5, kMin, 5},
    {Op::amoadd_d, kAll, 1, kAll, 0},
    {Op::amoadd_d, 0xffffffff, 1, 0xffffffff, 0x100000000},
    {Op::amoxor_d, 0xff00, 0x0ff0, 0xff00, 0xf0f0},
    {Op::amoand_d, 0xff00, 0x0ff0, 0xff00, 0x0f00},
    {Op::amoor_d,  0xff00, 0x0ff0, 0xff00, 0xfff0},
    {Op::amomin_d, kMin, 1, kMin, kMin},
    {Op::amomin_d, 1, kMin, 1, kMin},
    {Op::amomax_d, kMin, 1, kMin, 1},
    {Op::amomax_d, 1, kMin, 1, 1},
    {Op::amominu_d, kMin, 1, kMin, 1},
    {Op::amominu_d, 1, kMin, 1, 1},
    {Op::amomaxu_d, kMin, 1, kMin, kMin},
    {Op::amomaxu_d, 1, kMin, 1, kMin},
};
// clang-format on

}  // namespace

std::span<const LoadVector> load_vectors() {
    return kLoads;
}
std::span<const StoreVector> store_vectors() {
    return kStores;
}
std::span<const AtomicVector> atomic_vectors() {
    return kAtomics;
}

}  // namespace cpu_test
