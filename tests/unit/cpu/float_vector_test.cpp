// SPDX-License-Identifier: Apache-2.0
// Every floating-point instruction by its vectors, on every engine.
#include "hart_fixture.hpp"
#include "instruction_vectors.hpp"

#include <array>

using namespace rv;
using namespace cpu_test;
using vmm::riscv::instruction_table;
using vmm::riscv::InstructionInfo;
using vmm::riscv::RegisterKind;

namespace {

constexpr unsigned kDynamic = 7;
constexpr u64 kNanBoxed = kBoxed | 0x7fc00000;

const InstructionInfo& info_of(Op op) {
    return instruction_table()[static_cast<std::size_t>(op) - 1];
}

bool rounds(Op op) {
    const auto format = info_of(op).format;
    return format == vmm::riscv::Format::fp_rm || format == vmm::riscv::Format::fp_r4;
}

class FloatVector : public EngineTest {
protected:
    struct Values {
        u64 a, b, c;
    };
    struct Result {
        u64 value;
        unsigned flags;
        bool operator==(const Result&) const = default;
    };
    struct Registers {
        unsigned rd, rs1, rs2, rs3;
    };
    static constexpr Registers kApart = {3, 1, 2, 4};

    /// Executes one instruction. Flags begin as `before`; only those that it adds are returned.
    Result execute(
        Op op,
        const Values& v,
        unsigned rm,
        unsigned frm,
        Registers at = kApart,
        unsigned before = 0
    ) {
        state = {};
        state.pc = kRam;
        state.stvec = kRam + 0x10000;
        state.sstatus = 3 << 13;
        state.fcsr = frm << 5 | before;
        const auto kinds = vmm::riscv::register_operands(op);
        state.f[at.rs3] = v.c;
        state.f[at.rs2] = v.b;
        (kinds.rs1 == RegisterKind::x ? state.x : state.f)[at.rs1] = v.a;
        run_code({encode(op, {.rd = at.rd, .rs1 = at.rs1, .rs2 = at.rs2, .rs3 = at.rs3, .rm = rm})}
        );
        const auto& file = kinds.rd == RegisterKind::x ? state.x : state.f;
        EXPECT_EQ(state.fcsr & before, before);
        return {file[at.rd], static_cast<unsigned>(state.fcsr & 31 & ~before)};
    }

    void check(Op op, const Values& v, unsigned rm, const Result& expected) {
        const auto compare = [&](const Result& found, const char* how) {
            EXPECT_TRUE(found == expected)
                << info_of(op).mnemonic << " mode " << rm << " (" << how << ")" << std::hex
                << "\n  operands " << v.a << " " << v.b << " " << v.c << "\n  expected "
                << expected.value << " flags " << expected.flags << "\n  found    " << found.value
                << " flags " << found.flags;
        };
        if (!rounds(op)) {
            compare(execute(op, v, 0, 2), "no mode");
        } else {
            // The instruction's own mode under another one in frm, and frm's.
            compare(execute(op, v, rm, (rm + 1) % 5), "static");
            compare(execute(op, v, kDynamic, rm), "dynamic");
        }
        const auto kinds = vmm::riscv::register_operands(op);
        if (kinds.rd == RegisterKind::f && kinds.rs1 == RegisterKind::f) {
            compare(execute(op, v, rm, rm, {1, 1, 2, 4}), "rd is rs1");
        }
        if (kinds.rd == RegisterKind::f && kinds.rs2 == RegisterKind::f) {
            compare(execute(op, v, rm, rm, {2, 1, 2, 4}), "rd is rs2");
        }
        if (kinds.rs3 == RegisterKind::f) {
            compare(execute(op, v, rm, rm, {4, 1, 2, 4}), "rd is rs3");
        }
        if (kinds.rs2 == RegisterKind::f && v.a == v.b) {
            compare(execute(op, v, rm, rm, {3, 1, 1, 4}), "rs1 is rs2");
        }
    }
};

COPS_ON_EVERY_ENGINE(FloatVector);

}  // namespace

TEST_P(FloatVector, inf_times_zero_plus_quiet_nan_raises_invalid) {
    // Section "F": even when the addend is a quiet NaN.
    constexpr unsigned kInvalid = 16;
    const auto d = special_double;
    const auto s = special_single;
    using enum Special;
    for (const Op op : {Op::fmadd_d, Op::fmsub_d, Op::fnmsub_d, Op::fnmadd_d}) {
        for (const unsigned rm : {0U, 1U, 2U, 3U, 4U}) {
            for (const Special addend : {nan, fat_nan}) {
                check(op, {d(inf), d(zero), d(addend)}, rm, {d(nan), kInvalid});
                check(op, {d(neg_zero), d(neg_inf), d(addend)}, rm, {d(nan), kInvalid});
                check(op, {d(one), d(one), d(addend)}, rm, {d(nan), 0});
            }
        }
    }
    for (const Op op : {Op::fmadd_s, Op::fmsub_s, Op::fnmsub_s, Op::fnmadd_s}) {
        for (const unsigned rm : {0U, 1U, 2U, 3U, 4U}) {
            for (const Special addend : {nan, fat_nan}) {
                check(op, {s(inf), s(zero), s(addend)}, rm, {s(nan), kInvalid});
                check(op, {s(neg_zero), s(neg_inf), s(addend)}, rm, {s(nan), kInvalid});
            }
            // A double in place of the single is a quiet NaN too.
            check(op, {s(inf), s(zero), d(one)}, rm, {s(nan), kInvalid});
        }
    }
}

