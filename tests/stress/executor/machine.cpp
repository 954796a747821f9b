// SPDX-License-Identifier: Apache-2.0
#include "machine.hpp"

using namespace std::chrono_literals;

namespace {

// With every hart asleep nothing can happen any more, so the wait is not a matter of speed.
constexpr auto kPatience = 2s;

// Widens the window that a wrong order opens.
void dawdle() {
    std::this_thread::sleep_for(20us);
}

}  // namespace

void Machine::interrupt(unsigned index) {
    harts_[index].interrupt.store(true);
    harts_[index].doze.release();
}

void Machine::poll_interrupt() {
    Hart& hart = harts_[here()->index];
    if (hart.interrupt.exchange(false)) {
        cops_executor_interrupt(here());
    }
}

void Machine::sleep(unsigned index) {
    cops_executor_context& ctx = side_.context(index);
    bool may_sleep = false;
    if (weakness_ == Weakness::hart_looks_before_it_announces) {
        may_sleep = cops_executor_best(&ctx) == VIRTIO_COPS_LEVEL_NONE;
        dawdle();
        (void)cops_executor_park_begin(&ctx);
    } else {
        may_sleep = cops_executor_park_begin(&ctx) != 0;
    }
    // As wfi: a pending interrupt ends it at once.
    if (may_sleep && !harts_[index].interrupt.load() && !stopped_.load()) {
        if (!harts_[index].doze.try_acquire_for(kPatience)) {
            lost_ = true;
        }
    }
    cops_executor_park_end(&ctx);
    poll_interrupt();
}

Stacks::Next Machine::turn(unsigned index) {
    if (stopped_.load() || lost_.load()) {
        return Stacks::Next::stop;
    }
    const int reason = cops_executor_run(here(), 64, 63);
    for (std::uint64_t kicks = cops_executor_take_kicks(here()); kicks != 0; kicks &= kicks - 1) {
        harts_[static_cast<unsigned>(__builtin_ctzll(kicks))].doze.release();
    }
    poll_interrupt();
    if (reason == COPS_RUN_SUBMIT) {
        const auto batch = side_.take_batch(index);
        const std::scoped_lock lock(mutex_);
        queue_.insert(queue_.end(), batch.begin(), batch.end());
    } else if (reason == COPS_RUN_IDLE) {
        sleep(index);
    }
    return reason == COPS_RUN_RESUME ? Stacks::Next::resume : Stacks::Next::turn;
}

void Machine::hart(unsigned index) {
    stacks_[index]->run();
    stop();
}

std::uint32_t Machine::running_level(unsigned hart) {
    return __atomic_load_n(&side_.line(hart).running_level, __ATOMIC_RELAXED);
}

void Machine::complete(const cops_submission& request) {
    constexpr std::uint32_t kPath = VIRTIO_COPS_PATH_HOST;
    bool must_interrupt = false;
    switch (weakness_) {
    case Weakness::host_looks_before_it_raises:
        must_interrupt = running_level(request.hart) > request.level;
        ++looks_;
        // Until what was seen is no longer true; not for ever, for it may stay true.
        for (int i = 0; i < 1000 && running_level(request.hart) <= request.level; ++i) {
            std::this_thread::yield();
        }
        side_.complete(request, request.offset, kPath);
        break;
    case Weakness::host_raises_before_it_lists:
        must_interrupt = side_.raise(request);
        if (must_interrupt) {
            interrupt(request.hart);
        }
        dawdle();
        side_.list(request, request.offset, kPath);
        return;
    default:
        must_interrupt = side_.complete(request, request.offset, kPath);
        ++looks_;
        break;
    }
    if (must_interrupt) {
        interrupt(request.hart);
    }
}

void Machine::host() {
    while (!stopped_.load()) {
        std::deque<cops_submission> taken;
        {
            const std::scoped_lock lock(mutex_);
            taken.swap(queue_);
        }
        for (const cops_submission& request : taken) {
            complete(request);
        }
        if (taken.empty()) {
            std::this_thread::yield();
        }
    }
}

void Machine::stop() {
    stopped_ = true;
    for (Hart& hart : harts_) {
        hart.doze.release();
    }
}
