// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sched/record/record.hpp"
#include "sched/workers/worker_pool.hpp"

#include <vmm/error.hpp>
#include <vmm/types.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vmm::sched {

/// Who decides when vCPUs run where every vCPU has a host thread of its own: the host's kernel.
enum class HostMode : std::uint8_t {
    plain,  ///< As the process is scheduled.
    nice,   ///< With the nice value of the tenant.
    fifo,   ///< Under SCHED_FIFO, at a priority that follows from the tenant's base level.
};

/// The mode of that name; nothing: it is the name of a policy, or of nothing.
std::optional<HostMode> host_mode(std::string_view name) noexcept;

/// Names of the policies and of the host's modes: all that decides which vCPU runs.
std::vector<std::string_view> scheduling_names();

/// Nice value of a tenant's threads in HostMode::nice: its own, or one step a level from the
/// default level on, as far as nice values go.
int nice_of(const Tenant& tenant) noexcept;
/// SCHED_FIFO priority of a tenant's threads in HostMode::fifo: 64 for base level 0, 1 for 63.
int fifo_of(const Tenant& tenant) noexcept;

struct SchedulerOptions {
    /// Workers of a policy; in a host's mode the CPUs that the threads of all vCPUs may run on.
    unsigned workers = 1;
    std::string policy = "priority";  ///< One of scheduling_names().
    PolicyOptions of_policy;
    Nanos poll_ns = 200'000;  ///< PoolOptions::poll_ns of each thread.
    /// CPUs of the host: worker k keeps to pin[k]. Empty: the workers run where the process may,
    /// and a host's mode uses the first CPUs of those.
    std::vector<unsigned> pin;
    /// PoolOptions::dispatcher. Not in a host's mode; it keeps to the CPU behind the workers' in
    /// pin.
    bool dispatcher = false;
    Recorder* recorder = nullptr;  ///< Outlives the scheduler, which starts it; null: no records.
    /// Makes the run deterministic: in virtual time, with requests that take what this seed says.
    /// Needs one worker and a policy.
    std::optional<std::uint64_t> seed;
    std::uint64_t epoch_ns = 0;  ///< With a seed: real time at its start, since 1970.
    // With a seed: input from outside. Both outlive the scheduler; null: there is none.
    io::InputTape* tape = nullptr;
    InputSource* input = nullptr;
};

/// The vCPUs of a fleet and the host threads that run them: one pool of workers for all, under a
/// policy; or, in a host's mode, a pool of one worker for each vCPU, so that guests share no lock
/// on their ways to run and to be woken. Workers are numbered through, whatever pool they are in.
class VcpuScheduler {
public:
    using Handle = WorkerPool::Handle;
    static constexpr unsigned kNoWorker = ~0U;

    /// ErrorKind::configuration: no such policy, or CPUs that cannot be.
    static Result<std::unique_ptr<VcpuScheduler>> create(SchedulerOptions options);

    /// Before start(). Registers a vCPU as WorkerPool::add() does; `guest` names its thread, where
    /// it has one.
    Handle
    add(VcpuId id,
        VcpuPort& port,
        const Tenant& tenant,
        std::string_view guest,
        VcpuEntry::Core core = VcpuEntry::Core::own);
    /// Starts the threads. ErrorKind::unavailable: a ring, or what a thread was to be, can't be
    /// had.
    Result<void> start();
    /// Stops and joins the threads. All vCPUs have left.
    void stop();

