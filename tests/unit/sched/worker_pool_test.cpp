// SPDX-License-Identifier: Apache-2.0
#include "fake_vcpu.hpp"
#include "sched/workers/worker_pool.hpp"

#include <gtest/gtest.h>

#include <ctime>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace vmm::sched::test {
namespace {

using State = VcpuEntry::State;

/// Whether a dispatcher picks for the workers of the test's pools.
bool with_dispatcher = false;

class PoolModes : public testing::TestWithParam<bool> {
protected:
    PoolModes() { with_dispatcher = GetParam(); }
    ~PoolModes() override { with_dispatcher = false; }
};

struct Pool {
    explicit Pool(unsigned workers, std::string_view policy = "priority", PoolOptions options = {})
        : pool(with_workers(options, workers), make_policy(policy)) {
        const auto started = pool.start();
        EXPECT_TRUE(started) << (started ? "" : started.error().message);
    }
    static PoolOptions with_workers(PoolOptions options, unsigned workers) {
        options.workers = workers;
        options.dispatcher = with_dispatcher;
        return options;
    }
    WorkerPool::Handle add(std::uint32_t guest, FakeVcpu& vcpu, bool ready, Tenant tenant = {}) {
        const auto handle = pool.add({.guest = guest}, vcpu, tenant);
        pool.revive(handle, ready);
        return handle;
    }
    void remove(WorkerPool::Handle handle, FakeVcpu& vcpu) {
        pool.remove(handle);
        vcpu.wait_until_gone();
    }

    WorkerPool pool;
};

TEST_P(PoolModes, a_ready_vcpu_runs_and_ends) {
    Pool pool(1);
    Latch ran;
    FakeVcpu vcpu([&](FakeVcpu&, const RunContext&) {
        ran.count();
        return ExitKind::ended;
    });
    const auto handle = pool.add(0, vcpu, true);
    vcpu.wait_until_gone();
    EXPECT_EQ(ran.value(), 1U);
    EXPECT_EQ(pool.pool.state(handle), State::ended);
    EXPECT_EQ(pool.pool.times(handle).switches, 1U);
}

TEST_P(PoolModes, a_stopped_vcpu_runs_after_start) {
    Pool pool(1);
    FakeVcpu vcpu([](FakeVcpu&, const RunContext&) { return ExitKind::ended; });
    const auto handle = pool.add(0, vcpu, false);
    pool.pool.wake(handle, WakeCause::interrupt);
    EXPECT_EQ(pool.pool.state(handle), State::stopped);
    pool.pool.start_vcpu(handle);
    vcpu.wait_until_gone();
    EXPECT_EQ(vcpu.runs.load(), 1U);
}

TEST_P(PoolModes, a_wake_while_running_is_remembered) {
    Pool pool(1);
    Latch inside;
    Latch woken;
    Latch again;
    FakeVcpu vcpu([&](FakeVcpu& self, const RunContext&) {
        if (self.runs.load() == 1) {
            inside.count();
            woken.wait_for(1);  // the wake comes while this one still runs
            return ExitKind::idle;
        }
        again.count();
        return ExitKind::ended;
    });
    const auto handle = pool.add(0, vcpu, true);
    inside.wait_for(1);
    EXPECT_EQ(pool.pool.state(handle), State::running);
    pool.pool.wake(handle, WakeCause::interrupt);
    woken.count();
    vcpu.wait_until_gone();
    EXPECT_EQ(again.value(), 1U);
}

TEST_P(PoolModes, work_that_is_pending_keeps_a_vcpu_from_going_idle) {
    Pool pool(1);
    FakeVcpu vcpu([](FakeVcpu& self, const RunContext&) {
        return self.work.fetch_sub(1) > 1 ? ExitKind::idle : ExitKind::ended;
    });
    vcpu.work = 5;
    pool.add(0, vcpu, true);
    vcpu.wait_until_gone();
    EXPECT_EQ(vcpu.runs.load(), 5U);
}

TEST_P(PoolModes, the_timer_of_an_idle_vcpu_wakes_it) {
    Pool pool(2);
    FakeVcpu vcpu([](FakeVcpu& self, const RunContext&) {
        if (self.runs.load() > 5) {
            return ExitKind::ended;
        }
        self.timer = monotonic_now() + 2'000'000;
        return ExitKind::idle;
    });
    pool.add(0, vcpu, true);
    vcpu.wait_until_gone();
    EXPECT_EQ(vcpu.runs.load(), 6U);
}

TEST_P(PoolModes, timers_fire_while_the_only_worker_is_busy) {
    Pool pool(1);
    Latch fired;
    FakeVcpu busy([](FakeVcpu& self, const RunContext& context) { return self.compute(context); });
    FakeVcpu timed([&](FakeVcpu& self, const RunContext&) {
        if (self.runs.load() > 3) {
            return ExitKind::ended;
        }
        fired.count();
        self.timer = monotonic_now() + 1'000'000;
        return ExitKind::idle;
    });
    busy.claim = 20;
    timed.timer_level = 3;
    const auto handle = pool.add(0, busy, true);
    pool.add(1, timed, true, {.base_level = 3});
    timed.wait_until_gone();
    EXPECT_EQ(fired.value(), 3U);
    pool.remove(handle, busy);
}

/// A vCPU that waits for wake-ups, over and over, until it is told to end.
struct Sleeper {
    FakeVcpu vcpu{[this](FakeVcpu&, const RunContext&) {
        return done.load() ? ExitKind::ended : ExitKind::idle;
    }};
    std::atomic<bool> done{false};

