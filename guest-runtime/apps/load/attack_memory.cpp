// SPDX-License-Identifier: Apache-2.0
#include "attack.hpp"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <string>

namespace load {
namespace {

constexpr std::size_t kPage = 4096;

/// Calls each of the little functions with which it has filled a page that it has just got.
void run_new_code(void* page) {
    constexpr std::uint32_t kAddOne = 0x00150513;  // addi a0, a0, 1
    constexpr std::uint32_t kReturn = 0x00008067;  // ret
    constexpr std::size_t kFunction = 2 * sizeof(std::uint32_t);
    auto* const words = static_cast<std::uint32_t*>(page);
    for (std::size_t i = 0; i < kPage / sizeof(std::uint32_t); i += 2) {
        words[i] = kAddOne;
        words[i + 1] = kReturn;
    }
    if (mprotect(page, kPage, PROT_READ | PROT_EXEC) != 0) {
        return;
    }
    __asm__ volatile("fence.i" : : : "memory");
    using Function = long (*)(long);
    long sum = 0;
    for (std::size_t at = 0; at < kPage; at += kFunction) {
        sum = reinterpret_cast<Function>(reinterpret_cast<std::uintptr_t>(page) + at)(sum);
    }
}

cops::Task<int> thrash() {
    constexpr std::size_t kPages = 256;
    for (;;) {
        void* const memory = mmap(
            nullptr, kPages * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0
        );
        if (memory == MAP_FAILED) {
            continue;
        }
        auto* const bytes = static_cast<volatile char*>(memory);
        for (std::size_t page = 0; page < kPages; ++page) {
            bytes[page * kPage] = 1;
        }
        run_new_code(memory);
        (void)munmap(memory, kPages * kPage);
    }
    co_return 0;
}

/// Random words, the same in each run.
class Random {
public:
    explicit Random(std::uint64_t seed)
        : state_(seed * 2 + 1) {}
    std::uint64_t next() {
        state_ ^= state_ << 13;
        state_ ^= state_ >> 7;
        state_ ^= state_ << 17;
        return state_;
    }

private:
    std::uint64_t state_;
};

/// A request with whatever numbers, past the library, whose own books would not survive this.
void submit_something(Random& random, std::byte* buffer) {
    cops_submission made{};
    made.opcode = static_cast<std::uint32_t>(random.next() % 10);
    made.fd = static_cast<std::int32_t>(random.next() % 8);
    made.buffer = random.next() % 2 == 0 ? reinterpret_cast<std::uint64_t>(buffer) : random.next();
    made.length = random.next() % (2 * kPage);
    made.offset = static_cast<std::int64_t>(random.next() % 1000);
    made.level = static_cast<std::uint32_t>(random.next() % 64);
    made.slot = static_cast<std::uint32_t>(random.next() % 1024);
    made.slot_generation = static_cast<std::uint32_t>(random.next());
    made.user_data = random.next();
    (void)syscall(COPS_SYS_SUBMIT, &made, 1);
}

/// Until its end it is not the library that runs, so the shared words may say anything.
[[noreturn]] void scribble(std::uint64_t seed) {
    constexpr unsigned kRounds = 400;
    constexpr std::size_t kHeads = sizeof(virtio_cops_heads) / sizeof(std::uint32_t);
    constexpr std::size_t kSlots = 1024 * sizeof(virtio_cops_slot) / sizeof(std::uint64_t);
    static std::array<std::byte, 2 * kPage> buffer;
    Random random(seed);
    // NOLINTBEGIN(performance-no-int-to-ptr): the kernel maps them there.
    auto* const lines = reinterpret_cast<volatile std::uint64_t*>(COPS_PROCESS_PAGE_ADDRESS);
    auto* const heads = reinterpret_cast<volatile std::uint32_t*>(COPS_HEADS_ADDRESS);
    auto* const slots = reinterpret_cast<volatile std::uint64_t*>(COPS_SLOTS_ADDRESS);
    // NOLINTEND(performance-no-int-to-ptr)
    for (unsigned round = 0; round < kRounds; ++round) {
        for (std::size_t i = 0; i < kPage / sizeof(std::uint64_t); ++i) {
            lines[i] = random.next();
        }
        for (std::size_t i = 0; i < kHeads; ++i) {
            heads[i] = static_cast<std::uint32_t>(random.next());
        }
        for (std::size_t i = 0; i < kSlots; i += 1 + random.next() % 64) {
            slots[i] = random.next();
        }
        submit_something(random, buffer.data());
    }
    std::_Exit(0);
}

// In processes of their own, since each of them may end anyhow: by its own doing, or by the kernel.
cops::Task<int> corrupt() {
    for (std::uint64_t seed = 0;; ++seed) {
        const std::string text = std::to_string(seed);
        const std::string variable = "COPS_ATTACK_SEED=" + text;
        const char* const argv[] = {"attack", "scribble", nullptr};
        const char* const envp[] = {variable.c_str(), nullptr};
        // However it ended: the next one begins.
        const cops::Result<int> pid = cops::spawn_process("/app", argv, envp);
        if (pid && !cops::wait_process(*pid)) {
            co_return 1;
        }
    }
    co_return 0;
}

cops::Task<int> scribble_once() {
    const char* const seed = std::getenv("COPS_ATTACK_SEED");
    // No interrupt shall enter the library meanwhile.
    const cops::NoPreemption guard;
    scribble(seed == nullptr ? 0 : std::strtoull(seed, nullptr, 10));
    co_return 0;
}

constexpr Attack kAttacks[] = {
    {"thrash", "fills page tables and code cache and throws them away", &thrash},
    {"corrupt", "starts processes that write anything into what they share with the host", &corrupt
    },
    {"scribble", "one of those processes, which ends", &scribble_once, true},
};

}  // namespace

std::span<const Attack> memory_attacks() {
    return kAttacks;
}

}  // namespace load
