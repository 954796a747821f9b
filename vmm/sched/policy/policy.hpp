// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

namespace vmm::sched {

/// Which vCPU: of which trust domain (process), guest and index. The same values mean the same
/// vCPU in workers, simulator and traces.
struct VcpuId {
    std::uint32_t domain = 0;
    std::uint32_t guest = 0;
    std::uint32_t vcpu = 0;
    friend constexpr auto operator<=>(const VcpuId&, const VcpuId&) = default;
};

enum class EventKind : std::uint8_t {
    add,  ///< The vCPU exists (idle). `level` = base level, `ceiling`, `weight` are its tenant's.
    remove,  ///< It is gone.
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
    std::uint8_t ceiling = 0;
    std::uint32_t weight = 100;
    std::uint32_t worker = 0;
    std::uint64_t ran_ns = 0;
};

/// Run `id` on the asking worker for at most `slice_ns`, then ask again.
struct Decision {
    VcpuId id;
    std::uint8_t level = 64;  ///< Effective level it was chosen at.
    std::uint64_t slice_ns = 0;
};

/// A running vCPU that should make way: `victim` on `worker`, for work at `level`.
struct Preemption {
    std::uint32_t worker = 0;
    VcpuId victim;
    std::uint8_t level = 64;
    /// The victim is asked first (yield_level) and given a grace time; false: at once, unasked.
    bool ask = false;
};

/// A scheduling policy: a deterministic function of the events it was given. Contains no clock,
/// thread, lock or I/O; callers serialise the calls. A third party adds a policy by one file that
/// implements this and one line in make_policy().
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
    /// Bitmap of the effective levels that wait, over all guests but `guest`.
    virtual std::uint64_t waiting_levels(std::uint32_t guest) const noexcept = 0;
};

/// Null when no policy has that name.
std::unique_ptr<Policy> make_policy(std::string_view name);
std::span<const std::string_view> policy_names() noexcept;

}  // namespace vmm::sched
