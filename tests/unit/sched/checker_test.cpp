// SPDX-License-Identifier: Apache-2.0
// The checker of recorded decisions: simulated runs hold, and each property is found broken in
// records that break it.
#include "process.hpp"
#include "sched/check/checker.hpp"
#include "sched/record/decision_writer.hpp"
#include "sched/record/recording_policy.hpp"
#include "simulated_run.hpp"

#include <vmm/decisions.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace vmm::sched::test {
namespace {

using ::testing::HasSubstr;
using Guests = std::vector<SimulatedGuest>;
using Records = std::vector<Record>;

class CollectingSink final : public RecordSink {
public:
    explicit CollectingSink(Records& records)
        : records_(records) {}
    void begin(const RunFacts&) override {}
    void add(const Record& record) override { records_.push_back(record); }
    void lost(std::uint64_t) override { ADD_FAILURE() << "records are lost"; }
    void flush() override {}
    Result<void> finish() override { return {}; }

private:
    Records& records_;
};

struct RecordedRun {
    RunFacts facts;
    Records records;
};

/// A fleet that runs for 100 simulated milliseconds.
RecordedRun simulate(std::string_view policy, unsigned workers, const Guests& guests) {
    RecordedRun run{.facts = {.policy = std::string(policy), .workers = workers}, .records = {}};
    run.facts.grace_ns = SimulatedRun::kGraceNs;
    run.facts.tick_ns = SimulatedRun::kSliceNs;
    for (std::uint32_t i = 0; i < guests.size(); ++i) {
        run.facts.guests.push_back({
            .id = {.guest = i},
            .name = std::string(1, static_cast<char>('a' + i)),
            .vcpus = static_cast<std::uint32_t>(guests[i].vcpus.size()),
            .terms = guests[i].terms,
        });
    }
    std::vector<std::unique_ptr<RecordSink>> sinks;
    sinks.push_back(std::make_unique<CollectingSink>(run.records));
    Recorder recorder(std::move(sinks), {.wait_for_room = true});
    recorder.start(run.facts);
    SimulatedRun simulated(make_recording_policy(make_policy(policy), recorder), workers, guests);
    simulated.run(100'000'000, [](std::uint64_t, const SimulatedRun::Vcpus&) {});
    EXPECT_TRUE(recorder.finish());
    return run;
}

/// Urgent sleepers, patient computers, a budget and a share.
Guests mixed_guests() {
    SimulatedGuest urgent{.terms = {.base_level = 20}, .vcpus = {}};
    urgent.vcpus.assign(2, {.level = 2, .other_level = 9, .run_us = 300, .sleep_us = 700});
    SimulatedGuest patient{.terms = {.base_level = 40, .ceiling = 10}, .vcpus = {}};
    patient.vcpus.assign(3, {.level = 30, .other_level = 50, .run_us = 2000});
    SimulatedGuest limited{
        .terms = {.base_level = 25, .budget_rate = 200, .budget_burst_ns = 3'000'000}, .vcpus = {}
    };
    limited.vcpus.assign(2, {.level = 1, .other_level = 1, .run_us = 5000});
    const SimulatedGuest shared{
        .terms = {.base_level = 60, .share = 300}, .vcpus = {{.level = 63, .other_level = 63}}
    };
    return {urgent, patient, limited, shared};
}

std::vector<PropertyFinding> check(const RecordedRun& run) {
    HoldUps hold_ups;
    for (const Record& record : run.records) {
        hold_ups.add(record);
    }
    DecisionChecker checker(run.facts, Replay::of(run.facts).value(), hold_ups, {.obey_ns = 0});
    std::uint64_t line = 1;
    for (const Record& record : run.records) {
        checker.step(record, ++line);
    }
    return checker.findings();
}

PropertyFinding finding(const std::vector<PropertyFinding>& findings, std::string_view property) {
    const auto found = std::ranges::find(findings, property, &PropertyFinding::property);
    EXPECT_NE(found, findings.end()) << property;
    return found != findings.end() ? *found : PropertyFinding{};
}

/// The n-th record for which `fits` holds.
template <class Kind, class Fits>
Kind& nth(RecordedRun& run, std::size_t n, Fits fits) {
    for (Record& record : run.records) {
        auto* one = std::get_if<Kind>(&record);
        if (one != nullptr && fits(*one) && n-- == 0) {
            return *one;
        }
    }
    ADD_FAILURE() << "there is no such record";
    static Kind none;
    return none;
}

PickRecord& nth_decision(RecordedRun& run, std::size_t n) {
    return nth<PickRecord>(run, n, [](const PickRecord& pick) { return pick.decision; });
}

class CheckerOfEveryPolicy : public ::testing::TestWithParam<std::string_view> {};

TEST_P(CheckerOfEveryPolicy, simulated_runs_hold) {
    for (unsigned workers = 1; workers <= 3; ++workers) {
        const auto findings = check(simulate(GetParam(), workers, mixed_guests()));
        for (const PropertyFinding& one : findings) {
            EXPECT_TRUE(one.holds()) << one.property << " " << one.worst << " " << one.where;
        }
        EXPECT_GE(finding(findings, "work conserving").checked, 90U);
        EXPECT_GE(finding(findings, "replay").checked, 90U);
        EXPECT_GE(finding(findings, "ceiling").checked, 90U);
        EXPECT_GE(finding(findings, "share of d").checked, 90U);
        EXPECT_GE(finding(findings, "budget of c").checked, 1U);
    }
}

TEST_P(CheckerOfEveryPolicy, a_worker_that_gets_nobody_is_found) {
    RecordedRun run = simulate(GetParam(), 1, mixed_guests());
    nth_decision(run, 20).decision.reset();
    const auto broken = finding(check(run), "work conserving");
    EXPECT_FALSE(broken.holds());
    EXPECT_THAT(broken.where, HasSubstr("nobody was picked while a vCPU was ready"));
}

TEST_P(CheckerOfEveryPolicy, a_vcpu_that_is_not_ready_is_found) {
    RecordedRun run = simulate(GetParam(), 1, mixed_guests());
    nth_decision(run, 20).decision->id = {.guest = 7};
    EXPECT_THAT(finding(check(run), "work conserving").where, HasSubstr("not ready"));
}

TEST_P(CheckerOfEveryPolicy, a_level_above_the_ceiling_is_found) {
    RecordedRun run = simulate(GetParam(), 3, mixed_guests());
    nth<PickRecord>(run, 3, [](const PickRecord& pick) {
        return pick.decision && pick.decision->id.guest == 1;
    }).decision->level = 9;
    const auto broken = finding(check(run), "ceiling");
    EXPECT_EQ(broken.worst, 1);
    EXPECT_FALSE(broken.holds());
    EXPECT_THAT(broken.where, HasSubstr("the ceiling 10"));
}

TEST_P(CheckerOfEveryPolicy, a_decision_that_does_not_replay_is_found) {
    RecordedRun run = simulate(GetParam(), 2, mixed_guests());
    nth_decision(run, 30).decision->slice_ns += 1;
    const auto broken = finding(check(run), "replay");
    EXPECT_FALSE(broken.holds());
    EXPECT_THAT(broken.where, HasSubstr("replayed: vCPU"));
}

/// What was recorded under other terms is held against those that the records name.
void claim_terms(RecordedRun& run, std::uint32_t guest, TenantTerms terms) {
    run.facts.guests.at(guest).terms = terms;
    for (Record& record : run.records) {
        auto* event = std::get_if<Event>(&record);
        if (event != nullptr && event->kind == EventKind::add && event->id.guest == guest) {
            event->terms = terms;
        }
    }
}

TEST_P(CheckerOfEveryPolicy, a_share_that_is_not_given_is_found) {
    Guests guests = mixed_guests();
    guests[3].terms.share = 0;
    RecordedRun run = simulate(GetParam(), 1, guests);
    guests[3].terms.share = 900;
    claim_terms(run, 3, guests[3].terms);
    EXPECT_FALSE(finding(check(run), "share of d").holds());
}

TEST_P(CheckerOfEveryPolicy, a_budget_that_is_overdrawn_is_found) {
    Guests guests = mixed_guests();
    TenantTerms limited = guests[2].terms;
    guests[2].terms.budget_rate = 1000;
    guests[2].terms.budget_burst_ns = 100'000'000;
    RecordedRun run = simulate(GetParam(), 1, guests);
    limited.budget_rate = 50;
    limited.budget_burst_ns = 100'000;
    claim_terms(run, 2, limited);
    EXPECT_FALSE(finding(check(run), "budget of c").holds());
}

std::string name_of(const testing::TestParamInfo<std::string_view>& info) {
    return std::string(info.param);
}
INSTANTIATE_TEST_SUITE_P(
    Policies, CheckerOfEveryPolicy, testing::ValuesIn(policy_names()), name_of
);

TEST(Checker, an_inversion_is_found) {
    const SimulatedGuest urgent{
        .terms = {}, .vcpus = {{.level = 2, .other_level = 2, .run_us = 300, .sleep_us = 900}}
    };
    SimulatedGuest patient{.terms = {}, .vcpus = {}};
    patient.vcpus.assign(4, {.level = 30, .other_level = 30});
    // Blind to levels, recorded as if it were not.
    for (const char* policy : {"priority", "pvsched"}) {
        EXPECT_TRUE(finding(check(simulate(policy, 1, {urgent, patient})), "inversion").holds());
        RecordedRun run = simulate("rr", 1, {urgent, patient});
        run.facts.policy = policy;
        EXPECT_FALSE(finding(check(run), "inversion").holds()) << policy;
    }
}

TEST(Checker, a_turn_that_comes_late_is_found) {
    Guests guests = mixed_guests();
    guests[3].terms.share = 0;
    RecordedRun run = simulate("rr", 1, guests);
    EXPECT_TRUE(finding(check(run), "turn").holds());
    run.facts.of_policy.quantum_ns = 100'000;
    EXPECT_FALSE(finding(check(run), "turn").holds());
}

TEST(Checker, a_worker_that_does_not_come_is_found) {
    RecordedRun run = simulate("priority", 1, mixed_guests());
    const Nanos last = std::visit([](const auto& one) { return one.time_ns; }, run.records.back());
    run.records.push_back(PickRecord{.time_ns = last + 1, .worker = 1, .decision = {}});
    // The only worker has nothing for two seconds, and somebody is ready.
    const VcpuId id{.guest = 8};
    run.records.push_back(
        Event{.kind = EventKind::idle, .time_ns = last + 1, .id = {.guest = 0, .vcpu = 0}}
    );
    run.facts.workers = 2;
    run.records.push_back(Event{.kind = EventKind::add, .time_ns = last + 1, .id = id});
    run.records.push_back(Event{.kind = EventKind::ready, .time_ns = last + 1, .id = id});
    run.records.push_back(PreemptRecord{.time_ns = last + 2'000'000'001, .preemption = {}});
    EXPECT_FALSE(finding(check(run), "idle worker").holds());
}

TEST(Checker, what_the_host_took_from_a_worker_is_no_inversion) {
    const VcpuId patient{.guest = 0};
    const VcpuId urgent{.guest = 1};
    RecordedRun run{.facts = {.policy = "priority", .workers = 1}, .records = {}};
    run.facts.tick_ns = 1'000'000;
    run.facts.grace_ns = 50'000;
    run.facts.guests = {
        {.id = {.guest = 0}, .name = "a", .vcpus = 1, .terms = {}},
        {.id = {.guest = 1}, .name = "b", .vcpus = 1, .terms = {}}
    };
    const auto waits = [&](Nanos off) {
        run.records = {
            Event{.kind = EventKind::add, .time_ns = 1, .id = patient},
            Event{.kind = EventKind::add, .time_ns = 1, .id = urgent},
            Event{.kind = EventKind::ready, .time_ns = 1, .id = patient, .level = 20},
            PickRecord{
                .time_ns = 1,
                .worker = 0,
                .decision = Decision{.id = patient, .level = 20, .slice_ns = 1'000'000}
            },
            Event{.kind = EventKind::ready, .time_ns = 500'000, .id = urgent, .level = 2},
            LookRecord{
                .time_ns = 10'000'000, .id = patient, .worker = 0, .off_ns = off, .sample = {}
            },
            Event{.kind = EventKind::ran, .time_ns = 10'000'000, .id = patient, .level = 20},
            PickRecord{
                .time_ns = 10'000'000,
                .worker = 0,
                .decision = Decision{.id = urgent, .level = 2, .slice_ns = 1'000'000}
            },
        };
        return finding(check(run), "inversion");
    };
    EXPECT_EQ(waits(0).worst, 9'500'000);
    EXPECT_FALSE(waits(0).holds());
    EXPECT_EQ(waits(9'000'000).worst, 500'000);
    EXPECT_TRUE(waits(9'000'000).holds());
    EXPECT_EQ(waits(9'999'999).worst, 0);
}

class CheckedFile : public ::testing::Test {
protected:
    void write(const RecordedRun& run, std::uint64_t lost = 0) {
        auto writer = make_decision_writer(path());
        ASSERT_TRUE(writer);
        (*writer)->begin(run.facts);
        for (const Record& record : run.records) {
            (*writer)->add(record);
        }
        if (lost != 0) {
            (*writer)->lost(lost);
        }
        ASSERT_TRUE((*writer)->finish());
    }
    std::string path() const { return directory_ / "decisions"; }
    std::string error() const {
        const auto findings = check_decisions(path());
        return findings ? "" : findings.error().message;
    }
    test_support::TemporaryDirectory directory_;
};

TEST_F(CheckedFile, gives_the_findings_of_its_records) {
    RecordedRun run = simulate("priority", 2, mixed_guests());
    write(run);
    const auto findings = check_decisions(path(), {.obey_ns = 0});
    ASSERT_TRUE(findings) << findings.error().message;
    EXPECT_EQ(findings->policy, "priority");
    EXPECT_EQ(findings->workers, 2U);
    EXPECT_EQ(findings->records, run.records.size());
    EXPECT_TRUE(findings->complete);
    EXPECT_TRUE(std::ranges::all_of(findings->properties, &PropertyFinding::holds));
    EXPECT_EQ(
        finding(findings->properties, "work conserving").checked,
        finding(check(run), "work conserving").checked
    );
    nth_decision(run, 20).decision.reset();
    write(run);
    const auto broken = check_decisions(path());
    ASSERT_TRUE(broken);
    EXPECT_FALSE(finding(broken->properties, "work conserving").holds());
}

TEST_F(CheckedFile, that_lacks_records_is_refused_and_one_that_was_cut_off_says_so) {
    RecordedRun run = simulate("fair", 1, mixed_guests());
    write(run, 3);
    EXPECT_THAT(error(), HasSubstr("lacks 3 records"));
    write(run);
    std::string text = test_support::read_file(path());
    text.resize(text.rfind("{\"end\""));
    test_support::write_file(path(), text);
    const auto findings = check_decisions(path());
    ASSERT_TRUE(findings) << findings.error().message;
    EXPECT_FALSE(findings->complete);
    run.facts.policy = "another";
    write(run);
    EXPECT_THAT(error(), HasSubstr("is of policy another"));
}

}  // namespace
}  // namespace vmm::sched::test
