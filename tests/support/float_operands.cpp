// SPDX-License-Identifier: Apache-2.0
#include "float_operands.hpp"

#include <bit>
#include <cmath>
#include <random>

namespace float_operands {
namespace {

constexpr std::uint64_t kSign = std::uint64_t{1} << 63;

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

}  // namespace

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

}  // namespace float_operands
