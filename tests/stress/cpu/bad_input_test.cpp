// SPDX-License-Identifier: Apache-2.0
// What a hostile guest may try against an engine: it ends in architectural traps and in turns that
// end on time, in bounded memory, never in the host.
#include "harts.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <random>

using namespace cpu_stress;
using namespace rv;
using vmm::ExitKind;

namespace {

constexpr std::uint64_t kCode = kRam + 0x1000;
constexpr std::uint64_t kHandler = kRam + 0x800;
constexpr std::uint64_t kDevice = 0x1000'0000;
constexpr std::uint64_t kNoTrap = ~std::uint64_t{0};
constexpr std::uint64_t kBeyond = kRam + kRamBytes;

vmm::Nanos now() {
    const std::chrono::nanoseconds nanos = std::chrono::steady_clock::now().time_since_epoch();
    return static_cast<vmm::Nanos>(nanos.count());
}

/// A machine of one hart and a device page that answers.
class Bench final : public vmm::VcpuHost {
public:
    explicit Bench(const std::string& engine, std::size_t code_cache = 4 << 20)
        : memory(std::move(vmm::GuestMemory::create(vmm::GuestPhys{kRam}, kRamBytes).value()))
        , vcpu(std::move(
              test_support::make_vcpu(engine, *memory, *this, 0, {.code_cache_bytes = code_cache})
                  .value()
          )) {
        put(kHandler, {kEcall});  // whatever traps ends the run
        state.pc = kCode;
        state.stvec = kHandler;
        state.sstatus = 3 << 13;
    }
    bool mmio_read(vmm::GuestPhys address, unsigned size, std::uint64_t* value) override {
        largest = std::max(largest, size);
        *value = ~address.value;
        return address.value >= kDevice && address.value < kDevice + 4096;
    }
    bool mmio_write(vmm::GuestPhys address, unsigned size, std::uint64_t) override {
        largest = std::max(largest, size);
        return address.value >= kDevice && address.value < kDevice + 4096;
    }
    vmm::SbiReply sbi_call(unsigned, const vmm::SbiCall& call) override {
        return {
            .error = static_cast<std::int64_t>(call.args[0]),
            .value = call.args[1],
            .exit = true,
            .exit_kind = ExitKind::ended,
        };
    }
    std::uint64_t guest_time() override { return 1000; }
    vmm::Nanos host_deadline(std::uint64_t) override { return 0; }

    void put(std::uint64_t address, const Code& code) {
        std::memcpy(
            memory->writable_range(vmm::GuestPhys{address}, 4 * code.words().size()),
            code.words().data(),
            4 * code.words().size()
        );
    }
    ExitKind run(vmm::Nanos time = 10'000'000'000) {
        vcpu->load(state);
        // The code was changed from outside.
        vcpu->post_fence(vmm::FenceKind::instruction);
        vcpu->post_fence(vmm::FenceKind::address_translation);
        const ExitKind kind = vcpu->run({.deadline = now() + time});
        state = vcpu->save();
        return kind;
    }
    /// Runs one instruction at kCode and tells what it did: the trap's cause and value.
    std::pair<std::uint64_t, std::uint64_t> trap_of(Word instruction) {
        state.pc = kCode;
        state.scause = kNoTrap;
        state.stval = 0;
        put(kCode, {instruction, kEcall});
        EXPECT_EQ(run(), ExitKind::ended);
        return {state.scause, state.stval};
    }

    std::unique_ptr<vmm::GuestMemory> memory;
    std::unique_ptr<vmm::Vcpu> vcpu;
    vmm::riscv::State state;
    unsigned largest = 0;
};

class BadInput : public EngineTest {};

std::uint64_t resident_bytes() {
    std::ifstream statm("/proc/self/statm");
    std::uint64_t total = 0;
    std::uint64_t resident = 0;
    statm >> total >> resident;
    return resident * 4096;
}

}  // namespace

