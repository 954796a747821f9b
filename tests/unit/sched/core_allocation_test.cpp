// SPDX-License-Identifier: Apache-2.0
// Extra vCPUs in a pool of workers, with fake ones.
#include "fake_vcpu.hpp"
#include "sched/workers/worker_pool.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace vmm::sched::test {
namespace {

using State = VcpuEntry::State;
using Core = VcpuEntry::Core;

constexpr std::uint64_t bit(unsigned vcpu) {
    return std::uint64_t{1} << vcpu;
}

/// A vCPU that computes. It stops when the test says so, or when it is taken back.
class Computing {
public:
    Computing(WorkerPool& pool, VcpuId id)
        : vcpu([this, &pool, id](FakeVcpu& self, const RunContext& context) {
            const bool revoked = (pool.cores(id.of_guest()).revoked >> id.vcpu & 1) != 0;
            if (stop.load() || (revoked && obeys.load())) {
                return ExitKind::stopped;
            }
            return end.load() ? ExitKind::ended : self.compute(context);
        }) {}

    std::atomic<bool> obeys{true};
    std::atomic<bool> stop{false};
    std::atomic<bool> end{false};
    FakeVcpu vcpu;
};

/// Guests of vCPUs that compute; the first `own` of each are its own.
struct Fleet {
    explicit Fleet(unsigned workers, std::string_view policy = "priority")
        : pool({.workers = workers}, make_policy(policy)) {
        EXPECT_TRUE(pool.start());
    }
    ~Fleet() {
        for (auto& guest : guests) {
            for (auto& one : guest) {
                pool.remove(one.handle);
                one.computing->vcpu.wait_until_gone();
            }
        }
    }

    struct One {
        std::unique_ptr<Computing> computing;
        WorkerPool::Handle handle;
    };

    void add(unsigned own, unsigned most, const Tenant& tenant = {}) {
        const auto guest = static_cast<std::uint32_t>(guests.size());
        auto& vcpus = guests.emplace_back();
        for (unsigned vcpu = 0; vcpu < most; ++vcpu) {
            const VcpuId id{.guest = guest, .vcpu = vcpu};
            auto computing = std::make_unique<Computing>(pool, id);
            computing->vcpu.claim = 20;
            const Core core = vcpu < own ? Core::own : Core::none;
            const auto handle = pool.add(id, computing->vcpu, tenant, core);
            pool.revive(handle, vcpu < own);
            vcpus.push_back({std::move(computing), handle});
        }
    }
    State state(unsigned guest, unsigned vcpu) const { return pool.state(handle(guest, vcpu)); }
    WorkerPool::Handle handle(unsigned guest, unsigned vcpu) const {
        return guests[guest][vcpu].handle;
    }
    Computing& computing(unsigned guest, unsigned vcpu) { return *guests[guest][vcpu].computing; }
    /// Until the guest has exactly these; the test hangs, and times out, when that never comes.
    void wait_for(unsigned guest, std::uint64_t granted, std::uint64_t revoked) {
        for (;;) {
            const CoreSets sets = pool.cores({.guest = guest});
            if (sets.granted == granted && sets.revoked == revoked) {
                return;
            }
            std::this_thread::yield();
        }
    }
    /// Asks for one more than it has, until it is granted, and starts it.
    void grow(unsigned guest, unsigned vcpu) {
        while ((pool.cores({.guest = guest}).granted & bit(vcpu)) == 0) {
            pool.want_cores({.guest = guest}, vcpu + 1);
            std::this_thread::yield();
        }
        EXPECT_TRUE(pool.may_start(handle(guest, vcpu)));
        pool.start_vcpu(handle(guest, vcpu));
    }

