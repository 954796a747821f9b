// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sched/workers/clock.hpp"
#include "sched/workers/vcpu_port.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>

namespace vmm::sched::test {

/// A vCPU without a guest: run() executes `script` until it says why to leave. request_exit() is a
/// flag that the script may look at.
class FakeVcpu final : public VcpuPort {
public:
    using Script = std::function<ExitKind(FakeVcpu&, const RunContext&)>;

    explicit FakeVcpu(Script run_script)
        : script(std::move(run_script)) {}

    ExitKind run(const RunContext& context) override {
        EXPECT_EQ(inside.fetch_add(1), 0) << "two workers run one vCPU";
        runs.fetch_add(1);
        if (exit_requested.exchange(false)) {
            inside.fetch_sub(1);
            return ExitKind::interrupted;
        }
        const ExitKind exit = script(*this, context);
        inside.fetch_sub(1);
        return exit;
    }
    void request_exit() noexcept override { exit_requested.store(true); }
    bool has_work() override { return work.load() != 0; }
    Nanos timer_deadline() override { return timer.load(); }
    ClaimSample sample() override {
        if (at_sample) {
            at_sample();
        }
        return {
            .level = claim.load(),
            .running = claim.load(),
            .timer_level = timer_level.load(),
            .irq_level = irq_level.load(),
            .critical = critical.load(),
        };
    }
    void publish(
        Level ring, Level yield, std::uint64_t waiting_levels, std::uint64_t waiting_siblings
    ) override {
        siblings.store(waiting_siblings);
        ring_level.store(ring);
        yield_level.store(yield);
        waiting.store(waiting_levels);
    }
    void set_steal_time(Nanos) override {}
    void left_pool() override {
        const std::lock_guard lock(mutex_);
        gone_ = true;
        signal_.notify_all();
    }
    void wait_until_gone() {
        std::unique_lock lock(mutex_);
        signal_.wait(lock, [this] { return gone_; });
        gone_ = false;
    }

    /// For scripts: spins as a guest does that computes, until it must leave.
    ExitKind compute(const RunContext& context) {
        while (!exit_requested.exchange(false)) {
            const unsigned flags = context.ring_flags == nullptr
                                       ? 0
                                       : __atomic_load_n(context.ring_flags, __ATOMIC_RELAXED);
            if ((flags & context.ring_mask) != 0 || monotonic_now() >= context.deadline) {
                break;
            }
        }
        return ExitKind::interrupted;
    }

    Script script;
    std::function<void()> at_sample;  // set before the vCPU is added
    std::atomic<bool> exit_requested{false};
    std::atomic<int> inside{0};
    std::atomic<std::uint64_t> runs{0};
    std::atomic<int> work{0};
    std::atomic<Nanos> timer{~Nanos{0}};
    std::atomic<bool> critical{false};
    std::atomic<Level> claim{kNoLevel};
    std::atomic<Level> timer_level{kNoLevel};
    std::atomic<Level> irq_level{kNoLevel};
    std::atomic<Level> ring_level{0};
    std::atomic<Level> yield_level{kNoLevel};
    std::atomic<std::uint64_t> waiting{0};
    std::atomic<std::uint64_t> siblings{0};

private:
    std::mutex mutex_;
    std::condition_variable signal_;
    bool gone_ = false;
};

/// Lets a test wait for something that a worker does.
class Latch {
public:
    void count() {
        const std::lock_guard lock(mutex_);
        ++value_;
        signal_.notify_all();
    }
    void wait_for(std::uint64_t value) {
        std::unique_lock lock(mutex_);
        signal_.wait(lock, [&] { return value_ >= value; });
    }
    std::uint64_t value() {
        const std::lock_guard lock(mutex_);
        return value_;
    }

private:
    std::mutex mutex_;
    std::condition_variable signal_;
    std::uint64_t value_ = 0;
};

}  // namespace vmm::sched::test
