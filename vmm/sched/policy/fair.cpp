// SPDX-License-Identifier: Apache-2.0
// fair: weighted fair by virtual time, blind to levels. What priority is compared with.
//
// The vCPU with the least virtual time runs next; one that wakes begins at the virtual time of the
// vCPU that was served last, if it is behind it, and takes a worker over from a vCPU that is ahead
// of it by more than a slice. Nothing is published to guests: no level waits in the sense of the
// policy.
//
// Cost: O(log n) an event and a decision, n the number of vCPUs; preempt() looks at each worker.
#include "sched/policy/vcpu_table.hpp"

#include <map>
#include <set>

namespace vmm::sched {
namespace {

struct FairEntry : VcpuEntry {
    std::uint64_t virtual_time = 0;
};

class FairPolicy final : public Policy {
public:
    std::string_view name() const noexcept override { return "fair"; }
    void apply(const Event& event) override;
    std::optional<Decision> pick(std::uint32_t worker, std::uint64_t now_ns) override;
    std::optional<Preemption> preempt(std::uint64_t now_ns) override;
    std::uint64_t waiting_levels(std::uint32_t /*guest*/) const noexcept override { return 0; }

private:
    using Entry = FairEntry;

    void enqueue(Entry& entry);
    void leave_worker(Entry& entry, const Event& event);

    std::map<VcpuId, Entry> vcpus_;
    std::set<QueueKey> ready_;
    std::map<VcpuId, const Entry*> running_;  // one per busy worker
    std::uint64_t served_ = 0;                // virtual time of the vCPU served last
};

void FairPolicy::enqueue(Entry& entry) {
    entry.virtual_time = std::max(entry.virtual_time, served_);
    ready_.insert({entry.virtual_time, entry.id});
    entry.state = Entry::State::ready;
}

void FairPolicy::leave_worker(Entry& entry, const Event& event) {
    if (entry.state == Entry::State::running) {
        running_.erase(entry.id);
        entry.virtual_time += virtual_cost(event.ran_ns, entry.weight);
        entry.state = Entry::State::idle;
    }
}

void FairPolicy::apply(const Event& event) {
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
    entry.level = effective_level(entry, event.level);
    switch (event.kind) {
    case EventKind::ready:
        if (entry.state == Entry::State::idle) {
            enqueue(entry);
        }
        break;
    case EventKind::ran:
        leave_worker(entry, event);
        if (entry.state == Entry::State::idle) {
            enqueue(entry);
        }
        break;
    case EventKind::idle:
        leave_worker(entry, event);
        break;
    case EventKind::remove:
        ready_.erase({entry.virtual_time, entry.id});
        running_.erase(entry.id);
        vcpus_.erase(found);
        break;
    case EventKind::add:
    case EventKind::claim:
        break;
    }
}

std::optional<Decision> FairPolicy::pick(std::uint32_t worker, std::uint64_t now_ns) {
    if (ready_.empty()) {
        return std::nullopt;
    }
    const QueueKey first = *ready_.begin();
    ready_.erase(ready_.begin());
    Entry& entry = vcpus_.find(first.id)->second;
    served_ = std::max(served_, first.virtual_time);
    entry.state = Entry::State::running;
    entry.worker = worker;
    entry.charged_to = now_ns;
    running_.emplace(entry.id, &entry);
    return Decision{.id = first.id, .level = entry.level, .slice_ns = kSliceNs};
}

std::optional<Preemption> FairPolicy::preempt(std::uint64_t now_ns) {
    if (ready_.empty()) {
        return std::nullopt;
    }
    const Entry* furthest = nullptr;
    std::uint64_t furthest_time = 0;
    for (const auto& [id, entry] : running_) {
        const std::uint64_t ran = now_ns > entry->charged_to ? now_ns - entry->charged_to : 0;
        const std::uint64_t time = entry->virtual_time + virtual_cost(ran, entry->weight);
        if (furthest == nullptr || time > furthest_time) {
            furthest = entry;
            furthest_time = time;
        }
    }
    if (furthest == nullptr) {
        return std::nullopt;
    }
    const QueueKey& first = *ready_.begin();
    const Entry& waiting = vcpus_.find(first.id)->second;
    if (first.virtual_time + virtual_cost(kSliceNs, furthest->weight) >= furthest_time) {
        return std::nullopt;
    }
    return Preemption{.worker = furthest->worker, .victim = furthest->id, .level = waiting.level};
}

}  // namespace

std::unique_ptr<Policy> make_fair_policy() {
    return std::make_unique<FairPolicy>();
}

}  // namespace vmm::sched
