// SPDX-License-Identifier: Apache-2.0
// What other threads ask of the pool, and the state of vCPUs.
#include "sched/workers/worker_pool.hpp"

#include "sched/record/recording_policy.hpp"
#include "sched/workers/worker.hpp"

#include <algorithm>

namespace vmm::sched {

using State = VcpuEntry::State;

TenantTerms terms_of(const Tenant& tenant) {
    return {
        .base_level = tenant.base_level,
        .ceiling = tenant.ceiling,
        .weight = tenant.weight,
        .budget_rate = tenant.budget_rate,
        .budget_burst_ns =
            tenant.budget_burst_ns != 0 ? tenant.budget_burst_ns : kDefaultBudgetBurst,
        .share = tenant.share,
    };
}

bool WorkerPool::is_awaited(const VcpuEntry& entry) {
    const bool waited_for = entry.sample.critical || entry.called || entry.helped;
    return waited_for && !is_overdue(entry);
}

WorkerPool::WorkerPool(const PoolOptions& options, std::unique_ptr<Policy> policy)
    : options_(options)
    , recorder_(options.recorder)
    , policy_(
          recorder_ == nullptr
              ? std::move(policy)
              : make_recording_policy(std::move(policy), *recorder_, options.first_worker)
      ) {
    for (unsigned i = 0; i < options_.workers; ++i) {
        workers_.push_back(std::make_unique<Worker>(*this, i));
    }
    if (options_.dispatcher) {
        dispatcher_ = std::make_unique<Worker>(*this, options_.workers);
        timekeeper_ = dispatcher_.get();
    }
}

WorkerPool::~WorkerPool() {
    stop();
}

WorkerPool::Handle
WorkerPool::add(VcpuId id, VcpuPort& port, const Tenant& tenant, VcpuEntry::Core core) {
    const std::lock_guard guard(lock_);
    auto& entry = by_id_[id];
    entry = std::make_unique<VcpuEntry>(*this, id, port, tenant, core);
    if (core != VcpuEntry::Core::own) {
        wanted_.try_emplace(id.of_guest());
    }
    return entry.get();
}

void WorkerPool::revive(Handle vcpu, bool ready) {
    const std::lock_guard guard(lock_);
    if (vcpu->state != State::ended) {
        return;
    }
    const Nanos now = time_now();
    vcpu->sample = {};
    vcpu->woken = vcpu->leaving = vcpu->kicked = vcpu->asked = vcpu->provisional = false;
    vcpu->called = vcpu->helped = vcpu->awaited = false;
    if (!ready && vcpu->core == VcpuEntry::Core::revoked) {
        set_core(*vcpu, VcpuEntry::Core::none);  // stopped while it was not in the pool
    }
    apply(EventKind::add, *vcpu, now, kNoLevel);
    vcpu->state = State::stopped;
    if (ready) {
        make_ready(*vcpu, kNoLevel, now);
        find_runner(*vcpu, now);
    }
}

void WorkerPool::remove(Handle vcpu) {
    {
        const std::lock_guard guard(lock_);
        if (vcpu->state == State::ended) {
            return;
        }
        if (vcpu->state == State::running) {
            vcpu->leaving = true;
            vcpu->port.request_exit();
            return;
        }
        leave(*vcpu, time_now());
    }
    vcpu->port.left_pool();
}

void WorkerPool::leave(VcpuEntry& entry, Nanos now) {
    disarm_timer(entry);
    if (entry.state == State::ready) {
        --ready_count_;
        WaitList::remove(entry.wait);
    }
    apply(EventKind::remove, entry, now, kNoLevel);
    entry.state = State::ended;
}

void WorkerPool::wake(Handle vcpu, WakeCause cause, Level level) {
    const std::lock_guard guard(lock_);
    const bool calls = cause == WakeCause::call;
    const bool interrupts = calls || cause == WakeCause::interrupt;
    const Level implied = interrupts                  ? vcpu->sample.irq_level
                          : cause == WakeCause::timer ? vcpu->sample.timer_level
                                                      : kNoLevel;
    level = std::min(level, implied);
    switch (vcpu->state) {
    case State::idle: {
        const Nanos now = time_now();
        record_wake(*vcpu, cause, level, now);
        vcpu->called = calls;
        make_ready(*vcpu, level, now);
        vcpu->provisional = true;
        find_runner(*vcpu, now);
        break;
    }
    case State::ready:
        // Who sent it may go to sleep until it is answered, and lends nothing from then on.
        level = calls ? std::min(level, claim_of_caller(*vcpu)) : level;
        if (level < vcpu->sample.level || (calls && !vcpu->called)) {
            const Nanos now = time_now();
            record_wake(*vcpu, cause, level, now);
            ClaimSample sample = vcpu->sample;
            sample.level = std::min(level, sample.level);
            vcpu->called = vcpu->called || calls;
            change_claim(*vcpu, sample, now);
            vcpu->provisional = true;
            preempt_for_waiting(now);
        }
        break;
    case State::running:
        vcpu->woken = true;
        if (recorder_ != nullptr) [[unlikely]] {
            record_wake(*vcpu, cause, level, time_now());
        }
        break;
    case State::stopped:
    case State::ended:
        break;
    }
}

/// What the vCPU that the calling thread runs claims, or competes by without a claim, if it is of
/// the same guest.
Level WorkerPool::claim_of_caller(const VcpuEntry& entry) const {
    const unsigned caller = current_worker();
    const VcpuEntry* const sender = caller < workers_.size() ? workers_[caller]->current : nullptr;
    if (sender == nullptr || sender->id.of_guest() != entry.id.of_guest()) {
        return kNoLevel;
    }
    const Level claim = sender->sample.level;
    return claim < kLevels ? claim : sender->tenant.base_level;
}

void WorkerPool::start_vcpu(Handle vcpu) {
    const std::lock_guard guard(lock_);
    if (vcpu->state == State::stopped) {
        const Nanos now = time_now();
        make_ready(*vcpu, kNoLevel, now);
        if (vcpu->core == VcpuEntry::Core::none) {
            take_back(*vcpu, now);  // taken back while it was started, or granted in a former life
            tell_of_cores(*vcpu);
        }
        find_runner(*vcpu, now);
    } else if (vcpu->state == State::running) {
        vcpu->woken = true;  // it is about to report that it stopped
    }
}

void WorkerPool::kick(Handle vcpu) {
    const std::lock_guard guard(lock_);
    ask_to_look(*vcpu);
}

void WorkerPool::wake_for_input() {
    const std::lock_guard guard(lock_);
    if (sleeping_.contains(workers_.front()->index)) {
        wake_worker(*workers_.front());
    }
}

void WorkerPool::kick_current() {
    const std::lock_guard guard(lock_);
    if (VcpuEntry* entry = workers_.front()->current; entry != nullptr) {
        ask_to_look(*entry);
    }
}

void WorkerPool::claim(Handle vcpu, const ClaimSample& sample) {
    const std::lock_guard guard(lock_);
    if (vcpu->state != State::running && vcpu->state != State::ready) {
        return;
    }
    const Nanos now = time_now();
    record_other_look(*vcpu, sample, now);
    change_claim(*vcpu, sample, now);
    preempt_for_waiting(now);
}

/// What ran may have made urgent work ready that belongs to another vCPU of its guest. Where that
/// one waits for a worker it cannot tell, so nobody but us would ever see it.
void WorkerPool::look_at_siblings(const VcpuEntry& entry) {
    std::unique_lock guard(lock_);
    const GuestId guest = entry.id.of_guest();
    for (auto at = by_id_.lower_bound({.domain = guest.domain, .guest = guest.guest});
         at != by_id_.end() && at->first.of_guest() == guest;
         ++at) {
        VcpuEntry& sibling = *at->second;
        if (sibling.state != State::ready) {
            continue;
        }
        guard.unlock();
        const ClaimSample sample = sibling.port.sample();
        guard.lock();
        // A level that is no more urgent tells nothing: what it was woken for it may not have seen.
        if (sibling.state == State::ready && sample.level < sibling.sample.level) {
            const Nanos now = time_now();
            record_other_look(sibling, sample, now);
            change_claim(sibling, sample, now);
        }
    }
}

bool WorkerPool::spin(Handle spinner, Handle holder) {
    const std::lock_guard guard(lock_);
    if (holder == nullptr) {
        return policy_->waiting_siblings(spinner->id) != 0;
    }
    // In a host's mode others are in pools of their own.
    if (&holder->pool != this || holder == spinner || holder->state != State::ready) {
        return false;
    }
    holder->helped = true;
    change_claim(*holder, holder->sample, time_now());
    return true;
}

void WorkerPool::set_tenant(GuestId guest, const Tenant& tenant) {
    const std::lock_guard guard(lock_);
    VcpuEntry* any = nullptr;
    for (auto vcpu = by_id_.lower_bound({.domain = guest.domain, .guest = guest.guest});
         vcpu != by_id_.end() && vcpu->first.of_guest() == guest;
         ++vcpu) {
        any = vcpu->second.get();
        any->tenant = tenant;
        ask_to_look(*any);  // what it was told may be wrong now
    }
    if (any != nullptr) {
        const Nanos now = time_now();
        apply(EventKind::tenant, *any, now, kNoLevel);
        preempt_for_waiting(now);
    }
}

void WorkerPool::begin_waiting(VcpuEntry& entry, Nanos now) {
    entry.state = State::ready;
    entry.since = now;
    ++ready_count_;
    if (entry.core != VcpuEntry::Core::revoked) {
        (is_best_effort(entry) ? best_effort_waits_ : ordinary_waits_).add(entry.wait, now);
    }
    news_.fetch_add(1, std::memory_order_relaxed);
}

void WorkerPool::make_ready(VcpuEntry& entry, Level level, Nanos now) {
    disarm_timer(entry);
    begin_waiting(entry, now);
    // What it showed when it went to sleep counts too: a kernel that waits for a lock sleeps with
    // work.
    entry.sample.level = std::min(level, entry.sample.level);
    apply(EventKind::ready, entry, now, entry.sample.level);
}

void WorkerPool::change_claim(VcpuEntry& entry, const ClaimSample& sample, Nanos now) {
    const bool another_level = sample.level != entry.sample.level;
    if (another_level && entry.state == State::ready) {
        entry.times.wait_ns += now - entry.since;
        entry.times.wait_at[entry.sample.level] += now - entry.since;
        entry.since = now;
    }
    entry.sample = sample;
    if (another_level || is_awaited(entry) != entry.awaited) {
        apply(EventKind::claim, entry, now, sample.level);
    }
}

void WorkerPool::apply(EventKind kind, VcpuEntry& entry, Nanos now, Level level) {
    entry.awaited = is_awaited(entry);
    policy_->apply({
        .kind = kind,
        .time_ns = now,
        .id = entry.id,
        .level = is_overdue(entry) ? kLeastLevel : level,
        .terms = terms_of(entry.tenant),
        .awaited = entry.awaited,
    });
}

/// Somebody must run a vCPU that became ready: a worker that has nothing to do, or the one with the
/// least urgent vCPU.
void WorkerPool::find_runner(const VcpuEntry& entry, Nanos now) {
    if (dispatcher_ != nullptr) {
        warm_ = entry.last_worker;
        call_dispatcher();
        return;
    }
    const unsigned caller = current_worker();
    if (caller < workers_.size() && workers_[caller]->current == nullptr && ready_count_ == 1) {
        return;  // the calling worker is about to pick
    }
    if (!call_worker(entry.last_worker)) {
        preempt_for_waiting(now);
        watch_congestion();
    }
}

/// True: a worker with nothing to do is about to pick. It polls and has seen the news, or it slept
/// and was woken, the nearest to `warm`.
bool WorkerPool::call_worker(unsigned warm) {
    if (polling_ >= ready_count_) {
        return true;
    }
    const auto chosen = policy_->choose_worker(warm, sleeping_);
    if (!chosen) {
        return false;
    }
    wake_worker(*workers_[*chosen]);
    return true;
}

void WorkerPool::preempt_for_waiting(Nanos now) {
    if (const auto preemption = policy_->preempt(now)) {
        VcpuEntry& victim = find(preemption->victim);
        if (!victim.asked) {
            ask_to_look(victim);
        }
    }
    // Who runs at another's level does so by what it showed last, and may have ended its section.
    for (const auto& worker : workers_) {
        VcpuEntry* const current = worker->current;
        if (current != nullptr && current->awaited && policy_->inherits(current->id)) {
            ask_to_look(*current);
        }
    }
}

/// Makes the worker of a running vCPU come out of run(), once.
void WorkerPool::ask_to_look(VcpuEntry& entry) {
    if (entry.state == State::running && !entry.kicked) {
        entry.kicked = true;
        entry.port.request_exit();
    }
}

void WorkerPool::wake_worker(Worker& worker) {
    sleeping_.erase(worker.index);
    worker.engine->wake();
}

void WorkerPool::arm_timer(VcpuEntry& entry, Nanos deadline) {
    if (deadline == ~Nanos{0}) {
        return;
    }
    const bool earliest = deadline < next_timer();
    entry.timer = deadline;
    timers_.emplace(deadline, entry.id);
    const bool sleeps = timekeeper_ != nullptr && sleeping_.contains(timekeeper_->index);
    if (earliest && sleeps) {
        timekeeper_->engine->wake();  // its sleep is too long now
    }
    if (earliest) {
        news_.fetch_add(1, std::memory_order_relaxed);
    }
}

void WorkerPool::disarm_timer(VcpuEntry& entry) {
    if (entry.timer) {
        timers_.erase({*entry.timer, entry.id});
        entry.timer.reset();
    }
}

void WorkerPool::fire_timers(Nanos now) {
    while (!timers_.empty() && timers_.begin()->first <= now) {
        VcpuEntry& entry = find(timers_.begin()->second);
        record_wake(entry, WakeCause::timer, entry.sample.timer_level, now);
        make_ready(entry, entry.sample.timer_level, now);
        entry.provisional = true;
        find_runner(entry, now);
    }
}

/// Of vCPUs, or of what idle workers do for the allocation of cores.
Nanos WorkerPool::next_timer() const {
    return std::min(timers_.empty() ? ~Nanos{0} : timers_.begin()->first, next_idle_grant_);
}

VcpuTimes WorkerPool::times(Handle vcpu) const {
    const std::lock_guard guard(lock_);
    VcpuTimes times = vcpu->times;
    if (vcpu->state == State::ready) {
        const Nanos waited = time_now() - vcpu->since;
        times.wait_ns += waited;
        times.wait_at[vcpu->sample.level] += waited;
    }
    return times;
}

State WorkerPool::state(Handle vcpu) const {
    const std::lock_guard guard(lock_);
    return vcpu->state;
}

std::optional<std::int64_t> WorkerPool::budget_left(GuestId guest) const {
    const std::lock_guard guard(lock_);
    return policy_->budget_left(guest, time_now());
}

WorkerTimes WorkerPool::worker_times(unsigned worker) const {
    const std::lock_guard guard(lock_);
    return workers_[worker]->times;
}

void WorkerPool::post(unsigned worker, Task task) {
    const std::lock_guard guard(lock_);
    post_locked(*workers_[worker], std::move(task));
}

void WorkerPool::post_locked(Worker& target, Task task) {
    target.tasks.push_back(std::move(task));
    news_.fetch_add(1, std::memory_order_relaxed);
    if (sleeping_.contains(target.index)) {
        wake_worker(target);
    } else if (target.current != nullptr) {
        ask_to_look(*target.current);
    }
}

}  // namespace vmm::sched
