// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "stacks.hpp"

#include <atomic>
#include <chrono>
#include <mutex>
#include <semaphore>
#include <thread>
#include <vector>

/// Harts as threads around a Side: user interrupts are a flag that the thread looks at when it
/// sleeps and where coroutines poll, sleeping is a semaphore, and one more thread plays host.
class Machine {
public:
    /// What is done in the wrong order on purpose, to see that the tests notice.
    enum class Weakness {
        none,
        host_looks_before_it_raises,    // running_level read before wake_pending is set
        host_raises_before_it_lists,    // bit set before the slot is in the list
        hart_looks_before_it_announces  // sleeps on what it saw before it said that it sleeps
    };

    Machine(Side& side, unsigned harts, Weakness weakness)
        : side_(side)
        , weakness_(weakness)
        , harts_(harts) {
        for (unsigned i = 0; i < harts; ++i) {
            stacks_.push_back(std::make_unique<Stacks>(side.context(i), [this, i] {
                return turn(i);
            }));
        }
    }

    /// A hart: runs until stop(), or until its patience has passed without progress.
    void hart(unsigned index);
    /// Of the hart that runs the caller.
    Stacks& stacks() { return *stacks_[here()->index]; }
    /// Completes what the harts submit.
    void host();
    /// The user interrupt, taken where hardware would: between any two instructions; here, where
    /// called.
    void poll_interrupt();
    void stop();
    /// A coroutine has waited in vain: ends the run as lost.
    void give_up() { lost_ = true; }
    /// How often the host has decided whether to interrupt.
    [[nodiscard]] unsigned looks() const { return looks_.load(); }

    /// Nobody made progress for the patience of a test although work was left: a wake was lost.
    [[nodiscard]] bool lost() const { return lost_.load(); }

private:
    struct Hart {
        std::atomic<bool> interrupt = false;  // uip.USIP
        std::counting_semaphore<> doze{0};    // Released by interrupts and kicks.
        std::atomic<bool> dozes = false;
    };

    Stacks::Next turn(unsigned index);
    void interrupt(unsigned index);
    void sleep(unsigned index);
    void complete(const cops_submission& request);
    std::uint32_t running_level(unsigned hart);

    Side& side_;
    Weakness weakness_;
    std::vector<Hart> harts_;
    std::mutex mutex_;  // Guards queue_.
    std::deque<cops_submission> queue_;
    std::atomic<unsigned> looks_ = 0;
    std::atomic<bool> stopped_ = false;
    std::atomic<bool> lost_ = false;
    std::vector<std::unique_ptr<Stacks>> stacks_;
};