TEST_P(BadInput, any_bytes_as_code_end_their_turn) {
    Bench bench(GetParam());
    std::mt19937_64 random(1);
    for (unsigned round = 0; round < (kSlow ? 20 : 300); ++round) {
        std::byte* ram = bench.memory->writable_range(vmm::GuestPhys{kRam}, 1 << 16);
        for (unsigned n = 0; n < 1 << 16; n += 8) {
            const std::uint64_t value = random();
            std::memcpy(ram + n, &value, sizeof value);
        }
        bench.state = {};
        bench.state.pc = kRam + random() % 65536 / 2 * 2;
        bench.state.stvec = kRam + random() % 65536 / 4 * 4;
        bench.state.utvec = kRam + random() % 65536 / 4 * 4;
        bench.state.privilege = static_cast<vmm::riscv::Privilege>(random() % 2);
        bench.state.sstatus = random() & 0xc6133;
        bench.state.sie = bench.state.sideleg = random() & 0x333;
        bench.state.sedeleg = random() & 0xb1ff;
        bench.state.satp = random() % 2 == 0 ? 0 : std::uint64_t{8} << 60 | kRam >> 12;
        for (std::uint64_t& x : bench.state.x) {
            x = kRam + random() % (1 << 16);
        }
        bench.state.x[0] = 0;
        bench.run(2'000'000);
    }
}

TEST_P(BadInput, any_state_can_be_loaded_and_run) {
    // As from a snapshot that somebody has written by hand.
    Bench bench(GetParam());
    std::mt19937_64 random(2);
    for (unsigned round = 0; round < 300; ++round) {
        std::array<std::uint64_t, sizeof(vmm::riscv::State) / 8> words{};
        for (std::uint64_t& word : words) {
            word = random() >> random() % 64;
        }
        std::memcpy(&bench.state, words.data(), sizeof bench.state);
        bench.state.privilege = static_cast<vmm::riscv::Privilege>(random() % 2);
        bench.state.stopped = random() % 4 == 0 ? 1 : 0;
        bench.run(1'000'000);
        EXPECT_EQ(bench.state.x[0], 0U);
    }
}

TEST_P(BadInput, every_csr_answers_as_on_the_interpreter) {
    Bench bench(GetParam());
    Bench reference("interp");
    for (const auto privilege : {vmm::riscv::Privilege::user, vmm::riscv::Privilege::supervisor}) {
        for (unsigned csr = 0; csr < 4096; ++csr) {
            for (const Word instruction :
                 {csrr(a0, csr), csrrw(a0, csr, a1), csrrsi(a0, csr, 1), csrrc(a0, csr, a1)}) {
                for (Bench* each : {&bench, &reference}) {
                    each->state = {};
                    each->state.stvec = kHandler;
                    each->state.sstatus = 3 << 13;
                    each->state.privilege = privilege;
                    each->state.x[a1] = 0x0123'4567'89ab'cdec & ~(std::uint64_t{15} << 60);
                    each->trap_of(instruction);
                }
                ASSERT_EQ(bench.state.x[a0], reference.state.x[a0]) << std::hex << csr;
                ASSERT_EQ(bench.state.scause, reference.state.scause) << std::hex << csr;
                ASSERT_EQ(bench.state.sepc, reference.state.sepc) << std::hex << csr;
                ASSERT_EQ(bench.state.sstatus, reference.state.sstatus) << std::hex << csr;
            }
        }
    }
}

