// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sched/policy/policy.hpp"
#include "sched/workers/vcpu_port.hpp"

#include <vmm/config.hpp>

#include <array>
#include <cstdint>
#include <optional>

namespace vmm::sched {

class WorkerPool;

/// What a vCPU did so far, in nanoseconds of the host's monotonic clock.
struct VcpuTimes {
    Nanos run_ns = 0;
    Nanos wait_ns = 0;              ///< Runnable, not running.
    std::uint64_t switches = 0;     ///< Turns that began on a worker which ran another vCPU before.
    std::uint64_t preemptions = 0;  ///< Turns that ended by force.
    std::uint64_t yields = 0;       ///< Turns that the guest gave away.
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

    VcpuEntry(WorkerPool& owner, VcpuId vcpu, VcpuPort& vcpu_port, const Tenant& vcpu_tenant)
        : pool(owner)
        , id(vcpu)
        , port(vcpu_port)
        , tenant(vcpu_tenant) {}

    WorkerPool& pool;
    const VcpuId id;
    VcpuPort& port;
    Tenant tenant;

    State state = State::ended;
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
    /// The policy was told that others of its guest may wait for it.
    bool awaited = false;
    ClaimSample sample;
    unsigned last_worker = 0;
    Nanos since = 0;             ///< Begin of the current wait (ready).
    Nanos since_run = 0;         ///< Up to where the current turn is accounted (running).
    std::optional<Nanos> timer;  ///< Armed deadline (idle).
    VcpuTimes times;
};

}  // namespace vmm::sched
