// SPDX-License-Identifier: Apache-2.0
// vCPUs with a host thread each, and what the host's kernel is told about the threads.
#include "fake_vcpu.hpp"
#include "sched/workers/host_thread.hpp"
#include "sched/workers/vcpu_scheduler.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace vmm::sched::test {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// What the host knows of the calling thread.
struct Seen {
    std::string name;
    std::vector<unsigned> cpus;
    int nice = 0;
    int policy = 0;
    int priority = 0;
};

Seen this_thread() {
    std::array<char, 16> name{};
    pthread_getname_np(pthread_self(), name.data(), name.size());
    sched_param parameters{};
    ::sched_getparam(0, &parameters);
    return {
        .name = name.data(),
        .cpus = allowed_cpus(),
        .nice = ::getpriority(PRIO_PROCESS, 0),
        .policy = ::sched_getscheduler(0),
        .priority = parameters.sched_priority,
    };
}

std::unique_ptr<VcpuScheduler> make(const SchedulerOptions& options) {
    auto made = VcpuScheduler::create(options);
    EXPECT_TRUE(made) << (made ? "" : made.error().message);
    return std::move(*made);
}

std::string error_of(const SchedulerOptions& options) {
    const auto made = VcpuScheduler::create(options);
    EXPECT_FALSE(made);
    EXPECT_EQ(made.error().kind, ErrorKind::configuration);
    return made.error().message;
}

/// vCPUs of one script on a scheduler, hart by hart of guest 0 unless they say otherwise.
struct Vcpus {
    explicit Vcpus(const SchedulerOptions& options)
        : scheduler(make(options)) {}
    ~Vcpus() { scheduler->stop(); }

    std::size_t
    add(FakeVcpu::Script script, const Tenant& tenant = {}, std::string_view guest = "guest") {
        FakeVcpu& vcpu = vcpus.emplace_back(std::move(script));
        const auto number = static_cast<std::uint32_t>(handles.size());
        handles.push_back(scheduler->add({.vcpu = number}, vcpu, tenant, guest));
        return number;
    }
    void run_all() {
        const auto started = scheduler->start();
        ASSERT_TRUE(started) << started.error().message;
        for (const auto handle : handles) {
            scheduler->revive(handle, true);
        }
    }
    void remove_all() {
        for (std::size_t i = 0; i < handles.size(); ++i) {
            scheduler->remove(handles[i]);
            vcpus[i].wait_until_gone();
        }
    }

    std::unique_ptr<VcpuScheduler> scheduler;
    std::deque<FakeVcpu> vcpus;
    std::vector<VcpuScheduler::Handle> handles;
};

/// What the host knows of the thread that runs a vCPU of `tenant`.
Seen thread_of(
    const SchedulerOptions& options, const Tenant& tenant, std::string_view guest = "guest"
) {
    Vcpus one(options);
    Seen seen;
    one.add(
        [&seen](FakeVcpu&, const RunContext&) {
            seen = this_thread();
            return ExitKind::ended;
        },
        tenant,
        guest
    );
    one.run_all();
    one.vcpus[0].wait_until_gone();
    return seen;
}

/// Whether this process may make threads that the host runs before all others.
bool fifo_permitted() {
    bool permitted = false;
    std::thread([&permitted] {
        const sched_param parameters{.sched_priority = 64};
        permitted = ::sched_setscheduler(0, SCHED_FIFO, &parameters) == 0;
    }).join();
    return permitted;
}

/// Runs `action` in a thread that may raise neither nice values nor real-time priorities.
template <class Action>
void without_privileges(Action action) {
    for (const auto resource : {RLIMIT_NICE, RLIMIT_RTPRIO}) {
        ::rlimit limit{};
        ASSERT_EQ(::getrlimit(resource, &limit), 0);
        limit.rlim_cur = 0;
        ASSERT_EQ(::setrlimit(resource, &limit), 0);
    }
    std::thread([&action] {
        __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
        std::array<__user_cap_data_struct, 2> sets{};
        ASSERT_EQ(::syscall(SYS_capget, &header, sets.data()), 0);
        sets[0].effective &= ~(1U << CAP_SYS_NICE);
        ASSERT_EQ(::syscall(SYS_capset, &header, sets.data()), 0);
        action();
    }).join();
}

TEST(SchedulingNames, policies_come_first_and_the_hosts_modes_are_known) {
    const auto names = scheduling_names();
    EXPECT_EQ(names.front(), "priority");
    EXPECT_EQ(names.back(), "linux-fifo");
    EXPECT_EQ(host_mode("linux"), HostMode::plain);
    EXPECT_EQ(host_mode("linux-nice"), HostMode::nice);
    EXPECT_EQ(host_mode("linux-fifo"), HostMode::fifo);
    EXPECT_EQ(host_mode("priority"), std::nullopt);
    EXPECT_THAT(error_of({.policy = "windows"}), HasSubstr("linux, linux-nice, linux-fifo"));
}

