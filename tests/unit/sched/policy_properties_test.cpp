// SPDX-License-Identifier: Apache-2.0
// Properties of the policies over generated histories.
#include "simulated_fleet.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <bit>
#include <cmath>

namespace vmm::sched::test {
namespace {

enum class Kind : std::uint8_t { wake, claim, leave_ready, leave_idle, pick, remove, add };

/// One step of a history. The numbers are reduced to what exists when the step is made.
struct Step {
    Kind kind{};
    std::uint32_t who = 0;
    std::uint8_t level = 0;
    std::uint32_t wait = 0;
};

std::ostream& operator<<(std::ostream& out, const Step& step) {
    return out << "{" << static_cast<int>(step.kind) << " who=" << step.who
               << " level=" << static_cast<int>(step.level) << " wait=" << step.wait << "}";
}

rc::Gen<Step> any_step() {
    return rc::gen::build<Step>(
        rc::gen::set(
            &Step::kind,
            rc::gen::weightedElement<Kind>({
                {6, Kind::wake},
                {3, Kind::claim},
                {4, Kind::leave_ready},
                {3, Kind::leave_idle},
                {8, Kind::pick},
                {1, Kind::remove},
                {1, Kind::add},
            })
        ),
        rc::gen::set(&Step::who, rc::gen::inRange<std::uint32_t>(0, 12)),
        rc::gen::set(&Step::level, rc::gen::inRange<std::uint8_t>(0, 65)),
        rc::gen::set(&Step::wait, rc::gen::inRange<std::uint32_t>(0, 2'000'000))
    );
}

VcpuId id_of(std::uint32_t who) {
    return {.guest = who / 3, .vcpu = who % 3};
}

SimulatedVcpu vcpu_of(std::uint32_t who) {
    SimulatedVcpu vcpu;
    vcpu.base = static_cast<std::uint8_t>(20 + who);
    vcpu.ceiling = static_cast<std::uint8_t>(who);
    vcpu.weight = 50 + who * 50;
    return vcpu;
}

void make_step(SimulatedFleet& fleet, const Step& step) {
    fleet.advance(step.wait);
    const VcpuId id = id_of(step.who);
    const bool known = fleet.vcpus().contains(id);
    const unsigned worker = step.who % fleet.workers();
    switch (step.kind) {
    case Kind::wake:
        if (known) {
            fleet.wake(id, step.level);
        }
        break;
    case Kind::claim:
        if (known) {
            fleet.claim(id, step.level);
        }
        break;
    case Kind::leave_ready:
        fleet.leave(worker, false);
        break;
    case Kind::leave_idle:
        fleet.leave(worker, true);
        break;
    case Kind::pick:
        fleet.pick(worker);
        break;
    case Kind::remove:
        if (known) {
            fleet.remove(id);
        }
        break;
    case Kind::add:
        if (!known) {
            fleet.add(id, vcpu_of(step.who));
        }
        break;
    }
}

void add_all(SimulatedFleet& fleet, bool backwards = false) {
    for (std::uint32_t i = 0; i < 12; ++i) {
        const std::uint32_t who = backwards ? 11 - i : i;
        fleet.add(id_of(who), vcpu_of(who));
    }
}

using History = std::vector<Step>;
rc::Gen<History> any_history() {
    return rc::gen::container<History>(any_step());
}

class EveryPolicy : public testing::TestWithParam<std::string_view> {};

/// A worker that asks gets a vCPU whenever one is ready, that vCPU was ready, and nobody is run
/// twice.
TEST_P(EveryPolicy, is_work_conserving) {
    EXPECT_TRUE(rc::check("work conserving", [&] {
        SimulatedFleet fleet(GetParam(), 3);
        add_all(fleet);
        for (const Step& step : *any_history()) {
            if (step.kind != Kind::pick) {
                make_step(fleet, step);
                continue;
            }
            fleet.advance(step.wait);
            const unsigned worker = step.who % fleet.workers();
            if (fleet.running(worker)) {
                continue;
            }
            const auto before = fleet.vcpus();
            const bool any = fleet.best_ready() < 64;
            const auto decision = fleet.pick(worker);
            RC_ASSERT(decision.has_value() == any);
            if (decision) {
                RC_ASSERT(before.at(decision->id).ready);
                RC_ASSERT(decision->slice_ns > 0U);
            }
        }
    }));
}

/// What a decision says depends on the events alone: a replay, and a fleet that was put together in
/// another order, decide alike.
TEST_P(EveryPolicy, replays_and_ignores_the_order_of_addition) {
    EXPECT_TRUE(rc::check("deterministic", [&] {
        SimulatedFleet first(GetParam(), 2);
        SimulatedFleet second(GetParam(), 2);
        SimulatedFleet backwards(GetParam(), 2);
        add_all(first);
        add_all(second);
        add_all(backwards, true);
        for (const Step& step : *any_history()) {
            make_step(first, step);
            make_step(second, step);
            make_step(backwards, step);
        }
        RC_ASSERT(first.trace() == second.trace());
        RC_ASSERT(first.trace() == backwards.trace());
    }));
}

/// The level of a decision is the claim cut to the ceiling, or the base level without a claim.
TEST_P(EveryPolicy, ceilings_hold) {
    EXPECT_TRUE(rc::check("ceilings", [&] {
        SimulatedFleet fleet(GetParam(), 2);
        add_all(fleet);
        for (const Step& step : *any_history()) {
            make_step(fleet, step);
            const unsigned worker = step.who % fleet.workers();
            if (const auto decision = fleet.pick(worker)) {
                RC_ASSERT(decision->level == fleet.at(decision->id).effective());
                RC_ASSERT(
                    decision->level >= fleet.at(decision->id).ceiling
                    || fleet.at(decision->id).claim >= 64
                );
            }
        }
    }));
}

/// Busy vCPUs of one level share a worker by weight, within a slice each.
TEST_P(EveryPolicy, shares_within_a_level_follow_the_weights) {
    EXPECT_TRUE(rc::check("weighted shares", [&] {
        const auto weights = *rc::gen::resize(
            8,
            rc::gen::suchThat(
                rc::gen::container<std::vector<std::uint32_t>>(
                    rc::gen::inRange<std::uint32_t>(10, 1000)
                ),
                [](const auto& all) { return all.size() >= 2; }
            )
        );
        SimulatedFleet fleet(GetParam(), 1);
        std::uint64_t total_weight = 0;
        for (std::uint32_t i = 0; i < weights.size(); ++i) {
            SimulatedVcpu vcpu;
            vcpu.weight = weights[i];
            fleet.add({.guest = i}, vcpu);
            fleet.wake({.guest = i}, 7);
            total_weight += weights[i];
        }
        std::uint64_t total = 0;
        for (int turn = 0; turn < 4000; ++turn) {
            const auto decision = fleet.pick(0);
            RC_ASSERT(decision.has_value());
            fleet.advance(decision->slice_ns);
            total += decision->slice_ns;
            fleet.leave(0, false);
        }
        constexpr double kSlice = 1'000'000;
        for (std::uint32_t i = 0; i < weights.size(); ++i) {
            const double share =
                static_cast<double>(total) * weights[i] / static_cast<double>(total_weight);
            const double ran = static_cast<double>(fleet.at({.guest = i}).ran);
            // Start-time fair queueing: nobody is off by more than a slice of everybody.
            RC_ASSERT(std::abs(ran - share) <= kSlice * static_cast<double>(weights.size() + 1));
        }
    }));
}

std::string policy_test_name(const testing::TestParamInfo<std::string_view>& info) {
    return std::string(info.param);
}

INSTANTIATE_TEST_SUITE_P(
    Policies, EveryPolicy, testing::ValuesIn(policy_names()), policy_test_name
);

/// priority never picks while something more urgent waits, and preempts exactly when something
/// does.
RC_GTEST_PROP(Priority, picks_and_preempts_by_effective_level, ()) {
    SimulatedFleet fleet("priority", 3);
    add_all(fleet);
    for (const Step& step : *any_history()) {
        const unsigned worker = step.who % fleet.workers();
        if (step.kind == Kind::pick) {
            fleet.advance(step.wait);
            const std::uint8_t best = fleet.best_ready();
            if (const auto decision = fleet.pick(worker)) {
                RC_ASSERT(decision->level == best);
            }
        } else {
            make_step(fleet, step);
        }
        std::uint8_t worst_running = 0;
        bool any_running = false;
        for (unsigned i = 0; i < fleet.workers(); ++i) {
            if (const auto id = fleet.running(i)) {
                worst_running = std::max(worst_running, fleet.at(*id).effective());
                any_running = true;
            }
        }
        const auto preemption = fleet.policy().preempt(fleet.now());
        const std::uint8_t best = fleet.best_ready();
        RC_ASSERT(preemption.has_value() == (any_running && best < worst_running));
        if (preemption) {
            RC_ASSERT(fleet.at(preemption->victim).effective() == worst_running);
            RC_ASSERT(fleet.running(preemption->worker) == preemption->victim);
            RC_ASSERT(preemption->level == best);
        }
    }
}

/// The bitmap of waiting levels is that of all the other guests.
RC_GTEST_PROP(Priority, waiting_levels_are_those_of_other_guests, ()) {
    SimulatedFleet fleet("priority", 2);
    add_all(fleet);
    for (const Step& step : *any_history()) {
        make_step(fleet, step);
        for (std::uint32_t guest = 0; guest < 4; ++guest) {
            std::uint64_t expected = 0;
            for (const auto& [id, vcpu] : fleet.vcpus()) {
                if (vcpu.ready && id.guest != guest) {
                    expected |= std::uint64_t{1} << vcpu.effective();
                }
            }
            RC_ASSERT(fleet.policy().waiting_levels(guest) == expected);
        }
    }
}

/// fair starves nobody: a ready vCPU runs before the others have had their weighted turns twice.
RC_GTEST_PROP(Fair, every_ready_vcpu_runs_soon, ()) {
    SimulatedFleet fleet("fair", 1);
    add_all(fleet);
    std::map<VcpuId, unsigned> turns_waited;
    for (const Step& step : *any_history()) {
        make_step(fleet, step);
    }
    fleet.leave(0, true);
    for (std::uint32_t who = 0; who < 12; ++who) {
        if (fleet.vcpus().contains(id_of(who))) {
            fleet.wake(id_of(who), static_cast<std::uint8_t>(who));
        }
    }
    // One that ran all the time is at most now/weight ahead; the others, up to twelve times as
    // heavy, may catch up with it before it runs again.
    const std::uint64_t longest = (fleet.now() / 1'000'000 + 2) * 12 * (600 / 50);
    for (std::uint64_t turn = 0; turn < longest; ++turn) {
        if (const auto decision = fleet.pick(0)) {
            turns_waited[decision->id] = 0;
            fleet.advance(decision->slice_ns);
            fleet.leave(0, false);
        }
    }
    for (const auto& [id, vcpu] : fleet.vcpus()) {
        RC_ASSERT(turns_waited.contains(id));
    }
}

}  // namespace
}  // namespace vmm::sched::test
