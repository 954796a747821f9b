// SPDX-License-Identifier: Apache-2.0
// Guests that leave a level and return to it all the time: they sleep, or claim another level for a
// while, also in the middle of a turn. By the formula of weights nobody gains by that, and nobody
// loses.
#include "sched/check/properties.hpp"
#include "simulated_fleet.hpp"
#include "simulated_run.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <vector>

namespace vmm::sched::test {
namespace {

constexpr std::uint64_t kRunNs = 100'000'000;
constexpr double kSlice = SimulatedRun::kSliceNs;
constexpr std::uint8_t kLevel = 40;

using Guests = std::vector<SimulatedGuest>;
using Vcpus = SimulatedRun::Vcpus;

rc::Gen<std::uint8_t> any_level() {
    return rc::gen::weightedOneOf<std::uint8_t>(
        {{2, rc::gen::just(kLevel)}, {1, rc::gen::element<std::uint8_t>(10, 39, 41, 63)}}
    );
}

rc::Gen<std::uint32_t> any_time_us() {
    return rc::gen::oneOf(
        rc::gen::inRange<std::uint32_t>(20, 200), rc::gen::inRange<std::uint32_t>(200, 5000)
    );
}

rc::Gen<Behaviour> any_behaviour() {
    return rc::gen::map(
        rc::gen::tuple(
            any_level(),
            any_level(),
            any_time_us(),
            rc::gen::oneOf(rc::gen::just(0U), any_time_us())
        ),
        [](const auto& parts) {
            const auto [level, other, run, sleep] = parts;
            return Behaviour{level, other, run, sleep};
        }
    );
}

rc::Gen<SimulatedGuest> any_guest() {
    return rc::gen::map(
        rc::gen::tuple(
            rc::gen::inRange<std::uint32_t>(10, 1000),
            rc::gen::resize(
                3, rc::gen::nonEmpty(rc::gen::container<std::vector<Behaviour>>(any_behaviour()))
            )
        ),
        [](const auto& parts) {
            SimulatedGuest guest;
            guest.terms = {.base_level = 63};
            std::tie(guest.terms.weight, guest.vcpus) = parts;
            return guest;
        }
    );
}

/// What vCPUs of a guest do at kLevel.
SeenGuest at_level(const Vcpus& vcpus, std::uint32_t guest) {
    SeenGuest seen;
    for (const auto& [id, vcpu] : vcpus) {
        if (id.guest == guest && vcpu.own_level() == kLevel) {
            seen.runnable += vcpu.runnable() ? 1 : 0;
            seen.running += vcpu.running() ? 1 : 0;
        }
    }
    return seen;
}

/// In every window throughout which a guest has work at the level, no other one runs there for more
/// than the same time by weight, two slices of its own and one of the other.
RC_GTEST_PROP(ReturningGuests, gain_nothing_and_lose_nothing, ()) {
    const Guests guests =
        *rc::gen::resize(4, rc::gen::nonEmpty(rc::gen::container<Guests>(any_guest())));
    const auto count = static_cast<std::uint32_t>(guests.size());
    std::vector<std::vector<Lag>> lags(count, std::vector<Lag>(count));
    const auto by_weight = [&](double time, std::uint32_t guest) {
        return time / guests[guest].terms.weight;
    };
    SimulatedRun(make_policy("priority"), 1, guests)
        .run(kRunNs, [&](std::uint64_t time, const Vcpus& vcpus) {
            std::vector<SeenGuest> seen;
            for (std::uint32_t g = 0; g < count; ++g) {
                seen.push_back(at_level(vcpus, g));
            }
            const auto ran = [&](std::uint32_t g) {
                return by_weight(static_cast<double>(seen[g].running * time), g);
            };
            for (std::uint32_t behind = 0; behind < count; ++behind) {
                for (std::uint32_t ahead = 0; ahead < count; ++ahead) {
                    Lag& lag = lags[behind][ahead];
                    lag.elapse(ran(ahead), ran(behind));
                    if (seen[behind].runnable == 0) {
                        lag.forget();
                    }
                }
            }
        });
    for (std::uint32_t behind = 0; behind < count; ++behind) {
        for (std::uint32_t ahead = 0; ahead < count; ++ahead) {
            if (ahead != behind) {
                RC_ASSERT(
                    lags[behind][ahead].most()
                    <= 1.01 * (by_weight(kSlice, behind) + by_weight(2 * kSlice, ahead))
                );
            }
        }
    }
}

constexpr VcpuId kReturns{.guest = 0};
constexpr VcpuId kBusy{.guest = 1};

/// Urgent for a moment, then at kLevel in what is left of that turn.
void return_in_a_turn(SimulatedFleet& fleet, std::uint64_t stays_ns) {
    fleet.wake(kReturns, 10);
    ASSERT_EQ(fleet.pick(0).value().id, kReturns);
    fleet.advance(1000);
    fleet.claim(kReturns, kLevel);
    fleet.advance(stays_ns);
}

TEST(ReturningGuest, who_comes_to_a_level_in_its_turn_does_not_run_ahead_of_others_there) {
    SimulatedFleet fleet("priority", 1);
    fleet.add(kReturns);
    fleet.add(kBusy);
    fleet.wake(kBusy, kLevel);
    return_in_a_turn(fleet, 0);
    EXPECT_FALSE(fleet.policy().preempt(fleet.now())) << "it has run as little as the other one";
    fleet.advance(500'000);
    fleet.leave(0, true);
    return_in_a_turn(fleet, 0);
    const auto preemption = fleet.policy().preempt(fleet.now());
    ASSERT_TRUE(preemption);
    EXPECT_EQ(preemption->victim, kReturns);
    EXPECT_FALSE(preemption->ask);
}

TEST(ReturningGuest, turns_that_began_at_another_level_are_no_debt_to_who_comes_later) {
    SimulatedFleet fleet("priority", 1);
    fleet.add(kReturns);
    fleet.add(kBusy);
    for (int round = 0; round < 100; ++round) {
        return_in_a_turn(fleet, 500'000);
        fleet.leave(0, true);
    }
    fleet.wake(kBusy, kLevel);
    fleet.wake(kReturns, kLevel);
    for (int turn = 0; turn < 20; ++turn) {
        fleet.turn();
    }
    EXPECT_GE(fleet.at(kReturns).ran, 100 * 501'000 + 9 * SimulatedRun::kSliceNs);
}

}  // namespace
}  // namespace vmm::sched::test
