// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/riscv/state.hpp"

#include <vmm/engine_stats.hpp>
#include <vmm/types.hpp>

#include <atomic>
#include <cstdint>
#include <span>
#include <string_view>

namespace vmm {

/// Why Vcpu::run() returned. Nothing here depends on how an engine works inside.
enum class ExitKind : std::uint8_t {
    interrupted,  ///< A request, the worker's ring or the deadline asked for it; the guest can go
                  ///< on.
    idle,     ///< The guest waits for an interrupt (`wfi`); run again after one is pending or at
              ///< timer_deadline().
    yielded,  ///< The guest gave its turn away through the machine (yield doorbell); it stays
              ///< runnable.
    stopped,  ///< This hart was stopped through SBI HSM; it runs again after Vcpu::start().
    ended,  ///< The machine has ended (SBI SRST, test finisher, fatal error); ask the machine how.
    counted,     ///< The limit of VcpuDebug::set_instruction_limit() is reached.
    breakpoint,  ///< pc is at one of VcpuDebug::set_breakpoints(); nothing was executed there.
};

/// What a worker hands to one call of run().
struct RunContext {
    /// Host monotonic time at which run() returns `interrupted`; checked at a bounded interval, not
    /// exactly.
    Nanos deadline;
    /// The worker's io_uring SQ flags word, or null. Any bit of `ring_mask` set makes run() return
    /// `interrupted`.
    const unsigned* ring_flags = nullptr;
    unsigned ring_mask = 0;
};

/// Interrupt lines and pending bits that the outside may drive. Values are the bit numbers of
/// `sip`.
enum class InterruptLine : std::uint8_t { supervisor_software = 1, supervisor_external = 9 };

/// What a remote fence must do on its target before the target's next instruction.
enum class FenceKind : std::uint8_t { instruction = 1, address_translation = 2 };

/// What the guest asked of the machine by an SBI call, and what it gets back in a0 and a1.
struct SbiCall {
    std::uint64_t args[6];    ///< a0..a5
    std::uint64_t function;   ///< a6
    std::uint64_t extension;  ///< a7
};
struct SbiReply {
    std::int64_t error = 0;   ///< a0
    std::uint64_t value = 0;  ///< a1
    bool legacy = false;      ///< Legacy calls (EID 0..15) return only a0; a1 keeps its value.
    bool exit = false;        ///< Leave run() with `exit_kind` after this call.
    ExitKind exit_kind = ExitKind::ended;
};

/// What an engine needs of the machine around it. All calls come from the thread inside run().
class VcpuHost {
public:
    /// A load of `size` bytes (1, 2, 4, 8) outside of RAM. False: nothing answers there; the engine
    /// raises an access fault.
    virtual bool mmio_read(GuestPhys address, unsigned size, std::uint64_t* value) = 0;
    /// A store outside of RAM. May call Vcpu::request_exit() on the running vCPU to end its turn.
    virtual bool mmio_write(GuestPhys address, unsigned size, std::uint64_t value) = 0;
    /// An `ecall` from S-mode.
    virtual SbiReply sbi_call(unsigned hart, const SbiCall& call) = 0;
    /// The guest's `time` CSR: nanoseconds scaled to the timebase, plus an offset.
    virtual std::uint64_t guest_time() = 0;
    /// The same as an instruction reads it before which `retired` (VcpuCounters::instructions) have
    /// retired. It differs in deterministic runs: there guest_time(), which timers are compared
    /// with, stands still during run(), and this goes on with the instructions.
    virtual std::uint64_t guest_time_at(std::uint64_t retired) {
        (void)retired;
        return guest_time();
    }
    /// Host monotonic time at which guest_time() reaches `guest_ticks`.
    virtual Nanos host_deadline(std::uint64_t guest_ticks) = 0;

protected:
    ~VcpuHost() = default;
};

/// Counters an engine keeps; plain values, read after or between runs.
struct VcpuCounters {
    std::uint64_t instructions =
        0;  ///< Retired, as far as the engine counts them (0 where it can't).
    std::uint64_t supervisor_traps = 0;  ///< Traps taken to S-mode, interrupts included.
    std::uint64_t user_interrupts = 0;   ///< Traps taken to `utvec`.
    std::uint64_t sbi_calls = 0;
    std::uint64_t mmio_exits = 0;
};

/// Exact stops, for the engines that have them. Owner only, outside run().
class VcpuDebug {
public:
    static constexpr std::uint64_t kNoLimit = ~std::uint64_t{0};

