// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "debug/server.hpp"
#include "debug/target.hpp"
#include "machine/machine.hpp"

#include <vmm/error.hpp>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace vmm {

/// The debugger's side of one guest: what a debugger wants of it, and why it stands still.
///
/// Three kinds of thread meet here. The debugger's thread asks (Target) and, while the guest is
/// held, looks at harts and memory. Workers report what ended a run. The control thread of the
/// fleet obeys: it takes the vCPUs out of the pool, says held(), and puts them back.
class GuestDebug final : public debug::Target {
public:
    /// `changed` makes the control thread look; `kill` ends the guest. Both from any thread.
    GuestDebug(Machine& machine, std::function<void()> changed, std::function<void()> kill);
    /// Every vCPU needs VcpuDebug. Listens; see debug::Server for the rest.
    Result<void> listen(const std::string& address, const std::string& guest_name);
    std::string address() const { return server_->address().for_gdb(); }

    // ---- Control thread ----

    void start_server() { server_->start(); }
    /// Any thread: the guest is to be held, or is.
    bool hold_wanted() const noexcept { return hold_.load(std::memory_order_acquire); }
    /// All vCPUs are out of the pool. Tells the debugger.
    void held();
    /// While held: true once when the guest is to go on; its vCPUs are prepared then.
    bool take_resume();
    /// The guest begins afresh, no vCPU in the pool: every hart runs.
    void rebooted();
    /// Any thread. False: the debugger holds this hart while others run.
    bool may_run(unsigned hart) const noexcept;
    void ended(const Outcome& outcome);

    // ---- Worker that has run the hart ----

    /// What the pool is to make of how the hart's run ended.
    ExitKind after_run(unsigned hart, ExitKind exit);

    // ---- debug::Target: thread of the server ----

    unsigned harts() const override { return machine_.config().cpus; }
    riscv::State registers(unsigned hart) override;
    void set_registers(unsigned hart, const riscv::State& state) override;
    bool has_user_interrupts() const override;
    std::uint64_t guest_time() override;
    std::size_t read_memory(unsigned hart, std::uint64_t address, std::span<std::byte> to) override;
    bool
    write_memory(unsigned hart, std::uint64_t address, std::span<const std::byte> from) override;
    std::string describe(unsigned hart) override;
    void set_breakpoints(std::span<const std::uint64_t> addresses) override;
    void resume(std::span<const debug::HartAction> actions) override;
    void interrupt() override;
    void release() override;
    void kill() override;

private:
    using Action = debug::HartAction;

    struct Hart {
        // Written by the control thread while the hart is held, read by its worker after that.
        std::atomic<Action> action{Action::hold};
        std::vector<std::uint64_t> breakpoints;  // as the engine has them
        bool limited = false;                    // a step is under way
    };

    void ask(debug::Stop stop);
    void prepare(unsigned hart);

    Machine& machine_;
    const std::function<void()> changed_;
    const std::function<void()> kill_;
    std::vector<std::unique_ptr<Hart>> harts_;
    std::unique_ptr<debug::Server> server_;

    // Release when set with `stop_`, acquire where workers and the control thread look.
    std::atomic<bool> hold_{true};
    std::mutex mutex_;  // guards the rest
    bool held_ = false;
    bool resume_asked_ = false;
    debug::Stop stop_;
    std::vector<Action> actions_;
    std::vector<std::uint64_t> breakpoints_;
};

}  // namespace vmm