TEST_P(FloatVector, rounding_modes) {
    for (const RoundingVector& v : rounding_vectors()) {
        for (unsigned rm = 0; rm < 5; ++rm) {
            check(v.op, {v.a, v.b, v.c}, rm, {v.expected[rm], v.flags[rm]});
        }
    }
}

TEST_P(FloatVector, conversions_moves_and_signs) {
    for (const OneModeVector& v : one_mode_vectors()) {
        check(v.op, {v.a, v.b, v.c}, v.rm, {v.expected, v.flags});
    }
}

TEST_P(FloatVector, special_values) {
    const auto d = special_double;
    const auto s = special_single;
    for (const SpecialVector& v : special_vectors()) {
        check(v.on_doubles, {d(v.a), d(v.b), d(v.c)}, 0, {d(v.expected), v.flags});
        check(v.on_singles, {s(v.a), s(v.b), s(v.c)}, 0, {s(v.expected), v.flags});
    }
    for (const SpecialTest& v : special_tests()) {
        check(v.on_doubles, {d(v.a), d(v.b), 0}, 0, {v.expected, v.flags});
        check(v.on_singles, {s(v.a), s(v.b), 0}, 0, {v.expected, v.flags});
    }
}

TEST_P(FloatVector, a_single_that_is_not_boxed_is_the_canonical_nan) {
    // Whatever reads a single as a number; moves and stores take the bits as they are.
    static constexpr u64 kUnboxed[] = {
        0x3f800000, 0x3ff0000000000000, 0xfffffffe3f800000, 0x7fffffff3f800000, 0, ~u64{1} << 31
    };
    const u64 one = special_single(Special::one);
    unsigned tried = 0;
    for (const InstructionInfo& info : instruction_table()) {
        const auto kinds = vmm::riscv::register_operands(info.op);
        const bool single_source = info.mnemonic.ends_with(".s") && kinds.rs1 == RegisterKind::f
                                   && info.op != Op::fmv_x_w && info.op != Op::fcvt_s_d;
        if (!single_source) {
            continue;
        }
        for (const u64 bad : kUnboxed) {
            if (bad >> 32 == 0xffffffff) {
                continue;
            }
            const auto same = [&](const Values& with, const Values& as) {
                EXPECT_EQ(execute(info.op, with, 0, 0), execute(info.op, as, 0, 0))
                    << info.mnemonic << std::hex << " " << bad;
            };
            same({bad, one, one}, {kNanBoxed, one, one});
            if (kinds.rs2 == RegisterKind::f) {
                same({one, bad, one}, {one, kNanBoxed, one});
            }
            if (kinds.rs3 == RegisterKind::f) {
                same({one, one, bad}, {one, one, kNanBoxed});
            }
        }
        ++tried;
    }
    EXPECT_EQ(tried, 23U) << "instructions that read singles";
}

TEST_P(FloatVector, flags_that_are_set_stay_set) {
    for (const RoundingVector& v : rounding_vectors()) {
        const unsigned others = 31 & ~v.flags[0];
        const Result found = execute(v.op, {v.a, v.b, v.c}, 0, 0, kApart, others);
        EXPECT_EQ(found, (Result{v.expected[0], v.flags[0]})) << info_of(v.op).mnemonic;
    }
}

TEST_P(FloatVector, reserved_rounding_modes_are_illegal) {
    for (const InstructionInfo& info : instruction_table()) {
        if (!rounds(info.op)) {
            continue;
        }
        const auto cause = [&](unsigned rm, unsigned frm) {
            state = {};
            state.pc = kRam;
            state.stvec = kRam + 0x10000;
            state.sstatus = 3 << 13;
            state.fcsr = frm << 5;
            put(kRam,
                {encode(info.op, {.rd = 3, .rs1 = 1, .rs2 = 2, .rs3 = 4, .rm = rm}), kEbreak});
            EXPECT_EQ(run(), vmm::ExitKind::ended);
            return state.scause;
        };
        for (const unsigned reserved : {5U, 6U}) {
            EXPECT_EQ(cause(reserved, 0), 2U) << info.mnemonic << " " << reserved;
            EXPECT_EQ(cause(kDynamic, reserved), 2U) << info.mnemonic << " frm " << reserved;
        }
        EXPECT_EQ(cause(kDynamic, 7), 2U) << info.mnemonic << " frm 7";
        EXPECT_EQ(cause(0, 7), 3U) << info.mnemonic << ": frm does not matter to a static mode";
    }
}