TEST_P(BadInput, devices_see_natural_accesses_only) {
    Bench bench(GetParam());
    bench.state.x[s1] = kDevice;
    // Floating point and misaligned accesses, and one that begins before the device.
    EXPECT_EQ(bench.trap_of(i(0x07, 3, 1, s1, 8)).first, kNoTrap) << "fld";
    EXPECT_EQ(bench.state.f[1], ~(kDevice + 8));
    EXPECT_EQ(bench.trap_of(s(0x27, 2, s1, 1, 4)).first, kNoTrap) << "fsw";
    for (const std::int64_t offset : {1, 2, 3, 5, 7, -4, 4092}) {
        const std::pair<std::uint64_t, std::uint64_t> load = bench.trap_of(ld(a0, s1, offset));
        EXPECT_EQ(load.first, 5U) << offset;
        EXPECT_EQ(bench.trap_of(sd(a0, s1, offset)).first, 7U) << offset;
    }
    EXPECT_LE(bench.largest, 8U);
    for (const Word f5 : {0U, 1U, 4U, 8U, 12U, 16U, 28U}) {
        EXPECT_EQ(bench.trap_of(amo(f5, 3, a0, s1, a1)).first, 7U);
    }
    EXPECT_EQ(bench.trap_of(lr_d(a0, s1)).first, 5U);
}

TEST_P(BadInput, accesses_around_the_end_of_memory_trap) {
    Bench bench(GetParam());
    bench.state.x[s1] = kBeyond;
    for (std::int64_t offset = -16; offset <= 16; ++offset) {
        const bool inside = offset + 8 <= 0;
        EXPECT_EQ(bench.trap_of(ld(a0, s1, offset)).first, inside ? kNoTrap : 5U) << offset;
        EXPECT_EQ(bench.trap_of(sd(a0, s1, offset)).first, inside ? kNoTrap : 7U) << offset;
        EXPECT_EQ(bench.trap_of(i(0x07, 3, 1, s1, offset)).first, inside ? kNoTrap : 5U) << offset;
    }
    // Below memory, and where addresses wrap around.
    for (const std::uint64_t address : {kRam - 4, std::uint64_t{0} - 4, std::uint64_t{1} << 55}) {
        bench.state.x[s1] = address;
        EXPECT_EQ(bench.trap_of(ld(a0, s1, 0)).first, 5U) << std::hex << address;
        EXPECT_EQ(bench.trap_of(sd(a0, s1, 0)).first, 7U) << std::hex << address;
    }
}

TEST_P(BadInput, code_is_fetched_from_memory_only) {
    Bench bench(GetParam());
    for (const std::uint64_t target :
         {kDevice, kBeyond, kRam - 4, std::uint64_t{0}, std::uint64_t{1} << 62, ~std::uint64_t{1}
         }) {
        bench.state.x[s1] = target;
        const auto [cause, value] = bench.trap_of(jalr(ra, s1, 0));
        EXPECT_EQ(cause, 1U) << std::hex << target;
        EXPECT_EQ(value, target);
        EXPECT_EQ(bench.state.sepc, target);
    }
    // An instruction whose second half would be behind the end of memory.
    bench.put(kBeyond - 4, {0x00130001});  // c.nop, the first half of an addi
    bench.state.x[s1] = kBeyond - 4;
    const auto [cause, value] = bench.trap_of(jalr(ra, s1, 0));
    EXPECT_EQ(cause, 1U);
    EXPECT_EQ(value, kBeyond);
    EXPECT_EQ(bench.state.sepc, kBeyond - 2);
}

TEST_P(BadInput, traps_without_end_still_end_the_turn) {
    Bench bench(GetParam());
    // The handler raises the exception that it handles; or there is none.
    for (const Word first : {Word{0}, ld(a0, x0, 0), kEbreak, jalr(0, x0, 0)}) {
        for (const std::uint64_t handler : {kCode, std::uint64_t{0}, kBeyond}) {
            bench.put(kCode, {first});
            bench.state = {};
            bench.state.pc = kCode;
            bench.state.stvec = handler;
            EXPECT_EQ(bench.run(5'000'000), ExitKind::interrupted) << first << " " << handler;
        }
    }
}

