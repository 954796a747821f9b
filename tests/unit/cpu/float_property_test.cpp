// SPDX-License-Identifier: Apache-2.0
// Every floating-point instruction, in every rounding mode, on all combinations of special operands
// and on random ones, on every engine: result and flags are those that integer arithmetic finds.
#include "cpu/riscv/float_ops.hpp"
#include "float_operands.hpp"
#include "hart_fixture.hpp"

#include <bit>

using namespace rv;
using namespace float_operands;
using cpu_test::EngineTest;

namespace {

constexpr std::uint64_t kInputs = cpu_test::kRam + 0x100000;
constexpr std::uint64_t kOutputs = cpu_test::kRam + 0x400000;
constexpr std::size_t kMaxInputs = 0x300000 / 24;
constexpr unsigned kDynamic = 7;

struct Output {
    std::uint64_t value, flags;
    bool operator==(const Output&) const = default;
};

/// Which registers the instruction names: f numbers (x10 and up when they are x operands).
struct Registers {
    unsigned rd, rs1, rs2, rs3;
};

class FloatProperty : public EngineTest {
protected:
    /// Runs the instruction over `inputs`: one loop of guest code.
    std::vector<Output> run_all(
        const Instruction& instruction,
        const std::vector<Input>& inputs,
        unsigned rm,
        unsigned frm,
        const Registers& at,
        bool load_singles
    ) {
        EXPECT_LE(inputs.size(), kMaxInputs);
        put_bytes(kInputs, inputs.data(), inputs.size() * sizeof(Input));
        const Word load = load_singles ? 2 : 3;
        const auto fload = [&](unsigned f, std::int64_t offset) {
            return i(7, load, f, a0, offset);
        };
        Code code;
        code << kFenceI << csrrwi(0, 2, frm);
        const std::size_t head = code.words().size();
        code << fload(at.rs3, 16) << fload(at.rs2, 8)
             << (instruction.source == Kind::integer ? ld(a3, a0, 0) : fload(at.rs1, 0))
             << csrrwi(0, 1, 0)
             << instruction.word(
                    rm,
                    instruction.to_x ? unsigned{a4} : at.rd,
                    instruction.source == Kind::integer ? unsigned{a3} : at.rs1,
                    at.rs2,
                    at.rs3
                )
             << csrr(a5, 1) << (instruction.to_x ? sd(a4, a1, 0) : rv::s(0x27, 3, a1, at.rd, 0))
             << sd(a5, a1, 8) << addi(a0, a0, 24) << addi(a1, a1, 16) << addi(a2, a2, -1);
        const auto back =
            static_cast<std::int64_t>(head) - static_cast<std::int64_t>(code.words().size());
        code << bne(a2, 0, back * 4);
        state.pc = cpu_test::kRam + kPage * (runs_++ % 16);
        state.x[a0] = kInputs;
        state.x[a1] = kOutputs;
        state.x[a2] = inputs.size();
        run_code(code);
        EXPECT_EQ(x(a2), 0U);
        std::vector<Output> outputs(inputs.size());
        EXPECT_TRUE(memory->read(
            vmm::GuestPhys{kOutputs},
            {reinterpret_cast<std::byte*>(outputs.data()), outputs.size() * sizeof(Output)}
        ));
        return outputs;
    }

    struct Variant {
        unsigned rm, frm;
        Registers at{3, 1, 2, 4};
        bool load_singles = false;
    };

