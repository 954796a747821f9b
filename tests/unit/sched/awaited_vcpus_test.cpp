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
        pool.revive(handle, true);
        added_.emplace_back(handle, &vcpu);
        return handle;
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