    // ---- As in WorkerPool ----
    void revive(Handle vcpu, bool ready) { vcpu->pool.revive(vcpu, ready); }
    void remove(Handle vcpu) { vcpu->pool.remove(vcpu); }
    void wake(Handle vcpu, WakeCause cause, Level level = kNoLevel) {
        vcpu->pool.wake(vcpu, cause, level);
    }
    void start_vcpu(Handle vcpu) { vcpu->pool.start_vcpu(vcpu); }
    /// WorkerPool::set_tenant(). ErrorKind::usage: the host's kernel schedules.
    Result<void> set_tenant(GuestId guest, const Tenant& tenant);
    /// WorkerPool::budget_left(); nullopt where the host's kernel schedules.
    std::optional<std::int64_t> budget_left(GuestId guest) const {
        return mode_ ? std::nullopt : pools_.front()->budget_left(guest);
    }
    void want_cores(GuestId guest, unsigned vcpus);
    void forget_cores(GuestId guest);
    CoreSets cores(GuestId guest) const;
    bool may_start(Handle vcpu) const { return vcpu->pool.may_start(vcpu); }
    void kick(Handle vcpu) { vcpu->pool.kick(vcpu); }
    void wake_for_input() { pools_.front()->wake_for_input(); }
    void kick_current() { pools_.front()->kick_current(); }
    void claim(Handle vcpu, const ClaimSample& sample) { vcpu->pool.claim(vcpu, sample); }
    bool spin(Handle spinner, Handle holder) { return spinner->pool.spin(spinner, holder); }
    VcpuTimes times(Handle vcpu) const { return vcpu->pool.times(vcpu); }
    VcpuStatus status(Handle vcpu) const { return vcpu->pool.status(vcpu); }
    std::string describe(Handle vcpu) const { return vcpu->pool.describe(vcpu); }

    /// The calling thread's engine and number when it is one of the workers; else null, kNoWorker.
    io::Engine* current_engine() const noexcept;
    unsigned current_worker() const noexcept;
    /// Any thread. Runs `task` on a worker, soon, with no lock held.
    void post(unsigned worker, WorkerPool::Task task) {
        places_[worker].pool->post(places_[worker].index, std::move(task));
    }
    /// The worker to post to for a vCPU's guest: in a host's mode the vCPU's own, which has its
    /// scheduling, else one of those for all.
    unsigned worker_of(Handle vcpu) const noexcept { return vcpu->pool.first_worker(); }
    /// Null: nothing is recorded.
    Recorder* recorder() const noexcept { return options_.recorder; }
    /// The time that all of this goes by: the host's monotonic one, or that of a deterministic
    /// run.
    Nanos time_now() const noexcept {
        return virtual_run_ != nullptr ? virtual_run_->time.now() : monotonic_now();
    }
    /// Of a deterministic run; null: it is not. Constant.
    VirtualTime* virtual_time() const noexcept {
        return virtual_run_ != nullptr ? &virtual_run_->time : nullptr;
    }
    /// Of a deterministic run, else 0.
    std::uint64_t seed() const noexcept { return options_.seed.value_or(0); }
    io::LatencyQueue* latency_queue() const noexcept {
        return virtual_run_ != nullptr ? &virtual_run_->requests : nullptr;
    }
    /// Threads that run vCPUs.
    unsigned workers() const noexcept { return static_cast<unsigned>(places_.size()); }
    WorkerTimes worker_times(unsigned worker) const {
        return places_[worker].pool->worker_times(places_[worker].index);
    }
    std::string describe_worker(unsigned worker) const {
        return places_[worker].pool->describe_worker(places_[worker].index);
    }

private:
    /// Where a worker is.
    struct Place {
        WorkerPool* pool;
        unsigned index;
    };

    VcpuScheduler(SchedulerOptions options, std::optional<HostMode> mode);
    void make_shared_pool(std::unique_ptr<Policy> policy);
    WorkerPool& make_pool_of_one(const HostThread& thread);
    HostThread thread_of(VcpuId id, const Tenant& tenant, std::string_view guest) const;

    const SchedulerOptions options_;
    const std::optional<HostMode> mode_;  // nothing: a policy decides
    RunFacts facts_;                      // for the recorder; constant once the threads run
    struct VirtualRun {
        VirtualTime time;
        io::LatencyQueue requests;
    };
    std::unique_ptr<VirtualRun> virtual_run_;  // null: the host's time
    // Constant once the threads run.
    std::vector<std::unique_ptr<WorkerPool>> pools_;
    std::vector<Place> places_;  // of all workers, by number
};

}  // namespace vmm::sched
