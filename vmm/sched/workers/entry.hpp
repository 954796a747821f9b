// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sched/policy/policy.hpp"
#include "sched/workers/vcpu_port.hpp"
#include "sched/workers/wait_list.hpp"

#include <vmm/config.hpp>

#include <array>
#include <cstdint>
#include <optional>

namespace vmm::sched {

class WorkerPool;

inline constexpr Level kLeastLevel = kLevels - 1;

/// What a vCPU did so far, in nanoseconds of the host's monotonic clock.
struct VcpuTimes {
    Nanos run_ns = 0;
    Nanos wait_ns = 0;              ///< Runnable, not running.
    std::uint64_t switches = 0;     ///< Turns that began on a worker which ran another vCPU before.
    std::uint64_t preemptions = 0;  ///< Turns that ended by force.
    std::uint64_t yields = 0;       ///< Turns that the guest gave away.
    std::uint64_t grants = 0;       ///< Of an extra vCPU, and how often it was taken back.
    std::uint64_t revocations = 0;
    std::array<Nanos, kLevels + 1> run_at{};   ///< By level of the work that ran; [64] none said.
    std::array<Nanos, kLevels + 1> wait_at{};  ///< By level that it waited at.
};

/// The pool's record of one vCPU. All of it is guarded by the pool's lock, but what is constant.
struct VcpuEntry {
    enum class State : std::uint8_t {
        idle,     ///< Waits for an interrupt or its timer.
        ready,    ///< In the policy's hands.
        running,  ///< A worker owns it.
        stopped,  ///< Waits for start_vcpu().
        ended,    ///< Not in the pool. Only revive() brings it back.
    };

    /// Whether the guest may run it.
    enum class Core : std::uint8_t {
        own,      ///< Always.
        none,     ///< Not before it is granted.
        granted,  ///< Until it is taken back.
        revoked,  ///< It shall stop it.
    };

    VcpuEntry(
        WorkerPool& owner, VcpuId vcpu, VcpuPort& vcpu_port, const Tenant& vcpu_tenant, Core as
    )
        : pool(owner)
        , id(vcpu)
        , port(vcpu_port)
        , tenant(vcpu_tenant)
        , core(as) {}

    WorkerPool& pool;
    const VcpuId id;
    VcpuPort& port;
    Tenant tenant;

    State state = State::ended;
    Core core;
    bool begun = false;    ///< It has run since it was granted.
    Nanos granted_at = 0;  ///< granted.
    Nanos revoked_at = 0;  ///< revoked.
    Nanos leave_time = 0;  ///< revoked: of its time to stop, what it has used.
    WaitLink wait;         ///< While ready, and not revoked.
    /// A wake-up came while it ran: it must not go idle (or stay stopped) before it ran again.
    bool woken = false;
    /// It must leave the pool as soon as it leaves its worker.
    bool leaving = false;
    /// Its worker was asked to look at the policy again, and has not yet.
    bool kicked = false;
    /// It was asked to yield, and its grace time runs.
    bool asked = false;
    /// The level in `sample` is that of a wake-up, not of the guest's words: look again soon.
    bool provisional = false;
    /// Another hart sent it an IPI that it has not taken yet, and may wait for that.
    bool called = false;
    /// Another hart gave its turn away for it. Until its own turn ends.
    bool helped = false;
    /// The policy was told that others of its guest may wait for it.
    bool awaited = false;
    ClaimSample sample;
    unsigned last_worker = 0;
    Nanos since = 0;             ///< Begin of the current wait (ready).
    Nanos since_run = 0;         ///< Up to where the current turn is accounted (running).
    std::optional<Nanos> timer;  ///< Armed deadline (idle).
    VcpuTimes times;
};

/// It waits for everybody: no work of its guest counts for more than the least level.
inline bool is_best_effort(const VcpuEntry& entry) noexcept {
    return entry.tenant.ceiling == kLeastLevel;
}

}  // namespace vmm::sched
