// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "explorer.hpp"
#include "side.hpp"

#include <utility>
#include <vector>

/// Harts and host around a Side, as threads of an execution. Thread i is hart i; the host has no
/// context. User interrupts come between any two accesses of a hart.
class Machine {
public:
    Machine(explorer::Execution& execution, Side::Options options);

    Side& side() { return side_; }

    /// A hart's loop, until stop(): runs, sends kicks, sleeps. Goes to sleep as the runtime does.
    void run_hart();
    /// One run() until idle, and the kicks.
    int run_once();
    void send_kicks();
    /// For a coroutine that never calls the executor before an interrupt has come.
    void spin_until_interrupt();
    /// From here on cops_executor_asleep() must not say so before stop().
    void asleep_is_wrong() { asleep_is_wrong_ = true; }
    /// What harts hand to the host: submitted() tells that there is some.
    explorer::Event& submitted() { return submitted_; }
    std::vector<cops_submission> take_submissions() { return std::exchange(submissions_, {}); }
    [[nodiscard]] bool stopped() const { return stopped_; }
    void interrupt(unsigned hart) { harts_[hart].interrupt.post(); }
    void stop();

private:
    struct Hart {
        explorer::Event interrupt;  // uip.USIP
        explorer::Event kick;       // COPS_SYS_KICK or an IPI
        bool enabled = true;        // UIE
    };

    void take_interrupt();
    bool takes_lone();
    void sleep();

    Side side_;
    std::vector<Hart> harts_;
    bool stopped_ = false;
    bool asleep_is_wrong_ = false;
    explorer::Event submitted_;
    std::vector<cops_submission> submissions_;
};
