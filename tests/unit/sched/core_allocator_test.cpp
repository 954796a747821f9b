// SPDX-License-Identifier: Apache-2.0
// Who has extra vCPUs: examples, and properties over generated histories.
#include "sched/policy/core_allocator.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <bit>

namespace vmm::sched::test {
namespace {

using Kind = CoreDecision::Kind;
using Decisions = std::vector<CoreDecision>;

constexpr std::uint64_t bit(std::uint32_t vcpu) {
    return std::uint64_t{1} << vcpu;
}

GuestCores guest(std::uint32_t id, std::uint32_t own, std::uint32_t max, std::uint32_t wanted) {
    return {.id = {.guest = id}, .own = own, .max = max, .wanted = wanted};
}

CoreDecision grant(std::uint32_t guest, std::uint32_t vcpu) {
    return {Kind::grant, {.guest = guest, .vcpu = vcpu}};
}
CoreDecision revoke(std::uint32_t guest, std::uint32_t vcpu) {
    return {Kind::revoke, {.guest = guest, .vcpu = vcpu}};
}

TEST(CoreAllocator, idle_workers_are_granted_to_who_asks) {
    CoreAllocator allocator;
    const std::vector guests{guest(0, 1, 4, 3), guest(1, 1, 4, 1)};
    EXPECT_EQ(allocator.decide(guests, 5, 0), (Decisions{grant(0, 1), grant(0, 2)}));
    EXPECT_EQ(allocator.decide(guests, 1, 1), (Decisions{grant(0, 1)}));
    EXPECT_EQ(allocator.decide(guests, 0, 2), Decisions{});
}

TEST(CoreAllocator, what_was_granted_and_has_not_begun_needs_a_worker_too) {
    CoreAllocator allocator;
    std::vector guests{guest(0, 1, 4, 4), guest(1, 1, 2, 2)};
    guests[0].granted = bit(1);
    EXPECT_EQ(allocator.decide(guests, 1, 0), Decisions{});
    guests[0].begun = bit(1);
    EXPECT_EQ(allocator.decide(guests, 1, 0), (Decisions{grant(1, 1)}));
}

TEST(CoreAllocator, best_effort_guests_get_what_others_do_not_want_and_lose_it_first) {
    CoreAllocator allocator;
    std::vector guests{guest(0, 1, 4, 4), guest(1, 1, 3, 3)};
    guests[0].best_effort = true;
    EXPECT_EQ(allocator.decide(guests, 3, 0), (Decisions{grant(1, 1), grant(1, 2), grant(0, 1)}));
    guests[0].granted = guests[0].busy = guests[0].begun = bit(1);
    guests[1].granted = guests[1].busy = guests[1].begun = bit(1) | bit(2);
    guests[1].longest_wait_ns = kCongestedNs;
    EXPECT_EQ(allocator.decide(guests, 0, 1), (Decisions{revoke(0, 1)}));
}

TEST(CoreAllocator, whom_a_best_effort_guest_waits_for_keeps_what_he_has) {
    CoreAllocator allocator;
    std::vector guests{guest(0, 1, 4, 1), guest(1, 1, 3, 3)};
    guests[0].best_effort = true;
    guests[0].longest_wait_ns = 100 * kCongestedNs;
    guests[1].granted = guests[1].busy = guests[1].begun = bit(1) | bit(2);
    EXPECT_EQ(allocator.decide(guests, 0, 0), Decisions{});
}

TEST(CoreAllocator, a_wait_below_the_threshold_is_no_congestion) {
    CoreAllocator allocator;
    std::vector guests{guest(0, 1, 2, 2), guest(1, 1, 1, 1)};
    guests[0].granted = guests[0].busy = guests[0].begun = bit(1);
    guests[1].longest_wait_ns = kCongestedNs - 1;
    EXPECT_EQ(allocator.decide(guests, 0, 0), Decisions{});
    guests[1].longest_wait_ns = kCongestedNs;
    EXPECT_EQ(allocator.decide(guests, 0, 1), (Decisions{revoke(0, 1)}));
}

TEST(CoreAllocator, one_leaves_at_a_time) {
    CoreAllocator allocator;
    std::vector guests{guest(0, 1, 3, 3), guest(1, 1, 1, 1)};
    guests[0].granted = bit(1);
    guests[0].busy = bit(1) | bit(2);
    guests[0].revoked = bit(2);
    guests[0].leaving = true;
    guests[1].longest_wait_ns = kCongestedNs;
    EXPECT_EQ(allocator.decide(guests, 0, 0), Decisions{});
    guests[0].leaving = false;  // it has had its time, and competes with nobody any more
    EXPECT_EQ(allocator.decide(guests, 0, 1), (Decisions{revoke(0, 1)}));
}

TEST(CoreAllocator, a_vcpu_that_does_nothing_is_in_nobodys_way) {
    CoreAllocator allocator;
    std::vector guests{guest(0, 1, 3, 3), guest(1, 1, 1, 1)};
    guests[0].granted = guests[0].begun = bit(1) | bit(2);
    guests[0].busy = bit(1);
    guests[1].longest_wait_ns = kCongestedNs;
    EXPECT_EQ(allocator.decide(guests, 0, 0), (Decisions{revoke(0, 1)}));
}

TEST(CoreAllocator, who_asks_for_fewer_gives_back_the_last_ones) {
    CoreAllocator allocator;
    std::vector guests{guest(0, 1, 5, 2)};
    guests[0].granted = guests[0].begun = bit(1) | bit(2) | bit(4);
    EXPECT_EQ(allocator.decide(guests, 4, 0), (Decisions{revoke(0, 4), revoke(0, 2)}));
}

// ---- Generated histories ---------------------------------------------------------------------

/// One look at the fleet. Bits are reduced to what exists.
struct Look {
    std::uint32_t guest = 0;
    std::uint32_t wanted = 0;
    std::uint32_t idle = 0;
    std::uint64_t busy = 0;
    std::uint64_t stops = 0;  // of those revoked
    std::uint64_t wait = 0;
    std::uint64_t passes = 0;
};

std::ostream& operator<<(std::ostream& out, const Look& look) {
    return out << "{guest=" << look.guest << " wanted=" << look.wanted << " idle=" << look.idle
               << " busy=" << look.busy << " stops=" << look.stops << " wait=" << look.wait
               << " passes=" << look.passes << "}";
}

rc::Gen<Look> any_look() {
    return rc::gen::build<Look>(
        rc::gen::set(&Look::guest, rc::gen::inRange<std::uint32_t>(0, 4)),
        rc::gen::set(&Look::wanted, rc::gen::inRange<std::uint32_t>(0, 10)),
        rc::gen::set(&Look::idle, rc::gen::inRange<std::uint32_t>(0, 6)),
        rc::gen::set(&Look::busy, rc::gen::inRange<std::uint64_t>(0, 256)),
        rc::gen::set(&Look::stops, rc::gen::inRange<std::uint64_t>(0, 256)),
        rc::gen::set(
            &Look::wait,
            rc::gen::element<std::uint64_t>(0, 0, 0, kCongestedNs - 1, kCongestedNs, 1'000'000)
        ),
        rc::gen::set(
            &Look::passes, rc::gen::element<std::uint64_t>(0, 1'000, kCoreIntervalNs, 1'000'000)
        )
    );
}

/// Four guests whose workers obey, and who stop what they are told to when it pleases them.
class History {
public:
    History() {
        for (std::uint32_t i = 0; i < 4; ++i) {
            guests.push_back(guest(i, 1 + i % 2, 2 + i, 1));
            guests.back().best_effort = i == 2;
        }
    }

    /// What is known at the next look; then decide().
    void see(const Look& look) {
        now += look.passes;
        idle = look.idle;
        guests[look.guest].wanted = look.wanted;
        for (GuestCores& one : guests) {
            one.revoked &= ~look.stops;
            one.busy = (one.granted | one.revoked) & (look.busy >> (one.id.guest % 2));
            one.begun = (one.begun | one.busy) & one.granted;
            one.leaving = (one.busy & one.revoked) != 0;
            one.longest_wait_ns = one.id.guest == look.guest ? look.wait : 0;
        }
    }
    Decisions decide() { return allocator.decide(guests, idle, now); }

    void obey(const Decisions& decisions) {
        for (const CoreDecision& one : decisions) {
            GuestCores& of = guests[one.id.guest];
            const std::uint64_t which = bit(one.id.vcpu);
            if (one.kind == Kind::grant) {
                RC_ASSERT((of.granted & which) == 0 && (of.revoked & which) == 0);
                of.granted |= which;
            } else {
                RC_ASSERT((of.granted & which) != 0);
                of.granted &= ~which;
                of.revoked |= which;
            }
        }
    }

    std::vector<GuestCores> guests;
    std::uint64_t now = 1;
    std::uint32_t idle = 0;
    CoreAllocator allocator;
};

bool is_congested(const History& history, bool by_ordinary_ones) {
    return std::ranges::any_of(history.guests, [&](const GuestCores& one) {
        return one.longest_wait_ns >= kCongestedNs && (!by_ordinary_ones || !one.best_effort);
    });
}

bool is_surplus(const GuestCores& one) {
    return one.own + static_cast<std::uint32_t>(std::popcount(one.granted)) > most_cores(one);
}

RC_GTEST_PROP(CoreAllocatorProperties, nobody_holds_more_than_the_most_it_may_have, ()) {
    History history;
    for (const Look& look : *rc::gen::container<std::vector<Look>>(any_look())) {
        history.see(look);
        history.obey(history.decide());
        for (const GuestCores& one : history.guests) {
            RC_ASSERT(held_cores(one) <= one.max);
            RC_ASSERT(((one.granted | one.revoked) & (bit(one.own) - 1)) == 0);
            RC_ASSERT(((one.granted | one.revoked) >> one.max) == 0);
            RC_ASSERT(!is_surplus(one));
        }
    }
}

RC_GTEST_PROP(CoreAllocatorProperties, idle_workers_are_granted_when_somebody_asks, ()) {
    History history;
    std::uint64_t last_congestion = 0;
    for (const Look& look : *rc::gen::container<std::vector<Look>>(any_look())) {
        history.see(look);
        const bool congested = is_congested(history, false);
        last_congestion = congested ? history.now : last_congestion;
        history.obey(history.decide());
        const bool held = last_congestion != 0 && history.now < last_congestion + kCoreIntervalNs;
        std::uint32_t not_begun = 0;
        for (const GuestCores& one : history.guests) {
            not_begun += static_cast<std::uint32_t>(std::popcount(one.granted & ~one.begun));
        }
        if (held || not_begun >= history.idle) {
            continue;
        }
        for (const GuestCores& one : history.guests) {
            RC_ASSERT(held_cores(one) >= most_cores(one));
        }
    }
}

RC_GTEST_PROP(CoreAllocatorProperties, nobody_is_granted_what_is_not_idle, ()) {
    History history;
    for (const Look& look : *rc::gen::container<std::vector<Look>>(any_look())) {
        history.see(look);
        const Decisions decisions = history.decide();
        const auto grants = std::ranges::count(decisions, Kind::grant, &CoreDecision::kind);
        RC_ASSERT(grants <= history.idle);
        RC_ASSERT(grants == 0 || !is_congested(history, false));
        history.obey(decisions);
    }
}

RC_GTEST_PROP(CoreAllocatorProperties, best_effort_vcpus_leave_first, ()) {
    History history;
    for (const Look& look : *rc::gen::container<std::vector<Look>>(any_look())) {
        history.see(look);
        const auto before = history.guests;
        const Decisions decisions = history.decide();
        for (const CoreDecision& one : decisions) {
            const GuestCores& of = before[one.id.guest];
            if (one.kind == Kind::grant || is_surplus(of)) {
                continue;
            }
            RC_ASSERT(is_congested(history, !of.best_effort));
            RC_ASSERT((of.busy & bit(one.id.vcpu)) != 0);
            RC_ASSERT(of.best_effort || std::ranges::none_of(before, [](const GuestCores& other) {
                          return other.best_effort && !is_surplus(other)
                                 && (other.granted & other.busy) != 0;
                      }));
        }
        history.obey(decisions);
    }
}

RC_GTEST_PROP(CoreAllocatorProperties, congestion_takes_a_vcpu_back_if_there_is_one, ()) {
    History history;
    for (const Look& look : *rc::gen::container<std::vector<Look>>(any_look())) {
        history.see(look);
        const auto before = history.guests;
        const Decisions decisions = history.decide();
        const bool any = std::ranges::any_of(before, [](const GuestCores& one) {
            return (one.granted & one.busy) != 0 && !is_surplus(one);
        });
        const bool leaving = std::ranges::any_of(before, &GuestCores::leaving);
        if (is_congested(history, true) && any && !leaving) {
            RC_ASSERT(!decisions.empty());
        }
        history.obey(decisions);
    }
}

RC_GTEST_PROP(CoreAllocatorProperties, nothing_swings_within_an_interval, ()) {
    History history;
    std::uint64_t last_congestion = 0;
    for (const Look& look : *rc::gen::container<std::vector<Look>>(any_look())) {
        history.see(look);
        last_congestion = is_congested(history, false) ? history.now : last_congestion;
        const Decisions decisions = history.decide();
        for (const CoreDecision& one : decisions) {
            // Nothing is granted before an interval in which nobody waited for long.
            RC_ASSERT(
                one.kind == Kind::revoke || last_congestion == 0
                || history.now >= last_congestion + kCoreIntervalNs
            );
        }
        const auto revoked = std::ranges::count(decisions, Kind::revoke, &CoreDecision::kind);
        const auto surplus = std::ranges::count_if(history.guests, is_surplus);
        RC_ASSERT(surplus != 0 || revoked <= 1);
        history.obey(decisions);
    }
}

RC_GTEST_PROP(CoreAllocatorProperties, decisions_do_not_depend_on_the_order_of_guests, ()) {
    History history;
    CoreAllocator other;
    for (const Look& look : *rc::gen::container<std::vector<Look>>(any_look())) {
        history.see(look);
        std::vector<GuestCores> reversed(history.guests.rbegin(), history.guests.rend());
        Decisions mine = history.decide();
        Decisions theirs = other.decide(reversed, history.idle, history.now);
        const auto key = [](const CoreDecision& one) { return std::pair(one.id, one.kind); };
        std::ranges::sort(theirs, {}, key);
        Decisions sorted = mine;
        std::ranges::sort(sorted, {}, key);
        RC_ASSERT(sorted == theirs);
        history.obey(mine);
    }
}

}  // namespace
}  // namespace vmm::sched::test
