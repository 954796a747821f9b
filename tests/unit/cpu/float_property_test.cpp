// SPDX-License-Identifier: Apache-2.0
// Every floating-point instruction, in every rounding mode, on all combinations of special operands
// and on random ones, on every engine: result and flags are those that integer arithmetic finds.
#include "cpu/riscv/float_ops.hpp"
#include "hart_fixture.hpp"

#include <bit>
#include <cmath>
#include <random>

using namespace rv;
using cpu_test::EngineTest;
namespace riscv = vmm::riscv;

namespace {

constexpr std::uint64_t kBox = 0xffffffff00000000;
constexpr std::uint64_t kSign = std::uint64_t{1} << 63;
constexpr std::uint64_t kInputs = cpu_test::kRam + 0x100000;
constexpr std::uint64_t kOutputs = cpu_test::kRam + 0x400000;
constexpr std::size_t kMaxInputs = 0x300000 / 24;
constexpr unsigned kModes = 5;
constexpr unsigned kDynamic = 7;

struct Input {
    std::uint64_t a, b, c;
};
struct Output {
    std::uint64_t value, flags;
    bool operator==(const Output&) const = default;
};

enum class Kind : std::uint8_t { single, wide, integer };

/// An instruction of the table with what its encoding says about its operands.
struct Instruction {
    riscv::InstructionInfo info;
    Kind source;
    bool to_x;
    bool single;  ///< Some operand or the result is a single.
    unsigned operands;