    std::vector<std::vector<One>> guests;  // outlive the workers
    WorkerPool pool;
};

TEST(CoreAllocation, who_asks_gets_a_vcpu_while_a_worker_is_idle_and_no_more) {
    Fleet fleet(2);
    fleet.add(1, 4);
    EXPECT_FALSE(fleet.pool.may_start(fleet.handle(0, 1)));
    fleet.pool.want_cores({.guest = 0}, 4);
    fleet.wait_for(0, bit(1), 0);
    EXPECT_TRUE(fleet.pool.may_start(fleet.handle(0, 1)));
    EXPECT_FALSE(fleet.pool.may_start(fleet.handle(0, 2)));
    fleet.pool.start_vcpu(fleet.handle(0, 1));
    while (fleet.state(0, 1) != State::running) {
        std::this_thread::yield();
    }
    fleet.pool.want_cores({.guest = 0}, 4);
    EXPECT_EQ(fleet.pool.cores({.guest = 0}).granted, bit(1));
}

TEST(CoreAllocation, a_worker_that_becomes_idle_is_granted_to_who_asked_before) {
    Fleet fleet(2);
    fleet.add(1, 2);
    fleet.add(1, 1);
    while (fleet.state(0, 0) != State::running || fleet.state(1, 0) != State::running) {
        std::this_thread::yield();
    }
    fleet.pool.want_cores({.guest = 0}, 2);
    EXPECT_EQ(fleet.pool.cores({.guest = 0}).granted, 0U);
    fleet.computing(1, 0).end = true;
    fleet.wait_for(0, bit(1), 0);
    fleet.pool.revive(fleet.handle(1, 0), false);
    fleet.computing(1, 0).vcpu.wait_until_gone();
}

TEST(CoreAllocation, congestion_takes_a_vcpu_back_and_calm_brings_it_again) {
    Fleet fleet(2);
    fleet.add(1, 2);
    fleet.add(1, 1, {});
    fleet.pool.remove(fleet.handle(1, 0));
    fleet.computing(1, 0).vcpu.wait_until_gone();
    for (int round = 0; round < 5; ++round) {
        fleet.grow(0, 1);
        fleet.pool.revive(fleet.handle(1, 0), true);  // three compute on two workers
        fleet.wait_for(0, 0, 0);
        EXPECT_FALSE(fleet.pool.may_start(fleet.handle(0, 1)));
        EXPECT_EQ(fleet.state(0, 1), State::stopped);
        fleet.pool.remove(fleet.handle(1, 0));
        fleet.computing(1, 0).vcpu.wait_until_gone();
    }
    EXPECT_GE(fleet.pool.times(fleet.handle(0, 1)).revocations, 5U);
    fleet.pool.revive(fleet.handle(1, 0), false);
}

TEST(CoreAllocation, the_extra_vcpus_of_best_effort_guests_go_first) {
    Fleet fleet(3);
    fleet.add(1, 2);
    fleet.add(1, 2, {.base_level = 63, .ceiling = 63});
    fleet.grow(0, 1);
    // All three workers have what they run; best effort asks and gets nothing.
    while (fleet.state(0, 1) != State::running || fleet.state(1, 0) != State::running) {
        std::this_thread::yield();
    }
    fleet.pool.want_cores({.guest = 1}, 2);
    EXPECT_EQ(fleet.pool.cores({.guest = 1}).granted, 0U);
    EXPECT_EQ(fleet.pool.cores({.guest = 0}).granted, bit(1));
    // With one worker idle it gets that, and loses it as soon as an ordinary guest waits for one.
    fleet.computing(0, 1).stop = true;
    while (fleet.state(0, 1) != State::stopped) {
        std::this_thread::yield();
    }
    fleet.computing(0, 1).stop = false;
    fleet.grow(1, 1);
    fleet.computing(1, 1).vcpu.claim = 0;  // whatever it claims
    fleet.pool.start_vcpu(fleet.handle(0, 1));
    while (fleet.state(0, 1) != State::running) {
        std::this_thread::yield();
    }
    EXPECT_EQ(fleet.pool.cores({.guest = 0}).granted, bit(1));
}

TEST(CoreAllocation, who_does_not_stop_a_vcpu_has_it_at_the_least_level) {
    Fleet fleet(1);
    fleet.add(1, 2);
    fleet.pool.remove(fleet.handle(0, 0));
    fleet.computing(0, 0).vcpu.wait_until_gone();
    fleet.computing(0, 1).obeys = false;
    fleet.grow(0, 1);  // the only one that runs
    fleet.computing(0, 1).vcpu.claim = 0;
    fleet.computing(0, 1).vcpu.critical = true;
    fleet.add(1, 1);
    fleet.wait_for(0, 0, bit(1));
    // At level 0 it would keep the worker for ever.
    while (fleet.pool.times(fleet.handle(1, 0)).run_ns < 10'000'000) {
        std::this_thread::yield();
    }
    EXPECT_EQ(fleet.pool.status(fleet.handle(0, 1)).level, 63);
    EXPECT_EQ(fleet.pool.cores({.guest = 0}).revoked, bit(1));
    fleet.pool.want_cores({.guest = 0}, 2);
    EXPECT_EQ(fleet.pool.cores({.guest = 0}).granted, 0U);
    fleet.pool.revive(fleet.handle(0, 0), false);
}

TEST(CoreAllocation, a_revoked_vcpu_that_gets_no_turn_does_not_shield_the_others) {
    Fleet fleet(2);
    fleet.add(1, 3);
    fleet.pool.remove(fleet.handle(0, 0));
    fleet.computing(0, 0).vcpu.wait_until_gone();
    fleet.computing(0, 1).vcpu.claim = 5;
    fleet.computing(0, 2).vcpu.claim = 62;
    fleet.computing(0, 2).obeys = false;
    fleet.grow(0, 1);
    fleet.grow(0, 2);
    while (fleet.pool.status(fleet.handle(0, 2)).level != 62) {
        std::this_thread::yield();
    }
    // At level 20 these two are congested as long as the urgent one has a worker. The other one is
    // taken back first, and never runs again.
    fleet.add(2, 2);
    fleet.wait_for(0, 0, bit(2));
    fleet.pool.revive(fleet.handle(0, 0), false);
}

TEST(CoreAllocation, a_vcpu_that_stopped_outside_of_the_pool_is_given_back) {
    Fleet fleet(1);
    fleet.add(1, 2);
    fleet.pool.remove(fleet.handle(0, 0));
    fleet.computing(0, 0).vcpu.wait_until_gone();
    fleet.computing(0, 1).obeys = false;
    fleet.grow(0, 1);
    fleet.add(1, 1);
    fleet.wait_for(0, 0, bit(1));
    fleet.pool.remove(fleet.handle(0, 1));  // a save, a debugger, a pause
    fleet.computing(0, 1).vcpu.wait_until_gone();
    fleet.pool.revive(fleet.handle(0, 1), false);
    fleet.wait_for(0, 0, 0);
    fleet.pool.revive(fleet.handle(0, 0), false);
}

TEST(CoreAllocation, fewer_are_given_back_and_one_that_was_never_started_is_at_once) {
    Fleet fleet(3);
    fleet.add(1, 3);
    fleet.computing(0, 1).obeys = false;
    fleet.pool.want_cores({.guest = 0}, 3);
    fleet.wait_for(0, bit(1) | bit(2), 0);
    fleet.pool.start_vcpu(fleet.handle(0, 1));
    fleet.pool.want_cores({.guest = 0}, 1);
    fleet.wait_for(0, 0, bit(1));
    fleet.computing(0, 1).stop = true;
    fleet.wait_for(0, 0, 0);
}

TEST(CoreAllocation, what_is_started_without_a_grant_is_to_be_stopped) {
    Fleet fleet(2);
    fleet.add(1, 2);
    fleet.computing(0, 1).obeys = false;
    fleet.pool.start_vcpu(fleet.handle(0, 1));
    fleet.wait_for(0, 0, bit(1));
}

TEST(CoreAllocation, a_guest_that_has_ended_holds_nothing) {
    Fleet fleet(3);
    fleet.add(1, 3);
    fleet.grow(0, 1);
    for (unsigned vcpu = 0; vcpu < 3; ++vcpu) {
        fleet.pool.remove(fleet.handle(0, vcpu));
        fleet.computing(0, vcpu).vcpu.wait_until_gone();
    }
    fleet.pool.forget_cores({.guest = 0});
    fleet.wait_for(0, 0, 0);
    for (unsigned vcpu = 0; vcpu < 3; ++vcpu) {
        fleet.pool.revive(fleet.handle(0, vcpu), false);
    }
    EXPECT_FALSE(fleet.pool.may_start(fleet.handle(0, 1)));
}

TEST(CoreAllocation, numbers_that_follow_each_other_quickly_are_looked_at_once_an_interval) {
    // No worker runs: who asks is the only one that looks, and time stands still.
    VirtualTime time;
    WorkerPool pool({.workers = 2, .virtual_time = &time}, make_policy("priority"));
    Computing first(pool, {.vcpu = 0});
    Computing second(pool, {.vcpu = 1});
    pool.add({.vcpu = 0}, first.vcpu, {});
    const auto handle = pool.add({.vcpu = 1}, second.vcpu, {}, Core::none);
    pool.revive(handle, false);
    const auto say_both = [&] {
        pool.want_cores({}, 1);
        pool.want_cores({}, 2);
    };
    pool.want_cores({}, 2);
    EXPECT_TRUE(pool.may_start(handle)) << "the first one is heard at once";
    for (int i = 0; i < 1000; ++i) {
        say_both();
    }
    pool.want_cores({}, 1);
    EXPECT_TRUE(pool.may_start(handle));
    EXPECT_EQ(pool.times(handle).grants, 1U);
    EXPECT_EQ(pool.times(handle).revocations, 0U);
    time.advance(kCoreIntervalNs);
    pool.want_cores({}, 1);
    EXPECT_FALSE(pool.may_start(handle));
    constexpr unsigned kIntervals = 100;
    for (unsigned i = 0; i < 10 * kIntervals; ++i) {
        time.advance(kCoreIntervalNs / 10);
        say_both();
    }
    EXPECT_LE(pool.times(handle).grants + pool.times(handle).revocations, kIntervals + 3);
}

TEST(CoreAllocation, the_last_number_counts_though_nobody_runs_when_its_time_comes) {
    Fleet fleet(2);
    fleet.add(1, 2);
    fleet.pool.remove(fleet.handle(0, 0));
    fleet.computing(0, 0).vcpu.wait_until_gone();
    for (int round = 0; round < 20; ++round) {
        for (const unsigned vcpus : {2U, 1U, 2U}) {
            fleet.pool.want_cores({.guest = 0}, vcpus);
        }
        fleet.wait_for(0, bit(1), 0);
        for (const unsigned vcpus : {1U, 2U, 1U}) {
            fleet.pool.want_cores({.guest = 0}, vcpus);
        }
        fleet.wait_for(0, 0, 0);
    }
    fleet.pool.revive(fleet.handle(0, 0), false);
}

TEST(CoreAllocation, threads_of_the_hosts_scheduler_are_granted_when_asked_for) {
    WorkerPool pool({.workers = 1, .host_scheduled = true}, make_policy("fair"));
    EXPECT_TRUE(pool.start());
    Computing third(pool, {.vcpu = 2});
    const auto handle = pool.add({.guest = 0, .vcpu = 2}, third.vcpu, {}, Core::none);
    pool.revive(handle, false);
    pool.want_cores({.guest = 0}, 2);
    EXPECT_FALSE(pool.may_start(handle));
    pool.want_cores({.guest = 0}, 3);
    EXPECT_TRUE(pool.may_start(handle));
    pool.want_cores({.guest = 0}, 1);
    EXPECT_FALSE(pool.may_start(handle));
    pool.remove(handle);
    third.vcpu.wait_until_gone();
    pool.stop();  // before the vCPU, which the workers may still tell of its core
}

}  // namespace
}  // namespace vmm::sched::test
