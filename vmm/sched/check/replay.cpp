// SPDX-License-Identifier: Apache-2.0
#include "sched/check/replay.hpp"

#include <fmt/format.h>

#include <utility>

namespace vmm::sched {
namespace {

std::string text_of(const VcpuId& id) {
    return fmt::format("[{},{},{}]", id.domain, id.guest, id.vcpu);
}

std::string text_of(const std::optional<Decision>& decision) {
    return decision ? fmt::format(
                          "vCPU {} at level {} for {} ns{}",
                          text_of(decision->id),
                          decision->level,
                          decision->slice_ns,
                          decision->due ? ", due" : ""
                      )
                    : "nobody";
}

std::string text_of(const std::optional<Preemption>& preemption) {
    return preemption ? fmt::format(
                            "vCPU {} on worker {} makes way for level {}{}",
                            text_of(preemption->victim),
                            preemption->worker,
                            preemption->level,
                            preemption->ask ? ", asked" : ""
                        )
                      : "nobody makes way";
}

}  // namespace

std::optional<Replay> Replay::of(const RunFacts& facts) {
    auto policy = make_policy(facts.policy, facts.of_policy);
    return policy != nullptr ? std::optional(Replay(std::move(policy))) : std::nullopt;
}

bool Replay::step(const Record& record) {
    const auto compare = [this](const auto& recorded, const auto& replayed) {
        if (difference_.empty() && recorded != replayed) {
            difference_ =
                fmt::format("recorded: {}; replayed: {}", text_of(recorded), text_of(replayed));
        }
        return true;
    };
    if (const auto* event = std::get_if<Event>(&record)) {
        policy_->apply(*event);
    } else if (const auto* pick = std::get_if<PickRecord>(&record)) {
        return compare(pick->decision, policy_->pick(pick->worker, pick->time_ns));
    } else if (const auto* preempt = std::get_if<PreemptRecord>(&record)) {
        return compare(preempt->preemption, policy_->preempt(preempt->time_ns));
    }
    return false;
}

}  // namespace vmm::sched