TEST_P(BadInput, loops_without_end_end_their_turn) {
    Bench bench(GetParam());
    for (const Code& loop :
         {Code{beq(0, 0, 0)},
          Code{0x0000a001},  // c.j to itself
          Code{auipc(t0, 0), jalr(0, t0, 0)},
          Code{csrr(t0, 0x144), beq(0, 0, -4)},
          Code{kFenceI, beq(0, 0, -4)},
          Code{rv::sfence_vma(), beq(0, 0, -4)},
          Code{jal(ra, 8), 0, jal(ra, -8)}}) {
        bench.put(kCode, loop);
        bench.state.pc = kCode;
        EXPECT_EQ(bench.run(5'000'000), ExitKind::interrupted);
    }
}

TEST_P(BadInput, a_storm_of_waits_is_served) {
    Bench bench(GetParam());
    // Nothing to wait for: each turn ends at once, and goes on after the wfi.
    bench.put(kCode, {addi(a0, a0, 1), kWfi, beq(0, 0, -8)});
    for (std::uint64_t n = 1; n <= 1000; ++n) {
        ASSERT_EQ(bench.run(), ExitKind::idle);
        ASSERT_EQ(bench.state.x[a0], n);
    }
    // Something is pending but masked: wfi does not wait, so the turn has to end by time.
    bench.state.sie = 2;
    bench.state.sip = 2;
    EXPECT_EQ(bench.run(5'000'000), ExitKind::interrupted);
    EXPECT_GT(bench.state.x[a0], 1001U);
}

TEST_P(BadInput, tables_that_loop_or_lead_nowhere_trap) {
    Bench bench(GetParam());
    constexpr std::uint64_t kRoot = kRam + 0x10'0000;
    const auto entry = [&](std::uint64_t index, std::uint64_t value) {
        std::memcpy(
            bench.memory->writable_range(vmm::GuestPhys{kRoot + index * 8}, 8), &value, sizeof value
        );
    };
    const std::uint64_t to_itself = kRoot >> 12 << 10 | 1;
    entry(2, kRam >> 12 << 10 | 0xcf);  // all of memory at its place
    entry(3, to_itself);
    entry(4, std::uint64_t{1} << 50 | 1);
    entry(5, (kBeyond >> 12 << 10) | 1);
    entry(6, kDevice >> 12 << 10 | 1);
    bench.state.satp = std::uint64_t{8} << 60 | kRoot >> 12;
    bench.state.x[s1] = (std::uint64_t{3} << 30) + (std::uint64_t{3} << 21) + (3 << 12);
    EXPECT_EQ(bench.trap_of(ld(a0, s1, 0)).first, 13U);
    EXPECT_EQ(bench.trap_of(sd(a0, s1, 0)).first, 15U);
    EXPECT_EQ(bench.trap_of(jalr(ra, s1, 0)).first, 12U);
    for (const std::uint64_t index : {4ULL, 5ULL, 6ULL}) {
        bench.state.x[s1] = index << 30;
        EXPECT_EQ(bench.trap_of(ld(a0, s1, 0)).first, 5U) << index;
        EXPECT_EQ(bench.trap_of(sd(a0, s1, 0)).first, 7U) << index;
        EXPECT_EQ(bench.trap_of(jalr(ra, s1, 0)).first, 1U) << index;
    }
    // A root outside of memory: not even the handler can be fetched.
    bench.state.satp = std::uint64_t{8} << 60 | 1;
    bench.state.pc = kCode;
    EXPECT_EQ(bench.run(5'000'000), ExitKind::interrupted);
    EXPECT_EQ(bench.state.scause, 1U);
}

