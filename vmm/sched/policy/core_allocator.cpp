// SPDX-License-Identifier: Apache-2.0
#include "sched/policy/core_allocator.hpp"

#include <algorithm>
#include <bit>
#include <tuple>

namespace vmm::sched {
namespace {

using Kind = CoreDecision::Kind;

constexpr std::uint64_t bit(std::uint32_t vcpu) {
    return std::uint64_t{1} << vcpu;
}
std::uint32_t count(std::uint64_t set) {
    return static_cast<std::uint32_t>(std::popcount(set));
}
std::uint32_t last_of(std::uint64_t set) {
    return 63 - static_cast<std::uint32_t>(std::countl_zero(set));
}

CoreDecision decision(Kind kind, const GuestCores& guest, std::uint32_t vcpu) {
    return {kind, {.domain = guest.id.domain, .guest = guest.id.guest, .vcpu = vcpu}};
}

/// The extra vCPU that has neither been granted nor to be given back; `max`: there is none.
std::uint32_t free_core(const GuestCores& guest) {
    std::uint32_t vcpu = guest.own;
    while (vcpu < guest.max && ((guest.granted | guest.revoked) & bit(vcpu)) != 0) {
        ++vcpu;
    }
    return vcpu;
}

/// Who asked for fewer gives the last ones back.
void give_back_surplus(std::vector<GuestCores>& guests, std::vector<CoreDecision>& decisions) {
    for (GuestCores& guest : guests) {
        while (guest.granted != 0 && guest.own + count(guest.granted) > most_cores(guest)) {
            const std::uint32_t vcpu = last_of(guest.granted);
            guest.granted &= ~bit(vcpu);
            guest.revoked |= bit(vcpu);
            decisions.push_back(decision(Kind::revoke, guest, vcpu));
        }
    }
}

bool has_waited(const GuestCores& guest) {
    return guest.longest_wait_ns >= kCongestedNs;
}

/// Whose extra vCPU is the next to go: best-effort guests first, then who has most of them. Only a
/// vCPU that is busy is in anybody's way.
const GuestCores* victim(std::span<const GuestCores> guests, bool best_effort_only) {
    const auto order = [](const GuestCores& guest) {
        return std::tuple(guest.best_effort, count(guest.granted), guest.id);
    };
    const GuestCores* found = nullptr;
    for (const GuestCores& guest : guests) {
        if ((guest.granted & guest.busy) != 0 && (guest.best_effort || !best_effort_only)
            && (found == nullptr || order(guest) > order(*found))) {
            found = &guest;
        }
    }
    return found;
}

/// Who is granted the next vCPU: ordinary guests first, then who has fewest extra ones.
GuestCores* next_to_grow(std::vector<GuestCores>& guests) {
    const auto order = [](const GuestCores& guest) {
        return std::tuple(guest.best_effort, count(guest.granted), guest.id);
    };
    GuestCores* found = nullptr;
    for (GuestCores& guest : guests) {
        if (held_cores(guest) < most_cores(guest) && free_core(guest) < guest.max
            && (found == nullptr || order(guest) < order(*found))) {
            found = &guest;
        }
    }
    return found;
}

}  // namespace

std::uint32_t most_cores(const GuestCores& guest) noexcept {
    return std::max(guest.own, std::min(guest.wanted, guest.max));
}

std::uint32_t held_cores(const GuestCores& guest) noexcept {
    return guest.own + count(guest.granted | guest.revoked);
}

std::vector<CoreDecision> CoreAllocator::decide(
    std::span<const GuestCores> guests, std::uint32_t idle_workers, std::uint64_t now_ns
) {
    std::vector<GuestCores> now(guests.begin(), guests.end());
    std::vector<CoreDecision> decisions;
    give_back_surplus(now, decisions);

    const bool best_effort_waits = std::ranges::any_of(now, has_waited);
    const bool others_wait = std::ranges::any_of(now, [](const GuestCores& guest) {
        return has_waited(guest) && !guest.best_effort;
    });
    if (best_effort_waits || others_wait) {
        no_grants_before_ = now_ns + kCoreIntervalNs;
        // One at a time: while one leaves it is not known yet whether that is enough.
        const bool leaving = std::ranges::any_of(now, &GuestCores::leaving);
        const GuestCores* from = leaving ? nullptr : victim(now, !others_wait);
        if (from != nullptr) {
            const std::uint32_t vcpu = last_of(from->granted & from->busy);
            decisions.push_back(decision(Kind::revoke, *from, vcpu));
        }
        return decisions;
    }
    if (now_ns < no_grants_before_) {
        return decisions;
    }
    // What was granted and has not begun will need a worker, too.
    std::uint32_t spoken_for = 0;
    for (const GuestCores& guest : now) {
        spoken_for += count(guest.granted & ~guest.begun);
    }
    for (; spoken_for < idle_workers; ++spoken_for) {
        GuestCores* const to = next_to_grow(now);
        if (to == nullptr) {
            break;
        }
        const std::uint32_t vcpu = free_core(*to);
        to->granted |= bit(vcpu);
        decisions.push_back(decision(Kind::grant, *to, vcpu));
    }
    return decisions;
}

}  // namespace vmm::sched
