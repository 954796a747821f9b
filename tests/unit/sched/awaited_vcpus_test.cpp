// SPDX-License-Identifier: Apache-2.0
// vCPUs of one guest that wait for each other, on one worker that other guests want too.
#include "fake_vcpu.hpp"
#include "sched/workers/worker_pool.hpp"

#include <gtest/gtest.h>

namespace vmm::sched::test {
namespace {

constexpr std::uint64_t kManyTurns = 1000;

/// One worker, with another guest that computes at level 20 whenever it may.
class AwaitedVcpus : public testing::Test {
protected:
    explicit AwaitedVcpus(Nanos section_ns = PoolOptions{}.section_ns)
        : pool({.workers = 1, .section_ns = section_ns}, make_policy("priority")) {
        EXPECT_TRUE(pool.start());
        other.claim = 20;
    }
    /// At the end of a test, before its vCPUs are gone.
    void remove_all() {
        for (const auto& [handle, vcpu] : added_) {
            pool.remove(handle);
            vcpu->wait_until_gone();
        }
    }
    WorkerPool::Handle add(VcpuId id, FakeVcpu& vcpu) {
        const auto handle = pool.add(id, vcpu, {});
        begin(handle, vcpu);
        return handle;
    }
    /// For a vCPU whose script needs its handle.
    void begin(WorkerPool::Handle handle, FakeVcpu& vcpu) {
        added_.emplace_back(handle, &vcpu);
        pool.revive(handle, true);
    }

