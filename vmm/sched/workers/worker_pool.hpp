// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/virtual_time.hpp"
#include "io/engine.hpp"
#include "io/latency_queue.hpp"
#include "sched/policy/core_allocator.hpp"
#include "sched/policy/policy.hpp"
#include "sched/workers/clock.hpp"
#include "sched/workers/entry.hpp"
#include "sched/workers/host_thread.hpp"
#include "sched/workers/input_source.hpp"
#include "sched/workers/vcpu_port.hpp"

#include <vmm/error.hpp>
#include <vmm/types.hpp>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace vmm::sched {

class Recorder;

struct PoolOptions {
    unsigned workers = 1;
    Nanos grace_ns = 50'000;    ///< For a victim that is asked to yield.
    Nanos tick_ns = 1'000'000;  ///< The longest that a vCPU runs without being looked at.
    /// How much longer, once a turn, who must stop runs in a critical section; and how long a turn
    /// lasts at a level that was inherited, if others wait.
    Nanos section_ns = 100'000;
    /// A worker with nothing to run looks for work for so long before it sleeps, at most
    /// (PollGovernor). 0: it sleeps at once.
    Nanos poll_ns = 200'000;
    Nanos provisional_ns =
        100'000;  ///< A vCPU runs so long at the level of its wake-up before a sample.
    /// What the workers' threads shall be, by worker; without a name, or past the end: `cops-wN`.
    /// The dispatcher's comes behind them.
    std::vector<HostThread> threads;
    /// One more thread picks for all workers, and does nothing else; else each picks for itself.
    bool dispatcher = false;
    unsigned first_worker = 0;  ///< Number of worker 0 where several pools are numbered through.
    /// The workers share their CPUs with others as the host's kernel decides: of a turn only the
    /// CPU time that the thread got counts as run, the rest as waited.
    bool host_scheduled = false;
    Recorder* recorder = nullptr;  ///< Takes what the pool sees; null: nobody does.
    io::EngineOptions engine;
    // Of a deterministic run, which has one worker; both or none. They outlive the pool.
    VirtualTime* virtual_time = nullptr;
    io::LatencyQueue* latency_queue = nullptr;
    InputSource* input = nullptr;  ///< Of such a run, or null. It outlives the pool.
};

/// What the policies know of a tenant.
TenantTerms terms_of(const Tenant& tenant);

/// Extra vCPUs of a guest, bit v for vCPU v.
struct CoreSets {
    std::uint64_t granted = 0;
    std::uint64_t revoked = 0;
};

/// A vCPU at one moment.
struct VcpuStatus {
    VcpuEntry::State state = VcpuEntry::State::ended;
    Level level = kNoLevel;  ///< Effective level; kNoLevel: not in the pool.
};

struct WorkerTimes {
    Nanos busy_ns = 0;  ///< Inside run().
    Nanos poll_ns = 0;  ///< Looking for work before sleeping.
    std::uint64_t sleeps = 0;
};

/// Worker threads that run the vCPUs of all guests as a policy says.
///
/// One lock guards the policy and the state of every vCPU; nothing is called with it held but the
/// policy and VcpuPort::request_exit(), so that wake() may come from anywhere, whatever locks of
/// devices are held. A wake-up is never lost: under the lock a vCPU is idle (the wake-up makes it
/// ready) or running (the wake-up is remembered in `woken`, and the vCPU doesn't go idle).
class WorkerPool {
public:
    using Handle = VcpuEntry*;
    using Task = std::function<void(io::Engine&)>;

    WorkerPool(const PoolOptions& options, std::unique_ptr<Policy> policy);
    /// Every vCPU must have left and every operation have completed.
    ~WorkerPool();
    WorkerPool(const WorkerPool&) = delete;
    WorkerPool& operator=(const WorkerPool&) = delete;

    /// Starts the threads; fails when a ring can't be had.
    Result<void> start();
    /// Stops and joins the threads.
    void stop();

    /// Registers a vCPU; it is not in the pool before revive(). The port outlives the pool's
    /// threads. An extra vCPU (Core::none) runs while it is granted.
    Handle
    add(VcpuId id, VcpuPort& port, const Tenant& tenant, VcpuEntry::Core core = VcpuEntry::Core::own
    );
    /// Puts a vCPU that is not in the pool into it: ready to run, or stopped until start_vcpu().
    void revive(Handle vcpu, bool ready);
    /// Any thread. Takes the vCPU out of the pool: at once, or when its worker lets go of it.
    /// VcpuPort::left_pool() says when.
    void remove(Handle vcpu);