    /// Wakes it until it has run once more. A wake that meets a runnable vCPU changes nothing, so
    /// one may not be enough.
    void wake(WorkerPool& pool, WorkerPool::Handle handle) {
        const auto before = vcpu.runs.load();
        while (vcpu.runs.load() == before) {
            pool.wake(handle, WakeCause::completion, 2);
            std::this_thread::yield();
        }
    }
    void end(WorkerPool& pool, WorkerPool::Handle handle) {
        done.store(true);
        wake(pool, handle);
        vcpu.wait_until_gone();
    }
};

// A kernel that has not taken its interrupt yet shows what it did before, however little that was.
TEST_P(PoolModes, a_vcpu_with_a_pending_interrupt_does_not_wait_behind_less_urgent_work) {
    Pool pool(1);
    FakeVcpu busy([](FakeVcpu& self, const RunContext& context) { return self.compute(context); });
    FakeVcpu interrupted([](FakeVcpu& self, const RunContext& context) {
        if (self.runs.load() > 1) {
            return ExitKind::ended;
        }
        self.claim = 63;
        self.work = 1;
        return self.compute(context);
    });
    busy.claim = 20;
    interrupted.irq_level = 16;
    const auto handle = pool.add(0, busy, true);
    pool.add(1, interrupted, true, {.base_level = 0});
    interrupted.wait_until_gone();
    pool.remove(handle, busy);
}

// In the next two tests a slice of the busy vCPU may end by itself just when the urgent one is
// woken; then nobody needs to be preempted or asked, and the test tries again. It hangs when that
// never helps.

TEST_P(PoolModes, urgent_work_takes_the_worker_from_less_urgent) {
    Pool pool(1);
    FakeVcpu busy([](FakeVcpu& self, const RunContext& context) { return self.compute(context); });
    Sleeper urgent;
    busy.claim = 20;
    const auto handle = pool.add(0, busy, true);
    const auto sleeper = pool.add(1, urgent.vcpu, true, {.base_level = 1});
    while (pool.pool.times(handle).preemptions == 0) {
        urgent.wake(pool.pool, sleeper);
    }
    urgent.end(pool.pool, sleeper);
    pool.remove(handle, busy);
}

TEST_P(PoolModes, a_victim_in_a_critical_section_is_asked_and_may_yield_within_the_grace_time) {
    PoolOptions options;
    options.grace_ns = 3'600'000'000'000;  // force never comes within the test
    Pool pool(1, "priority", options);
    FakeVcpu busy([](FakeVcpu& self, const RunContext& context) {
        if (self.yield_level.load() < self.claim.load()) {
            return ExitKind::yielded;
        }
        return self.compute(context);
    });
    Sleeper urgent;
    busy.claim = 20;
    busy.critical = true;
    const auto handle = pool.add(0, busy, true);
    const auto sleeper = pool.add(1, urgent.vcpu, true, {.base_level = 1});
    while (pool.pool.times(handle).yields == 0) {
        urgent.wake(pool.pool, sleeper);
    }
    EXPECT_EQ(pool.pool.times(handle).preemptions, 0U);
    urgent.end(pool.pool, sleeper);
    pool.remove(handle, busy);
}

/// A quarter of an urgent wake-up's time went by in the victim's guest on its way to a switch.
TEST_P(PoolModes, a_victim_outside_of_critical_sections_is_not_waited_for) {
    PoolOptions options;
    options.grace_ns = 3'600'000'000'000;
    Pool pool(1, "priority", options);
    FakeVcpu busy([](FakeVcpu& self, const RunContext& context) { return self.compute(context); });
    Sleeper urgent;
    busy.claim = 20;
    const auto handle = pool.add(0, busy, true);
    const auto sleeper = pool.add(1, urgent.vcpu, true, {.base_level = 1});
    while (pool.pool.times(handle).preemptions < 3) {
        urgent.wake(pool.pool, sleeper);
    }
    urgent.end(pool.pool, sleeper);
    pool.remove(handle, busy);
}

// A kernel that spins on a lock sleeps a little, and its timer's level is that of an earlier time.
TEST_P(PoolModes, a_vcpu_that_sleeps_with_work_wakes_at_the_level_of_that) {
    Pool pool(1);
    FakeVcpu busy([](FakeVcpu& self, const RunContext& context) { return self.compute(context); });
    FakeVcpu waiter([](FakeVcpu& self, const RunContext&) {
        self.timer = monotonic_now() + 1'000;
        return self.runs.load() > 5 ? ExitKind::ended : ExitKind::idle;
    });
    busy.claim = 20;
    waiter.claim = 3;
    waiter.timer_level = 30;
    const auto handle = pool.add(0, busy, true);
    pool.add(1, waiter, true, {.base_level = 3});
    waiter.wait_until_gone();
    pool.remove(handle, busy);
}

TEST_P(PoolModes, a_victim_in_a_critical_section_may_finish_it) {
    PoolOptions options;
    options.grace_ns = 0;
    options.section_ns = 3'600'000'000'000;  // force never comes within the test
    Pool pool(1, "priority", options);
    std::atomic<int> stopped_inside = 0;
    FakeVcpu busy([](FakeVcpu& self, const RunContext& context) {
        self.critical = !self.critical;  // in and out by turns
        return self.critical ? self.compute(context) : ExitKind::interrupted;
    });
    Sleeper urgent;
    urgent.vcpu.script = [&](FakeVcpu&, const RunContext&) {
        stopped_inside += busy.critical ? 1 : 0;
        return urgent.done.load() ? ExitKind::ended : ExitKind::idle;
    };
    busy.claim = 20;
    const auto handle = pool.add(0, busy, true);
    const auto sleeper = pool.add(1, urgent.vcpu, true, {.base_level = 1});
    while (pool.pool.times(handle).preemptions < 20) {
        urgent.wake(pool.pool, sleeper);
    }
    EXPECT_EQ(stopped_inside, 0);
    urgent.end(pool.pool, sleeper);
    pool.remove(handle, busy);
}

TEST_P(PoolModes, a_critical_section_that_does_not_end_is_no_shield) {
    PoolOptions options;
    options.grace_ns = 0;
    options.section_ns = 1'000;
    Pool pool(1, "priority", options);
    FakeVcpu busy([](FakeVcpu& self, const RunContext& context) { return self.compute(context); });
    Sleeper urgent;
    busy.claim = 20;
    busy.critical = true;
    const auto handle = pool.add(0, busy, true);
    const auto sleeper = pool.add(1, urgent.vcpu, true, {.base_level = 1});
    while (pool.pool.times(handle).preemptions < 3) {
        urgent.wake(pool.pool, sleeper);
    }
    urgent.end(pool.pool, sleeper);
    pool.remove(handle, busy);
}

TEST_P(PoolModes, a_tenant_that_changes_counts_for_vcpus_that_run_and_wait) {
    Pool pool(1);
    FakeVcpu running([](FakeVcpu& self, const RunContext& context) { return self.compute(context); }
    );
    FakeVcpu waiting([](FakeVcpu&, const RunContext&) { return ExitKind::ended; });
    running.claim = 5;
    waiting.claim = 5;
    const auto handle = pool.add(0, running, true, {.base_level = 4});
    while (running.runs.load() < 2) {
        std::this_thread::yield();  // until its claim was seen
    }
    pool.add(1, waiting, true, {.base_level = 30});
    EXPECT_EQ(waiting.runs.load(), 0U);
    pool.pool.set_tenant({.guest = 0}, {.base_level = 40, .ceiling = 40});
    waiting.wait_until_gone();
    pool.pool.set_tenant({.guest = 7}, {});  // nobody
    pool.remove(handle, running);
}

TEST_P(PoolModes, a_tenant_that_changed_stays_so_when_its_guest_starts_over) {
    Pool pool(1);
    Latch second;
    FakeVcpu vcpu([&](FakeVcpu&, const RunContext&) { return ExitKind::ended; });
    FakeVcpu other([&](FakeVcpu& self, const RunContext& context) {
        second.count();
        return self.compute(context);
    });
    const auto handle = pool.add(0, vcpu, true, {.base_level = 40});
    vcpu.wait_until_gone();
    pool.pool.set_tenant({.guest = 0}, {.base_level = 3});
    const auto busy = pool.add(1, other, true, {.base_level = 20});
    other.claim = 20;
    second.wait_for(1);
    pool.pool.revive(handle, true);  // at level 3: it need not wait for the other
    vcpu.wait_until_gone();
    pool.remove(busy, other);
}

TEST_P(PoolModes, levels_that_wait_elsewhere_are_shown_to_the_victim_only) {
    Pool pool(2);
    Latch shown_to_urgent;
    Latch shown_to_middle;
    // What it is shown once it was looked at, while the two of them run and the third waits.
    const auto script = [](Latch& shown, Level yield_level) {
        return [&shown, yield_level](FakeVcpu& self, const RunContext& context) {
            if (self.waiting.load() == std::uint64_t{1} << 30
                && self.ring_level.load() == self.claim.load()) {
                EXPECT_EQ(self.yield_level.load(), yield_level);
                shown.count();
            }
            return self.compute(context);
        };
    };
    FakeVcpu urgent(script(shown_to_urgent, kNoLevel));
    FakeVcpu middle(script(shown_to_middle, 29));  // at 30 it is one of two
    FakeVcpu waiting([](FakeVcpu& self, const RunContext& context) { return self.compute(context); }
    );
    urgent.claim = 2;
    middle.claim = 20;
    waiting.claim = 30;
    const auto a = pool.add(0, urgent, true, {.base_level = 2});
    const auto b = pool.add(1, middle, true, {.base_level = 20});
    const auto c = pool.add(2, waiting, true, {.base_level = 30});
    shown_to_urgent.wait_for(10);
    shown_to_middle.wait_for(10);
    pool.remove(a, urgent);
    pool.remove(b, middle);
    pool.remove(c, waiting);
}

TEST_P(PoolModes, who_is_no_more_urgent_than_what_waits_has_its_turn_to_the_end) {
    Pool pool(1);
    Latch shown;
    const auto script = [&](FakeVcpu& self, const RunContext& context) {
        if (self.waiting.load() == std::uint64_t{1} << 30) {
            EXPECT_EQ(self.yield_level.load(), 30);
            shown.count();
        }
        return self.compute(context);
    };
    FakeVcpu one(script);
    FakeVcpu other(script);
    one.claim = 30;
    other.claim = 30;
    const auto a = pool.add(0, one, true, {.base_level = 30});
    const auto b = pool.add(1, other, true, {.base_level = 30});
    shown.wait_for(20);
    pool.remove(a, one);
    pool.remove(b, other);
}

TEST_P(PoolModes, nothing_waiting_means_no_doorbell) {
    Pool pool(1);
    Latch runs;
    FakeVcpu alone([&](FakeVcpu& self, const RunContext& context) {
        runs.count();
        return self.compute(context);
    });
    alone.claim = 9;
    const auto handle = pool.add(0, alone, true);
    runs.wait_for(3);
    EXPECT_EQ(alone.ring_level.load(), 0);
    EXPECT_EQ(alone.yield_level.load(), kNoLevel);
    pool.remove(handle, alone);
}

TEST_P(PoolModes, a_removed_vcpu_never_runs_again_until_revived) {
    Pool pool(1);
    Latch runs;
    FakeVcpu vcpu([&](FakeVcpu& self, const RunContext& context) {
        runs.count();
        return self.compute(context);
    });
    const auto handle = pool.add(0, vcpu, true);
    runs.wait_for(1);
    pool.remove(handle, vcpu);
    const std::uint64_t before = runs.value();
    pool.pool.wake(handle, WakeCause::interrupt);
    pool.pool.start_vcpu(handle);
    EXPECT_EQ(pool.pool.state(handle), State::ended);
    EXPECT_EQ(runs.value(), before);
    pool.pool.revive(handle, true);
    runs.wait_for(before + 1);
    pool.remove(handle, vcpu);
}

TEST_P(PoolModes, time_is_accounted_to_the_level_that_ran) {
    Pool pool(1);
    Latch runs;
    FakeVcpu vcpu([&](FakeVcpu& self, const RunContext& context) {
        runs.count();
        return self.compute(context);
    });
    vcpu.claim = 7;
    const auto handle = pool.add(0, vcpu, true);
    runs.wait_for(4);
    pool.remove(handle, vcpu);
    const VcpuTimes times = pool.pool.times(handle);
    EXPECT_GT(times.run_at[7], 0U);
    Nanos total = 0;
    for (const Nanos at : times.run_at) {
        total += at;
    }
    EXPECT_EQ(total, times.run_ns);
}

TEST_P(PoolModes, tasks_run_on_the_worker_that_they_were_posted_to) {
    Pool pool(3);
    Latch done;
    for (unsigned worker = 0; worker < 3; ++worker) {
        pool.pool.post(worker, [&, worker](io::Engine& engine) {
            EXPECT_EQ(pool.pool.current_worker(), worker);
            EXPECT_EQ(pool.pool.current_engine(), &engine);
            done.count();
        });
    }
    done.wait_for(3);
    EXPECT_EQ(pool.pool.current_engine(), nullptr);
}

TEST_P(PoolModes, a_task_posted_while_a_vcpu_is_looked_at_does_not_wait_for_its_slice) {
    Pool pool(1);
    std::atomic<bool> ran = false;
    std::atomic<bool> late = false;
    WorkerPool::Handle handle = nullptr;
    Latch added;
    FakeVcpu vcpu([&](FakeVcpu& self, const RunContext&) {
        added.wait_for(1);
        if (self.runs.load() == 1) {
            pool.pool.kick(handle);  // somebody has asked already when the task comes
            return ExitKind::interrupted;
        }
        late = !ran && !self.exit_requested;
        return ExitKind::ended;
    });
    vcpu.at_sample = [&] {
        if (vcpu.runs.load() == 1) {
            vcpu.exit_requested = false;
            pool.pool.post(0, [&](io::Engine&) { ran = true; });
        }
    };
    handle = pool.add(0, vcpu, true);
    added.count();
    vcpu.wait_until_gone();
    EXPECT_FALSE(late);
}

TEST_P(PoolModes, idle_workers_sleep) {
    Pool pool(2);
    Latch ran;
    FakeVcpu vcpu([&](FakeVcpu&, const RunContext&) {
        ran.count();
        return ExitKind::idle;
    });
    const auto handle = pool.add(0, vcpu, true);
    ran.wait_for(1);
    // Each round trip through both workers' mailboxes ends in sleep again; the time that they use
    // is that of the posts, not of the waiting between them.
    Latch done;
    for (std::uint64_t i = 1; i <= 50; ++i) {
        pool.pool.post(i % 2, [&](io::Engine&) { done.count(); });
        done.wait_for(i);
    }
    EXPECT_GE(pool.pool.worker_times(0).sleeps + pool.pool.worker_times(1).sleeps, 2U);
    EXPECT_EQ(vcpu.runs.load(), 1U);
    pool.remove(handle, vcpu);
}

TEST_P(PoolModes, operations_complete_on_the_worker_that_started_them) {
    Pool pool(2);
    struct Sink final : io::CompletionSink {
        WorkerPool* pool = nullptr;
        Latch done;
        std::atomic<unsigned> worker{99};
        void io_completed(const io::Completion&) noexcept override {
            worker = pool->current_worker();
            done.count();
        }
    } sink;
    sink.pool = &pool.pool;
    pool.pool.post(1, [&](io::Engine& engine) {
        engine.start({.opcode = io::Opcode::sleep, .sink = &sink, .token = 1, .offset = 1000});
    });
    sink.done.wait_for(1);
    EXPECT_EQ(sink.worker.load(), 1U);
}

TEST_P(PoolModes, ready_vcpus_run_on_all_workers_at_once) {
    constexpr unsigned kWorkers = 4;
    Pool pool(kWorkers);
    Latch running;
    std::vector<std::unique_ptr<FakeVcpu>> vcpus;
    std::vector<WorkerPool::Handle> handles;
    for (unsigned i = 0; i < kWorkers; ++i) {
        vcpus.push_back(std::make_unique<FakeVcpu>([&](FakeVcpu&, const RunContext&) {
            running.count();
            running.wait_for(kWorkers);  // each of them must have a worker
            return ExitKind::ended;
        }));
    }
    for (unsigned i = 0; i < kWorkers; ++i) {
        handles.push_back(pool.add(i, *vcpus[i], true));
    }
    for (const auto& vcpu : vcpus) {
        vcpu->wait_until_gone();
    }
    EXPECT_EQ(running.value(), kWorkers);
}

INSTANTIATE_TEST_SUITE_P(WorkerPool, PoolModes, testing::Bool(), [](const auto& info) {
    return std::string(info.param ? "dispatched" : "each_for_itself");
});

}  // namespace
}  // namespace vmm::sched::test