    WorkerPool pool;
    FakeVcpu other{[](FakeVcpu& self, const RunContext& context) { return self.compute(context); }};

private:
    std::vector<std::pair<WorkerPool::Handle, FakeVcpu*>> added_;
};

/// Work of some milliseconds at level 40 within a lock that a vCPU of level 0 spins for.
TEST_F(AwaitedVcpus, who_holds_a_lock_comes_to_run_before_less_urgent_guests) {
    constexpr Nanos kWork = 2'000'000;
    std::atomic<bool> held{true};
    Latch inside;
    Latch passed;
    Nanos worked = 0;
    FakeVcpu holder([&](FakeVcpu& self, const RunContext& context) {
        inside.count();
        const Nanos begin = monotonic_now();
        const ExitKind exit = self.compute(context);
        worked += monotonic_now() - begin;
        if (worked >= kWork) {
            held = false;
            self.critical = false;
        }
        return exit;
    });
    holder.claim = 40;
    holder.critical = true;
    FakeVcpu spinner([&](FakeVcpu& self, const RunContext& context) {
        const ExitKind exit = self.compute(context);
        if (!held.load() || self.runs.load() > kManyTurns) {
            passed.count();
            return ExitKind::idle;
        }
        return exit;
    });
    spinner.claim = 0;
    add({.guest = 0, .vcpu = 1}, holder);
    inside.wait_for(1);
    add({.guest = 1}, other);
    add({.guest = 0, .vcpu = 0}, spinner);
    passed.wait_for(1);
    EXPECT_FALSE(held.load()) << "it spun for " << spinner.runs.load() << " turns in vain";
    remove_all();
}

/// It has lost the worker to another vCPU of its guest, so it cannot tell of what that one queues.
TEST_F(AwaitedVcpus, who_is_given_urgent_work_while_it_waits_comes_to_run) {
    Latch passed;
    std::atomic<bool> began{false};
    FakeVcpu waiting([&](FakeVcpu& self, const RunContext& context) {
        if (self.claim.load() == 2) {
            began = true;
            passed.count();
            return ExitKind::idle;
        }
        return self.compute(context);
    });
    waiting.claim = 40;
    FakeVcpu running([&](FakeVcpu& self, const RunContext& context) {
        if (self.runs.load() > kManyTurns) {
            passed.count();
            return ExitKind::idle;
        }
        const bool has_been_looked_at = waiting.runs.load() != 0;
        const ExitKind exit = self.compute(context);
        if (has_been_looked_at) {
            waiting.claim = 2;
        }
        return exit;
    });
    running.claim = 20;
    add({.guest = 0, .vcpu = 1}, waiting);
    add({.guest = 0, .vcpu = 0}, running);
    add({.guest = 1}, other);
    passed.wait_for(1);
    EXPECT_TRUE(began.load());
    remove_all();
}

TEST_F(AwaitedVcpus, who_was_sent_an_ipi_comes_to_run_before_less_urgent_guests) {
    Latch passed;
    std::atomic<bool> taken{false};
    Latch ready;
    WorkerPool::Handle called = nullptr;
    FakeVcpu target([&](FakeVcpu& self, const RunContext& context) {
        if (self.work.exchange(0) != 0) {
            taken = true;
        }
        ready.count();
        return self.compute(context);
    });
    target.claim = 40;
    FakeVcpu sender([&](FakeVcpu& self, const RunContext& context) {
        if (target.work.load() == 0 && !taken.load()) {
            target.work = 1;
            pool.wake(called, WakeCause::call);
        }
        const ExitKind exit = self.compute(context);
        if (taken.load() || self.runs.load() > kManyTurns) {
            passed.count();
            return ExitKind::idle;
        }
        return exit;
    });
    sender.claim = 0;
    called = add({.guest = 0, .vcpu = 1}, target);
    ready.wait_for(1);
    add({.guest = 1}, other);
    add({.guest = 0, .vcpu = 0}, sender);
    passed.wait_for(1);
    EXPECT_TRUE(taken.load()) << "it waited for " << sender.runs.load() << " turns in vain";
    remove_all();
}

TEST_F(AwaitedVcpus, who_sent_an_ipi_may_sleep_until_it_is_answered) {
    Latch ready;
    Latch answered;
    WorkerPool::Handle called = nullptr;
    FakeVcpu target([&](FakeVcpu& self, const RunContext& context) {
        if (self.work.exchange(0) != 0) {
            answered.count();
        }
        ready.count();
        return self.compute(context);
    });
    std::atomic<std::uint64_t> others_turns{0};
    FakeVcpu counted([&](FakeVcpu& self, const RunContext& context) {
        if (others_turns.fetch_add(1) == kManyTurns) {
            answered.count();
        }
        return self.compute(context);
    });
    FakeVcpu sender([&](FakeVcpu&, const RunContext&) {
        target.work = 1;
        pool.wake(called, WakeCause::call);
        return ExitKind::idle;
    });
    target.claim = 40;
    counted.claim = 20;
    sender.claim = 0;
    called = add({.guest = 0, .vcpu = 1}, target);
    ready.wait_for(1);
    add({.guest = 1}, counted);
    while (others_turns.load() < 2) {
    }
    const auto asleep = add({.guest = 0, .vcpu = 0}, sender);
    while (pool.state(asleep) != VcpuEntry::State::idle) {
    }
    pool.wake(asleep, WakeCause::completion, 0);  // now that the pool knows its claim
    answered.wait_for(1);
    EXPECT_LT(others_turns.load(), kManyTurns);
    remove_all();
}

/// Nothing says that the holder is in a critical section, but the spinner knows.
TEST_F(AwaitedVcpus, a_spinner_gives_its_turn_to_the_vcpu_that_it_names) {
    std::atomic<bool> held{true};
    Latch inside;
    Latch passed;
    WorkerPool::Handle of_holder = nullptr;
    WorkerPool::Handle of_spinner = nullptr;
    std::uint64_t turns = 0;
    FakeVcpu holder([&](FakeVcpu& self, const RunContext& context) {
        inside.count();
        held = held.load() && pool.status(of_holder).level == 40;  // until it was given a turn
        return self.compute(context);
    });
    holder.claim = 40;
    FakeVcpu spinner([&](FakeVcpu& self, const RunContext& context) {
        ++turns;
        if (!held.load() || turns > kManyTurns) {
            passed.count();
            return ExitKind::idle;
        }
        return pool.spin(of_spinner, of_holder) ? ExitKind::yielded : self.compute(context);
    });
    spinner.claim = 0;
    of_holder = pool.add({.guest = 0, .vcpu = 1}, holder, {});
    of_spinner = pool.add({.guest = 0, .vcpu = 0}, spinner, {});
    begin(of_holder, holder);
    inside.wait_for(1);
    add({.guest = 1}, other);
    begin(of_spinner, spinner);
    passed.wait_for(1);
    EXPECT_FALSE(held.load()) << "it spun for " << turns << " turns in vain";
    EXPECT_LT(turns, 10U);
    while (pool.status(of_holder).level != 40) {  // its turn ends
    }
    remove_all();
}

TEST_F(AwaitedVcpus, a_spin_for_one_that_does_not_wait_for_a_worker_changes_nothing) {
    Latch done;
    WorkerPool::Handle own = nullptr;
    WorkerPool::Handle sleeper = nullptr;
    std::vector<bool> answers;
    FakeVcpu idle([](FakeVcpu&, const RunContext&) { return ExitKind::idle; });
    FakeVcpu spinner([&](FakeVcpu& self, const RunContext& context) {
        if (done.value() == 0) {
            answers.push_back(pool.spin(own, own));
            answers.push_back(pool.spin(own, nullptr));
            answers.push_back(pool.spin(own, sleeper));
            done.count();
        }
        return self.compute(context);
    });
    sleeper = add({.guest = 0, .vcpu = 1}, idle);
    while (pool.state(sleeper) != VcpuEntry::State::idle) {
    }
    own = pool.add({.guest = 0, .vcpu = 0}, spinner, {});
    begin(own, spinner);
    done.wait_for(1);
    remove_all();
    EXPECT_EQ(answers, (std::vector<bool>{false, false, false}));
}

/// Under any policy, the policy that shows nothing of other guests included.
TEST(Siblings, that_wait_are_shown_to_their_guest_alone) {
    for (const std::string_view policy : {"priority", "fair"}) {
        WorkerPool pool({.workers = 1}, make_policy(policy));
        ASSERT_TRUE(pool.start());
        const auto compute = [](FakeVcpu& self, const RunContext& context) {
            return self.compute(context);
        };
        FakeVcpu first(compute);
        FakeVcpu second(compute);
        FakeVcpu stranger(compute);
        first.claim = 10;
        second.claim = 30;
        stranger.claim = 20;
        const auto one = pool.add({.guest = 0, .vcpu = 0}, first, {});
        const auto other = pool.add({.guest = 1}, stranger, {});
        const auto two = pool.add({.guest = 0, .vcpu = 1}, second, {});
        for (const auto handle : {one, other, two}) {
            pool.revive(handle, true);
        }
        while (first.siblings.load() == 0) {
        }
        EXPECT_EQ(first.siblings.load() & ~(std::uint64_t{1} << 30 | 1U << 16), 0U);
        EXPECT_EQ(stranger.siblings.load(), 0U);
        for (const auto& [handle, vcpu] : std::vector<std::pair<WorkerPool::Handle, FakeVcpu*>>{
                 {one, &first}, {other, &stranger}, {two, &second}
             }) {
            pool.remove(handle);
            vcpu->wait_until_gone();
        }
    }
}

/// Less urgent than a sibling that waits, the only one that runs is told so, and may go at once.
TEST(Siblings, that_are_more_urgent_are_given_way_to_at_the_next_switch) {
    PoolOptions options{.workers = 1};
    options.grace_ns = 3'600'000'000'000;  // force never comes within the test
    WorkerPool pool(options, make_policy("priority"));
    ASSERT_TRUE(pool.start());
    FakeVcpu busy([](FakeVcpu& self, const RunContext& context) {
        if (self.yield_level.load() < self.claim.load()) {
            return ExitKind::yielded;
        }
        return self.compute(context);
    });
    Latch ran;
    FakeVcpu urgent([&](FakeVcpu&, const RunContext&) {
        ran.count();
        return ExitKind::idle;
    });
    busy.claim = 40;
    urgent.claim = 3;
    const auto running = pool.add({.guest = 0, .vcpu = 0}, busy, {});
    const auto woken = pool.add({.guest = 0, .vcpu = 1}, urgent, {});
    pool.revive(running, true);
    pool.revive(woken, true);
    for (std::uint64_t round = 2; round < 20; ++round) {
        ran.wait_for(round - 1);
        while (pool.state(woken) != VcpuEntry::State::idle) {
        }
        pool.wake(woken, WakeCause::completion, 3);
    }
    ran.wait_for(19);
    for (const auto& [handle, vcpu] : std::vector<std::pair<WorkerPool::Handle, FakeVcpu*>>{
             {running, &busy}, {woken, &urgent}
         }) {
        pool.remove(handle);
        vcpu->wait_until_gone();
    }
}

TEST(HiddenOthers, are_not_shown_and_neither_is_that_there_are_some) {
    WorkerPool pool({.workers = 1}, make_policy("priority"));
    ASSERT_TRUE(pool.start());
    Latch shown;
    const auto watch = [&](FakeVcpu& self, const RunContext& context) {
        shown.count();
        return self.compute(context);
    };
    FakeVcpu hidden(watch);
    FakeVcpu open(watch);
    hidden.claim = open.claim = 20;
    const auto one = pool.add({.guest = 0}, hidden, {.hides_others = true});
    const auto other = pool.add({.guest = 1}, open, {});
    pool.revive(one, true);
    while (hidden.ring_level.load() != 20) {
    }
    EXPECT_EQ(pool.state(other), VcpuEntry::State::ended) << "it is alone, and cannot tell";
    pool.revive(other, true);
    while (open.waiting.load() == 0) {
    }
    shown.wait_for(shown.value() + 20);
    EXPECT_EQ(hidden.waiting.load(), 0U);
    EXPECT_EQ(hidden.yield_level.load(), kNoLevel);
    EXPECT_EQ(hidden.ring_level.load(), 20);
    pool.set_tenant({.guest = 0}, {});
    while (hidden.waiting.load() == 0) {
    }
    for (const auto& [handle, vcpu] :
         std::vector<std::pair<WorkerPool::Handle, FakeVcpu*>>{{one, &hidden}, {other, &open}}) {
        pool.remove(handle);
        vcpu->wait_until_gone();
    }
}

class AwaitedForShort : public AwaitedVcpus {
protected:
    AwaitedForShort()
        : AwaitedVcpus(1'000) {}
};

/// It keeps its level, but no longer the worker to itself: it is looked at soon, and then the
/// urgent one has its turn. (A slice would be a hundred looks.)
TEST_F(AwaitedForShort, who_never_leaves_its_section_holds_nobody_of_its_level_up) {
    Latch urgent_ran;
    FakeVcpu greedy([](FakeVcpu& self, const RunContext& context) { return self.compute(context); }
    );
    greedy.claim = 40;
    greedy.critical = true;
    FakeVcpu urgent([&](FakeVcpu& self, const RunContext& context) {
        urgent_ran.count();
        return self.compute(context);
    });
    urgent.claim = 0;
    const auto handle = add({.guest = 0, .vcpu = 1}, greedy);
    add({.guest = 1}, other);
    const std::uint64_t alone = greedy.runs.load();
    add({.guest = 0, .vcpu = 0}, urgent);
    urgent_ran.wait_for(100);
    EXPECT_EQ(pool.status(handle).level, 0);
    EXPECT_LT(greedy.runs.load() - alone, 5 * pool.times(handle).switches);
    remove_all();
}

}  // namespace
}  // namespace vmm::sched::test
