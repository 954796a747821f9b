// SPDX-License-Identifier: Apache-2.0
#include "machine.hpp"

using explorer::this_thread;

Machine::Machine(explorer::Execution& execution, Side::Options options)
    : side_(options)
    , harts_(options.contexts) {
    execution.resumed = [this](unsigned thread) {
        this_context = thread < harts_.size() ? &side_.context(thread) : nullptr;
    };
    execution.between_accesses = [this] { take_interrupt(); };
    for (unsigned i = 0; i < options.contexts; ++i) {
        side_.context(i).doorbells = nullptr;  // a fence of its own, where it is not null
    }
}

void Machine::take_interrupt() {
    if (this_thread() >= harts_.size()) {
        return;
    }
    Hart& hart = harts_[this_thread()];
    if (hart.enabled && hart.interrupt.take()) {
        hart.enabled = false;
        cops_executor_interrupt(here());
        hart.enabled = true;
    }
}

void Machine::send_kicks() {
    for (std::uint64_t kicks = cops_executor_take_kicks(here()); kicks != 0; kicks &= kicks - 1) {
        harts_[static_cast<unsigned>(__builtin_ctzll(kicks))].kick.post();
    }
}

int Machine::run_once() {
    int reason = COPS_RUN_KICK;
    while (reason == COPS_RUN_KICK) {
        reason = cops_executor_run(here(), 64, 63);
        send_kicks();
    }
    return reason;
}

// The runtime lets some time pass, in which its turn may come.
bool Machine::takes_lone() {
    for (unsigned i = 0; i < harts_.size(); ++i) {
        const std::uint64_t lone = cops_executor_lone(here(), i);
        if (lone != 0 && cops_executor_share_lone(here(), i, lone) != 0) {
            return true;
        }
    }
    return false;
}

void Machine::sleep() {
    Hart& hart = harts_[this_thread()];
    hart.enabled = false;
    if (cops_executor_park_begin(here()) != 0 && !takes_lone()) {
        if (asleep_is_wrong_ && cops_executor_asleep(here()) != 0 && !stopped_) {
            explorer::fail("called asleep while a wake is on its way");
        }
        explorer::Event::wait_for_either(hart.interrupt, hart.kick);
        hart.kick.take();
    }
    cops_executor_park_end(here());
    hart.interrupt.take();
    hart.enabled = true;
}

void Machine::run_hart() {
    while (!stopped_) {
        const int reason = run_once();
        if (reason == COPS_RUN_SUBMIT) {
            const auto batch = side_.take_batch(here()->index);
            submissions_.insert(submissions_.end(), batch.begin(), batch.end());
            submitted_.post();
        } else if (reason == COPS_RUN_IDLE && !stopped_) {
            sleep();
        }
    }
}

void Machine::spin_until_interrupt() {
    const Hart& hart = harts_[this_thread()];
    explorer::Event::wait_for_either(hart.interrupt, hart.interrupt);
    take_interrupt();
}

void Machine::stop() {
    stopped_ = true;
    for (Hart& hart : harts_) {
        hart.kick.post();
    }
    submitted_.post();
}