TEST_P(BadInput, much_code_stays_within_its_cache) {
    constexpr std::size_t kCache = 2 << 20;
    Bench bench(GetParam(), kCache);
    // 6 MiB of code: each piece adds its number and jumps to the next but one, over the end to
    // the pieces between. No piece is alike.
    constexpr std::uint64_t kStart = kRam + 0x10'0000;
    constexpr std::uint64_t kPieces = (6 << 20) / 16;
    for (std::uint64_t n = 0; n < kPieces; ++n) {
        const std::uint64_t at = kStart + n * 16;
        const bool last = n >= kPieces - 2;
        bench.put(
            at,
            {addi(a0, a0, static_cast<std::int64_t>(n % 2000)),
             addi(a1, a1, 1),
             last ? (n % 2 == 0 ? jalr(0, s2, 0) : jalr(0, s3, 0)) : jal(0, 24),
             nop()}
        );
    }
    // Pieces of even number, the odd ones, and the end of a round.
    bench.put(kCode, {jalr(0, s1, 0)});
    bench.put(kCode + 64, {addi(s4, s4, -1), beq(s4, x0, 8), jalr(0, s1, 0), kEcall});
    bench.state.x[s1] = kStart;
    bench.state.x[s2] = kStart + 16;
    bench.state.x[s3] = kCode + 64;
    constexpr std::uint64_t kRoundsOfAll = kSlow ? 1 : 2;
    bench.state.x[s4] = kRoundsOfAll;
    std::uint64_t expected = 0;
    for (std::uint64_t n = 0; n < kPieces; ++n) {
        expected += kRoundsOfAll * (n % 2000);
    }
    const std::uint64_t before = resident_bytes();
    ASSERT_EQ(bench.run(100'000'000'000), ExitKind::ended);
    EXPECT_EQ(bench.state.x[a1], kRoundsOfAll * kPieces);
    EXPECT_EQ(bench.state.x[a0], expected);
    if (!kSlow) {  // a sanitizer has memory of its own
        EXPECT_LT(resident_bytes(), before + kCache + (16 << 20));
    }
}

TEST_P(BadInput, code_that_changes_all_the_time_stays_within_its_cache) {
    constexpr std::size_t kCache = 4 << 20;
    constexpr std::uint64_t kChanges = kSlow ? 500 : 20000;
    Bench bench(GetParam(), kCache);
    // A function is rewritten, fenced and called; it returns what was written.
    Code code;
    code.load(s1, kRam + 0x10'0000).load(s2, kChanges);
    const auto start = code.size();
    code << addi(s3, s3, 1) << i(0x13, 7, t1, s3, 0x3ff) << slli(t0, t1, 20) << addi(t0, t0, 0x513);
    code << sw(t0, s1, 0) << lui(t0, 8) << addi(t0, t0, 0x67) << sw(t0, s1, 4) << kFenceI;
    code << jalr(ra, s1, 0) << sub(a0, a0, t1) << add(s4, s4, a0) << addi(s5, s5, 1);
    code << bne(s3, s2, start - code.size()) << kEcall;
    bench.put(kCode, code);
    const std::uint64_t before = resident_bytes();
    ASSERT_EQ(bench.run(100'000'000'000), ExitKind::ended);
    EXPECT_EQ(bench.state.x[s5], kChanges);
    EXPECT_EQ(bench.state.x[s4], 0U) << "old code was executed";
    if (!kSlow) {
        EXPECT_LT(resident_bytes(), before + kCache + (16 << 20));
    }
}

TEST_P(BadInput, stores_beside_code_do_not_disturb_it) {
    // Data on the page of the loop that stores it.
    Bench bench(GetParam());
    Code code;
    code << auipc(s1, 0);
    code.load(t0, kSlow ? 20000 : 2000000);
    const auto start = code.size();
    code << sd(t0, s1, 1024) << ld(a0, s1, 1024) << add(a1, a1, a0) << addi(t0, t0, -1);
    code << bne(t0, x0, start - code.size()) << kEcall;
    bench.put(kCode, code);
    ASSERT_EQ(bench.run(), ExitKind::ended);
    const std::uint64_t rounds = kSlow ? 20000 : 2000000;
    EXPECT_EQ(bench.state.x[a1], rounds * (rounds + 1) / 2);
}

COPS_ON_ALL_ENGINES(BadInput);
