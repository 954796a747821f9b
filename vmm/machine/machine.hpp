// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/engine_options.hpp"
#include "cpu/vcpu.hpp"
#include "devices/finisher/finisher.hpp"
#include "devices/plic/plic.hpp"
#include "devices/virtio_mmio/virtio_device.hpp"
#include "machine/bus.hpp"
#include "machine/clock.hpp"
#include "machine/console.hpp"
#include "memory/guest_memory.hpp"

#include <vmm/error.hpp>
#include <vmm/fleet.hpp>
#include <vmm/types.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

namespace vmm {

class Hart;
class Platform;
class Sbi;
class StateReader;
class StateWriter;
struct DeviceTreeSpec;
struct KernelImage;
struct Placement;
class TraceLog;

/// Makes the vCPU of one hart; the default is make_vcpu() with MachineConfig::engine.
using VcpuFactory =
    std::function<Result<std::unique_ptr<Vcpu>>(GuestMemory&, VcpuHost&, unsigned hart)>;

/// What a machine is made of. One guest of GuestConfig, as far as the machine sees it.
struct MachineConfig {
    std::string name = "guest";                             ///< In messages.
    unsigned cpus = 1;                                      ///< 1..kMaxCpus
    std::uint64_t memory_bytes = std::uint64_t{128} << 20;  ///< A multiple of 4 KiB.
    std::string engine = "auto";
    std::size_t code_cache_bytes = kDefaultCodeCacheBytes;  ///< Of all harts together.
    bool engine_stats = false;                              ///< EngineOptions::collect_stats.
    bool user_interrupts = true;             ///< Announce the N extension when the engine has it.
    std::string kernel;                      ///< Path of an ELF or RISC-V Image (raw or gzip).
    std::vector<std::uint8_t> kernel_bytes;  ///< Used when `kernel` is empty.
    std::vector<std::string> initrds;        ///< Paths; concatenated in order after `initrd_bytes`.
    std::vector<std::uint8_t> initrd_bytes;
    std::string cmdline;
    std::uint64_t timebase_hz = 1'000'000'000;
    Clock::Source clock = Clock::Source::host;
    /// Of a deterministic run; outlives the machine, and wins over `clock`. Null: there is none.
    const VirtualTime* virtual_time = nullptr;
    std::uint64_t seed = 0;                 ///< In virtual time: makes the device tree's rng-seed.
    std::string dump_dtb;                   ///< boot() writes the device tree there; empty: don't.
    std::string trace_insns;                ///< Write every instruction there; empty: don't.
    CodeObserver* code_observer = nullptr;  ///< EngineOptions::observer.
    VcpuFactory vcpu_factory;               ///< Empty: by `engine`.
};

/// How the machine stands. Ending::running until the first thing that ends it; never changes after.
struct Outcome {
    Ending ending = Ending::running;
    std::uint32_t status = 0;  ///< The application's exit status with Ending::powered_off.
    std::string message;       ///< Why, for crashed, panicked and failed.
};

/// Why an idle vCPU should look again.
enum class WakeCause : std::uint8_t {
    device,  ///< The interrupt controller raised its external interrupt.
    ipi,     ///< Another hart sent it a software interrupt.
};

/// What the scheduler is told by the machine. Any thread, often a vCPU's, possibly with locks of
/// devices held: a listener marks and wakes, and never calls back into the machine or its devices.
class MachineListener {
public:
    /// A hart that runs wants to start this one. False: it may not be started (now).
    virtual bool may_start(unsigned /*hart*/) noexcept { return true; }
    /// A stopped hart has been started; run() it.
    virtual void vcpu_started(unsigned hart) noexcept = 0;
    /// An interrupt line of the hart was raised; run() it if it is idle.
    virtual void interrupt_raised(unsigned hart, WakeCause cause) noexcept = 0;
    /// outcome() is final; run() of every hart returns ExitKind::ended from now on.
    virtual void machine_ended() noexcept = 0;

protected:
    ~MachineListener() = default;
};

/// One guest platform put together (D1): memory, harts, interrupt controller, console, virtio
/// slots, and the SBI firmware that the guest finds below it.
///
/// Life: create(); add the devices; boot() or load(); then run() each hart that may_run(), from any
/// thread, one thread a hart at a time. Between runs: save(), reboot(), clock().pause().
class Machine final : private ExternalInterruptSink {
public:
    static constexpr unsigned kMaxCpus = 64;
    static constexpr unsigned kVirtioSlots = 8;

    /// `listener` may be null and outlives the machine. `console` receives what the guest prints.
    static Result<std::unique_ptr<Machine>>
    create(MachineConfig config, MachineListener* listener, ConsoleOutput console);
    ~Machine();
    Machine(const Machine&) = delete;
    Machine& operator=(const Machine&) = delete;

    // ---- Putting it together: before boot() or load() ----

