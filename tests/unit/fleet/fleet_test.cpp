// SPDX-License-Identifier: Apache-2.0
#include "process.hpp"

#include <vmm/fleet.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace vmm {
namespace {

std::string guest_image(const char* what) {
    return std::string(COPS_GUEST_PROGRAM_DIR) + "/fleet_guest_" + what;
}

GuestConfig guest(const char* what, const char* name = nullptr) {
    GuestConfig config;
    config.name = name != nullptr ? name : what;
    config.memory_bytes = std::uint64_t{16} << 20;
    config.kernel = guest_image(what);
    return config;
}

/// The consoles of a fleet's guests, as text that a test can wait for.
class Consoles {
public:
    ConsoleSink sink() {
        return [this](std::size_t index, std::span<const char> bytes) {
            const std::lock_guard lock(mutex_);
            texts_.resize(std::max(texts_.size(), index + 1));
            texts_[index].append(bytes.data(), bytes.size());
            signal_.notify_all();
        };
    }
    void wait_for(std::size_t index, const std::string& text) {
        std::unique_lock lock(mutex_);
        signal_.wait(lock, [&] {
            return index < texts_.size() && texts_[index].find(text) != std::string::npos;
        });
    }
    void wait_for_bytes(std::size_t index, std::size_t count) {
        std::unique_lock lock(mutex_);
        signal_.wait(lock, [&] { return index < texts_.size() && texts_[index].size() >= count; });
    }
    std::string text(std::size_t index) {
        const std::lock_guard lock(mutex_);
        return index < texts_.size() ? texts_[index] : "";
    }

private:
    std::mutex mutex_;
    std::condition_variable signal_;
    std::vector<std::string> texts_;
};

std::unique_ptr<Fleet> start(const FleetConfig& config, Consoles& consoles) {
    auto fleet = Fleet::create(config, consoles.sink());
    EXPECT_TRUE(fleet) << (fleet ? "" : fleet.error().message);
    const auto started = (*fleet)->start();
    EXPECT_TRUE(started) << (started ? "" : started.error().message);
    return std::move(*fleet);
}

GuestOutcome run_one(const GuestConfig& config) {
    Consoles consoles;
    auto fleet = start({.guests = {config}}, consoles);
    fleet->wait();
    return fleet->report().guests.at(0).outcome;
}

std::string error_of(const FleetConfig& config) {
    const auto fleet = Fleet::create(config, {});
    EXPECT_FALSE(fleet);
    EXPECT_EQ(fleet.error().kind, ErrorKind::configuration) << fleet.error().message;
    return fleet.error().message;
}

TEST(FleetConfig, what_makes_no_fleet_is_refused) {
    EXPECT_NE(error_of({}).find("needs a guest"), std::string::npos);
    EXPECT_NE(
        error_of({.workers = 0, .guests = {guest("poweroff")}}).find("workers"), std::string::npos
    );
    const std::string policy = error_of({.policy = "lottery", .guests = {guest("poweroff")}});
    EXPECT_NE(policy.find("lottery"), std::string::npos);
    EXPECT_NE(policy.find("priority, fair"), std::string::npos);
    const std::string quantum = error_of({.quantum_ns = 1'000, .guests = {guest("poweroff")}});
    EXPECT_NE(quantum.find("only rr has one"), std::string::npos);
    const std::string names = error_of({.guests = {guest("poweroff", "a"), guest("status", "a")}});
    EXPECT_NE(names.find("two guests have the name a"), std::string::npos);
}

TEST(FleetConfig, some_guest_must_not_be_in_the_background) {
    GuestConfig config = guest("poweroff");
    config.background = true;
    const std::string said = error_of({.guests = {config}});
    EXPECT_NE(said.find("every guest is in the background"), std::string::npos) << said;
}

TEST(FleetConfig, a_bad_grant_names_guest_and_grant) {
    GuestConfig config = guest("poweroff");
    config.grants = {{.name = "data", .path = "/nonexistent/file"}};
    const std::string said = error_of({.guests = {config}});
    EXPECT_EQ(said.find("poweroff: grant data (/nonexistent/file): "), 0u) << said;
}

TEST(FleetConfig, a_bad_tenant_is_refused) {
    GuestConfig config = guest("poweroff");
    config.tenant.base_level = 64;
    EXPECT_NE(error_of({.guests = {config}}).find("levels"), std::string::npos);
    config.tenant = {.weight = 0};
    EXPECT_NE(error_of({.guests = {config}}).find("weight"), std::string::npos);
    config.tenant = {.nice = 20};
    EXPECT_NE(error_of({.guests = {config}}).find("-20 to 19"), std::string::npos);
    config.tenant = {.base_level = 10, .ceiling = 11};
    EXPECT_NE(error_of({.guests = {config}}).find("ceiling"), std::string::npos);
    config.tenant = {.budget_burst_ns = 1'000'000};
    EXPECT_NE(error_of({.guests = {config}}).find("without a budget rate"), std::string::npos);
    config.tenant = {.share = 1001};
    EXPECT_NE(error_of({.guests = {config}}).find("virtual CPUs can use"), std::string::npos);
}

TEST(FleetConfig, more_threads_than_are_possible_are_refused) {
    FleetConfig config{.policy = "linux", .guests = {}};
    for (int i = 0; i < 17; ++i) {
        config.guests.push_back(guest("poweroff", ("guest" + std::to_string(i)).c_str()));
        config.guests.back().cpus = 64;
    }
    const std::string said = error_of(config);
    EXPECT_NE(said.find("1088 are not possible; at most 1024"), std::string::npos) << said;
}

TEST(FleetConfig, shares_that_the_workers_cannot_give_are_refused) {
    FleetConfig config{.workers = 1, .guests = {guest("poweroff", "a"), guest("poweroff", "b")}};
    config.guests[0].tenant.share = 600;
    config.guests[1].tenant.share = 500;
    const std::string said = error_of(config);
    EXPECT_NE(said.find("1100 permille"), std::string::npos) << said;
    EXPECT_NE(said.find("1 worker has 1000"), std::string::npos) << said;
    config.guests[1].tenant.share = 400;
    EXPECT_TRUE(Fleet::create(config, {}));
}

TEST(FleetConfig, an_impossible_number_of_open_files_is_refused) {
    GuestConfig config = guest("poweroff");
    for (const unsigned count : {0U, 65536U}) {
        config.open_files = count;
        EXPECT_NE(error_of({.guests = {config}}).find("1 to 65535"), std::string::npos);
    }
}

TEST(Fleet, power_off_ends_a_guest_well) {
    const GuestOutcome outcome = run_one(guest("poweroff"));
    EXPECT_EQ(outcome.ending, Ending::powered_off) << outcome.message;
    EXPECT_EQ(outcome.status, 0U);
}

TEST(Fleet, an_application_status_comes_through) {
    EXPECT_EQ(run_one(guest("status")).status, 7U);
}

TEST(Fleet, a_guest_that_stops_its_last_hart_has_crashed) {
    const GuestOutcome outcome = run_one(guest("stop_hart"));
    EXPECT_EQ(outcome.ending, Ending::crashed);
    EXPECT_FALSE(outcome.message.empty());
}

TEST(Fleet, reset_without_reboot_ends_the_guest) {
    GuestConfig config = guest("reset");
    config.reboot = false;
    EXPECT_EQ(run_one(config).ending, Ending::reset);
}

TEST(Fleet, reset_with_reboot_boots_again_until_stopped) {
    Consoles consoles;
    auto fleet = start({.guests = {guest("reset")}}, consoles);
    consoles.wait_for(0, "rrrrr");
    fleet->stop();
    fleet->wait();
    EXPECT_EQ(fleet->report().guests.at(0).outcome.ending, Ending::stopped);
}

TEST(Fleet, stop_ends_guests_that_run_or_sleep_and_says_so) {
    Consoles consoles;
    auto fleet = start({.workers = 2, .guests = {guest("spin"), guest("idle")}}, consoles);
    EXPECT_FALSE(fleet->wait_for(1'000'000));
    fleet->stop();
    fleet->wait();
    for (const GuestReport& report : fleet->report().guests) {
        EXPECT_EQ(report.outcome.ending, Ending::stopped);
        EXPECT_NE(report.ended_ns, 0U);
    }
}

TEST(Fleet, one_guest_is_stopped_and_others_go_on) {
    Consoles consoles;
    auto fleet = start({.guests = {guest("spin"), guest("echo")}}, consoles);
    fleet->stop(0);
    while (fleet->report().guests[0].state != GuestState::ended) {
    }
    EXPECT_EQ(fleet->report().guests[0].outcome.ending, Ending::stopped);
    fleet->console_input(1, std::string("a"));
    consoles.wait_for(1, "a");
    fleet->stop(7);  // there is none
}

TEST(Fleet, guests_in_the_background_end_when_the_others_have_ended) {
    Consoles consoles;
    FleetConfig config{.guests = {guest("spin"), guest("poweroff", "first"), guest("idle")}};
    config.guests[0].background = true;
    config.guests[2].background = true;
    config.guests.push_back(guest("status", "second"));
    auto fleet = start(config, consoles);
    fleet->wait();
    const FleetReport report = fleet->report();
    EXPECT_EQ(report.guests[0].outcome.ending, Ending::stopped);
    EXPECT_EQ(report.guests[1].outcome.ending, Ending::powered_off);
    EXPECT_EQ(report.guests[2].outcome.ending, Ending::stopped);
    EXPECT_EQ(report.guests[3].outcome.ending, Ending::powered_off);
}

TEST(Fleet, a_guest_in_the_background_may_end_before_the_others) {
    Consoles consoles;
    FleetConfig config{.guests = {guest("poweroff"), guest("spin")}};
    config.guests[0].background = true;
    auto fleet = start(config, consoles);
    while (fleet->state(0) != GuestState::ended) {
        std::this_thread::yield();
    }
    EXPECT_EQ(fleet->state(1), GuestState::running);
    fleet->stop();
    fleet->wait();
}

TEST(Fleet, a_guest_without_the_driver_cannot_be_asked_to_power_off) {
    Consoles consoles;
    auto fleet = start({.guests = {guest("spin")}}, consoles);
    EXPECT_FALSE(fleet->ask_power_off(0));
    EXPECT_FALSE(fleet->ask_power_off(7));
    EXPECT_EQ(fleet->report().guests[0].state, GuestState::running);
}

/// Waits until the guest is in that state.
void wait_for(Fleet& fleet, std::size_t guest, GuestState state) {
    while (fleet.report().guests.at(guest).state != state) {
    }
}

TEST(FleetPause, a_paused_guest_does_not_run_wait_or_answer_and_goes_on_after) {
    Consoles consoles;
    auto fleet = start({.guests = {guest("echo"), guest("spin")}}, consoles);
    fleet->console_input(0, std::string("a"));
    consoles.wait_for(0, "a");
    ASSERT_TRUE(fleet->pause(0));
    ASSERT_TRUE(fleet->pause(0));
    wait_for(*fleet, 0, GuestState::paused);
    const VcpuReport before = fleet->report().guests[0].vcpus.at(0);
    EXPECT_EQ(before.state, VcpuState::off);
    fleet->console_input(0, std::string("b"));
    // The other guest gets some turns meanwhile.
    const std::uint64_t turns = fleet->report().guests[1].vcpus.at(0).instructions;
    while (fleet->report().guests[1].vcpus.at(0).instructions < turns + 1'000'000) {
    }
    const VcpuReport after = fleet->report().guests[0].vcpus.at(0);
    EXPECT_EQ(after.instructions, before.instructions);
    EXPECT_EQ(after.run_ns, before.run_ns);
    EXPECT_EQ(after.wait_ns, before.wait_ns);
    EXPECT_EQ(consoles.text(0), "a");
    ASSERT_TRUE(fleet->resume(0));
    consoles.wait_for(0, "ab");
    EXPECT_GE(fleet->report().guests[0].vcpus.at(0).steal_ns, before.steal_ns);
}

TEST(FleetPause, a_paused_guests_time_stands_still) {
    const auto host_now = [] {
        return static_cast<Nanos>(std::chrono::steady_clock::now().time_since_epoch().count());
    };
    Consoles consoles;
    auto fleet = start({.guests = {guest("time"), guest("spin")}}, consoles);
    std::size_t answers = 0;
    const auto guest_now = [&] {
        fleet->console_input(0, std::string("t"));
        answers += sizeof(Nanos);
        consoles.wait_for_bytes(0, answers);
        Nanos time = 0;
        std::memcpy(&time, consoles.text(0).data() + answers - sizeof time, sizeof time);
        return time;
    };
    const Nanos before = host_now();
    const Nanos first = guest_now();
    ASSERT_TRUE(fleet->pause(0));
    wait_for(*fleet, 0, GuestState::paused);
    const Nanos paused = host_now();
    const Nanos ran = fleet->report().guests[1].vcpus.at(0).run_ns;
    while (fleet->report().guests[1].vcpus.at(0).run_ns < ran + 20'000'000) {
    }
    const Nanos resumed = host_now();
    ASSERT_TRUE(fleet->resume(0));
    const Nanos second = guest_now();
    // However slow the host is: the guest cannot have seen more time than passed without the pause.
    EXPECT_GT(second, first);
    EXPECT_LE(second - first, host_now() - before - (resumed - paused));
}

TEST(FleetTenant, changes_while_the_fleet_runs_and_mistakes_change_nothing) {
    Consoles consoles;
    auto fleet =
        start({.workers = 1, .guests = {guest("spin", "a"), guest("spin", "b")}}, consoles);
    EXPECT_TRUE(fleet->set_tenant(0, {.base_level = 5, .share = 600}));
    const auto level = [&] { return fleet->report().guests[0].vcpus.at(0).level; };
    while (level() != 5) {
        std::this_thread::yield();
    }
    const auto too_much = fleet->set_tenant(1, {.share = 401});
    ASSERT_FALSE(too_much);
    EXPECT_NE(too_much.error().message.find("1001 permille"), std::string::npos);
    EXPECT_TRUE(fleet->set_tenant(1, {.share = 400}));
    EXPECT_FALSE(fleet->set_tenant(0, {.base_level = 3, .ceiling = 4}));
    EXPECT_FALSE(fleet->set_tenant(2, {}));
    EXPECT_EQ(level(), 5);
    fleet->stop();
    fleet->wait();
}

TEST(FleetTenant, is_the_hosts_business_in_a_host_mode) {
    Consoles consoles;
    auto fleet = start({.policy = "linux", .guests = {guest("spin")}}, consoles);
    const auto set = fleet->set_tenant(0, {.base_level = 5});
    ASSERT_FALSE(set);
    EXPECT_NE(set.error().message.find("the host's scheduler"), std::string::npos);
    fleet->stop();
    fleet->wait();
}

TEST(FleetPause, a_paused_guest_can_be_stopped_and_is_not_saved) {
    Consoles consoles;
    auto fleet = start({.guests = {guest("idle")}}, consoles);
    ASSERT_TRUE(fleet->pause(0));
    wait_for(*fleet, 0, GuestState::paused);
    const auto saved = fleet->save(0);
    ASSERT_FALSE(saved);
    EXPECT_NE(saved.error().message.find("is paused"), std::string::npos);
    fleet->stop(0);
    fleet->wait();
    EXPECT_EQ(fleet->report().guests[0].outcome.ending, Ending::stopped);
    EXPECT_EQ(fleet->report().guests[0].state, GuestState::ended);
}

TEST(FleetPause, a_guest_that_boots_again_and_again_can_be_paused) {
    Consoles consoles;
    auto fleet = start({.guests = {guest("reset")}}, consoles);
    consoles.wait_for(0, "rr");
    ASSERT_TRUE(fleet->pause(0));
    wait_for(*fleet, 0, GuestState::paused);
    const std::size_t boots = consoles.text(0).size();
    ASSERT_TRUE(fleet->resume(0));
    consoles.wait_for(0, std::string(boots + 2, 'r'));
}

TEST(FleetPause, what_has_ended_or_is_not_there_is_neither_paused_nor_resumed) {
    Consoles consoles;
    auto fleet = start({.guests = {guest("poweroff")}}, consoles);
    fleet->wait();
    for (const auto& done :
         {fleet->pause(0), fleet->resume(0), fleet->pause(1), fleet->resume(1)}) {
        ASSERT_FALSE(done);
        EXPECT_EQ(done.error().kind, ErrorKind::usage);
    }
}

TEST(Fleet, the_destructor_stops_what_runs) {
    Consoles consoles;
    start({.guests = {guest("spin")}}, consoles).reset();
}

TEST(Fleet, a_fleet_that_was_never_started_goes_away) {
    ASSERT_TRUE(Fleet::create({.guests = {guest("spin")}}, {}));
}

TEST(Fleet, one_guest_ends_and_others_go_on) {
    Consoles consoles;
    auto fleet = start(
        {.guests = {guest("poweroff"), guest("echo"), guest("status"), guest("spin")}}, consoles
    );
    const std::string typed = "hello";
    EXPECT_EQ(fleet->console_input(1, typed), typed.size());
    consoles.wait_for(1, "hello");
    EXPECT_EQ(fleet->console_input(1, std::string(".")), 1U);
    consoles.wait_for(1, "hello.");
    while (fleet->report().guests[2].outcome.ending == Ending::running
           || fleet->report().guests[0].outcome.ending == Ending::running) {
    }
    fleet->stop();
    fleet->wait();
    const FleetReport report = fleet->report();
    EXPECT_EQ(report.guests[0].outcome.ending, Ending::powered_off);
    EXPECT_EQ(report.guests[2].outcome.status, 7U);
    EXPECT_EQ(report.guests[3].outcome.ending, Ending::stopped);
}

TEST(Fleet, guests_on_threads_of_their_own_go_on_beside_one_that_computes) {
    Consoles consoles;
    auto fleet = start(
        {.policy = "linux",
         .guests = {guest("spin"), guest("echo"), guest("idle"), guest("reset"), guest("status")}},
        consoles
    );
    fleet->console_input(1, std::string("hello."));
    consoles.wait_for(1, "hello.");
    consoles.wait_for(3, "rrr");
    while (fleet->report().guests[4].outcome.ending == Ending::running) {
    }
    fleet->stop();
    fleet->wait();
    const FleetReport report = fleet->report();
    EXPECT_EQ(report.policy, "linux");
    EXPECT_EQ(report.guests[0].outcome.ending, Ending::stopped);
    EXPECT_EQ(report.guests[1].outcome.ending, Ending::powered_off);
    EXPECT_EQ(report.guests[4].outcome.status, 7U);
}

TEST(FleetSave, a_saved_guest_continues_here_and_in_another_fleet) {
    Consoles before;
    auto fleet = start({.guests = {guest("echo")}}, before);
    fleet->console_input(0, std::string("ab"));
    before.wait_for(0, "ab");
    const auto saved = fleet->save(0);
    ASSERT_TRUE(saved) << saved.error().message;
    fleet->console_input(0, std::string("c."));
    before.wait_for(0, "abc.");
    fleet->wait();
    EXPECT_EQ(fleet->report().guests[0].outcome.ending, Ending::powered_off);

    GuestConfig config = guest("echo");
    config.saved_state = *saved;
    Consoles after;
    auto another = start({.guests = {config}}, after);
    another->console_input(0, std::string("d."));
    another->wait();
    EXPECT_EQ(after.text(0), "d.");
    EXPECT_EQ(another->report().guests[0].outcome.ending, Ending::powered_off);
}

TEST(FleetSave, what_does_not_run_cannot_be_saved) {
    Consoles consoles;
    auto fleet = start({.guests = {guest("poweroff")}}, consoles);
    fleet->wait();
    EXPECT_EQ(fleet->save(0).error().kind, ErrorKind::usage);
    EXPECT_EQ(fleet->save(1).error().kind, ErrorKind::usage);
}

TEST(FleetSave, damaged_state_is_refused) {
    Consoles consoles;
    auto fleet = start({.guests = {guest("idle")}}, consoles);
    const auto saved = fleet->save(0);
    ASSERT_TRUE(saved);
    GuestConfig config = guest("idle");
    config.saved_state = *saved;
    config.saved_state.resize(config.saved_state.size() / 2);
    EXPECT_FALSE(error_of({.guests = {config}}).empty());
}

TEST(Fleet, an_idle_guest_is_not_run) {
    Consoles consoles;
    auto fleet = start({.guests = {guest("idle"), guest("echo")}}, consoles);
    // While the other guest gets its input there is time to run the idle one over and over.
    for (int i = 0; i < 20; ++i) {
        fleet->console_input(1, std::string("x"));
    }
    fleet->console_input(1, std::string("."));
    consoles.wait_for(1, ".");
    EXPECT_LT(fleet->report().guests[0].vcpus[0].instructions, 1000U);
}

TEST(Fleet, equal_guests_share_a_worker_or_cpu_under_every_policy) {
    for (const char* policy : {"priority", "fair", "linux"}) {
        Consoles consoles;
        auto fleet =
            start({.policy = policy, .guests = {guest("spin", "a"), guest("spin", "b")}}, consoles);
        // Until both have run for many turns, of which a busy host may stretch a few; the shares
        // are compared, not the time.
        FleetReport report;
        do {
            report = fleet->report();
        } while (report.guests[0].vcpus[0].run_ns + report.guests[1].vcpus[0].run_ns < 400'000'000);
        const auto a = static_cast<double>(report.guests[0].vcpus[0].run_ns);
        const auto b = static_cast<double>(report.guests[1].vcpus[0].run_ns);
        EXPECT_GT(a / (a + b), 0.3) << policy;
        EXPECT_LT(a / (a + b), 0.7) << policy;
    }
}

/// What the guest read and what the host reports for it, in ns.
std::pair<std::uint64_t, Nanos> run_beside_a_busy_guest(const char* policy) {
    Consoles consoles;
    auto fleet = start(
        {.workers = 1, .policy = policy, .guests = {guest("steal"), guest("spin")}}, consoles
    );
    std::uint64_t read = 0;
    consoles.wait_for_bytes(0, sizeof read);
    const std::string text = consoles.text(0);
    std::memcpy(&read, text.data(), sizeof read);
    fleet->stop(1);
    fleet->wait();
    const VcpuReport vcpu = fleet->report().guests.at(0).vcpus.at(0);
    EXPECT_LE(vcpu.steal_ns, vcpu.wait_ns);
    return {read, vcpu.steal_ns};
}

/// To the nanosecond, unless the guest had to wait once more between its reading and its end.
TEST(FleetStealTime, that_a_guest_reads_is_what_the_host_reports) {
    for (const char* policy : {"priority", "fair", "rr"}) {
        int tries = 0;
        std::pair<std::uint64_t, Nanos> seen{0, 1};
        for (; tries < 20 && seen.first != seen.second; ++tries) {
            seen = run_beside_a_busy_guest(policy);
            EXPECT_GE(seen.first, 2'000'000U);
            EXPECT_LE(seen.first, seen.second);
        }
        EXPECT_EQ(seen.first, seen.second) << policy;
    }
}

}  // namespace
}  // namespace vmm
