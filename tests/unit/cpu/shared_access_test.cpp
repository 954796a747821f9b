// SPDX-License-Identifier: Apache-2.0
// Hot loops with several accesses off the same registers, which a translator may check at once:
// their bytes lie in one page, in two, partly outside of RAM, in a device. Wherever it ends, the
// state is the interpreter's.
#include "hart_fixture.hpp"

#include <random>

using namespace rv;
using cpu_test::EngineTest;

namespace {

constexpr std::uint64_t kData = cpu_test::kRam + 0x100000;
constexpr std::uint64_t kEndOfRam = cpu_test::kRam + cpu_test::kRamBytes;

class SharedAccess : public EngineTest {
protected:
    struct Outcome {
        vmm::riscv::State state;
        std::vector<std::uint64_t> data;
        std::size_t mmio_writes = 0;
    };

    Word random_access(std::mt19937_64& random, unsigned base) {
        const std::int64_t offset =
            static_cast<std::int64_t>(random() % 40) * 8 - 128
            + (random() % 8 == 0 ? static_cast<std::int64_t>(random() % 8) : 0);
        const auto x = static_cast<unsigned>(s2 + random() % 8);
        const auto f = static_cast<unsigned>(random() % 32);
        const auto size = static_cast<Word>(random() % 4);
        switch (random() % 8) {
        case 0:
        case 1:
            return i(0x03, size, x, base, offset);
        case 2:
            return i(0x03, 4 + size % 3, x, base, offset);
        case 3:
        case 4:
            return rv::s(0x23, size, base, x, offset);
        case 5:
            return i(0x07, 2 + size % 2, f, base, offset);
        default:
            return rv::s(0x27, 2 + size % 2, base, f, offset);
        }
    }

    /// A loop of accesses off a0 and a1, which go on by a stride, and some work between them.
    Code random_loop(std::mt19937_64& random) {
        Code body;
        const auto count = 3 + random() % 14;
        for (std::uint64_t n = 0; n < count; ++n) {
            body << random_access(random, random() % 3 == 0 ? unsigned{a1} : unsigned{a0});
            switch (random() % 6) {
            case 0:
                body << add(s2 + static_cast<unsigned>(random() % 8), s2, s3);
                break;
            case 1:
                body << r(0x53, 0, random() % 2, static_cast<unsigned>(random() % 32), 1, 2);
                break;
            case 2:
                body << b(static_cast<Word>(random() % 2), s4, s5, 8) << addi(s6, s6, 1);
                break;
            default:
                break;
            }
        }
        const auto stride = static_cast<std::int64_t>(random() % 6) * 8 + 8;
        body << addi(a0, a0, stride) << addi(a1, a1, random() % 2 == 0 ? stride : 0)
             << addi(a2, a2, -1);
        Code code = body;
        code << bne(a2, 0, -body.size());
        return code;
    }

    Outcome execute(vmm::Vcpu& hart, vmm::riscv::State from, std::uint64_t seed) {
        std::mt19937_64 random(seed);
        for (std::uint64_t at = kData; at < kData + 0x8000; at += 8) {
            put_value(at, random());
        }
        for (std::uint64_t at = kEndOfRam - 0x4000; at < kEndOfRam; at += 8) {
            put_value(at, random());
        }
        host.mmio_writes.clear();
        hart.load(from);
        EXPECT_EQ(hart.run({.deadline = ~vmm::Nanos{0}}), vmm::ExitKind::ended);
        Outcome outcome{.state = hart.save(), .data = {}, .mmio_writes = host.mmio_writes.size()};
        for (std::uint64_t at = kData; at < kData + 0x8000; at += 8) {
            outcome.data.push_back(value_at(at));
        }
        for (std::uint64_t at = kEndOfRam - 0x4000; at < kEndOfRam; at += 8) {
            outcome.data.push_back(value_at(at));
        }
        return outcome;
    }

    void compare(std::uint64_t seed) {
        std::mt19937_64 random(seed);
        Code code = random_loop(random);
        code << kEcall;
        put(cpu_test::kRam, {0x0000100f});
        put(cpu_test::kRam + 4, code);
        state.x[a0] = kData + 1024 + random() % 64 * 8;
        state.x[a2] = 300 + random() % 200;
        switch (random() % 4) {
        case 0:  // runs into the end of RAM
            state.x[a0] = kEndOfRam - 0x1800 - random() % 0x400 * 8;
            state.x[a1] = kData + 512;
            break;
        case 1:  // a device, in each turn
            state.x[a1] = cpu_test::kDevice + 1024;
            break;
        case 2:  // alternating pages of the same index
            state.x[a1] = kData + 2048;
            break;
        default:
            state.x[a1] = state.x[a0] + 4096 - 256;
            break;
        }
        for (unsigned n = 0; n < 32; ++n) {
            state.f[n] = random();
        }
        for (unsigned n = s2; n < s2 + 8; ++n) {
            state.x[n] = random();
        }
        state.pc = cpu_test::kRam;
        const Outcome expected = execute(*reference_, state, seed);
        const Outcome found = execute(*vcpu, state, seed);
        EXPECT_EQ(found.state.x, expected.state.x) << seed;
        EXPECT_EQ(found.state.f, expected.state.f) << seed;
        EXPECT_EQ(found.state.pc, expected.state.pc) << seed;
        EXPECT_EQ(found.state.sepc, expected.state.sepc) << seed;
        EXPECT_EQ(found.state.scause, expected.state.scause) << seed;
        EXPECT_EQ(found.state.stval, expected.state.stval) << seed;
        EXPECT_EQ(found.state.instret, expected.state.instret) << seed;
        EXPECT_EQ(found.state.fcsr, expected.state.fcsr) << seed;
        EXPECT_EQ(found.data, expected.data) << seed;
        EXPECT_EQ(found.mmio_writes, expected.mmio_writes) << seed;
    }

    std::unique_ptr<vmm::Vcpu> reference_ =
        std::move(vmm::make_vcpu("interp", *memory, host, 0, {}).value());
};

}  // namespace

TEST_P(SharedAccess, loops_over_pages_devices_and_the_end_of_ram_leave_the_interpreters_state) {
    for (std::uint64_t seed = 1; seed <= 300 && !HasFailure(); ++seed) {
        compare(seed);
    }
}

COPS_ON_EVERY_ENGINE(SharedAccess);