    GuestMemory& memory() noexcept { return *memory_; }
    /// Puts `device` behind virtio-mmio slot 0..7. It outlives the machine's last run.
    Result<void> add_virtio(unsigned slot, VirtioDevice& device);
    /// Registers of some other device.
    Result<void> add_mmio(std::string name, GuestPhys base, std::uint64_t size, MmioDevice& device);
    /// Read-only memory of the host's in guest-physical space (GuestMemory::add_host_region).
    Result<std::span<std::byte>>
    add_host_region(std::string name, GuestPhys base, std::uint64_t size);

    /// Makes the vCPUs, loads kernel, initrd and device tree; hart 0 is ready to run.
    Result<void> boot();
    /// In place of boot(): continues a saved machine of the same shape. `saved` may be anything.
    /// After an error the machine is good for nothing but its destructor.
    Result<void> load(std::span<const std::byte> saved);

    // ---- Running ----

    const MachineConfig& config() const noexcept { return config_; }
    unsigned cpus() const noexcept { return config_.cpus; }
    Vcpu& vcpu(unsigned hart) noexcept;
    Clock& clock() noexcept { return clock_; }
    const Clock& clock() const noexcept { return clock_; }

    /// Vcpu::run() and what the machine does around it: pending HSM starts and stops, console
    /// output, the end. Never runs guest code once the machine has ended.
    ExitKind run(unsigned hart, const RunContext& context);
    /// Any thread. False: the hart is stopped (SBI HSM) until MachineListener::vcpu_started().
    bool may_run(unsigned hart) const noexcept;
    /// Thread inside run() of `hart` (an MMIO device): run() returns `yielded` soon.
    void request_yield(unsigned hart) noexcept;

    /// Any thread. Copy of the outcome.
    Outcome outcome() const;
    bool ended() const noexcept { return ended_.load(std::memory_order_acquire); }
    /// Any thread. Ends the machine unless it has ended already; kicks every vCPU out of run().
    void end(Outcome outcome);

    /// Any thread. Bytes typed at the console; returns how many there was room for. What is taken
    /// is never lost. End of input needs no call: there just comes no more.
    std::size_t console_input(std::span<const char> bytes);
    /// Any thread. Gives what the guest printed so far to the console output.
    void flush_console();

    /// Thread that owns the hart, outside run(). Total time that the hart was runnable but not
    /// running, shown to the guest through SBI STA.
    void set_steal_time(unsigned hart, Nanos stolen) noexcept;

    // ---- Between runs: no thread is inside run(), no request is in flight ----

    /// After Ending::reset: begins the reset of every virtio device. They may have to drain.
    void begin_reset();
    /// True when every virtio device has finished its reset.
    bool reset_finished() const noexcept;
    /// After reset_finished(): memory zeroed, images loaded afresh, outcome running again.
    Result<void> reboot();

    Result<std::vector<std::byte>> save() const;

    /// Writes out the trace of instructions, if there is one.
    Result<void> flush_trace();
    /// Starts the vCPUs that wait to be started by their next run(), so that registers show where.
    void serve_starts();
    /// Tells every vCPU again how its external interrupt stands: after Vcpu::load(), which may have
    /// undone a change that a device made meanwhile.
    void repeat_external_interrupts();

    /// The device tree blob of the last boot().
    std::span<const std::byte> device_tree() const noexcept { return device_tree_; }

private:
    friend class Hart;
    friend class Sbi;

    Machine(MachineConfig config, MachineListener* listener, ConsoleOutput console);
    Result<void> assemble();
    Result<std::unique_ptr<Vcpu>> make_hart_vcpu(Hart& hart);
    Result<void> load_images();
    Result<std::vector<std::byte>> collect_initrd() const;
    Result<void> write_images(
        const KernelImage& kernel, std::span<const std::byte> initrd, const Placement& placement
    );
    DeviceTreeSpec describe(const Placement& placement) const;
    Result<void> check_shape(StateReader& in) const;
    Result<void> load_outcome(StateReader& in);
    void save_ram(StateWriter& out) const;
    Result<void> load_ram(StateReader& in);
    void hart_stopped();
    void finish(Finisher::Verdict verdict, std::uint16_t code);
    void set_external_interrupt(unsigned hart, bool asserted) override;

    MachineConfig config_;
    MachineListener* listener_;
    Clock clock_;
    Console console_;
    std::unique_ptr<GuestMemory> memory_;
    Bus bus_;
    std::unique_ptr<Platform> platform_;
    std::unique_ptr<Sbi> sbi_;
    std::vector<std::unique_ptr<Hart>> harts_;  // filled by assemble(), then constant
    std::vector<std::byte> device_tree_;
    std::shared_ptr<TraceLog> trace_;  // null: none

    std::mutex stop_mutex_;  // orders the looks of harts that stop at once
    mutable std::mutex outcome_mutex_;
    Outcome outcome_;                 // guarded by outcome_mutex_
    std::atomic<bool> ended_{false};  // release after outcome_ is set; acquire before it is read
};

}  // namespace vmm
