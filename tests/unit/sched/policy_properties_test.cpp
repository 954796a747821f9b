// SPDX-License-Identifier: Apache-2.0
// Properties of the policies over generated histories of events. What time and terms of tenants
// have to do with is in tenant_properties_test.cpp.
#include "sched/check/properties.hpp"
#include "simulated_fleet.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace vmm::sched::test {
namespace {

enum class Kind : std::uint8_t { wake, claim, leave_ready, leave_idle, pick, remove, add, terms };

/// One step of a history. The numbers are reduced to what exists when the step is made.
struct Step {
    Kind kind{};
    std::uint32_t who = 0;
    std::uint8_t level = 0;
    std::uint32_t wait = 0;
    bool awaited = false;
};

std::ostream& operator<<(std::ostream& out, const Step& step) {
    return out << "{" << static_cast<int>(step.kind) << " who=" << step.who
               << " level=" << static_cast<int>(step.level) << " wait=" << step.wait
               << (step.awaited ? " awaited}" : "}");
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
                {1, Kind::terms},
            })
        ),
        rc::gen::set(&Step::who, rc::gen::inRange<std::uint32_t>(0, 12)),
        rc::gen::set(&Step::level, rc::gen::inRange<std::uint8_t>(0, 65)),
        rc::gen::set(&Step::wait, rc::gen::inRange<std::uint32_t>(0, 2'000'000)),
        rc::gen::set(&Step::awaited)
    );
}

VcpuId id_of(std::uint32_t who) {
    return {.guest = who / 3, .vcpu = who % 3};
}

/// Terms of the guest of vCPU `who`; without budgets and guaranteed shares, levels are as claimed.
TenantTerms plain_terms(std::uint32_t who) {
    const std::uint32_t guest = who / 3;
    return {
        .base_level = static_cast<std::uint8_t>(20 + guest * 3),
        .ceiling = static_cast<std::uint8_t>(guest * 3),
        .weight = 50 + guest * 150,
    };
}

TenantTerms full_terms(std::uint32_t who) {
    TenantTerms terms = plain_terms(who);
    terms.budget_rate = who / 3 * 200;
    terms.budget_burst_ns = 2'000'000;
    terms.share = 400 - who / 3 * 100;
    return terms;
}

using TermsOf = TenantTerms (*)(std::uint32_t who);

void make_step(SimulatedFleet& fleet, const Step& step, TermsOf terms_of = plain_terms) {
    fleet.advance(step.wait);
    const VcpuId id = id_of(step.who);
    const bool known = fleet.vcpus().contains(id);
    const unsigned worker = step.who % fleet.workers();
    switch (step.kind) {
    case Kind::wake:
        if (known) {
            fleet.wake(id, step.level, step.awaited);
        }
        break;
    case Kind::claim:
        if (known) {
            fleet.claim(id, step.level, step.awaited);
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
            fleet.add(id, terms_of(step.who));
        }
        break;
    case Kind::terms:
        if (known) {
            fleet.set_terms(id, terms_of(step.level % 12));
        }
        break;
    }
}

void add_all(SimulatedFleet& fleet, TermsOf terms_of = plain_terms, bool backwards = false) {
    for (std::uint32_t i = 0; i < 12; ++i) {
        const std::uint32_t who = backwards ? 11 - i : i;
        fleet.add(id_of(who), terms_of(who));
    }
}

using History = std::vector<Step>;
rc::Gen<History> any_history() {
    return rc::gen::container<History>(any_step());
}

/// What is shown of a guest's other vCPUs is what those claim that are ready.
void check_siblings(SimulatedFleet& fleet) {
    for (const auto& [id, vcpu] : fleet.vcpus()) {
        std::uint64_t expected = 0;
        for (const auto& [other, sibling] : fleet.vcpus()) {
            if (sibling.ready && other != id && other.of_guest() == id.of_guest()) {
                const std::uint8_t base = fleet.terms(id).base_level;
                expected |= std::uint64_t{1} << (sibling.claim < 64 ? sibling.claim : base);
            }
        }
        RC_ASSERT(fleet.policy().waiting_siblings(id) == expected);
    }
}

