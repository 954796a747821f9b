// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sched/policy/policy.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>

namespace vmm::sched {

inline constexpr std::uint8_t kLevelCount = 64;
/// How long a vCPU runs before its worker asks again; the tick at which claims are sampled.
inline constexpr std::uint64_t kSliceNs = 1'000'000;

/// Position of a vCPU in a queue ordered by virtual time. The id breaks ties, so that the order is
/// total and independent of the order in which vCPUs were added or stored.
struct QueueKey {
    std::uint64_t virtual_time = 0;
    VcpuId id;
    friend constexpr auto operator<=>(const QueueKey&, const QueueKey&) = default;
};

/// What policies keep of every vCPU.
struct VcpuEntry {
    enum class State : std::uint8_t { idle, ready, running };

    VcpuId id;
    State state = State::idle;
    std::uint8_t base_level = kLevelCount - 1;
    std::uint8_t ceiling = 0;
    std::uint8_t level =
        32;  ///< Effective level: of the claim cut by the ceiling, or the base level.
    std::uint32_t weight = 100;
    std::uint32_t worker = 0;      ///< While running.
    std::uint64_t charged_to = 0;  ///< Time up to which the current run is charged, while running.
};

/// Effective level of a claim (D7): cut to the ceiling; the base level when there is none.
constexpr std::uint8_t effective_level(const VcpuEntry& entry, std::uint8_t claim) {
    return claim >= kLevelCount ? entry.base_level : std::max(claim, entry.ceiling);
}

/// Fills the tenant's part of an entry from an `add` event.
VcpuEntry entry_of(const Event& added);

/// Virtual time that `ran_ns` costs a vCPU of `weight`: never nothing, so that a queue always
/// moves.
constexpr std::uint64_t virtual_cost(std::uint64_t ran_ns, std::uint32_t weight) {
    constexpr std::uint64_t kUnit = 1024;  // a weight of 1024 advances at the pace of real time
    constexpr std::uint64_t kLongest = std::uint64_t{1} << 50;  // keeps the product in 64 bits
    return std::max<std::uint64_t>(
        1, std::min(ran_ns, kLongest) * kUnit / std::max<std::uint32_t>(weight, 1)
    );
}

/// Counts waiting vCPUs per level, in all and per guest, so that "which levels wait outside this
/// guest" costs one lookup.
class WaitingLevels {
public:
    void add(std::uint32_t guest, std::uint8_t level);
    void remove(std::uint32_t guest, std::uint8_t level);
    /// Bit l: at least one vCPU of level l waits.
    std::uint64_t all() const noexcept { return any_; }
    std::uint64_t outside(std::uint32_t guest) const noexcept;

private:
    struct PerGuest {
        std::array<std::uint32_t, kLevelCount> vcpus{};
        std::uint64_t levels = 0;
    };
    void count_guests(std::uint8_t level, std::uint32_t guests);

    std::map<std::uint32_t, PerGuest> guests_;  // only guests with something waiting
    std::array<std::uint32_t, kLevelCount> guests_at_{};
    std::uint64_t any_ = 0;     // levels where some guest waits
    std::uint64_t single_ = 0;  // levels where exactly one guest waits
};

std::unique_ptr<Policy> make_priority_policy();
std::unique_ptr<Policy> make_fair_policy();

}  // namespace vmm::sched