    /// run() returns `counted` as soon as exactly `count` more instructions have retired, in one
    /// call or over several; an instruction that raises an exception does not retire. The same
    /// program stops in the same state on every engine that has this. kNoLimit: no limit (the
    /// state at first), and then counting costs nothing.
    ///
    /// An `ecall` from S-mode retires: the machine executes it. The limit comes before an interrupt
    /// or breakpoint at the next instruction, and after an exit that the last instruction caused
    /// itself (`wfi`, SBI), which is reported first. A limit that is reached stays: run() returns
    /// `counted` at once until there is another.
    virtual void set_instruction_limit(std::uint64_t count) = 0;
    /// run() returns `breakpoint` before it executes an instruction at any of these virtual
    /// addresses, also at the one that it starts from: to go on, a debugger takes that one away
    /// for a limit of one instruction.
    virtual void set_breakpoints(std::span<const std::uint64_t> addresses) = 0;

protected:
    ~VcpuDebug() = default;
};

/// One virtual CPU of some engine: a resumable object, not a thread. run() may be called from any
/// thread, one at a time; the methods marked "any thread" may be called while another thread is
/// inside run().
class Vcpu {
public:
    virtual ~Vcpu() = default;

    /// Executes guest code until something in ExitKind happens. The architectural state is precise
    /// when it returns.
    virtual ExitKind run(const RunContext& context) = 0;

    /// Any thread. Makes a running or the next run() return `interrupted` soon (at a back edge).
    virtual void request_exit() noexcept = 0;

    /// Any thread. Drives a level-sensitive line (PLIC output) or sets/clears the software
    /// interrupt bit.
    virtual void set_interrupt(InterruptLine line, bool asserted) noexcept = 0;

    /// Any thread. Asks for a fence; it is done before the vCPU's next guest instruction. Returns a
    /// ticket.
    virtual std::uint64_t post_fence(FenceKind kind) noexcept = 0;
    /// Any thread. True when the fence of `ticket` is done or the vCPU is outside run() (it then
    /// does it on entry).
    virtual bool fence_done(std::uint64_t ticket) const noexcept = 0;
    /// Thread inside run() (from a VcpuHost call): serves fences that others posted to this vCPU
    /// meanwhile, so that two vCPUs that wait for each other's fence both go on.
    virtual void serve_fences() noexcept = 0;

    /// Thread inside run() (from a VcpuHost call). SBI set_timer: writes the hart's `stimecmp`, in
    /// guest ticks.
    virtual void set_timer(std::uint64_t guest_ticks) noexcept = 0;

    /// True when the engine implements user interrupts (N extension). Where false, the kernel
    /// upcalls.
    virtual bool has_user_interrupts() const noexcept = 0;
    /// Owner only (the worker about to call run(), outside run()). Sets `uip.USIP`.
    virtual void raise_user_interrupt() noexcept = 0;

    /// Owner only. True when an enabled interrupt is pending, i.e. `wfi` would not wait.
    virtual bool has_pending_interrupt() noexcept = 0;
    /// Owner only. Host monotonic time at which the guest's own timer fires, or UINT64_MAX.
    virtual Nanos timer_deadline() noexcept = 0;

    /// Owner only. Starts a stopped hart (SBI HSM): S-mode, MMU off, a0 = hart id, a1 = opaque, pc
    /// = address.
    virtual void start(GuestPhys address, std::uint64_t opaque) = 0;

    /// Owner only. Whole architectural state as plain data; load continues exactly there.
    virtual riscv::State save() const = 0;
    virtual void load(const riscv::State& state) = 0;

    virtual VcpuCounters counters() const noexcept = 0;
    /// Owner, or between runs.
    virtual EngineStats stats() const noexcept { return {}; }
    virtual std::string_view engine_name() const noexcept = 0;

    /// What debuggers, traces and deterministic runs need; null where the engine has no such means.
    virtual VcpuDebug* debug() noexcept { return nullptr; }
};

}  // namespace vmm
