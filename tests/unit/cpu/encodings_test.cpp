// SPDX-License-Identifier: Apache-2.0
// Compressed instructions do what their expansions do and are two bytes long; what is no
// instruction is illegal. On every engine.
#include "cpu/riscv/decode.hpp"
#include "hart_fixture.hpp"

#include <random>

using namespace rv;
using cpu_test::EngineTest;
using cpu_test::kRam;
using vmm::riscv::decode;
using vmm::riscv::expand_compressed;
using vmm::riscv::Op;

namespace {

constexpr std::uint64_t kCode = kRam + 0x40000, kAround = 0x2000, kData = kRam + 0x200000,
                        kDataBytes = 0x4000;
constexpr std::uint16_t kCompressedEbreak = 0x9002;

class Encodings : public EngineTest {
protected:
    /// Wherever a jump leads, an ebreak awaits it.
    void fill() {
        const std::vector<std::uint16_t> breaks(kDataBytes / 2, kCompressedEbreak);
        put_bytes(kCode - kAround, breaks.data(), 2 * kAround);
        put_bytes(kData, breaks.data(), kDataBytes);
    }
    /// Executes one instruction that is `length` bytes long, on the same registers each time.
    vmm::riscv::State execute(std::uint32_t word, unsigned length, std::uint64_t seed) {
        std::mt19937_64 random(seed);
        fill();
        put_bytes(kCode, &word, length);
        state = {};
        state.pc = kCode;
        state.stvec = kRam + 0x10000;
        state.sstatus = 3 << 13;
        for (unsigned n = 1; n < 32; ++n) {
            // Addresses of doublewords or of instructions, some above others; or 0 for branches.
            state.x[n] = random() % 4 == 0 ? 0 : kData + 0x1000 + (random() & 0xff8);
            state.f[n] = random();
        }
        EXPECT_EQ(run(), vmm::ExitKind::ended);
        return state;
    }
    std::vector<std::byte> data() {
        std::vector<std::byte> bytes(kDataBytes);
        EXPECT_TRUE(memory->read(vmm::GuestPhys{kData}, bytes));
        return bytes;
    }
    void expect_illegal(std::uint32_t word, unsigned length) {
        put_bytes(kCode, &word, length);
        state = {};
        state.pc = kCode;
        state.stvec = kRam + 0x10000;
        state.sstatus = 3 << 13;
        ASSERT_EQ(run(), vmm::ExitKind::ended);
        EXPECT_EQ(state.scause, 2U) << std::hex << word;
        EXPECT_EQ(state.sepc, kCode) << std::hex << word;
        EXPECT_EQ(state.stval, word) << std::hex << word;
    }
};

COPS_ON_EVERY_ENGINE(Encodings);

}  // namespace

TEST_P(Encodings, compressed_instructions_do_what_their_expansions_do) {
    std::mt19937 random(11);
    for (std::uint32_t kind = 0; kind < 24; ++kind) {  // quadrant and funct3
        for (unsigned n = 0; n < 64; ++n) {
            const auto half = static_cast<std::uint16_t>(
                (kind >> 3) | (kind & 7) << 13 | (random() & 0x7ff) << 2
            );
            const std::uint32_t word = expand_compressed(half);
            const auto decoded = decode(word);
            const bool jumps =
                decoded.op == Op::jal || decoded.op == Op::beq || decoded.op == Op::bne;
            if (word == 0 || (jumps && (decoded.imm == 0 || decoded.imm == 2))) {
                continue;  // reserved, or to itself
            }
            SCOPED_TRACE(testing::Message() << "half-word " << std::hex << half);
            const std::uint64_t seed = random();
            auto shortly = execute(half, 2, seed);
            const auto short_data = data();
            const auto longly = execute(word, 4, seed);
            EXPECT_EQ(data(), short_data);
            if (shortly.sepc == kCode + 2) {  // fell through
                shortly.sepc += 2;
                shortly.stval += 2;
            }
            if (decoded.op == Op::jalr && decoded.rd == ra) {
                EXPECT_EQ(shortly.x[ra], kCode + 2);
                shortly.x[ra] += 2;
            }
            EXPECT_EQ(shortly.sepc, longly.sepc);
            EXPECT_EQ(shortly.stval, longly.stval);
            EXPECT_EQ(shortly.scause, longly.scause);
            EXPECT_EQ(shortly.x, longly.x);
            EXPECT_EQ(shortly.f, longly.f);
            EXPECT_EQ(shortly.instret, longly.instret);
        }
    }
}

TEST_P(Encodings, words_that_are_no_instruction_are_illegal) {
    std::mt19937 random(12);
    unsigned tried = 0;
    while (tried < 500) {
        const auto word = static_cast<std::uint32_t>(random()) | 3;
        if (decode(word).op == Op::illegal) {
            expect_illegal(word, 4);
            ++tried;
        }
    }
    // One bit beside an instruction.
    for (const auto& info : vmm::riscv::instruction_table()) {
        for (unsigned bit = 2; bit < 32; ++bit) {
            const std::uint32_t word = info.match ^ 1U << bit;
            if (decode(word).op == Op::illegal) {
                expect_illegal(word, 4);
            }
        }
    }
}

TEST_P(Encodings, reserved_half_words_are_illegal) {
    std::mt19937 random(13);
    unsigned tried = 0;
    for (std::uint32_t half = 0; half < 0x10000; ++half) {
        const bool reserved =
            (half & 3) != 3 && expand_compressed(static_cast<std::uint16_t>(half)) == 0;
        if (reserved && (tried < 64 || random() % 16 == 0)) {
            expect_illegal(half, 2);
            ++tried;
        }
    }
    EXPECT_GT(tried, 64U);
}