    /// Any thread. `level` below kLevels is more urgent than what the cause implies, or ignored.
    void wake(Handle vcpu, WakeCause cause, Level level = kNoLevel);
    /// Any thread. A stopped vCPU becomes ready.
    void start_vcpu(Handle vcpu);
    /// Any thread. The running vCPU's worker shall call VcpuPort::run() afresh.
    void kick(Handle vcpu);
    /// The worker's thread, of a deterministic run: the vCPU that it runs shall come out, since
    /// something is to begin now.
    void kick_current();
    /// Any thread. PoolOptions::input has something: it is delivered at the next occasion, which
    /// this brings about only when nobody has anything else to do.
    void wake_for_input();
    /// Any thread but under a lock that VcpuPort::sample() takes. A fresh sample of a vCPU that may
    /// be running or ready.
    void claim(Handle vcpu, const ClaimSample& sample);

    /// Thread inside VcpuPort::run() of `spinner`, which waits for what `holder` does, or, when
    /// that is null, some other vCPU of its guest. True: that waits for a worker, and the spinner
    /// shall end its turn. `holder` then is awaited until its own turn ends.
    bool spin(Handle spinner, Handle holder);

    // ---- Extra vCPUs (core_allocation.cpp); any thread ----

    /// The guest wants so many vCPUs in all. What can be granted at once is by the return, unless
    /// the guest asked within the last interval, too: then it is looked at once for all, when that
    /// is over. VcpuPort::cores_changed() tells of what changes later, and of other guests'.
    void want_cores(GuestId guest, unsigned vcpus);
    /// Nothing is granted to the guest any more, and it wants nothing. None of its vCPUs is in the
    /// pool.
    void forget_cores(GuestId guest);
    CoreSets cores(GuestId guest) const;
    /// The vCPU is the guest's own, or granted.
    bool may_start(Handle vcpu) const;

    /// The pool that the calling thread is a worker of, else null.
    static const WorkerPool* current() noexcept;
    /// Any thread. From now on `tenant` holds for all vCPUs of the guest, in the pool or not.
    void set_tenant(GuestId guest, const Tenant& tenant);
    /// Any thread. Policy::budget_left() now.
    std::optional<std::int64_t> budget_left(GuestId guest) const;

    /// The calling thread's engine and worker when it is one of this pool's workers, else null.
    io::Engine* current_engine() const noexcept;
    unsigned current_worker() const noexcept;
    /// Any thread. Runs `task` on a worker, soon, with no lock held.
    void post(unsigned worker, Task task);

    unsigned workers() const noexcept { return options_.workers; }
    unsigned first_worker() const noexcept { return options_.first_worker; }
    const Policy& policy() const noexcept { return *policy_; }
    /// The time of timers, accounts and decisions: the host's monotonic one, or that of a
    /// deterministic run.
    Nanos time_now() const noexcept {
        return options_.virtual_time != nullptr ? options_.virtual_time->now() : monotonic_now();
    }
    VcpuTimes times(Handle vcpu) const;
    VcpuEntry::State state(Handle vcpu) const;
    VcpuStatus status(Handle vcpu) const;
    WorkerTimes worker_times(unsigned worker) const;
    /// One line on a vCPU, one on a worker, for people who look for the cause of a standstill.
    std::string describe(Handle vcpu) const;
    std::string describe_worker(unsigned worker) const;

private:
    struct Worker;
    struct Turn;
    using Timer = std::pair<Nanos, VcpuId>;

    void work(Worker& worker);
    void run_tasks(Worker& worker);
    void run_turn(Worker& worker, VcpuEntry& entry, Turn& turn);
    bool after_run(Worker& worker, VcpuEntry& entry, Turn& turn, ExitKind exit);
    void look_at_siblings(const VcpuEntry& entry);
    void reap(Worker& worker);
    Nanos next_completion() const;
    bool skip_idle_time();
    bool take_input(Worker& worker, bool idle);
    bool poll(Worker& worker);
    void sleep(Worker& worker);
    static void end_wait(Worker& worker, Nanos now);
    void dispatch(Worker& dispatcher);

