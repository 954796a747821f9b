// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "devices/cops/cops_device.hpp"
#include "fleet/guest_debug.hpp"
#include "fleet/guest_io.hpp"
#include "fleet/perf_map.hpp"
#include "machine/machine.hpp"
#include "sched/workers/vcpu_port.hpp"
#include "sched/workers/vcpu_scheduler.hpp"

#include <vmm/config.hpp>
#include <vmm/error.hpp>
#include <vmm/fleet.hpp>

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace vmm {

/// One guest of a fleet: its machine, its virtio-cops device and the ports through which workers
/// run its vCPUs. The fleet's control thread leads it through its life; workers and vCPU threads
/// only mark what happened and call `changed`.
class Guest final : private MachineListener, private CopsHost, private OperationSink {
public:
    /// `perf_map` may be null. `changed` may be called from any thread with locks of devices held.
    static Result<std::unique_ptr<Guest>> create(
        const GuestConfig& config,
        std::uint32_t index,
        sched::VcpuScheduler& pool,
        std::shared_ptr<PerfMap> perf_map,
        ConsoleOutput console,
        std::function<void()> changed
    );

    // ---- Control thread ----

    /// Hands the vCPUs to the pool.
    void start(Nanos now);
    /// Does what is to be done next in the guest's life. True: it has ended for good.
    bool advance();
    /// Any thread. Ends it now, and for good.
    void stop();
    /// Any thread; not under locks of the fleet. As those of Fleet.
    Result<std::vector<std::uint8_t>> save();
    Result<void> set_paused(bool paused);
    bool ask_power_off();

    // ---- Any thread ----
    std::size_t console_input(std::span<const char> bytes) {
        return machine_->console_input(bytes);
    }
    /// Where a debugger finds the guest, as gdb's `target remote` wants it; empty: nowhere.
    std::string debugger_address() const {
        return debug_ != nullptr ? debug_->address() : std::string();
    }
    const GuestConfig& config() const noexcept { return config_; }
    /// Any thread.
    GuestState state() const noexcept;
    /// Times relative to `fleet_started`.
    GuestReport report(Nanos fleet_started) const;
    /// Part of Fleet::describe().
    std::string describe() const;

private:
    /// A vCPU as the workers see it.
    class Port final : public sched::VcpuPort {
    public:
        Port(Guest& guest, unsigned hart)
            : guest_(guest)
            , hart_(hart) {}
        ExitKind run(const RunContext& context) override;
        void request_exit() noexcept override;
        bool has_work() override;
        Nanos timer_deadline() override;
        sched::ClaimSample sample() override;
        void publish(
            Level ring_level, Level yield_level, std::uint64_t waiting, std::uint64_t siblings
        ) override;
        void set_steal_time(Nanos stolen) override;
        void cores_changed() override;
        void left_pool() override;
        VcpuCounters counters() const noexcept;
        EngineStats stats() const;
        /// What set_steal_time() said last.
        Nanos steal_time() const noexcept { return steal_.load(std::memory_order_relaxed); }

    private:
        ExitKind run_in_virtual_time(const RunContext& context);
        Vcpu& vcpu() const noexcept { return guest_.machine_->vcpu(hart_); }

        Guest& guest_;
        const unsigned hart_;
        // Copies of the engine's counters, made by the owner after each run; relaxed, each on its
        // own.
        struct Counters {
            std::atomic<std::uint64_t> instructions{0};
            std::atomic<std::uint64_t> supervisor_traps{0};
            std::atomic<std::uint64_t> user_interrupts{0};
            std::atomic<std::uint64_t> sbi_calls{0};
            std::atomic<std::uint64_t> mmio_exits{0};
        } counters_;
        std::atomic<Nanos> steal_{0};  // written by the owner; relaxed
        // Copied when the vCPU leaves the pool.
        mutable std::mutex stats_mutex_;
        EngineStats stats_;
    };

    enum class Phase : std::uint8_t {
        created,
        running,
        saving,
        holding,  ///< vCPUs leave the pool for the debugger;
        held,     ///< they have.
        pausing,  ///< vCPUs leave the pool for pause();
        paused,   ///< they have.
        leaving,
        draining,
        ended
    };
    using SavedState = Result<std::vector<std::uint8_t>>;

    Guest(
        const GuestConfig& config,
        std::uint32_t index,
        sched::VcpuScheduler& pool,
        std::function<void()> changed
    );
    Result<void> build(std::shared_ptr<PerfMap> perf_map, ConsoleOutput console);
    Result<void> add_device();
    Result<void> reboot();
    void put_into_pool();
    void take_out_of_pool();
    bool left() const noexcept { return in_pool_.load(std::memory_order_acquire) == 0; }
    void advance_end();
    void advance_save();
    void advance_debug();
    void advance_pause();
    bool end_was_asked() const noexcept;
    void hold();
    void answer_save(SavedState saved);
    void finish(Outcome outcome);

    // MachineListener
    bool may_start(unsigned hart) noexcept override;
    void vcpu_started(unsigned hart) noexcept override;
    void interrupt_raised(unsigned hart, WakeCause cause) noexcept override;
    void machine_ended() noexcept override;

    // CopsHost
    void start(const virtio_cops::IoOperation& operation) override;
    void cancel(std::uint64_t token) override { io_->cancel(token); }
    void close(virtio_cops::HostHandle handle) override { io_->close(handle); }
    virtio_cops::HostHandle reopen(const virtio_cops::OpenDescription& description) override {
        return io_->reopen(description);
    }
    void submit() override;
    void wake(unsigned vcpu, Level level) override;
    void kick(unsigned vcpu) override;
    void begin_interrupt(Level level) override;
    void end_interrupt() override;
    void reset_done() override { changed_(); }
    void needs_reset(const char* why) override;
    void claim_doorbell(unsigned vcpu) override;
    void yield_doorbell(unsigned vcpu) override;
    void spin_doorbell(unsigned vcpu, std::uint32_t hart) override;
    void want_vcpus(unsigned vcpus) override;
    virtio_cops::Cores cores() override;
    Nanos now() override;

    // OperationSink
    void complete(std::uint64_t token, std::int64_t result) override;
    void complete_stat(std::uint64_t token, const virtio_cops_stat& stat) override;

    // What a trace shows; each is nothing without one.
    sched::Recorder* tracer() const noexcept;
    Nanos begin_completion(std::uint64_t token);
    void end_completion(std::uint64_t token, std::int64_t result, Nanos begin);
    void trace_delivery(unsigned vcpu);
    void trace_doorbell(unsigned vcpu, bool yields);

    const GuestConfig config_;
    const std::uint32_t index_;
    sched::VcpuScheduler& pool_;
    const std::function<void()> changed_;

    std::unique_ptr<GuestCodeNames> code_names_;  // null: no profile asked for
    std::unique_ptr<Machine> machine_;
    std::unique_ptr<GuestIo> io_;
    std::unique_ptr<CopsDevice> device_;
    std::vector<std::unique_ptr<Port>> ports_;
    std::vector<sched::VcpuScheduler::Handle> vcpus_;
    std::unique_ptr<GuestDebug> debug_;  // null: no debugger can come

    // Control thread; others read it, relaxed, to describe the guest.
    std::atomic<Phase> phase_ = Phase::created;
    std::atomic<bool> stop_asked_{false};  // set by stop(), read by the control thread
    // Set by ask_power_off(), read by the control thread (and to describe the guest).
    std::mutex ask_mutex_;  // of those who ask; outermost
    std::atomic<bool> power_off_asked_{false};
    // Set by set_paused() under outcome_mutex_, so that none is paused for ever once it has ended;
    // read by the control thread.
    std::atomic<bool> pause_wanted_{false};
    std::atomic<unsigned> in_pool_{0};  // vCPUs that have not left; release when one leaves
    // A save is asked for or under way: every completion is reported to the control thread.
    std::atomic<bool> save_asked_{false};
    // The hart that the last device interrupt went to: an interrupt that is pending already raises
    // nobody, but the level of its vCPU.
    std::atomic<unsigned> interrupted_hart_{0};
    // Host monotonic time before which no protocol violation is logged; relaxed: it only limits.
    std::atomic<Nanos> next_protocol_warning_{0};

    mutable std::mutex outcome_mutex_;
    Outcome outcome_;  // guarded by outcome_mutex_: final once ended
    Nanos started_ = 0;
    Nanos ended_ = 0;
    std::optional<std::promise<SavedState>> save_;  // guarded by outcome_mutex_: who waits
};

}  // namespace vmm
