// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vmm/config.hpp>
#include <vmm/engine_stats.hpp>
#include <vmm/error.hpp>

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vmm {

/// How a guest ended.
enum class Ending : std::uint8_t {
    running,      ///< It hasn't.
    powered_off,  ///< It shut down; `status` is the application's exit status (0 for other
                  ///< kernels).
    reset,        ///< It asked for a reset and GuestConfig::reboot is false.
    crashed,      ///< It can't go on: the message says why.
    panicked,     ///< Its kernel reported a panic (SRST with reason "system failure").
    stopped,      ///< stop() ended it.
    failed,       ///< The VMM itself could not go on with it.
};

struct GuestOutcome {
    std::string name;
    Ending ending = Ending::running;
    std::uint32_t status = 0;
    std::string message;
};

/// What one guest did at one level. Times in nanoseconds.
struct LevelReport {
    Nanos cpu_ns = 0;   ///< vCPU time while this level was sampled as the running one.
    Nanos wait_ns = 0;  ///< Runnable but not running, at this level.
    std::uint64_t requests = 0;
    std::uint64_t bytes = 0;
    std::uint64_t completions = 0;
    std::uint64_t wakes_ring = 0;
    std::uint64_t wakes_user_interrupt = 0;
    std::uint64_t wakes_kernel = 0;
    Nanos latency_p50_ns = 0;  ///< Request taken from the queue to completion published.
    Nanos latency_p99_ns = 0;
    Nanos last_completion_ns =
        0;  ///< When the last completion was published, since the fleet's start.
};

/// What a guest is doing at the moment of a report.
enum class GuestState : std::uint8_t {
    created,  ///< The fleet has not started.
    running,  ///< Its vCPUs are the workers'.
    saving,   ///< Fleet::save() is under way.
    paused,   ///< Fleet::pause(): its vCPUs do not run and its time stands still.
    held,     ///< The same for a debugger.
    ending,   ///< It was asked to power off, or has ended and what it left in flight drains.
    ended,
};

/// What a vCPU is doing at the moment of a report.
enum class VcpuState : std::uint8_t {
    idle,     ///< It waits for an interrupt or its timer.
    ready,    ///< It could run, and waits for a worker.
    running,  ///< A worker runs it.
    stopped,  ///< The guest has not started it.
    off,      ///< No worker may run it: the guest is paused, held, saved or has ended.
};

struct VcpuReport {
    VcpuState state = VcpuState::off;
    Level level = kNoLevel;  ///< Effective level that it competes at, or did last.
    Nanos run_ns = 0;
    Nanos wait_ns = 0;   ///< Runnable but not running.
    Nanos steal_ns = 0;  ///< Of wait_ns: what its steal-time record (SBI STA) has said so far.
    std::uint64_t switches = 0;
    std::uint64_t preemptions = 0;
    std::uint64_t grants = 0;       ///< How often it was granted to the guest, of an extra vCPU,
    std::uint64_t revocations = 0;  ///< and how often it was taken back.
    std::uint64_t instructions = 0;
    std::uint64_t supervisor_traps = 0;
    std::uint64_t user_interrupts = 0;
    std::uint64_t sbi_calls = 0;
    std::uint64_t mmio_exits = 0;
    EngineStats engine;  ///< As of when it last left the workers for good, a save or a pause.
};

/// What one worker did so far.
struct WorkerReport {
    Nanos busy_ns = 0;  ///< With a vCPU on it.
    Nanos poll_ns = 0;  ///< Looking for work before it slept.
    std::uint64_t sleeps = 0;
};

struct GuestReport {
    GuestOutcome outcome;
    GuestState state = GuestState::created;
    std::string engine;  ///< The one that executes it, also where the configuration says "auto".
    Tenant tenant;       ///< As it counts now: Fleet::set_tenant().
    /// Of the tenant's budget, below 0 a debt; nullopt: it has no limit, or the policy no budgets.
    std::optional<std::int64_t> budget_left_ns;
    unsigned own_vcpus = 0;      ///< The first of `vcpus`; the others it may have when granted.
    unsigned granted_vcpus = 0;  ///< Of those others, now.
    std::vector<VcpuReport> vcpus;
    std::array<LevelReport, kLevels + 1> levels{};  ///< [64]: work without a level.
    std::uint64_t bad_requests = 0;
    std::uint64_t in_flight = 0;
    Nanos started_ns = 0;  ///< Since the fleet's start.
    Nanos ended_ns = 0;    ///< Since the fleet's start; 0 while running.
};

struct FleetReport {
    std::string policy;
    unsigned workers = 0;  ///< As configured.
    Nanos wall_ns = 0;
    std::vector<GuestReport> guests;
    std::vector<WorkerReport> worker_times;  ///< By worker.
};

/// Names that FleetConfig::policy may have: policies by which workers share out the vCPUs, and the
/// host's ways to schedule a thread for each vCPU ("linux...").
std::vector<std::string_view> available_policies();
/// Names that GuestConfig::engine may have.
std::vector<std::string_view> available_engines();

/// Receives a guest's console output, in order, one call at a time per guest, from a worker thread.
using ConsoleSink = std::function<void(std::size_t guest, std::span<const char>)>;

/// Guests that run together on a set of workers. The one entry point for programs that embed cops.
///
/// Life: create() builds everything and reports bad configuration; start() begins; wait() returns
/// when every guest has ended; report() may be called at any time from any thread. The destructor
/// stops what still runs and joins the workers.
class Fleet {
public:
    static Result<std::unique_ptr<Fleet>> create(const FleetConfig& config, ConsoleSink console);
    ~Fleet();
    Fleet(const Fleet&) = delete;
    Fleet& operator=(const Fleet&) = delete;

    Result<void> start();
    /// Blocks until every guest has ended.
    void wait();
    /// Waits at most `timeout`; true when every guest has ended.
    bool wait_for(Nanos timeout);
    /// Any thread, async-signal-unsafe: ends every guest now (Ending::stopped) and drains requests.
    void stop();
    /// Any thread, while the fleet runs. The same for one guest; one that has ended stays as it is.
    void stop(std::size_t guest);
    /// Any thread, while the fleet runs. Asks `guest` to end its processes and power off; one that
    /// is paused is resumed for it. It ends with Ending::stopped when it does so because of this,
    /// and as ever when it was ending anyway. False: it cannot be asked, since it has ended, has no
    /// driver that knows of it (SPEC.md VC-3.7), or is held by a debugger, and nothing happens.
    bool ask_power_off(std::size_t guest);
    /// Any thread, while the fleet runs. Takes the vCPUs of `guest` off their workers, soon:
    /// GuestReport::state is `paused` when none of them runs any more. Its time stands still until
    /// resume(), so that no timer of it fires and no steal time is counted; what it asked of the
    /// host before completes meanwhile. One that a debugger holds is paused when the debugger lets
    /// it go. ErrorKind::usage: no such guest, or it has ended.
    Result<void> pause(std::size_t guest);
    /// Any thread, while the fleet runs. Lets a paused guest go on; others are left as they are.
    /// ErrorKind::usage: no such guest, or it has ended.
    Result<void> resume(std::size_t guest);
    /// Any thread, while the fleet runs. From now on `tenant` holds for all vCPUs of `guest`; what
    /// ran before was charged by the old one. ErrorKind::usage: no such guest, or the policy leaves
    /// vCPUs to the host's scheduler; ErrorKind::configuration: it contradicts itself, or the
    /// workers cannot give all shares. Nothing has changed then.
    Result<void> set_tenant(std::size_t guest, const Tenant& tenant);
    /// Bytes typed at a guest's console. Returns how many were taken (the guest's FIFO has bounds).
    std::size_t console_input(std::size_t guest, std::span<const char> bytes);

    /// Where a debugger finds `guest` (GuestConfig::gdb), as gdb's `target remote` wants it; with
    /// the port that the host chose. Empty: nowhere.
    std::string debugger_address(std::size_t guest) const;

    /// Any thread. What `guest` does; cheap, unlike report(). It must exist.
    GuestState state(std::size_t guest) const;
    FleetReport report() const;

    /// Any thread. What every guest, vCPU and worker is doing at this moment, as lines of text for
    /// people who ask why nothing goes on. The wording is no interface.
    std::string describe() const;

    /// Any thread, while the fleet runs. Holds `guest` between two instructions, waits until its
    /// requests have completed, and returns its whole state (vCPUs, memory, devices, queues); then
    /// the guest goes on. GuestConfig::saved_state continues from it, in this process or another.
    /// ErrorKind::usage: no such guest, it has ended, it is paused, or it is being saved already.
    Result<std::vector<std::uint8_t>> save(std::size_t guest);

private:
    Fleet();
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace vmm