TEST(HostThreads, every_vcpu_runs_at_once_however_few_the_workers) {
    Vcpus three({.workers = 1, .policy = "linux"});
    Latch inside;
    for (int i = 0; i < 3; ++i) {
        three.add([&inside](FakeVcpu&, const RunContext&) {
            inside.count();
            inside.wait_for(3);  // for ever, if two shared a thread
            return ExitKind::ended;
        });
    }
    three.run_all();
    for (FakeVcpu& vcpu : three.vcpus) {
        vcpu.wait_until_gone();
    }
    EXPECT_EQ(three.scheduler->workers(), 3U);
}

TEST(HostThreads, a_wake_runs_its_vcpu_on_its_thread_and_wakes_no_other) {
    Vcpus four({.workers = 1, .policy = "linux"});
    std::array<std::vector<pid_t>, 4> threads;
    Latch ran;
    for (std::size_t i = 0; i < 4; ++i) {
        four.add([&, i](FakeVcpu&, const RunContext&) {
            threads[i].push_back(static_cast<pid_t>(::syscall(SYS_gettid)));
            ran.count();
            return ExitKind::idle;
        });
    }
    four.run_all();
    ran.wait_for(4);
    constexpr std::uint64_t kWakes = 50;
    for (std::uint64_t i = 1; i <= kWakes; ++i) {
        // A wake that meets a vCPU before it is idle is remembered; each is one more run.
        four.scheduler->wake(four.handles[2], WakeCause::completion, 3);
        ran.wait_for(4 + i);
    }
    four.remove_all();
    ASSERT_EQ(threads[2].size(), kWakes + 1);
    EXPECT_THAT(threads[2], Each(threads[2].front()));
    for (const unsigned other : {0U, 1U, 3U}) {
        ASSERT_EQ(threads[other].size(), 1U);
        EXPECT_NE(threads[other].front(), threads[2].front());
        // Before its vCPU first ran, and after.
        EXPECT_LE(four.scheduler->worker_times(other).sleeps, 2U);
    }
}

TEST(HostThreads, the_timer_of_an_idle_vcpu_wakes_its_thread) {
    Vcpus two({.workers = 1, .policy = "linux"});
    two.add([](FakeVcpu& self, const RunContext& context) { return self.compute(context); });
    two.add([](FakeVcpu& self, const RunContext&) {
        self.timer = monotonic_now() + 1'000'000;
        return self.runs.load() > 5 ? ExitKind::ended : ExitKind::idle;
    });
    two.run_all();
    two.vcpus[1].wait_until_gone();
    two.scheduler->remove(two.handles[0]);
    two.vcpus[0].wait_until_gone();
}

TEST(HostThreads, guests_are_shown_nothing_and_asked_for_nothing) {
    Vcpus two({.workers = 1, .policy = "linux"});
    Latch runs;
    const auto script = [&runs](FakeVcpu& self, const RunContext& context) {
        EXPECT_EQ(self.ring_level.load(), 0);
        EXPECT_EQ(self.yield_level.load(), kNoLevel);
        EXPECT_EQ(self.waiting.load(), 0U);
        runs.count();
        return self.compute(context);
    };
    const std::size_t urgent = two.add(script, {.base_level = 2});
    const std::size_t patient = two.add(script, {.base_level = 40});
    two.vcpus[urgent].claim = 2;
    two.vcpus[patient].claim = 40;
    two.run_all();
    runs.wait_for(40);
    two.remove_all();
    EXPECT_EQ(two.scheduler->times(two.handles[patient]).preemptions, 0U);
}

TEST(HostThreads, time_that_the_host_gave_to_others_counts_as_waiting) {
    Vcpus two({.workers = 1, .policy = "linux"});
    std::array<Latch, 2> runs;
    for (Latch& mine : runs) {
        two.add([&mine](FakeVcpu& self, const RunContext& context) {
            mine.count();
            return self.compute(context);
        });
    }
    const Nanos begin = monotonic_now();
    two.run_all();
    for (Latch& each : runs) {
        each.wait_for(30);
    }
    two.remove_all();
    const Nanos passed = monotonic_now() - begin;
    Nanos ran = 0;
    for (const auto handle : two.handles) {
        const VcpuTimes times = two.scheduler->times(handle);
        EXPECT_GT(times.wait_ns, 0U);
        ran += times.run_ns;
    }
    EXPECT_LE(ran, passed);  // both have the one CPU
}

