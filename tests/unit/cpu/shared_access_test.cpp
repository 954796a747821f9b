// SPDX-License-Identifier: Apache-2.0
// Hot loops with several accesses off the same registers, which a translator may check at once:
// their bytes lie in one page, in two that lie apart, partly outside of RAM, in
// a device. Wherever it ends, the
// state is the interpreter's.
#include "hart_fixture.hpp"

#include <algorithm>
#include <random>

using namespace rv;
using cpu_test::EngineTest;

namespace {

constexpr std::uint64_t kData = cpu_test::kRam + 0x100000;
constexpr std::uint64_t kEndOfRam = cpu_test::kRam + cpu_test::kRamBytes;
constexpr std::uint64_t kTables = cpu_test::kRam + 0x80000;
/// Pages mapped here lie anywhere in RAM; the one behind them is not mapped.
constexpr std::uint64_t kWindow = 0x40000000;
constexpr unsigned kWindowPages = 32;
constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kEndBytes = 0x8000;
constexpr std::uint64_t kDataBytes = 2 * kWindowPages * kPage;

class SharedAccess : public EngineTest {
protected:
    struct Outcome {
        vmm::riscv::State state;
        std::vector<std::uint64_t> data;
        std::size_t mmio_writes = 0;
    };

    /// Everything below 4 GiB at its own address, and the window.
    void make_tables(std::mt19937_64& random) {
        constexpr std::uint64_t kLeaf = 0xcf, kTable = 1;  // D A X W R V
        const auto entry = [](std::uint64_t physical, std::uint64_t bits) {
            return physical >> 12 << 10 | bits;
        };
        for (const std::uint64_t giga : {0ULL, 2ULL}) {
            put_value(kTables + giga * 8, entry(giga << 30, kLeaf));
        }
        put_value(kTables + 8, entry(kTables + kPage, kTable));
        put_value(kTables + kPage, entry(kTables + 2 * kPage, kTable));
        std::vector<std::uint64_t> frames;
        for (unsigned n = 0; n < kWindowPages; ++n) {
            frames.push_back(kData + 2 * n * kPage);
        }
        std::shuffle(frames.begin(), frames.end(), random);
        for (unsigned n = 0; n < kWindowPages; ++n) {
            put_value(kTables + 2 * kPage + n * 8, entry(frames[n], kLeaf));
        }
        state.satp = 8ULL << 60 | kTables >> 12;
    }

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
        // Entered many times, for whoever translates better then.
        Code code;
        code << li(a2, 10) << body << bne(a2, 0, -body.size()) << addi(a3, a3, -1);
        code << bne(a3, 0, -code.size());
        return code;
    }

    Outcome execute(vmm::Vcpu& hart, vmm::riscv::State from, std::uint64_t seed) {
        std::mt19937_64 random(seed);
        std::vector<std::uint64_t> data(kDataBytes / 8);
        std::generate(data.begin(), data.end(), random);
        put_bytes(kData, data.data(), kDataBytes);
        for (std::uint64_t at = kEndOfRam - kEndBytes; at < kEndOfRam; at += 8) {
            put_value(at, random());
        }
        host.mmio_writes.clear();
        hart.load(from);
        EXPECT_EQ(hart.run({.deadline = ~vmm::Nanos{0}}), vmm::ExitKind::ended);
        Outcome outcome{.state = hart.save(), .data = {}, .mmio_writes = host.mmio_writes.size()};
        outcome.data.resize(kDataBytes / 8);
        EXPECT_TRUE(memory->read(
            vmm::GuestPhys{kData}, {reinterpret_cast<std::byte*>(outcome.data.data()), kDataBytes}
        ));
        for (std::uint64_t at = kEndOfRam - kEndBytes; at < kEndOfRam; at += 8) {
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
        state.x[a3] = 400;
        state.satp = 0;
        switch (random() % 4) {
        case 0:  // runs into the end of RAM
            state.x[a0] = kEndOfRam - 0x3800 - random() % 0x800 * 8;
            state.x[a1] = kData + 512;
            break;
        case 1:  // a device, in each turn
            state.x[a0] = kData + 1024;
            state.x[a1] = cpu_test::kDevice + 1024;
            break;
        default:  // runs out of the window
            make_tables(random);
            state.x[a0] = kWindow + 1024 + random() % 64 * 8;
            state.x[a1] = kWindow + kPage * (1 + random() % 3) + 1024;
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
