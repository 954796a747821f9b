// SPDX-License-Identifier: Apache-2.0
// Harts that work for one another, woken by IPIs; and the deputies by which all tests reach them.
#include "arch/riscv64/csr.hpp"
#include "exec/hart.hpp"
#include "exec/timer.hpp"
#include "selftest/selftest.hpp"

namespace kernel::selftest {

namespace {

struct Work {
    void (*job)(unsigned, void*) = nullptr;
    void* argument = nullptr;
    unsigned left = 0;  // atomic
    cops_task_id owner = 0;
};

constinit cops_task_id deputies[kMaxHarts] = {};
constinit Work* work[kMaxHarts] = {};  // atomic: partner of the exchange in deputy()

Async<void> deputy() {
    const unsigned hart = this_cpu().hart;
    for (;;) {
        Work* const mine = __atomic_exchange_n(&work[hart], nullptr, __ATOMIC_ACQUIRE);
        if (mine == nullptr) {
            co_await Suspend{};
            continue;
        }
        mine->job(hart, mine->argument);
        const cops_task_id owner = mine->owner;
        if (__atomic_sub_fetch(&mine->left, 1u, __ATOMIC_ACQ_REL) == 0) {
            wake_task(owner);
        }
    }
}

struct Seen {
    unsigned times[kMaxHarts] = {};
    bool elsewhere = false;  // atomic
};

void note_hart(unsigned hart, void* argument) {
    Seen& seen = *static_cast<Seen*>(argument);
    ++seen.times[hart];
    if (this_cpu().hart != hart) {
        __atomic_store_n(&seen.elsewhere, true, __ATOMIC_RELAXED);
    }
}

Async<void> every_hart_works(Outcome& outcome) {
    Seen seen;
    for (unsigned round = 0; round < 2; ++round) {
        Async<void> all = on_every_hart(&note_hart, &seen);
        if (!outcome.holds(all.valid(), "memory for the work")) {
            co_return;
        }
        co_await all;
    }
    for (unsigned hart = 0; hart < hart_limit; ++hart) {
        outcome.equal(seen.times[hart], cpus[hart]->exists ? 2 : 0, "each hart twice");
    }
    outcome.holds(!seen.elsewhere, "pinned work stays where it belongs");
}

// After a pause in which the others have nothing to do: each wake has to end a hart's sleep.
Async<void> sleeping_harts_are_woken(Outcome& outcome) {
    Seen seen;
    constexpr unsigned kRounds = 20;
    for (unsigned round = 0; round < kRounds; ++round) {
        co_await timer::Pause{};
        Async<void> all = on_every_hart(&note_hart, &seen);
        if (!outcome.holds(all.valid(), "memory for the work")) {
            co_return;
        }
        co_await all;
    }
    outcome.equal(seen.times[this_cpu().hart], kRounds, "no wake was lost");
}

struct Ipi {
    unsigned target = 0;
    bool awaited = false;  // atomic
    bool arrived = false;
};

// give_way(): the other's vCPU may have no worker but ours.
template <typename Condition>
void spin_until(Condition condition) {
    const std::uint64_t end = csr::now() + timer::from_nanoseconds(10'000'000'000);
    while (!condition() && csr::now() < end) {
        give_way(nullptr);
    }
}

// The target polls for the interrupt itself, as a hart in the kernel does. What came before it
// began to has been taken by the hart's loop.
void exchange_ipi(unsigned hart, void* argument) {
    Ipi& ipi = *static_cast<Ipi*>(argument);
    if (hart != ipi.target) {
        spin_until([&] { return __atomic_load_n(&ipi.awaited, __ATOMIC_ACQUIRE); });
        send_ipi(std::uint64_t{1} << ipi.target);
        return;
    }
    poll_interrupts();
    __atomic_store_n(&ipi.awaited, true, __ATOMIC_RELEASE);
    if (count_harts() == 1) {
        send_ipi(std::uint64_t{1} << hart);
    }
    spin_until([&] {
        ipi.arrived = (csr::read<csr::sip>() & csr::kSoftware) != 0;
        return ipi.arrived;
    });
    poll_interrupts();
}

Async<void> ipis_arrive(Outcome& outcome) {
    for (unsigned hart = 0; hart < hart_limit; ++hart) {
        if (!cpus[hart]->exists) {
            continue;
        }
        Ipi ipi;
        ipi.target = hart;
        Async<void> all = on_every_hart(&exchange_ipi, &ipi);
        if (!outcome.holds(all.valid(), "memory for the work")) {
            co_return;
        }
        co_await all;
        outcome.holds(ipi.arrived, "at each hart");
    }
}

constexpr Test kTests[] = {
    {"hart.every_hart_works", &every_hart_works},
    {"hart.sleeping_harts_are_woken", &sleeping_harts_are_woken},
    {"hart.ipis_arrive", &ipis_arrive},
};

}  // namespace

std::span<const Test> hart_tests() {
    return kTests;
}

unsigned count_harts() {
    unsigned count = 0;
    for (unsigned hart = 0; hart < hart_limit; ++hart) {
        count += cpus[hart]->exists ? 1 : 0;
    }
    return count;
}

Result<void> prepare() {
    for (unsigned hart = 0; hart < hart_limit; ++hart) {
        if (!cpus[hart]->exists) {
            continue;
        }
        deputies[hart] = spawn_on(*cpus[hart], deputy(), 0, COPS_SPAWN_PINNED);
        if (deputies[hart] == 0) {
            return std::unexpected(Errno::no_memory);
        }
    }
    return {};
}

Async<void> on_every_hart(void (*job)(unsigned hart, void* argument), void* argument) {
    Work shared{job, argument, count_harts(), current_task()};
    for (unsigned hart = 0; hart < hart_limit; ++hart) {
        if (cpus[hart]->exists) {
            __atomic_store_n(&work[hart], &shared, __ATOMIC_RELEASE);
            wake_task(deputies[hart]);
        }
    }
    while (__atomic_load_n(&shared.left, __ATOMIC_ACQUIRE) != 0) {
        co_await Suspend{};
    }
}

}  // namespace kernel::selftest