class EveryPolicy : public testing::TestWithParam<std::string_view> {};

/// A worker that asks gets a vCPU whenever one is ready, that vCPU was ready, and nobody is run
/// twice.
TEST_P(EveryPolicy, is_work_conserving) {
    EXPECT_TRUE(rc::check("work conserving", [&] {
        SimulatedFleet fleet(GetParam(), 3);
        add_all(fleet, full_terms);
        for (const Step& step : *any_history()) {
            if (step.kind != Kind::pick) {
                make_step(fleet, step, full_terms);
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
        add_all(first, full_terms);
        add_all(second, full_terms);
        add_all(backwards, full_terms, true);
        for (const Step& step : *any_history()) {
            make_step(first, step, full_terms);
            make_step(second, step, full_terms);
            make_step(backwards, step, full_terms);
        }
        RC_ASSERT(first.trace() == second.trace());
        RC_ASSERT(first.trace() == backwards.trace());
    }));
}

/// The level of a decision is the claim cut to the ceiling, or the base level without a claim; or,
/// when a budget may be used up, the base level if the claim is more urgent than that.
TEST_P(EveryPolicy, ceilings_hold) {
    EXPECT_TRUE(rc::check("ceilings", [&] {
        const TermsOf terms_of = *rc::gen::element(plain_terms, full_terms);
        SimulatedFleet fleet(GetParam(), 2);
        add_all(fleet, terms_of);
        for (const Step& step : *any_history()) {
            make_step(fleet, step, terms_of);
            const unsigned worker = step.who % fleet.workers();
            if (const auto decision = fleet.pick(worker)) {
                const TenantTerms& terms = fleet.terms(decision->id);
                const std::uint8_t level = fleet.effective(decision->id);
                // pvsched has budgets of its own for those that have none.
                const bool limited = terms.budget_rate != 0 || GetParam() == "pvsched";
                RC_ASSERT(level_holds(terms, level, decision->level, limited));
                RC_ASSERT(!decision->due || terms.share != 0U);
            }
        }
    }));
}

TEST_P(EveryPolicy, siblings_that_wait_are_shown_by_their_claims) {
    EXPECT_TRUE(rc::check("siblings", [&] {
        SimulatedFleet fleet(GetParam(), 2);
        add_all(fleet, full_terms);
        for (const Step& step : *any_history()) {
            make_step(fleet, step, full_terms);
            check_siblings(fleet);
        }
    }));
}

std::string policy_test_name(const testing::TestParamInfo<std::string_view>& info) {
    return std::string(info.param);
}

INSTANTIATE_TEST_SUITE_P(
    Policies, EveryPolicy, testing::ValuesIn(policy_names()), policy_test_name
);

/// priority never picks while something more urgent waits, and preempts when something does.
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
                worst_running = std::max(worst_running, fleet.effective(*id));
                any_running = true;
            }
        }
        const auto preemption = fleet.policy().preempt(fleet.now());
        const std::uint8_t best = fleet.best_ready();
        RC_ASSERT(preemption || !any_running || best >= worst_running);
        if (preemption) {
            // Of equals one makes way that came to its level in the middle of its turn.
            RC_ASSERT(best < worst_running || (best == worst_running && !preemption->ask));
            RC_ASSERT(fleet.effective(preemption->victim) == worst_running);
            RC_ASSERT(fleet.policy().first_to_yield() == preemption->victim);
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
                    expected |= std::uint64_t{1} << fleet.effective(id);
                }
            }
            RC_ASSERT(fleet.policy().waiting_levels({.guest = guest}) == expected);
        }
    }
}

}  // namespace
}  // namespace vmm::sched::test