    bool rounds() const { return info.format != riscv::Format::fp_r; }
    Word word(unsigned rm, unsigned rd, unsigned rs1, unsigned rs2, unsigned rs3) const {
        Word word = info.match | rd << 7 | rs1 << 15;
        word |= rounds() ? rm << 12 : 0;
        word |= operands > 1 ? rs2 << 20 : 0;
        word |= operands > 2 ? rs3 << 27 : 0;
        return word;
    }
};

std::vector<Instruction> float_instructions() {
    std::vector<Instruction> found;
    for (const riscv::InstructionInfo& info : riscv::instruction_table()) {
        using riscv::Format;
        if (info.format != Format::fp_r && info.format != Format::fp_rm
            && info.format != Format::fp_r4) {
            continue;
        }
        const bool fused = info.format == Format::fp_r4;
        const unsigned f7 = fused ? 0 : info.match >> 25;
        const bool from_x = f7 >> 1 == 0x34 || f7 >> 1 == 0x3c;
        const bool narrows = f7 == 0x20;
        const bool is_double = fused ? (info.match >> 25 & 1) != 0 : (f7 & 1) != 0;
        found.push_back({
            .info = info,
            .source = from_x                                 ? Kind::integer
                      : narrows || (is_double && f7 != 0x21) ? Kind::wide
                                                             : Kind::single,
            .to_x = f7 >> 1 == 0x28 || f7 >> 1 == 0x30 || f7 >> 1 == 0x38,
            .single = !is_double || f7 == 0x21,
            .operands = fused                         ? 3U
                        : (info.mask >> 20 & 31) != 0 ? 1U
                                                      : 2U,
        });
    }
    return found;
}

std::vector<std::uint64_t> wide_specials() {
    std::vector<std::uint64_t> values = {
        0x7ff8000000000000,
        0xfff8000000000000,
        0x7ff8000000000123,
        0x7ff0000000000001,
        0xfff7ffffffffffff,
    };
    for (const double value :
         {0.0,
          0x1p-1074,
          0x1p-1022 - 0x1p-1074,
          0x1p-1022,
          1.0,
          1 + 0x1p-52,
          1 - 0x1p-53,
          0.5,
          1.5,
          2.5,
          0x1p-53,
          0x1p511,
          0x1p-540,
          0x1.fffffffffffffp1023,
          static_cast<double>(INFINITY),
          2147483647.5,
          2147483648.0,
          4294967295.5,
          0x1p63,
          0x1p64,
          0x1.fffffffffffffp63,
          0x1.fffffefp127}) {
        values.push_back(std::bit_cast<std::uint64_t>(value));
        values.push_back(std::bit_cast<std::uint64_t>(value) | kSign);
    }
    return values;
}

std::vector<std::uint64_t> single_specials() {
    std::vector<std::uint64_t> values = {
        // Not boxed: canonical NaN, whatever the bits.
        0x3ff0000000000000,
        0x000000003f800000,
        0xfffffffe3f800000,
        0x7fffffff7f800001,
    };
    for (const std::uint32_t value :
         {0x7fc00000U, 0xffc00000U, 0x7fc00123U, 0x7f800001U, 0xffbfffffU}) {
        values.push_back(kBox | value);
    }
    for (const float value :
         {0.0F,
          0x1p-149F,
          0x1p-126F - 0x1p-149F,
          0x1p-126F,
          1.0F,
          1 + 0x1p-23F,
          1 - 0x1p-24F,
          0.5F,
          2.5F,
          0x1p-24F,
          0x1p63F,
          0x1p-80F,
          0x1.fffffep127F,
          static_cast<float>(INFINITY),
          0x1.fffffep30F,
          0x1p31F,
          0x1.fffffep31F,
          0x1p64F,
          0x1.fffffep63F}) {
        values.push_back(kBox | std::bit_cast<std::uint32_t>(value));
        values.push_back(kBox | std::bit_cast<std::uint32_t>(value) | 0x80000000);
    }
    return values;
}

std::vector<std::uint64_t> integer_specials() {
    std::vector<std::uint64_t> values;
    for (const unsigned shift : {0U, 1U, 23U, 24U, 25U, 31U, 32U, 52U, 53U, 54U, 62U, 63U}) {
        for (const std::uint64_t offset : {~1ULL, ~0ULL, 0ULL, 1ULL, 3ULL}) {
            values.push_back((std::uint64_t{1} << shift) + offset);
            values.push_back(0 - values.back());
        }
    }
    return values;
}

const std::vector<std::uint64_t>& specials(Kind kind) {
    static const std::vector<std::uint64_t> all[] = {
        single_specials(), wide_specials(), integer_specials()
    };
    return all[static_cast<unsigned>(kind)];
}

std::uint64_t random_operand(Kind kind, std::mt19937_64& random) {
    const std::uint64_t bits = random();
    if (kind == Kind::integer) {
        return static_cast<std::uint64_t>(static_cast<std::int64_t>(bits) >> random() % 64);
    }
    // Exponents often near one another, so that sums cancel and integers are in range.
    const bool near = random() % 2 == 0;
    if (kind == Kind::wide) {
        return near ? (bits & ~(std::uint64_t{0x7ff} << 52)) | (1000 + random() % 100) << 52 : bits;
    }
    const auto low = static_cast<std::uint32_t>(bits);
    return kBox
           | (near ? (low & ~(0xffU << 23)) | static_cast<std::uint32_t>(110 + random() % 60) << 23
                   : low);
}

std::vector<Input> inputs_for(const Instruction& instruction, bool all) {
    std::vector<Input> inputs;
    const auto& values = specials(instruction.source);
    for (const std::uint64_t a : values) {
        if (instruction.operands == 1) {
            inputs.push_back({a, 0, 0});
            continue;
        }
        for (const std::uint64_t b : values) {
            if (instruction.operands == 2) {
                inputs.push_back({a, b, 0});
                continue;
            }
            for (std::size_t c = 0; c < values.size(); c += all ? 1 : 7) {
                inputs.push_back({a, b, values[c]});
            }
        }
    }
    std::mt19937_64 random(instruction.info.match);
    for (int n = 0; n < 3000; ++n) {
        const Kind kind = instruction.source;
        inputs.push_back(
            {random_operand(kind, random),
             random_operand(kind, random),
             random_operand(kind, random)}
        );
        if (n % 4 == 0) {
            inputs.back().c = inputs.back().a ^ (random() & 3);
        }
    }
    return inputs;
}

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

COPS_ON_EVERY_ENGINE(FloatProperty);
