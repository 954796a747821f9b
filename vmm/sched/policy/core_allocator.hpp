// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sched/policy/policy.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace vmm::sched {

/// How often it is looked at who has too many vCPUs or too few.
inline constexpr std::uint64_t kCoreIntervalNs = 50'000;
/// A vCPU that has waited for so long waited a whole interval, after the time that a victim has to
/// make way.
inline constexpr std::uint64_t kCongestedNs = 100'000;

/// One guest as the core allocator sees it. vCPUs 0 to own - 1 are the guest's own; the others, up
/// to max - 1, are *extra*: they run while they are granted. Bit v of a set is vCPU v.
struct GuestCores {
    GuestId id;
    std::uint32_t own = 1;
    std::uint32_t max = 1;      ///< 64 at most.
    std::uint32_t wanted = 1;   ///< vCPUs in all that it asks for; more than `max` count as `max`.
    bool best_effort = false;   ///< Waits for everybody, and gives way to everybody.
    std::uint64_t granted = 0;  ///< Extra ones that it may run.
    std::uint64_t revoked = 0;  ///< Extra ones that it has been asked to stop and has not; none of
                                ///< `granted`.
    std::uint64_t begun = 0;    ///< Of those granted: what has run, or has had the time to.
    std::uint64_t busy = 0;     ///< Extra ones that are ready or running.
    bool leaving = false;  ///< Some revoked one is busy still, and has not had its time to leave.
    std::uint64_t longest_wait_ns = 0;  ///< Of its ready vCPUs that are not revoked.
};

/// An extra vCPU is granted to its guest, or shall be given back.
struct CoreDecision {
    enum class Kind : std::uint8_t { grant, revoke };
    Kind kind{};
    VcpuId id;
    friend constexpr bool operator==(const CoreDecision&, const CoreDecision&) = default;
};

/// Decides which guests have extra vCPUs: workers that have nothing to do are granted to those who
/// ask, and extra vCPUs are taken back while anybody waits for a worker (queueing delay over a
/// whole interval, as Caladan has it). A deterministic function of what it was told: no clock,
/// thread, lock or I/O. docs/design/scheduling.md has the rules.
class CoreAllocator {
public:
    /// `idle_workers`: those with nothing to run. Time does not decrease from call to call.
    std::vector<CoreDecision>
    decide(std::span<const GuestCores> guests, std::uint32_t idle_workers, std::uint64_t now_ns);

private:
    std::uint64_t no_grants_before_ = 0;
};

/// vCPUs that the guest may have, of those that it wants.
std::uint32_t most_cores(const GuestCores& guest) noexcept;
/// vCPUs that the guest holds, its own among them. Who has been asked to stop one holds it still.
std::uint32_t held_cores(const GuestCores& guest) noexcept;

}  // namespace vmm::sched
