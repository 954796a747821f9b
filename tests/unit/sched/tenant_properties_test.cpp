// SPDX-License-Identifier: Apache-2.0
// Properties of the rules of tenants, over generated guests that run under the policies for a
// while. Nothing here looks at what a policy remembers: only at who ran when, and at what was
// decided.
#include "sched/check/properties.hpp"
#include "simulated_run.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <numeric>

namespace vmm::sched::test {
namespace {

constexpr std::uint64_t kRunNs = 100'000'000;
constexpr double kSlice = SimulatedRun::kSliceNs;

using Guests = std::vector<SimulatedGuest>;
using Vcpus = SimulatedRun::Vcpus;

rc::Gen<std::uint8_t> any_level() {
    return rc::gen::inRange<std::uint8_t>(0, 65);
}

/// Levels that don't change while it runs when `steady`.
rc::Gen<Behaviour> any_behaviour(bool steady) {
    return rc::gen::map(
        rc::gen::tuple(
            any_level(),
            any_level(),
            rc::gen::inRange<std::uint32_t>(20, 5000),
            rc::gen::oneOf(rc::gen::just(0U), rc::gen::inRange<std::uint32_t>(20, 5000)),
            rc::gen::arbitrary<bool>()
        ),
        [steady](const auto& parts) {
            const auto [level, other, run, sleep, awaited] = parts;
            return Behaviour{level, steady ? level : other, run, sleep, !steady && awaited};
        }
    );
}

/// A guest of one to four vCPUs without budget and guaranteed share.
rc::Gen<SimulatedGuest> any_guest(bool steady) {
    return rc::gen::map(
        rc::gen::tuple(
            any_level(),
            any_level(),
            rc::gen::inRange<std::uint32_t>(10, 1000),
            rc::gen::resize(
                4,
                rc::gen::nonEmpty(rc::gen::container<std::vector<Behaviour>>(any_behaviour(steady)))
            )
        ),
        [](const auto& parts) {
            const auto& [one, other, weight, vcpus] = parts;
            SimulatedGuest guest;
            guest.terms.base_level = std::min<std::uint8_t>(std::max(one, other), 63);
            guest.terms.ceiling = std::min<std::uint8_t>(std::min(one, other), 63);
            guest.terms.weight = weight;
            guest.vcpus = vcpus;
            return guest;
        }
    );
}

rc::Gen<Guests> any_guests(bool steady) {
    return rc::gen::resize(5, rc::gen::nonEmpty(rc::gen::container<Guests>(any_guest(steady))));
}

/// Runs the guests for kRunNs.
void run(
    std::string_view policy,
    unsigned workers,
    const Guests& guests,
    const SimulatedRun::Observer& observe
) {
    SimulatedRun(make_policy(policy), workers, guests).run(kRunNs, observe);
}

unsigned any_workers() {
    return *rc::gen::inRange(1U, 4U);
}

SeenGuest count(const Vcpus& vcpus, std::uint32_t guest) {
    SeenGuest counts;
    for (const auto& [id, vcpu] : vcpus) {
        if (id.guest == guest) {
            counts.runnable += vcpu.runnable() ? 1 : 0;
            counts.running += vcpu.running() ? 1 : 0;
        }
    }
    return counts;
}

Margins margins(unsigned workers) {
    return {.slice = kSlice, .grace = SimulatedRun::kGraceNs, .workers = workers};
}

class TenantsOfEveryPolicy : public testing::TestWithParam<std::string_view> {};

/// No worker is idle while a vCPU is ready.
TEST_P(TenantsOfEveryPolicy, keeps_workers_busy) {
    EXPECT_TRUE(rc::check("busy", [&] {
        Guests guests = *any_guests(false);
        guests[0].terms.budget_rate = *rc::gen::inRange(0U, 500U);
        guests[0].terms.budget_burst_ns = 1'000'000;
        guests[0].terms.share = *rc::gen::inRange(0U, 1000U);
        const unsigned workers = any_workers();
        run(GetParam(), workers, guests, [&](std::uint64_t, const Vcpus& vcpus) {
            std::uint32_t ready = 0;
            std::uint32_t running = 0;
            for (const auto& [id, vcpu] : vcpus) {
                ready += vcpu.state == SimulatedRun::Vcpu::State::ready ? 1 : 0;
                running += vcpu.running() ? 1 : 0;
            }
            RC_ASSERT(running <= workers);
            RC_ASSERT(ready == 0 || running == workers);
        });
    }));
}

/// In every window throughout which a guest is runnable it runs its guaranteed share of the time,
/// up to the stated bound, whatever the others claim and however heavy they are.
TEST_P(TenantsOfEveryPolicy, guaranteed_shares_hold_in_every_window) {
    EXPECT_TRUE(rc::check("shares", [&] {
        const unsigned workers = any_workers();
        Guests guests = *any_guests(false);
        // The first guest takes all that it can.
        guests[0].terms = {.base_level = 0, .weight = 10'000};
        guests[0].vcpus.assign(workers, Behaviour{.level = 0, .other_level = 0});
        std::uint32_t left = 1000 * workers;
        for (SimulatedGuest& guest : guests) {
            const auto most = std::min<std::uint32_t>(
                left, static_cast<std::uint32_t>(1000 * guest.vcpus.size())
            );
            guest.terms.share = *rc::gen::inRange(0U, most + 1);
            left -= guest.terms.share;
        }
        std::vector<ShareLag> lags(guests.size());
        run(GetParam(), workers, guests, [&](std::uint64_t time, const Vcpus& vcpus) {
            for (std::uint32_t g = 0; g < guests.size(); ++g) {
                lags[g].observe(static_cast<double>(time), guests[g].terms.share, count(vcpus, g));
            }
        });
        for (std::uint32_t g = 0; g < guests.size(); ++g) {
            const double share = guests[g].terms.share / 1000.0;
            if (share != 0) {
                RC_ASSERT(lags[g].most() <= share_bound(margins(workers), share));
            }
        }
    }));
}

std::string name_of(const testing::TestParamInfo<std::string_view>& info) {
    return std::string(info.param);
}

INSTANTIATE_TEST_SUITE_P(
    Policies, TenantsOfEveryPolicy, testing::ValuesIn(policy_names()), name_of
);

class TenantsByWeight : public testing::TestWithParam<std::string_view> {};

/// Guests that are always busy at one level share a worker by weight, however many vCPUs they have.
TEST_P(TenantsByWeight, guests_of_one_level_share_by_weight) {
    EXPECT_TRUE(rc::check("weights", [&] {
        Guests guests = *any_guests(true);
        double weights = 0;
        for (SimulatedGuest& guest : guests) {
            guest.terms.base_level = 63;
            guest.terms.ceiling = 0;
            for (Behaviour& vcpu : guest.vcpus) {
                vcpu = {.level = 63, .other_level = 63};
            }
            weights += guest.terms.weight;
        }
        std::vector<double> ran(guests.size());
        run(GetParam(), 1, guests, [&](std::uint64_t time, const Vcpus& vcpus) {
            for (std::uint32_t g = 0; g < guests.size(); ++g) {
                ran[g] += static_cast<double>(count(vcpus, g).running * time);
            }
        });
        for (std::uint32_t g = 0; g < guests.size(); ++g) {
            const double share = guests[g].terms.weight / weights;
            RC_ASSERT(
                std::abs(ran[g] - share * kRunNs) <= kSlice * static_cast<double>(guests.size() + 1)
            );
        }
    }));
}

/// The same in every window for a guest that always has work, whatever others come and go.
TEST_P(TenantsByWeight, sleepers_take_nothing_from_a_busy_guest) {
    EXPECT_TRUE(rc::check("sleepers", [&] {
        Guests guests = *any_guests(true);
        double weights = 0;
        for (SimulatedGuest& guest : guests) {
            guest.terms.base_level = 63;
            guest.terms.ceiling = 0;
            for (Behaviour& vcpu : guest.vcpus) {
                vcpu.level = vcpu.other_level = 63;
            }
            weights += guest.terms.weight;
        }
        guests[0].vcpus[0].sleep_us = 0;
        const double share = guests[0].terms.weight / weights;
        Lag lag;
        run(GetParam(), 1, guests, [&](std::uint64_t time, const Vcpus& vcpus) {
            lag.elapse(
                share * static_cast<double>(time),
                static_cast<double>(count(vcpus, 0).running * time)
            );
        });
        RC_ASSERT(lag.most() <= kSlice * static_cast<double>(guests.size() + 1));
    }));
}

/// One worker more: guests of equal weight with more vCPUs than there are workers get equal parts.
TEST_P(TenantsByWeight, guests_share_several_workers) {
    EXPECT_TRUE(rc::check("several workers", [&] {
        const unsigned workers = any_workers();
        const auto sizes = *rc::gen::resize(
            6,
            rc::gen::nonEmpty(
                rc::gen::container<std::vector<std::uint32_t>>(rc::gen::inRange(0U, 4U))
            )
        );
        Guests guests;
        for (const std::uint32_t more : sizes) {
            guests.push_back({.terms = {}, .vcpus = std::vector<Behaviour>(workers + more)});
        }
        std::vector<double> ran(guests.size());
        run(GetParam(), workers, guests, [&](std::uint64_t time, const Vcpus& vcpus) {
            for (std::uint32_t g = 0; g < guests.size(); ++g) {
                ran[g] += static_cast<double>(count(vcpus, g).running * time);
            }
        });
        for (const double mine : ran) {
            const double share =
                static_cast<double>(kRunNs * workers) / static_cast<double>(guests.size());
            RC_ASSERT(
                std::abs(mine - share) <= kSlice * static_cast<double>(guests.size() + workers)
            );
        }
    }));
}

INSTANTIATE_TEST_SUITE_P(
    Policies, TenantsByWeight, testing::Values("priority", "fair", "pvsched"), name_of
);

std::vector<SeenVcpu> seen(const Vcpus& vcpus) {
    std::vector<SeenVcpu> all;
    for (const auto& [id, vcpu] : vcpus) {
        all.push_back({
            .id = id,
            .level = SimulatedRun::effective(vcpus, vcpu),
            .ready = vcpu.state == SimulatedRun::Vcpu::State::ready,
            .running = vcpu.running(),
        });
    }
    return all;
}

/// No vCPU of a more urgent effective level waits for longer than one grace time a worker while a
/// less urgent one runs; when claims change meanwhile, for no longer than a slice.
RC_GTEST_PROP(Priority, inversions_are_bounded, ()) {
    const unsigned workers = any_workers();
    const bool steady = *rc::gen::arbitrary<bool>();
    const Guests guests = *any_guests(steady);
    Inversions inversions;
    run("priority", workers, guests, [&](std::uint64_t time, const Vcpus& vcpus) {
        inversions.observe(static_cast<double>(time), seen(vcpus));
    });
    RC_ASSERT(inversions.most() <= inversion_bound(margins(workers), steady));
}

/// In every window a guest runs above its base level for what its budget has saved up and what it
/// earns in the window, up to the stated bound: others that always want to run at a level more
/// urgent than its base see to it that it never runs at that.
RC_GTEST_PROP(Priority, budgets_are_conserved, ()) {
    const unsigned workers = any_workers();
    Guests guests = *any_guests(false);
    for (SimulatedGuest& guest : guests) {
        guest.terms.base_level = *rc::gen::inRange<std::uint8_t>(31, 64);
        guest.terms.ceiling = *rc::gen::inRange<std::uint8_t>(0, 30);
        guest.terms.budget_rate = *rc::gen::inRange(1U, 1000U);
        guest.terms.budget_burst_ns = *rc::gen::inRange<std::uint64_t>(100'000, 20'000'000);
        for (Behaviour& vcpu : guest.vcpus) {
            // Not between the others' level and its base, where it would wait in vain.
            vcpu.level = vcpu.level < 30 ? vcpu.level : 64;
            vcpu.other_level = vcpu.other_level < 30 ? vcpu.other_level : 64;
        }
    }
    const std::size_t limited = guests.size();
    guests.push_back({.terms = {.base_level = 30}, .vcpus = std::vector<Behaviour>(workers)});
    std::vector<BudgetUse> spent(limited);
    run("priority", workers, guests, [&](std::uint64_t time, const Vcpus& vcpus) {
        for (std::uint32_t g = 0; g < limited; ++g) {
            spent[g].observe(
                static_cast<double>(time), guests[g].terms.budget_rate, count(vcpus, g).running
            );
        }
    });
    for (std::uint32_t g = 0; g < limited; ++g) {
        const auto burst = static_cast<double>(guests[g].terms.budget_burst_ns);
        const auto vcpus =
            static_cast<double>(std::min<std::size_t>(guests[g].vcpus.size(), workers));
        RC_ASSERT(spent[g].most() <= budget_bound(margins(workers), burst, vcpus));
    }
}

/// A budget is no ceiling: a guest that claims level 0 for ever runs for all that it pays for, when
/// its burst is two slices at least: with less it is full before it is noticed to be usable.
RC_GTEST_PROP(Priority, a_budget_can_be_spent, ()) {
    SimulatedGuest greedy;
    greedy.terms.base_level = 30;
    greedy.terms.budget_rate = *rc::gen::inRange(1U, 1000U);
    greedy.terms.budget_burst_ns = *rc::gen::inRange<std::uint64_t>(2'000'000, 20'000'000);
    greedy.vcpus.assign(*rc::gen::inRange<std::size_t>(1, 4), {.level = 0, .other_level = 0});
    const SimulatedGuest other{.terms = {.base_level = 20}, .vcpus = {{}}};
    std::uint64_t ran = 0;
    run("priority", 1, {greedy, other}, [&](std::uint64_t time, const Vcpus& vcpus) {
        ran += count(vcpus, 0).running * time;
    });
    const double paid = static_cast<double>(greedy.terms.budget_burst_ns)
                        + greedy.terms.budget_rate / 1000.0 * static_cast<double>(kRunNs);
    // At the end of the run it may have saved up a slice.
    RC_ASSERT(static_cast<double>(ran) >= std::min<double>(paid, kRunNs) - 2 * kSlice);
}

/// Under rr a vCPU waits for no longer than the turns of all others.
RC_GTEST_PROP(RoundRobin, nobody_waits_for_more_than_a_turn_of_each, ()) {
    const unsigned workers = any_workers();
    const Guests guests = *any_guests(false);
    std::size_t vcpus_in_all = 0;
    for (const SimulatedGuest& guest : guests) {
        vcpus_in_all += guest.vcpus.size();
    }
    LongestWait waits;
    run("rr", workers, guests, [&](std::uint64_t time, const Vcpus& vcpus) {
        for (const SeenVcpu& vcpu : seen(vcpus)) {
            waits.observe(vcpu.id, vcpu.ready, static_cast<double>(time));
        }
    });
    RC_ASSERT(waits.most() <= turn_bound(margins(workers), vcpus_in_all));
}

/// Under pvsched a guest that always wants to be boosted gets what its debts allow and a fair part
/// of the rest, and so does one that never does.
RC_GTEST_PROP(Pvsched, boosts_are_bounded_by_their_debts, ()) {
    SimulatedGuest greedy;
    greedy.terms.base_level = 30;
    greedy.terms.budget_rate = *rc::gen::inRange(1U, 900U);
    greedy.terms.budget_burst_ns = *rc::gen::inRange<std::uint64_t>(100'000, 20'000'000);
    greedy.vcpus.assign(*rc::gen::inRange<std::size_t>(1, 4), {.level = 0, .other_level = 0});
    const SimulatedGuest modest{.terms = {.base_level = 30}, .vcpus = {{}}};
    std::uint64_t ran = 0;
    run("pvsched", 1, {greedy, modest}, [&](std::uint64_t time, const Vcpus& vcpus) {
        ran += count(vcpus, 0).running * time;
    });
    const double rate = greedy.terms.budget_rate / 1000.0;
    const double boosted =
        static_cast<double>(greedy.terms.budget_burst_ns) + rate * kRunNs + 2 * kSlice;
    // At the base level both have the same weight.
    RC_ASSERT(
        static_cast<double>(ran) <= boosted + std::max(0.0, kRunNs - boosted) / 2 + 3 * kSlice
    );
}

/// The same bound for inversions as under priority, between boosted vCPUs and others.
RC_GTEST_PROP(Pvsched, inversions_are_bounded, ()) {
    const unsigned workers = any_workers();
    Guests guests = *any_guests(true);
    for (SimulatedGuest& guest : guests) {
        // More than can be spent here.
        guest.terms.budget_rate = 64'000;
        guest.terms.budget_burst_ns = 10'000'000'000;
    }
    run("pvsched", workers, guests, [&](std::uint64_t time, const Vcpus& vcpus) {
        bool boosted_waits = false;
        bool other_runs = false;
        for (const auto& [id, vcpu] : vcpus) {
            const bool boosted =
                SimulatedRun::effective(vcpus, vcpu) < vcpu.guest->terms.base_level;
            boosted_waits =
                boosted_waits || (boosted && vcpu.state == SimulatedRun::Vcpu::State::ready);
            other_runs = other_runs || (!boosted && vcpu.running());
        }
        RC_ASSERT(time == 0U || !boosted_waits || !other_runs);
    });
}

}  // namespace
}  // namespace vmm::sched::test
