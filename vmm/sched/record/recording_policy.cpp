// SPDX-License-Identifier: Apache-2.0
#include "sched/record/recording_policy.hpp"

#include <utility>

namespace vmm::sched {
namespace {

class RecordingPolicy final : public Policy {
public:
    RecordingPolicy(std::unique_ptr<Policy> policy, Recorder& recorder, std::uint32_t first_worker)
        : policy_(std::move(policy))
        , recorder_(recorder)
        , first_worker_(first_worker) {}

    std::string_view name() const noexcept override { return policy_->name(); }

    void apply(const Event& event) override {
        policy_->apply(event);
        Event shown = event;
        shown.worker += first_worker_;
        recorder_.push(shown);
    }
    std::optional<Decision> pick(std::uint32_t worker, std::uint64_t now_ns) override {
        const auto decision = policy_->pick(worker, now_ns);
        recorder_.push(
            PickRecord{.time_ns = now_ns, .worker = first_worker_ + worker, .decision = decision}
        );
        return decision;
    }
    std::optional<Preemption> preempt(std::uint64_t now_ns) override {
        const auto preemption = policy_->preempt(now_ns);
        PreemptRecord record{.time_ns = now_ns, .preemption = preemption};
        if (record.preemption) {
            record.preemption->worker += first_worker_;
        }
        recorder_.push(record);
        return preemption;
    }
    // These change nothing, and follow from what was recorded.
    std::uint64_t waiting_levels(GuestId guest) const noexcept override {
        return policy_->waiting_levels(guest);
    }
    std::optional<VcpuId> first_to_yield() const noexcept override {
        return policy_->first_to_yield();
    }
    std::uint8_t effective_level(const VcpuId& id) const noexcept override {
        return policy_->effective_level(id);
    }
    std::optional<std::uint32_t>
    choose_worker(std::uint32_t warm, const WorkerSet& idle) const noexcept override {
        return policy_->choose_worker(warm, idle);
    }
    bool inherits(const VcpuId& id) const noexcept override { return policy_->inherits(id); }
    std::optional<std::int64_t>
    budget_left(GuestId guest, std::uint64_t now_ns) const noexcept override {
        return policy_->budget_left(guest, now_ns);
    }
    std::uint64_t waiting_siblings(const VcpuId& id) const noexcept override {
        return policy_->waiting_siblings(id);
    }

private:
    const std::unique_ptr<Policy> policy_;
    Recorder& recorder_;
    const std::uint32_t first_worker_;
};

}  // namespace

std::unique_ptr<Policy> make_recording_policy(
    std::unique_ptr<Policy> policy, Recorder& recorder, std::uint32_t first_worker
) {
    return std::make_unique<RecordingPolicy>(std::move(policy), recorder, first_worker);
}

}  // namespace vmm::sched