TEST(HostThreads, workers_are_numbered_through_and_do_what_is_posted_to_them) {
    Vcpus three({.workers = 1, .policy = "linux"});
    for (int i = 0; i < 3; ++i) {
        three.add([](FakeVcpu&, const RunContext&) { return ExitKind::idle; });
    }
    three.run_all();
    Latch done;
    for (unsigned worker = 0; worker < 3; ++worker) {
        three.scheduler->post(worker, [&, worker](io::Engine& engine) {
            EXPECT_EQ(three.scheduler->current_worker(), worker);
            EXPECT_EQ(three.scheduler->current_engine(), &engine);
            done.count();
        });
    }
    done.wait_for(3);
    EXPECT_EQ(three.scheduler->current_worker(), VcpuScheduler::kNoWorker);
    EXPECT_EQ(three.scheduler->current_engine(), nullptr);
    three.remove_all();
}

TEST(HostThreads, workers_of_another_scheduler_are_none_of_ours) {
    Vcpus ours({.policy = "linux"});
    Vcpus theirs({.policy = "linux"});
    ours.add([](FakeVcpu&, const RunContext&) { return ExitKind::ended; });
    theirs.add([&ours](FakeVcpu&, const RunContext&) {
        EXPECT_EQ(ours.scheduler->current_worker(), VcpuScheduler::kNoWorker);
        EXPECT_EQ(ours.scheduler->current_engine(), nullptr);
        return ExitKind::ended;
    });
    theirs.run_all();
    theirs.vcpus[0].wait_until_gone();
}

TEST(HostThreads, names_tell_guest_and_vcpu_within_what_the_host_keeps) {
    EXPECT_EQ(thread_of({.policy = "linux"}, {}, "greeter").name, "greeter/0");
    const std::string longest = thread_of({.policy = "linux"}, {}, "a-guest-with-a-long-name").name;
    EXPECT_EQ(longest, "a-guest-with-/0");
}

TEST(HostThreads, workers_are_the_cpus_that_threads_may_use) {
    const std::vector<unsigned> allowed = allowed_cpus();
    EXPECT_THAT(thread_of({.workers = 1, .policy = "linux"}, {}).cpus, ElementsAre(allowed[0]));
    const auto more = static_cast<unsigned>(allowed.size()) + 1;
    EXPECT_EQ(thread_of({.workers = more, .policy = "linux"}, {}).cpus, allowed);
    const SchedulerOptions pinned{.workers = 1, .policy = "linux", .pin = {allowed.back()}};
    EXPECT_THAT(thread_of(pinned, {}).cpus, ElementsAre(allowed.back()));
}

TEST(HostThreads, plain_threads_are_scheduled_as_the_process_is) {
    const Seen seen = thread_of({.policy = "linux"}, {.base_level = 30, .nice = 7});
    EXPECT_EQ(seen.nice, ::getpriority(PRIO_PROCESS, 0));
    EXPECT_EQ(seen.policy, SCHED_OTHER);
}

TEST(HostThreads, nice_is_the_tenants_or_follows_from_its_base_level) {
    EXPECT_EQ(nice_of({}), 0);
    EXPECT_EQ(nice_of({.base_level = 0}), -16);
    EXPECT_EQ(nice_of({.base_level = 63}), 19);
    EXPECT_EQ(nice_of({.base_level = 63, .nice = -20}), -20);
    // Less urgent than this process is allowed to everybody.
    const int nicer = std::min(::getpriority(PRIO_PROCESS, 0) + 2, 19);
    const auto level = static_cast<Level>(kDefaultLevel + nicer);
    EXPECT_EQ(thread_of({.policy = "linux-nice"}, {.base_level = level}).nice, nicer);
    EXPECT_EQ(thread_of({.policy = "linux-nice"}, {.base_level = 0, .nice = nicer}).nice, nicer);
}

TEST(HostThreads, fifo_priority_follows_from_the_base_level) {
    EXPECT_EQ(fifo_of({.base_level = 0}), 64);
    EXPECT_EQ(fifo_of({.base_level = 63}), 1);
    if (!fifo_permitted()) {
        GTEST_SKIP(
        ) << "this process may not have SCHED_FIFO: neither CAP_SYS_NICE nor RLIMIT_RTPRIO";
    }
    const Seen seen = thread_of({.policy = "linux-fifo"}, {.base_level = 10});
    EXPECT_EQ(seen.policy, SCHED_FIFO);
    EXPECT_EQ(seen.priority, 54);
}

