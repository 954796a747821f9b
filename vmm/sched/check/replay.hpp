// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sched/policy/policy.hpp"
#include "sched/record/record.hpp"

#include <memory>
#include <optional>
#include <string>

namespace vmm::sched {

/// Gives a fresh policy what a recorded one was told, in the same order, and compares what both
/// decide.
class Replay {
public:
    /// Of the policy that `facts` name; nothing: there is none of that name.
    static std::optional<Replay> of(const RunFacts& facts);

    /// As Policy::effective_level(), after the records so far.
    std::uint8_t effective_level(const VcpuId& id) const noexcept {
        return policy_->effective_level(id);
    }

    /// True: the record holds a decision, and it was compared.
    bool step(const Record& record);
    /// The first decision that the policy would not make, and what it decides; empty: none.
    const std::string& difference() const noexcept { return difference_; }

private:
    explicit Replay(std::unique_ptr<Policy> policy)
        : policy_(std::move(policy)) {}

    std::unique_ptr<Policy> policy_;
    std::string difference_;
};

}  // namespace vmm::sched
