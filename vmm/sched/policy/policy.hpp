// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sched/policy/topology.hpp"

#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

namespace vmm::sched {

/// Which guest, of which trust domain (process).
struct GuestId {
    std::uint32_t domain = 0;
    std::uint32_t guest = 0;
    friend constexpr auto operator<=>(const GuestId&, const GuestId&) = default;
};

/// Which vCPU: of which trust domain (process), guest and index. The same values mean the same
/// vCPU in workers, simulator and traces.
struct VcpuId {
    std::uint32_t domain = 0;
    std::uint32_t guest = 0;
    std::uint32_t vcpu = 0;
    friend constexpr auto operator<=>(const VcpuId&, const VcpuId&) = default;
    constexpr GuestId of_guest() const noexcept { return {.domain = domain, .guest = guest}; }
};

inline constexpr std::uint8_t kLevelCount = 64;

/// What one guest may claim, all its vCPUs together. docs/design/scheduling.md has the formula and
/// the bound of each rule. Values out of range count as the nearest in range.
struct TenantTerms {
    std::uint8_t base_level = 16;  ///< Of a vCPU that makes no claim.
    std::uint8_t ceiling = 0;      ///< Claims more urgent than this are cut to it.
    std::uint32_t weight = 100;    ///< Share within a level, relative to the other guests'.
    /// Permille of one CPU that vCPUs may run at levels more urgent than base_level; 0: no limit.
    std::uint32_t budget_rate = 0;
    std::uint64_t budget_burst_ns = 0;  ///< What an unused budget grows to.
    /// Permille of one CPU that the guest gets whatever others claim; 0: none.
    std::uint32_t share = 0;
    friend constexpr bool operator==(const TenantTerms&, const TenantTerms&) = default;
};

enum class EventKind : std::uint8_t {
    add,     ///< The vCPU exists (idle). `terms` are its guest's, as by `tenant`.
    remove,  ///< It is gone. The guest's accounts stay, for it may come again.
    tenant,  ///< From now on `terms` hold for the guest of `id`, whatever the vCPU in it.
    ready,   ///< It became runnable at `level`.
    claim,   ///< Its claim is now `level` (64: none), runnable or running.
    ran,     ///< It ran on `worker` for `ran_ns` and left it, still runnable, with claim `level`.
    idle,    ///< It ran on `worker` for `ran_ns` and now waits for an event.
};

/// One thing that happened. Plain and serialisable: a recorded sequence of these replays a run.
struct Event {
    EventKind kind{};
    std::uint64_t time_ns = 0;  ///< Never decreases from one event to the next.
    VcpuId id;
    std::uint8_t level = 64;
    std::uint32_t worker = 0;
    std::uint64_t ran_ns = 0;
    TenantTerms terms;  ///< Of `add` and `tenant`.
    /// Of `ready`, `claim` and `ran`: other vCPUs of its guest may wait for it, so that it competes
    /// at the most urgent level at which any runnable vCPU of its guest does.
    bool awaited = false;
};

/// Run `id` on the asking worker for at most `slice_ns`, then ask again.
struct Decision {
    VcpuId id;
    std::uint8_t level = 64;  ///< Its effective level.
    std::uint64_t slice_ns = 0;
    /// Chosen ahead of every level: its guest is behind its guaranteed share.
    bool due = false;
    friend constexpr bool operator==(const Decision&, const Decision&) = default;
};

/// A running vCPU that should make way: `victim` on `worker`, for work at `level`.
struct Preemption {
    std::uint32_t worker = 0;
    VcpuId victim;
    std::uint8_t level = 64;  ///< 0 also for a guest that is behind its guaranteed share.
    /// In a critical section the victim is asked first (yield_level) and given a grace time.
    /// False: it makes way unasked, as for a guest that is behind its guaranteed share.
    bool ask = false;
    friend constexpr bool operator==(const Preemption&, const Preemption&) = default;
};

/// A scheduling policy: a deterministic function of the events it was given. Contains no clock,
/// thread, lock or I/O; callers serialise the calls. A third party adds a policy by one file that
/// implements this, or derives from TenantPolicy, and one line in policy.cpp: see
/// docs/design/scheduling.md.
class Policy {
public:
    virtual ~Policy() = default;
    virtual std::string_view name() const noexcept = 0;
    virtual void apply(const Event& event) = 0;
    /// The vCPU that `worker` shall run next, taken out of the ready set; nullopt: nothing is
    /// ready.
    virtual std::optional<Decision> pick(std::uint32_t worker, std::uint64_t now_ns) = 0;
    /// After events: the running vCPU that must make way for a waiting one, if any.
    virtual std::optional<Preemption> preempt(std::uint64_t now_ns) = 0;
    /// Bitmap of the effective levels that wait, over all guests but `guest`, for that guest to
    /// see; a guest that is behind its guaranteed share waits at level 0.
    virtual std::uint64_t waiting_levels(GuestId guest) const noexcept = 0;
    /// The running vCPU that is the first to make way for more urgent work, if any runs.
    virtual std::optional<VcpuId> first_to_yield() const noexcept = 0;
    /// The level that the vCPU competes at, or would while it is idle; 64: there is no such vCPU.
    virtual std::uint8_t effective_level(const VcpuId& id) const noexcept = 0;
    /// It competes at the level of another vCPU of its guest, which may wait for it.
    virtual bool inherits(const VcpuId& id) const noexcept = 0;
    /// What is left of a guest's budget in nanoseconds, below 0 a debt; nullopt: it has no limit.
    /// `now_ns` may be ahead of the last event.
    virtual std::optional<std::int64_t>
    budget_left(GuestId guest, std::uint64_t now_ns) const noexcept = 0;
    /// Bitmap of the levels that other vCPUs of its guest claim while they are ready, for the guest
    /// to see; the base level where one claims none.
    virtual std::uint64_t waiting_siblings(const VcpuId& id) const noexcept = 0;

    /// Which worker of `idle`, those with nothing to do, shall be told of what became ready and ran
    /// on `warm` last; nullopt: none is. It changes nothing: the worker picks then as any does.
    virtual std::optional<std::uint32_t>
    choose_worker(std::uint32_t warm, const WorkerSet& idle) const noexcept {
        return topology_.choose(warm, idle);
    }
    /// The machine that the workers have; nothing is known of it before.
    void set_topology(Topology topology) { topology_ = std::move(topology); }

private:
    Topology topology_;
};

/// What a policy may be told when it is made.
struct PolicyOptions {
    std::uint64_t quantum_ns = 1'000'000;  ///< Of rr: how long a turn lasts. At least 1.
};

/// Null when no policy has that name.
std::unique_ptr<Policy> make_policy(std::string_view name, const PolicyOptions& options = {});
std::span<const std::string_view> policy_names() noexcept;

}  // namespace vmm::sched
