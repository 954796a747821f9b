// SPDX-License-Identifier: Apache-2.0
// Extra vCPUs: what the core allocator is told, and what its decisions do.
#include "sched/workers/clock.hpp"
#include "sched/workers/worker.hpp"

#include <algorithm>

namespace vmm::sched {

using State = VcpuEntry::State;
using Core = VcpuEntry::Core;

namespace {

/// Run time that a guest has to stop a vCPU that was taken back.
constexpr Nanos kLeaveNs = 1'000'000;
/// However little it runs: then the next one is taken back.
constexpr Nanos kLongestLeaveNs = 5'000'000;
/// What was granted so long ago and has not run needs no worker.
constexpr Nanos kBeginNs = 1'000'000;
constexpr Nanos kNever = ~Nanos{0};

std::uint64_t bit(const VcpuEntry& entry) {
    return std::uint64_t{1} << entry.id.vcpu;
}
bool is_busy(const VcpuEntry& entry) {
    return entry.state == State::ready || entry.state == State::running;
}

/// So that those who wait have a guest: nobody's.
GuestCores somebody(bool best_effort, Nanos waits) {
    return {
        .id = {.domain = ~0U, .guest = best_effort ? 1U : 0U},
        .best_effort = best_effort,
        .longest_wait_ns = waits,
    };
}

}  // namespace

/// It has had its time to stop: it is the least urgent of all from then on.
bool WorkerPool::is_overdue(const VcpuEntry& entry) noexcept {
    return entry.core == Core::revoked && entry.leave_time >= kLeaveNs;
}

/// It ran for `ran`. A stretch is no longer than an interval while others wait: what is beyond was
/// spent off the host's CPU, or took nothing from anybody.
void WorkerPool::account_leaving(VcpuEntry& entry, Nanos ran) {
    if (entry.core == Core::revoked) {
        entry.leave_time += std::min<Nanos>(ran, kCoreIntervalNs);
    }
}

void WorkerPool::want_cores(GuestId guest, unsigned vcpus) {
    const std::lock_guard guard(lock_);
    const auto found = wanted_.find(guest);
    if (found == wanted_.end()) {
        return;
    }
    Wish& wish = found->second;
    wish.vcpus = vcpus;
    wish.unseen = true;
    // A guest may say another number with every command: what it says within an interval is looked
    // at once. The first look is on the guest's own turn, the next one is no more than those that
    // there are while anybody wants vCPUs. In a host's mode only its own threads have work of it.
    const Nanos now = time_now();
    const Nanos look = options_.host_scheduled ? now : std::max(now, wish.next_look);
    next_allocation_ = std::min(next_allocation_, look);
    allocate_cores(now);
    if (wish.unseen) {
        grant_when_idle(std::min(next_idle_grant_, look));
    }
}

void WorkerPool::forget_cores(GuestId guest) {
    const std::lock_guard guard(lock_);
    const auto wanted = wanted_.find(guest);
    if (wanted == wanted_.end()) {
        return;
    }
    wanted->second.vcpus = 0;
    for (auto at = by_id_.lower_bound({.domain = guest.domain, .guest = guest.guest});
         at != by_id_.end() && at->first.of_guest() == guest;
         ++at) {
        VcpuEntry& entry = *at->second;
        if (entry.core != Core::own) {
            set_core(entry, Core::none);
        }
    }
}

CoreSets WorkerPool::cores(GuestId guest) const {
    const std::lock_guard guard(lock_);
    CoreSets sets;
    for (auto at = by_id_.lower_bound({.domain = guest.domain, .guest = guest.guest});
         at != by_id_.end() && at->first.of_guest() == guest;
         ++at) {
        const VcpuEntry& entry = *at->second;
        sets.granted |= entry.core == Core::granted ? bit(entry) : 0;
        sets.revoked |= entry.core == Core::revoked ? bit(entry) : 0;
    }
    return sets;
}

bool WorkerPool::may_start(Handle vcpu) const {
    const std::lock_guard guard(lock_);
    return vcpu->core == Core::own || vcpu->core == Core::granted;
}

GuestCores WorkerPool::describe_cores(GuestId guest, unsigned wanted, Nanos now) const {
    GuestCores cores{.id = guest, .own = 0, .max = 0, .wanted = wanted};
    for (auto at = by_id_.lower_bound({.domain = guest.domain, .guest = guest.guest});
         at != by_id_.end() && at->first.of_guest() == guest;
         ++at) {
        const VcpuEntry& entry = *at->second;
        ++cores.max;
        cores.best_effort = is_best_effort(entry);
        switch (entry.core) {
        case Core::own:
            ++cores.own;
            break;
        case Core::none:
            break;
        case Core::granted:
            cores.granted |= bit(entry);
            cores.begun |= entry.begun || now - entry.granted_at >= kBeginNs ? bit(entry) : 0;
            cores.busy |= is_busy(entry) ? bit(entry) : 0;
            break;
        case Core::revoked:
            cores.revoked |= bit(entry);
            cores.busy |= is_busy(entry) ? bit(entry) : 0;
            // One that gets no turn never uses up its time, and must not shield the others.
            cores.leaving = cores.leaving
                            || (is_busy(entry) && !is_overdue(entry)
                                && now - entry.revoked_at < kLongestLeaveNs);
            break;
        }
    }
    return cores;
}

/// Workers without a vCPU. Each takes one that is ready, if there is one, as soon as it gets to it.
std::size_t WorkerPool::free_workers() const {
    return static_cast<std::size_t>(std::ranges::count_if(workers_, [](const auto& worker) {
        return worker->current == nullptr;
    }));
}

/// Looks at who has how many vCPUs, if it is time to. Costs O(k), k the vCPUs of guests that have
/// extra ones.
void WorkerPool::allocate_cores(Nanos now) {
    if (now < next_allocation_) {
        return;
    }
    if (options_.host_scheduled) {
        allocate_plainly(now);
        return;
    }
    std::vector<GuestCores> guests;
    guests.reserve(wanted_.size() + 2);
    for (auto& [guest, wish] : wanted_) {
        guests.push_back(describe_cores(guest, wish.vcpus, now));
        wish.next_look = wish.unseen ? now + kCoreIntervalNs : wish.next_look;
        wish.unseen = false;
    }
    const std::size_t free = free_workers();
    if (free < ready_count_) {  // else nobody waits for a worker but those that are on their way
        guests.push_back(somebody(false, ordinary_waits_.longest(now)));
        guests.push_back(somebody(true, best_effort_waits_.longest(now)));
    }
    const auto idle = static_cast<std::uint32_t>(free - std::min(free, ready_count_));
    for (const CoreDecision& decision : allocator_.decide(guests, idle, now)) {
        obey(decision, now);
    }
    note_cores(now, idle);
}

/// The host's kernel shares its CPUs among threads as it likes: who asks gets.
void WorkerPool::allocate_plainly(Nanos now) {
    next_allocation_ = kNever;
    for (auto& [guest, wish] : wanted_) {
        wish.unseen = false;
    }
    for (const auto& [id, entry] : by_id_) {
        const auto wanted = wanted_.find(id.of_guest());
        const bool keeps = wanted != wanted_.end() && id.vcpu < wanted->second.vcpus;
        if (keeps && entry->core == Core::none) {
            obey({CoreDecision::Kind::grant, id}, now);
        } else if (!keeps && entry->core == Core::granted) {
            obey({CoreDecision::Kind::revoke, id}, now);
        }
    }
}

void WorkerPool::set_core(VcpuEntry& entry, Core core) {
    const auto is_held = [](Core one) { return one == Core::granted || one == Core::revoked; };
    held_ += is_held(core) ? 1 : 0;
    held_ -= is_held(entry.core) ? 1 : 0;
    entry.core = core;
}

void WorkerPool::obey(const CoreDecision& decision, Nanos now) {
    VcpuEntry& entry = find(decision.id);
    if (decision.kind == CoreDecision::Kind::revoke) {
        ++entry.times.revocations;
        take_back(entry, now);
    } else {
        set_core(entry, Core::granted);
        entry.granted_at = now;
        entry.begun = false;
        ++entry.times.grants;
    }
    tell_of_cores(entry);
}

/// From here on the guest has to stop the vCPU; one that it has not started, it has given back.
void WorkerPool::take_back(VcpuEntry& entry, Nanos now) {
    set_core(entry, entry.state == State::stopped ? Core::none : Core::revoked);
    entry.leave_time = 0;
    entry.revoked_at = now;
    WaitList::remove(entry.wait);
}

/// The guest has stopped the vCPU.
void WorkerPool::give_back(VcpuEntry& entry, Nanos now) {
    if (entry.core == Core::revoked) {
        set_core(entry, Core::none);
        next_allocation_ = now;
        tell_of_cores(entry);
    }
}

/// A worker does it, with no lock held: the calling one, which is about to look at what was posted
/// to it.
void WorkerPool::tell_of_cores(VcpuEntry& entry) {
    const unsigned caller = current_worker();
    Worker& worker = *workers_[caller < workers_.size() ? caller : 0];
    post_locked(worker, [&port = entry.port](io::Engine&) { port.cores_changed(); });
}

/// When to look again: once an interval while anybody has, gives back or wants an extra vCPU.
void WorkerPool::note_cores(Nanos now, std::uint32_t idle) {
    bool wants = false;
    for (const auto& [guest, wish] : wanted_) {
        const GuestCores cores = describe_cores(guest, wish.vcpus, now);
        wants = wants || held_cores(cores) < most_cores(cores);
    }
    next_allocation_ = held_ != 0 || wants ? now + kCoreIntervalNs : kNever;
    // Nobody else would come by: what an interval of congestion, or a vCPU that begins, holds back.
    grant_when_idle(wants && idle != 0 ? now + kBeginNs : kNever);
}

/// An idle worker shall look at that time, if nobody else has.
void WorkerPool::grant_when_idle(Nanos at) {
    if (at != kNever && at != next_idle_grant_ && timekeeper_ != nullptr
        && sleeping_.contains(timekeeper_->index)) {
        timekeeper_->engine->wake();  // its sleep is too long now
    }
    next_idle_grant_ = at;
}

/// vCPUs became ready and find no worker. Those that run look at the clock from now on, so that
/// it is known whether one waits for long.
void WorkerPool::watch_congestion() {
    if (held_ == 0 || ready_count_ == 0) {
        return;
    }
    const auto busy = std::ranges::find_if(workers_, [](const auto& worker) {
        return worker->current != nullptr;
    });
    if (busy != workers_.end()) {
        ask_to_look(*(*busy)->current);
    }
}

/// Until when a turn lasts at most, for the sake of others that wait.
Nanos WorkerPool::core_deadline() const noexcept {
    return held_ != 0 && ready_count_ != 0 ? next_allocation_ : kNever;
}

}  // namespace vmm::sched
