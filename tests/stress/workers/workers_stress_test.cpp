// SPDX-License-Identifier: Apache-2.0
// Many fake vCPUs on several workers or on a thread each, woken from everywhere at once: no wake-up
// is lost, no vCPU is run twice at a time. Meant to be run under ThreadSanitizer too.
#include "fake_vcpu.hpp"
#include "sched/workers/vcpu_scheduler.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <thread>
#include <vector>

namespace vmm::sched::test {
namespace {

/// A vCPU that goes idle when it has eaten all that was posted to it. A lost wake-up leaves posts
/// uneaten for ever, and the test times out.
struct Consumer {
    std::atomic<std::uint64_t> posted{0};
    std::atomic<std::uint64_t> eaten{0};
    FakeVcpu vcpu{[this](FakeVcpu&, const RunContext&) {
        const std::uint64_t pending = posted.load() - eaten.load();
        eaten.fetch_add(pending);
        return ExitKind::idle;
    }};
    VcpuScheduler::Handle handle = nullptr;
};

constexpr std::string_view kDispatched = "+dispatcher";

class Wakes : public testing::TestWithParam<std::string_view> {
protected:
    static std::unique_ptr<VcpuScheduler> make(unsigned workers) {
        // "priority+dispatcher": with a thread that picks for the workers.
        std::string policy(GetParam());
        const bool dispatcher = policy.ends_with(kDispatched);
        policy.resize(policy.size() - (dispatcher ? kDispatched.size() : 0));
        auto made =
            VcpuScheduler::create({.workers = workers, .policy = policy, .dispatcher = dispatcher});
        EXPECT_TRUE(made) << (made ? "" : made.error().message);
        return std::move(*made);
    }
};

TEST_P(Wakes, none_is_lost_between_threads_and_vcpus) {
    constexpr unsigned kVcpus = 24;
    constexpr unsigned kThreads = 3;
    constexpr std::uint64_t kPosts = 20'000;
    const auto scheduler = make(3);
    std::vector<std::unique_ptr<Consumer>> consumers;
    for (std::uint32_t i = 0; i < kVcpus; ++i) {
        auto consumer = std::make_unique<Consumer>();
        consumer->handle =
            scheduler->add({.guest = i / 2, .vcpu = i % 2}, consumer->vcpu, {}, "guest");
        consumers.push_back(std::move(consumer));
    }
    ASSERT_TRUE(scheduler->start());
    for (const auto& consumer : consumers) {
        scheduler->revive(consumer->handle, true);
    }
    std::vector<std::thread> threads;
    for (unsigned t = 0; t < kThreads; ++t) {
        threads.emplace_back([&, t] {
            std::minstd_rand random(t + 1);
            for (std::uint64_t i = 0; i < kPosts; ++i) {
                Consumer& to = *consumers[random() % kVcpus];
                to.posted.fetch_add(1);
                scheduler->wake(
                    to.handle, WakeCause::completion, static_cast<Level>(random() % 64)
                );
                if (random() % 16 == 0) {
                    scheduler->kick(to.handle);
                }
            }
        });
    }
    for (auto& thread : threads) {
        thread.join();
    }
    for (const auto& consumer : consumers) {
        while (consumer->eaten.load() != consumer->posted.load()) {
            std::this_thread::yield();
        }
        scheduler->remove(consumer->handle);
        consumer->vcpu.wait_until_gone();
    }
}

TEST_P(Wakes, vcpus_wake_each_other_round_a_ring) {
    constexpr unsigned kVcpus = 16;
    constexpr std::uint64_t kRounds = 3'000;
    const auto scheduler = make(2);
    std::vector<std::unique_ptr<Consumer>> ring;
    Latch done;
    for (std::uint32_t i = 0; i < kVcpus; ++i) {
        ring.push_back(std::make_unique<Consumer>());
    }
    for (std::uint32_t i = 0; i < kVcpus; ++i) {
        Consumer& self = *ring[i];
        Consumer& next = *ring[(i + 1) % kVcpus];
        self.vcpu.script = [&, i](FakeVcpu&, const RunContext&) {
            const std::uint64_t pending = self.posted.load() - self.eaten.load();
            if (pending != 0) {
                self.eaten.fetch_add(pending);
                if (i == 0 && self.eaten.load() >= kRounds) {
                    done.count();
                } else {
                    next.posted.fetch_add(pending);
                    scheduler->wake(next.handle, WakeCause::interrupt, static_cast<Level>(i));
                }
            }
            return ExitKind::idle;
        };
        self.handle = scheduler->add({.guest = i}, self.vcpu, {}, "guest");
    }
    ASSERT_TRUE(scheduler->start());
    for (const auto& vcpu : ring) {
        scheduler->revive(vcpu->handle, true);
    }
    ring[0]->posted.fetch_add(1);
    scheduler->wake(ring[0]->handle, WakeCause::interrupt);
    done.wait_for(1);
    for (const auto& vcpu : ring) {
        scheduler->remove(vcpu->handle);
        vcpu->vcpu.wait_until_gone();
    }
}

TEST_P(Wakes, vcpus_come_and_go_while_others_compute) {
    const auto scheduler = make(3);
    std::vector<std::unique_ptr<Consumer>> busy;
    for (std::uint32_t i = 0; i < 4; ++i) {
        auto one = std::make_unique<Consumer>();
        one->vcpu.claim = static_cast<Level>(10 + i);
        one->vcpu.script = [](FakeVcpu& self, const RunContext& context) {
            return self.compute(context);
        };
        one->handle = scheduler->add({.guest = i}, one->vcpu, {}, "guest");
        busy.push_back(std::move(one));
    }
    Consumer visitor;
    visitor.handle = scheduler->add({.guest = 9}, visitor.vcpu, {}, "guest");
    ASSERT_TRUE(scheduler->start());
    for (const auto& one : busy) {
        scheduler->revive(one->handle, true);
    }
    for (int i = 0; i < 2000; ++i) {
        scheduler->revive(visitor.handle, i % 2 == 0);
        visitor.posted.fetch_add(1);
        scheduler->start_vcpu(visitor.handle);
        scheduler->wake(visitor.handle, WakeCause::completion, 1);
        scheduler->remove(visitor.handle);
        visitor.vcpu.wait_until_gone();
    }
    for (const auto& one : busy) {
        scheduler->remove(one->handle);
        one->vcpu.wait_until_gone();
    }
}

std::string name_of(const testing::TestParamInfo<std::string_view>& info) {
    std::string name(info.param);
    std::ranges::replace(name, '+', '_');
    return name;
}
INSTANTIATE_TEST_SUITE_P(Policies, Wakes, testing::ValuesIn(policy_names()), name_of);
INSTANTIATE_TEST_SUITE_P(
    Dispatched, Wakes, testing::Values("priority+dispatcher", "fair+dispatcher"), name_of
);
INSTANTIATE_TEST_SUITE_P(Host, Wakes, testing::Values("linux"), name_of);

}  // namespace
}  // namespace vmm::sched::test