    // The rest is called with lock_ held.
    VcpuEntry* next_turn(Worker& worker, Turn& turn);
    VcpuEntry* take_handed(Worker& worker, Turn& turn);
    bool has_turn(const Worker& worker) const;
    void hand_out(Nanos now);
    void call_dispatcher();
    VcpuEntry* pick(Worker& worker, Turn& turn);
    bool turn_goes_on(Worker& worker, VcpuEntry& entry, Turn& turn);
    bool finishes_section(const VcpuEntry& entry, Turn& turn) const;
    bool borrowed_enough(const VcpuEntry& entry, const Turn& turn) const;
    void end_turn(Worker& worker, VcpuEntry& entry, Turn& turn, VcpuEntry::State next);
    void account_run(VcpuEntry& entry, Turn& turn, const ClaimSample& sample);
    Nanos cpu_time(Nanos now) const;
    void record_turn(Turn& turn) const;
    void record_look(
        const Worker& worker,
        const VcpuEntry& entry,
        Turn& turn,
        ExitKind exit,
        const ClaimSample& sample
    ) const;
    void record_rest(const Worker& worker, Nanos begin, Nanos end, bool asleep) const;
    void record_other_look(const VcpuEntry& entry, const ClaimSample& sample, Nanos now) const;
    void record_wake(const VcpuEntry& entry, WakeCause cause, Level level, Nanos now) const;
    HostThread thread_of(const Worker& worker) const;
    void decide_publication(const VcpuEntry& entry, Turn& turn) const;
    void begin_waiting(VcpuEntry& entry, Nanos now);
    void make_ready(VcpuEntry& entry, Level level, Nanos now);
    void change_claim(VcpuEntry& entry, const ClaimSample& sample, Nanos now);
    static bool is_awaited(const VcpuEntry& entry);
    Level claim_of_caller(const VcpuEntry& entry) const;
    void leave(VcpuEntry& entry, Nanos now);
    void find_runner(const VcpuEntry& entry, Nanos now);
    bool call_worker(unsigned warm);
    void preempt_for_waiting(Nanos now);
    void ask_to_look(VcpuEntry& entry);
    void wake_worker(Worker& worker);
    void arm_timer(VcpuEntry& entry, Nanos deadline);
    void disarm_timer(VcpuEntry& entry);
    void fire_timers(Nanos now);
    Nanos next_timer() const;
    void apply(EventKind kind, VcpuEntry& entry, Nanos now, Level level);
    void post_locked(Worker& target, Task task);

    // core_allocation.cpp
    void allocate_cores(Nanos now);
    GuestCores describe_cores(GuestId guest, unsigned wanted, Nanos now) const;
    void obey(const CoreDecision& decision, Nanos now);
    void allocate_plainly(Nanos now);
    void set_core(VcpuEntry& entry, VcpuEntry::Core core);
    static void account_leaving(VcpuEntry& entry, Nanos ran);
    void take_back(VcpuEntry& entry, Nanos now);
    void give_back(VcpuEntry& entry, Nanos now);
    void tell_of_cores(VcpuEntry& entry);
    void note_cores(Nanos now, std::uint32_t idle);
    void grant_when_idle(Nanos at);
    void watch_congestion();
    std::size_t free_workers() const;
    static bool is_overdue(const VcpuEntry& entry) noexcept;
    Nanos core_deadline() const noexcept;

    VcpuEntry& find(VcpuId id) const { return *by_id_.at(id); }

    const PoolOptions options_;
    Recorder* const recorder_;              // null: nothing is recorded
    const std::unique_ptr<Policy> policy_;  // guarded by lock_

    mutable std::mutex lock_;
    std::map<VcpuId, std::unique_ptr<VcpuEntry>> by_id_;  // grows only
    std::set<Timer> timers_;                              // of idle vCPUs
    CoreAllocator allocator_;
    struct Wish {
        unsigned vcpus = 0;
        bool unseen = false;  // nobody has looked since it was made
        Nanos next_look = 0;  // not before that for the sake of this guest
    };
    std::map<GuestId, Wish> wanted_;  // of the guests that have extra vCPUs
    WaitList ordinary_waits_;         // of vCPUs that are ready and not revoked
    WaitList best_effort_waits_;
    std::size_t held_ = 0;               // extra vCPUs
    Nanos next_allocation_ = ~Nanos{0};  // when it is next looked at who has how many
    Nanos next_idle_grant_ = ~Nanos{0};  // when an idle worker shall see to that
    std::size_t ready_count_ = 0;
    std::size_t polling_ = 0;  // workers in poll()
    /// Changes whenever a worker that polls could find something. Written with the lock held, read
    /// without it.
    std::atomic<std::uint64_t> news_{0};
    WorkerSet sleeping_;                  // in Engine::wait(), and nobody has woken them yet
    const Worker* timekeeper_ = nullptr;  // the sleeping worker that wakes for timers_
    bool stopping_ = false;
    WorkerSet free_;     // wait for the dispatcher
    unsigned warm_ = 0;  // worker that ran last what became ready last

    // Constant after construction.
    std::vector<std::unique_ptr<Worker>> workers_;
    std::unique_ptr<Worker> dispatcher_;  // null: the workers pick for themselves
};

}  // namespace vmm::sched
