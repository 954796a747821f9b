// SPDX-License-Identifier: Apache-2.0
#include "attack.hpp"
#include "work.hpp"

#include <atomic>
#include <cerrno>

namespace load {
namespace {

constexpr std::uint64_t kEverything = ~std::uint64_t{0};

/// The hart's line of the process page, which the process may write as it likes.
virtio_cops_line& line() {
    return *cops::detail::context()->line;
}

void ring(unsigned doorbell) {
    // NOLINTNEXTLINE(performance-no-int-to-ptr): the kernel maps it there.
    auto* const page = reinterpret_cast<volatile std::uint32_t*>(COPS_DOORBELL_ADDRESS);
    page[doorbell / sizeof(std::uint32_t)] = 1;
}

cops::Task<int> claim() {
    for (;;) {
        __atomic_store_n(&line().ready, kEverything, __ATOMIC_RELAXED);
        __atomic_store_n(&line().running_level, 0U, __ATOMIC_RELAXED);
        burn();
    }
    co_return 0;
}

// Each change is one that the host may act upon: level 0, nothing at all, level 0 ...
cops::Task<int> toggle() {
    constexpr unsigned kChanges = 64;
    for (;;) {
        for (unsigned change = 0; change < kChanges; ++change) {
            __atomic_store_n(&line().ready, std::uint64_t{change % 2}, __ATOMIC_RELAXED);
            ring(VIRTIO_COPS_DOORBELL_CLAIM);
        }
        // What it shows while it computes changes too.
        for (unsigned change = 0; change < kChanges; ++change) {
            __atomic_store_n(&line().ready, std::uint64_t{change % 2}, __ATOMIC_RELAXED);
            burn();
        }
    }
    co_return 0;
}

cops::Task<int> critical() {
    for (;;) {
        __atomic_fetch_or(
            &line().flags, VIRTIO_COPS_LINE_F_CRITICAL | VIRTIO_COPS_LINE_F_MASKED, __ATOMIC_RELAXED
        );
        __atomic_store_n(&line().ready, kEverything, __ATOMIC_RELAXED);
        burn();
    }
    co_return 0;
}

cops::Task<int> doorbell() {
    constexpr unsigned kClaims = 15;  // For one turn that it gives up.
    __atomic_store_n(&line().ready, kEverything, __ATOMIC_RELAXED);
    for (;;) {
        for (unsigned claim = 0; claim < kClaims; ++claim) {
            ring(VIRTIO_COPS_DOORBELL_CLAIM);
        }
        ring(VIRTIO_COPS_DOORBELL_YIELD);
    }
    co_return 0;
}

cops::Task<> flood() {
    for (unsigned round = 0;; ++round) {
        switch (round % 3) {
        case 0:
            (void)co_await cops::nop();
            break;
        case 1:
            (void)co_await cops::sleep_for(std::chrono::nanoseconds(1));
            break;
        default:
            (void)co_await cops::open("/host/nothing", O_RDONLY);
        }
    }
}

cops::Task<int> requests() {
    constexpr unsigned kCoroutines = 900;  // Slots of a hart are 1024.
    cops::TaskId last;
    for (unsigned i = 0; i < kCoroutines; ++i) {
        if (const cops::TaskId id = cops::spawn(flood(), 0)) {
            last = id;
        }
    }
    co_await cops::join(last);
    co_return 0;
}

// One at a time has the lock, for long and at a patient level; the others spin at the most urgent
// one, each on a virtual CPU of its own.
std::atomic<std::uint32_t> held{0};

cops::Task<> hold() {
    constexpr unsigned kLong = 2000;
    for (;;) {
        held.store(1, std::memory_order_release);
        for (unsigned i = 0; i < kLong; ++i) {
            burn();
        }
        held.store(0, std::memory_order_release);
        co_await cops::yield();
    }
}

cops::Task<> spin_on_it() {
    for (;;) {
        while (held.load(std::memory_order_acquire) != 0) {
        }
        burn();
    }
}

cops::Task<int> spin() {
    constexpr unsigned kHolderLevel = 40;
    const unsigned harts = use_harts(cops::harts());
    const cops::TaskId holder = cops::spawn(hold(), kHolderLevel);
    for (unsigned hart = 1; hart < harts; ++hart) {
        (void)cops::spawn(spin_on_it(), 0);
    }
    co_await cops::join(holder);
    co_return 0;
}

constexpr Attack kAttacks[] = {
    {"claim", "claims level 0 and computes for ever", &claim},
    {"toggle", "changes its claim as fast as it can", &toggle},
    {"critical", "never leaves its critical section", &critical},
    {"doorbell", "rings doorbells in a storm", &doorbell},
    {"requests", "floods the host with requests at level 0", &requests},
    {"spin", "spins at level 0 on all its virtual CPUs for a lock that level 40 holds", &spin},
};

}  // namespace

std::span<const Attack> claim_attacks() {
    return kAttacks;
}

}  // namespace load