TEST(HostThreads, what_the_host_refuses_is_told_with_the_limit_that_would_allow_it) {
    without_privileges([] {
        const auto refusal = [](const char* policy, const Tenant& tenant) {
            Vcpus one({.policy = policy});
            const auto script = [](FakeVcpu&, const RunContext&) { return ExitKind::ended; };
            one.add(script, {.nice = 19});
            one.add(script, tenant, "bold");
            const auto started = one.scheduler->start();
            EXPECT_FALSE(started);
            EXPECT_EQ(started.error().kind, ErrorKind::unavailable);
            return started.error().message;
        };
        EXPECT_THAT(
            refusal("linux-nice", {.nice = -5}),
            AllOf(
                HasSubstr("bold/1 cannot have nice -5"),
                HasSubstr("CAP_SYS_NICE"),
                HasSubstr("RLIMIT_NICE (ulimit -e) of 25 or more, which is 0")
            )
        );
        EXPECT_THAT(
            refusal("linux-fifo", {}),
            AllOf(
                HasSubstr("guest/0 cannot have SCHED_FIFO priority 48"),
                HasSubstr("CAP_SYS_NICE"),
                HasSubstr("RLIMIT_RTPRIO (ulimit -r) of 48 or more, which is 0")
            )
        );
    });
}

TEST(Pinned, worker_k_keeps_to_the_kth_cpu_of_the_list) {
    const std::vector<unsigned> allowed = allowed_cpus();
    if (allowed.size() < 2) {
        GTEST_SKIP() << "needs two CPUs, this process may use one";
    }
    const auto scheduler = make({.workers = 2, .pin = {allowed[1], allowed[0]}});
    ASSERT_TRUE(scheduler->start());
    std::array<Seen, 2> seen;
    Latch done;
    for (unsigned worker = 0; worker < 2; ++worker) {
        scheduler->post(worker, [&, worker](io::Engine&) {
            seen[worker] = this_thread();
            done.count();
        });
    }
    done.wait_for(2);
    scheduler->stop();
    EXPECT_EQ(seen[0].name, "cops-w0");
    EXPECT_THAT(seen[0].cpus, ElementsAre(allowed[1]));
    EXPECT_EQ(seen[1].name, "cops-w1");
    EXPECT_THAT(seen[1].cpus, ElementsAre(allowed[0]));
}

TEST(Pinned, workers_run_anywhere_when_not_asked_otherwise) {
    const auto scheduler = make({.workers = 1});
    ASSERT_TRUE(scheduler->start());
    Seen seen;
    Latch done;
    scheduler->post(0, [&](io::Engine&) {
        seen = this_thread();
        done.count();
    });
    done.wait_for(1);
    scheduler->stop();
    EXPECT_EQ(seen.cpus, allowed_cpus());
}

TEST(Pinned, cpus_that_cannot_be_are_refused_with_those_that_can) {
    const std::vector<unsigned> allowed = allowed_cpus();
    const std::string accepted = "accepted: " + cpu_list_text(allowed);
    const unsigned beyond = allowed.back() + 1;
    for (const char* policy : {"priority", "linux"}) {
        EXPECT_THAT(
            error_of({.policy = policy, .pin = {beyond}}),
            AllOf(HasSubstr("CPU " + std::to_string(beyond)), HasSubstr(accepted))
        );
        EXPECT_THAT(
            error_of({.workers = 2, .policy = policy, .pin = {allowed[0]}}),
            AllOf(HasSubstr("2 workers need as many CPUs, and the list has 1"), HasSubstr(accepted))
        );
    }
}

TEST(Dispatcher, that_cannot_be_is_refused) {
    EXPECT_THAT(
        error_of({.policy = "linux", .dispatcher = true}),
        AllOf(HasSubstr("policy linux leaves all decisions"), HasSubstr("one of priority"))
    );
    EXPECT_THAT(error_of({.workers = 256, .dispatcher = true}), HasSubstr("up to 255 workers"));
    const std::vector<unsigned> allowed = allowed_cpus();
    EXPECT_THAT(
        error_of({.workers = 1, .pin = {allowed[0]}, .dispatcher = true}),
        HasSubstr("1 workers and the dispatcher need as many CPUs, and the list has 1")
    );
}

TEST(CpuListText, is_as_taskset_writes_it) {
    EXPECT_EQ(cpu_list_text(std::vector<unsigned>{0}), "0");
    EXPECT_EQ(cpu_list_text(std::vector<unsigned>{0, 1, 2, 3, 8}), "0-3,8");
    EXPECT_EQ(cpu_list_text(std::vector<unsigned>{1, 3, 4}), "1,3-4");
}

}  // namespace
}  // namespace vmm::sched::test