    void check(
        const Instruction& instruction, const std::vector<Input>& inputs, const Variant& variant
    ) {
        const auto found =
            run_all(instruction, inputs, variant.rm, variant.frm, variant.at, variant.load_singles);
        const auto rounding =
            static_cast<riscv::Rounding>(variant.rm == kDynamic ? variant.frm : variant.rm);
        const Registers& at = variant.at;
        for (std::size_t n = 0; n < inputs.size(); ++n) {
            // Registers are loaded from rs3 to rs1: a number that is there twice has the last
            // value.
            Input in = inputs[n];
            if (instruction.source != Kind::integer) {
                in.b = at.rs2 == at.rs1 ? in.a : in.b;
                in.c = at.rs3 == at.rs1 ? in.a : at.rs3 == at.rs2 ? in.b : in.c;
            }
            if (variant.load_singles && instruction.source != Kind::integer) {
                in = {in.a | kBox, in.b | kBox, in.c | kBox};
            }
            unsigned flags = 0;
            Output expected{};
            expected.value =
                riscv::execute_float(instruction.info.op, rounding, in.a, in.b, in.c, flags);
            expected.flags = flags;
            if (!(found[n] == expected)) {
                ADD_FAILURE() << instruction.info.mnemonic << " rm " << variant.rm << " frm "
                              << variant.frm << (variant.load_singles ? " flw" : "") << " f"
                              << at.rd << " f" << at.rs1 << " f" << at.rs2 << " f" << at.rs3
                              << std::hex << "\n  operands " << in.a << " " << in.b << " " << in.c
                              << "\n  expected " << expected.value << " flags " << expected.flags
                              << "\n  found    " << found[n].value << " flags " << found[n].flags;
                if (++failures_ > 20) {
                    FAIL() << "and so on";
                }
            }
        }
    }

    static constexpr Word kFenceI = 0x0000100f;
    static constexpr std::uint64_t kPage = 4096;
    unsigned runs_ = 0;
    int failures_ = 0;
};

}  // namespace

TEST_P(FloatProperty, all_special_operands_in_all_modes) {
    // F has 30 instructions on RV64 and D 32, loads and stores among them.
    EXPECT_EQ(float_instructions().size(), 58U);
    for (const Instruction& instruction : float_instructions()) {
        const auto inputs = inputs_for(instruction, true);
        for (unsigned mode = 0; mode < (instruction.rounds() ? kModes : 1); ++mode) {
            ASSERT_NO_FATAL_FAILURE(check(instruction, inputs, {.rm = kDynamic, .frm = mode}));
        }
    }
}

TEST_P(FloatProperty, modes_of_the_instruction_differ_from_the_dynamic_one) {
    for (const Instruction& instruction : float_instructions()) {
        const auto inputs = inputs_for(instruction, false);
        for (unsigned mode = 0; mode < (instruction.rounds() ? kModes : 0); ++mode) {
            for (unsigned frm = 0; frm < kModes; ++frm) {
                if (mode != frm && (instruction.operands < 3 || frm == 0)) {
                    ASSERT_NO_FATAL_FAILURE(check(instruction, inputs, {.rm = mode, .frm = frm}));
                }
            }
        }
    }
}

TEST_P(FloatProperty, any_of_the_registers_may_be_the_same) {
    constexpr Registers kSame[] = {
        {1, 1, 2, 4},
        {2, 1, 2, 4},
        {4, 1, 2, 4},
        {3, 1, 1, 4},
        {3, 1, 2, 1},
        {3, 1, 2, 2},
        {1, 1, 1, 4},
        {1, 1, 2, 1},
        {2, 1, 2, 2},
        {3, 1, 1, 1},
        {1, 1, 1, 1},
        {31, 17, 0, 9},
    };
    for (const Instruction& instruction : float_instructions()) {
        const auto inputs = inputs_for(instruction, false);
        for (const Registers& at : kSame) {
            ASSERT_NO_FATAL_FAILURE(check(instruction, inputs, {.rm = 0, .frm = 0, .at = at}));
            if (instruction.single) {
                ASSERT_NO_FATAL_FAILURE(
                    check(instruction, inputs, {.rm = 0, .frm = 0, .at = at, .load_singles = true})
                );
            }
        }
    }
}

