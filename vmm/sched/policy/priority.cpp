// SPDX-License-Identifier: Apache-2.0
// priority: strictly by effective level; within a level, weighted fair by virtual time.
//
// Every vCPU has a virtual time at each level: the time that it ran there, divided by its weight.
// Within a level the vCPU with the least virtual time runs next (start-time fair queueing): one
// that comes to a level begins at the virtual time of the vCPU that the level served last, if it is
// behind it, so that nobody saves up turns by sleeping and nobody sheds a debt by changing levels.
//
// Cost: O(log n) an event and a decision, n the number of vCPUs.
#include "sched/policy/vcpu_table.hpp"

#include <array>
#include <bit>
#include <map>
#include <set>

namespace vmm::sched {
namespace {

struct PriorityEntry : VcpuEntry {
    std::array<std::uint64_t, kLevelCount> virtual_time{};
};

/// The running vCPUs, least urgent last.
struct RunningKey {
    std::uint8_t level = 0;
    VcpuId id;
    friend constexpr auto operator<=>(const RunningKey&, const RunningKey&) = default;
};

class PriorityPolicy final : public Policy {
public:
    std::string_view name() const noexcept override { return "priority"; }
    void apply(const Event& event) override;
    std::optional<Decision> pick(std::uint32_t worker, std::uint64_t now_ns) override;
    std::optional<Preemption> preempt(std::uint64_t now_ns) override;
    std::uint64_t waiting_levels(std::uint32_t guest) const noexcept override {
        return waiting_.outside(guest);
    }

private:
    using Entry = PriorityEntry;

    void enqueue(Entry& entry);
    void dequeue(Entry& entry);
    void set_level(Entry& entry, std::uint8_t level, std::uint64_t now_ns);
    void leave_worker(Entry& entry, const Event& event);

    std::map<VcpuId, Entry> vcpus_;
    std::array<std::set<QueueKey>, kLevelCount> ready_;
    std::array<std::uint64_t, kLevelCount> served_{};  // virtual time of the vCPU served last
    std::set<RunningKey> running_;
    WaitingLevels waiting_;
};

void PriorityPolicy::enqueue(Entry& entry) {
    std::uint64_t& virtual_time = entry.virtual_time[entry.level];
    virtual_time = std::max(virtual_time, served_[entry.level]);
    ready_[entry.level].insert({virtual_time, entry.id});
    waiting_.add(entry.id.guest, entry.level);
    entry.state = Entry::State::ready;
}

void PriorityPolicy::dequeue(Entry& entry) {
    ready_[entry.level].erase({entry.virtual_time[entry.level], entry.id});
    waiting_.remove(entry.id.guest, entry.level);
}

/// Moves a vCPU in whatever state to another level. What a running one used so far is charged to
/// the level that it leaves.
void PriorityPolicy::set_level(Entry& entry, std::uint8_t level, std::uint64_t now_ns) {
    if (entry.level == level) {
        return;
    }
    switch (entry.state) {
    case Entry::State::idle:
        entry.level = level;
        break;
    case Entry::State::ready:
        dequeue(entry);
        entry.level = level;
        enqueue(entry);
        break;
    case Entry::State::running:
        if (now_ns > entry.charged_to) {
            entry.virtual_time[entry.level] +=
                virtual_cost(now_ns - entry.charged_to, entry.weight);
            entry.charged_to = now_ns;
        }
        running_.erase({entry.level, entry.id});
        entry.level = level;
        entry.virtual_time[level] = std::max(entry.virtual_time[level], served_[level]);
        running_.insert({level, entry.id});
        break;
    }
}

/// Ends a run: charges what is not charged yet to the level that it ended at.
void PriorityPolicy::leave_worker(Entry& entry, const Event& event) {
    if (entry.state != Entry::State::running) {
        return;
    }
    running_.erase({entry.level, entry.id});
    const std::uint64_t rest =
        event.time_ns > entry.charged_to ? event.time_ns - entry.charged_to : 0;
    entry.virtual_time[entry.level] += virtual_cost(std::min(rest, event.ran_ns), entry.weight);
    entry.state = Entry::State::idle;
}

void PriorityPolicy::apply(const Event& event) {
    if (event.kind == EventKind::add) {
        Entry entry;
        static_cast<VcpuEntry&>(entry) = entry_of(event);
        vcpus_.try_emplace(event.id, entry);
        return;
    }
    const auto found = vcpus_.find(event.id);
    if (found == vcpus_.end()) {
        return;
    }
    Entry& entry = found->second;
    const std::uint8_t level = effective_level(entry, event.level);
    switch (event.kind) {
    case EventKind::ready:
        if (entry.state == Entry::State::idle) {
            entry.level = level;
            enqueue(entry);
        } else {
            set_level(entry, level, event.time_ns);
        }
        break;
    case EventKind::claim:
        set_level(entry, level, event.time_ns);
        break;
    case EventKind::ran:
        leave_worker(entry, event);
        if (entry.state == Entry::State::idle) {
            entry.level = level;
            enqueue(entry);
        }
        break;
    case EventKind::idle:
        leave_worker(entry, event);
        break;
    case EventKind::remove:
        if (entry.state == Entry::State::ready) {
            dequeue(entry);
        } else if (entry.state == Entry::State::running) {
            running_.erase({entry.level, entry.id});
        }
        vcpus_.erase(found);
        break;
    case EventKind::add:
        break;
    }
}

std::optional<Decision> PriorityPolicy::pick(std::uint32_t worker, std::uint64_t now_ns) {
    if (waiting_.all() == 0) {
        return std::nullopt;
    }
    const auto level = static_cast<std::uint8_t>(std::countr_zero(waiting_.all()));
    const QueueKey first = *ready_[level].begin();
    Entry& entry = vcpus_.find(first.id)->second;
    dequeue(entry);
    served_[level] = std::max(served_[level], first.virtual_time);
    entry.state = Entry::State::running;
    entry.worker = worker;
    entry.charged_to = now_ns;
    running_.insert({level, entry.id});
    return Decision{.id = first.id, .level = level, .slice_ns = kSliceNs};
}

std::optional<Preemption> PriorityPolicy::preempt(std::uint64_t /*now_ns*/) {
    if (waiting_.all() == 0 || running_.empty()) {
        return std::nullopt;
    }
    const auto level = static_cast<std::uint8_t>(std::countr_zero(waiting_.all()));
    const RunningKey least_urgent = *running_.rbegin();
    if (level >= least_urgent.level) {
        return std::nullopt;
    }
    return Preemption{
        .worker = vcpus_.find(least_urgent.id)->second.worker,
        .victim = least_urgent.id,
        .level = level,
        .ask = true,
    };
}

}  // namespace

std::unique_ptr<Policy> make_priority_policy() {
    return std::make_unique<PriorityPolicy>();
}

}  // namespace vmm::sched
