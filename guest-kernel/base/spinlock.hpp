// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "arch/riscv64/instructions.hpp"
#include "base/types.hpp"

#include <cstdint>

namespace kernel {

/// Order in which locks nest: a holder takes only locks of a higher rank. Interrupts are off in the
/// kernel, so no lock needs to mask them.
enum class Rank : std::uint8_t {
    process_table = 1,
    process = 2,
    run_queue = 3,
    device = 4,
    wait_list = 5,
    timers = 6,
    address_space = 7,
    console_input = 8,
    tasks = 9,  // the executor's own locks come after this one and take none of ours
    heap = 10,
    frames = 11,
    random = 12,
    console_output = 13,
};

/// Checks ranks on this hart (COPS_ASSERTIONS builds); see arch/riscv64/cpu.cpp.
void lock_taken(Rank rank);
void lock_released(Rank rank);

/// For a lock that is not given back for long: the vCPU of `holder` (null: some other hart) may not
/// be running, and ours may have its worker. Asks the host to run it in our place, or else sleeps
/// for some microseconds, so that the holder runs. In exec/timer.cpp.
void give_way(const Cpu* holder);

class SpinLock : NoCopy {
public:
    constexpr explicit SpinLock(Rank rank)
        : rank_(rank) {}

    void lock() {
#if COPS_ASSERTIONS
        lock_taken(rank_);
#endif
        // Acquire: pairs with the release in unlock().
        while (__atomic_exchange_n(&held_, 1u, __ATOMIC_ACQUIRE) != 0) {
            for (unsigned spins = 1; __atomic_load_n(&held_, __ATOMIC_RELAXED) != 0; ++spins) {
                cpu_relax();
                if (spins % kPatience == 0) {
                    give_way(__atomic_load_n(&holder_, __ATOMIC_RELAXED));
                }
            }
        }
        // A hint for those that spin: it may be the one before.
        __atomic_store_n(&holder_, this_cpu_or_null(), __ATOMIC_RELAXED);
    }
    void unlock() {
        __atomic_store_n(&held_, 0u, __ATOMIC_RELEASE);
#if COPS_ASSERTIONS
        lock_released(rank_);
#endif
    }

private:
    static constexpr unsigned kPatience = 2000;  // far longer than any critical section

    std::uint32_t held_ = 0;
    const Cpu* holder_ = nullptr;
    [[maybe_unused]] Rank rank_;
};

class [[nodiscard]] Guard : NoCopy {
public:
    explicit Guard(SpinLock& lock)
        : lock_(lock) {
        lock_.lock();
    }
    ~Guard() { lock_.unlock(); }

private:
    SpinLock& lock_;
};

}  // namespace kernel
