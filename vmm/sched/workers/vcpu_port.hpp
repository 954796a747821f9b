// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/vcpu.hpp"

#include <vmm/types.hpp>

#include <cstdint>

namespace vmm::sched {

/// Why a vCPU should run.
enum class WakeCause : std::uint8_t {
    completion,  ///< Work of the level given.
    interrupt,   ///< A device: at the vCPU's irq_level, or the level given.
    timer,       ///< At the vCPU's timer_level.
    call,        ///< Another hart's IPI, which that one may wait for: as an interrupt.
};

/// What a guest's shared words said when they were last looked at. kNoLevel: nothing said.
struct ClaimSample {
    Level level = kNoLevel;        ///< Most urgent work of the vCPU.
    Level running = kNoLevel;      ///< Work that runs right now.
    Level timer_level = kNoLevel;  ///< At which a timer wakes it.
    Level irq_level = kNoLevel;    ///< At which a device or another hart wakes it.
    bool critical = false;         ///< It may hold what other vCPUs of its guest wait for.
    // The bitmaps that `level` follows from; for records, nothing is decided by them.
    std::uint64_t board = 0;         ///< Ready levels of the kernel's own work.
    std::uint64_t line = 0;          ///< Ready levels of the current process.
    std::uint64_t wake_pending = 0;  ///< Levels of its completions that it has not looked at yet.
};

/// One vCPU as the workers see it. "Owner" is the worker that runs it (the pool sees to it that
/// there is one at most). None of these is called with a lock of the pool held, except where it
/// says so.
class VcpuPort {
public:
    /// Owner. Executes the guest; does what was posted to this vCPU first.
    virtual ExitKind run(const RunContext& context) = 0;
    /// Any thread, under the pool's lock. Makes the current or next run() return soon.
    virtual void request_exit() noexcept = 0;
    /// Owner, outside run(). True when an enabled interrupt is pending or a post waits, so that an
    /// idle vCPU must run again.
    virtual bool has_work() = 0;
    /// Owner, outside run(). Host monotonic time at which the guest's timer fires; UINT64_MAX:
    /// never.
    virtual Nanos timer_deadline() = 0;
    /// Any thread: what is seen of a vCPU that runs may be over. Looks at board and line.
    virtual ClaimSample sample() = 0;
    /// Owner, outside run(). Shows the guest what the host decided.
    virtual void
    publish(Level ring_level, Level yield_level, std::uint64_t waiting, std::uint64_t siblings) = 0;
    /// Owner, outside run(), before it runs. All the time that the vCPU was runnable but not
    /// running.
    virtual void set_steal_time(Nanos stolen) = 0;
    /// What WorkerPool::cores() says of the vCPU's guest has changed. A worker, no locks of the
    /// pool held.
    virtual void cores_changed() {}
    /// The vCPU has left the pool: nobody runs it any more. Any thread, no locks of the pool held.
    virtual void left_pool() = 0;

protected:
    ~VcpuPort() = default;
};

}  // namespace vmm::sched