/// Hot code may take for granted what it looked at once.
TEST_P(FloatProperty, singles_of_a_hot_loop_may_stop_being_boxed_before_it) {
    constexpr unsigned kAdd = 0x00, kMultiply = 0x08;
    const auto single = [](float value) { return kBox | std::bit_cast<std::uint32_t>(value); };
    const Code inner = {
        r(0x53, 0, kAdd, 3, 3, 1),
        r(0x53, 0, kMultiply, 4, 3, 9),
        addi(a2, a2, -1),
    };
    Code code;
    code << li(a2, 5) << inner << bne(a2, 0, -inner.size()) << addi(a3, a3, -1);
    code << bne(a3, 0, -code.size());
    constexpr std::uint64_t kNan = kBox | 0x7fc00000;
    const std::uint64_t not_boxed = std::bit_cast<std::uint64_t>(1.0);
    struct {
        std::uint64_t f1, f3, f9, sum, product;
    } const turns[] = {
        {single(1), single(0), single(0.5F), single(2500), single(1250)},
        {single(1), single(0), not_boxed, single(2500), kNan},
        {single(2), single(0), single(0.5F), single(5000), single(2500)},
        {not_boxed, single(0), single(1), kNan, kNan},
        {single(1), not_boxed, single(1), kNan, kNan},
        {single(1), single(0), single(0.5F), single(2500), single(1250)},
    };
    for (const auto& turn : turns) {
        state.pc = cpu_test::kRam;
        state.fcsr = 0;
        state.x[a3] = 500;
        state.f[1] = turn.f1;
        state.f[3] = turn.f3;
        state.f[9] = turn.f9;
        run_code(code);
        EXPECT_EQ(state.f[3], turn.sum);
        EXPECT_EQ(state.f[4], turn.product);
        EXPECT_EQ(state.f[1], turn.f1);
        EXPECT_EQ(state.f[9], turn.f9);
        EXPECT_EQ(state.fcsr, 0U);
    }
}

/// A NaN whose bits nobody sees need not be canonical, until somebody sees it.
TEST_P(FloatProperty, nan_results_of_hot_loops_are_canonical_wherever_they_are_seen) {
    constexpr unsigned kAdd = 0x01, kMultiply = 0x09;
    constexpr std::uint64_t kNan = 0x7ff8000000000000, kPayload = 0xfff8000000000123;
    constexpr std::uint64_t kFault = cpu_test::kRam + cpu_test::kRamBytes;
    const auto load = [](unsigned f, std::int64_t offset) { return i(7, 3, f, a0, offset); };
    const Code inner = {
        load(1, 0),
        load(2, 8),
        r(0x53, 0, kMultiply, 5, 1, 2),
        r(0x53, 0, kAdd, 3, 3, 5),
        r(0x53, 0, kMultiply, 6, 1, 1),
        load(5, 16),
        r(0x53, 0, kAdd, 3, 3, 5),
        ld(a4, a1, 0),  // faults in the last turn: f6 is seen as the last product
        r(0x53, 0, kAdd, 6, 3, 2),
        add(a1, a1, a5),
        addi(a2, a2, -1),
    };
    Code code;
    code << li(a2, 5) << inner << bne(a2, 0, -inner.size()) << addi(a3, a3, -1);
    code << bne(a3, 0, -code.size());
    const std::uint64_t numbers[] = {kPayload, std::bit_cast<std::uint64_t>(1.0), 0};
    put_bytes(kInputs, numbers, sizeof numbers);
    for (const bool faults : {false, true, false, true}) {
        state.pc = cpu_test::kRam;
        state.x[a0] = kInputs;
        state.x[a1] = faults ? kFault - 8 * 2000 : kOutputs;
        state.x[a5] = faults ? 8 : 0;
        state.x[a3] = 500;
        state.f[3] = 0;
        state.scause = 0;
        run_code(code);
        EXPECT_EQ(state.scause, faults ? 5U : 0U);
        EXPECT_EQ(state.f[3], kNan);
        EXPECT_EQ(state.f[6], kNan);
        EXPECT_EQ(state.f[1], kPayload);
        EXPECT_EQ(state.f[5], 0U);
    }
}

COPS_ON_EVERY_ENGINE(FloatProperty);
