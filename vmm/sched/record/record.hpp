// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sched/policy/policy.hpp"
#include "sched/workers/vcpu_port.hpp"

#include <vmm/types.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

namespace vmm::sched {

/// A worker asked the policy whom to run.
struct PickRecord {
    Nanos time_ns = 0;
    std::uint32_t worker = 0;
    std::optional<Decision> decision;
};

/// The policy was asked whether somebody must make way.
struct PreemptRecord {
    Nanos time_ns = 0;
    std::optional<Preemption> preemption;
};

/// Somebody looked at what a vCPU's guest shows: its own worker when it came out of the guest, or
/// another thread for a doorbell.
struct LookRecord {
    static constexpr std::uint32_t kNobody = ~std::uint32_t{0};

    Nanos time_ns = 0;
    VcpuId id;
    std::uint32_t worker = kNobody;  ///< The vCPU's own; kNobody: another thread.
    ExitKind exit{};                 ///< Of its own worker: why it came out.
    /// Of its own worker: for how long the host ran something else in the worker's place since the
    /// turn began or the last look at it.
    Nanos off_ns = 0;
    ClaimSample sample;
};

/// A vCPU that waits for work was told that there is some, or one that has work that there is more.
struct WakeRecord {
    Nanos time_ns = 0;
    VcpuId id;
    WakeCause cause{};
    Level level = kNoLevel;
};

// From here on: what no decision follows from.

/// A worker had nothing to run.
struct RestRecord {
    Nanos time_ns = 0;  ///< Its end.
    Nanos begin_ns = 0;
    std::uint32_t worker = 0;
    bool asleep = false;  ///< It slept; else it looked for work.
};

/// A guest rang a doorbell, on the vCPU that a worker runs.
struct DoorbellRecord {
    Nanos time_ns = 0;
    VcpuId id;
    std::uint32_t worker = 0;
    bool yields = false;  ///< It gives its turn away; else its claim became more urgent.
};

/// A request was taken off a guest's queue and given to the host.
struct RequestRecord {
    static constexpr std::uint32_t kNoWorker = ~std::uint32_t{0};

    Nanos time_ns = 0;
    GuestId guest;
    std::uint64_t token = 0;           ///< Names it within its guest.
    std::uint32_t worker = kNoWorker;  ///< That took it, in a turn of the guest as a rule.
    std::string_view operation;        ///< What it asks for; a text that stays.
    Level level = kNoLevel;
    std::uint64_t bytes = 0;
};

/// The completion that is being published reaches this vCPU: it is woken, or is to look.
struct DeliveryRecord {
    Nanos time_ns = 0;
    VcpuId id;
    std::uint64_t token = 0;
};

/// A completion has been published.
struct CompletionRecord {
    Nanos time_ns = 0;   ///< Its end.
    Nanos begin_ns = 0;  ///< Of the publishing.
    GuestId guest;
    std::uint64_t token = 0;
    std::uint32_t worker = RequestRecord::kNoWorker;
    std::int64_t result = 0;
};

/// One thing that the scheduler was told, decided or saw; plain values.
using Record = std::variant<
    Event,
    PickRecord,
    PreemptRecord,
    LookRecord,
    WakeRecord,
    RestRecord,
    DoorbellRecord,
    RequestRecord,
    DeliveryRecord,
    CompletionRecord>;
static_assert(std::is_trivially_copyable_v<Record>);

/// What holds for all records of one run.
struct RunFacts {
    struct GuestFacts {
        GuestId id;
        std::string name;
        std::uint32_t vcpus = 0;
        TenantTerms terms;
    };

    std::string policy;
    PolicyOptions of_policy;
    unsigned workers = 0;
    Nanos grace_ns = 0;  ///< Who is asked to yield has this long.
    Nanos section_ns =
        0;              ///< How much longer who must stop runs in a critical section, once a turn.
    Nanos tick_ns = 0;  ///< The longest that a vCPU runs without being looked at.
    std::vector<GuestFacts> guests;
};

}  // namespace vmm::sched
