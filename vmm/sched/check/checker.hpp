// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sched/check/hold_ups.hpp"
#include "sched/check/properties.hpp"
#include "sched/check/replay.hpp"
#include "sched/record/record.hpp"

#include <vmm/decisions.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace vmm::sched {

/// Holds the records of one run, given in order, against the properties. Who ran when is taken from
/// the records alone; of the policy that is replayed beside them only effective levels are used.
class DecisionChecker {
public:
    /// `hold_ups`: what the host did to the workers, for all of the run.
    DecisionChecker(
        const RunFacts& facts, Replay replay, HoldUps hold_ups, const DecisionCheckOptions& options
    );

    /// `line`: of the record in its file.
    void step(const Record& record, std::uint64_t line);
    std::vector<PropertyFinding> findings() const;

private:
    struct Vcpu {
        enum class State : std::uint8_t { idle, ready, running };

        State state = State::idle;
        std::uint8_t claim = kLevelCount;
        bool awaited = false;
        std::uint32_t worker = 0;  ///< While running.
        bool above = false;        ///< It runs on its guest's budget.
        Nanos waits_since = 0;     ///< While it waits for what the policy bounds.
    };
    /// What is counted for one guest under one set of terms.
    struct Guest {
        std::uint32_t vcpus = 0;
        TenantTerms terms;
        ShareLag lag;
        Nanos lag_begin = 0;  ///< Of the window that `lag` is of.
        BudgetUse use;
        Nanos use_begin = 0;
        PropertyFinding share;  // the worst, over all terms
        PropertyFinding budget;
    };
    /// What a stretch of time was like.
    struct Stretch {
        Nanos begin = 0;
        Nanos end = 0;
        bool busy = false;  ///< Every worker had a vCPU.
        std::vector<SeenVcpu> vcpus;

        double time() const { return static_cast<double>(end - begin); }
    };

    void elapse(Nanos now);
    Stretch stretch(Nanos now) const;
    double held_up(std::uint32_t worker, Nanos since, const Stretch& stretch) const;
    template <class Blocks>
    double victim_held_up(Nanos since, const Stretch& stretch, Blocks blocks) const;
    double mean_held_up(Nanos since, const Stretch& stretch) const;
    void observe_waits(Stretch& stretch);
    void observe_guest(const GuestId& id, Guest& guest, const Stretch& stretch);
    void apply(const Event& event);
    void apply(const PickRecord& pick);
    void apply(const PreemptRecord& preempt);
    template <class Other>
    void apply(const Other& /*record*/) {}  // decides nothing
    void set_terms(Guest& guest, const TenantTerms& terms);
    std::uint8_t level_of(const VcpuId& id) const;
    void update_above(const GuestId& guest);
    std::uint8_t rank_of(const VcpuId& id, const TenantTerms& terms) const;
    void count(PropertyFinding& finding, bool broken, std::string_view what) const;
    void note(PropertyFinding& finding, double value, double bound) const;
    std::string at() const;

    const RunFacts facts_;
    Replay replay_;
    const HoldUps hold_ups_;
    Margins margins_;
    Nanos now_ = 0;
    std::uint64_t line_ = 0;
    std::size_t most_vcpus_ = 0;  ///< At once.
    std::map<VcpuId, Vcpu> vcpus_;
    std::map<std::uint32_t, VcpuId> on_worker_;
    std::optional<std::uint32_t> victim_;  // its worker, when somebody must make way
    std::map<GuestId, Guest> guests_;
    Inversions inversions_;
    LongestWait turns_;
    LongestWait idle_;

    PropertyFinding conserving_{.property = "work conserving", .where = {}};
    PropertyFinding idle_worker_{.property = "idle worker", .is_time = true, .where = {}};
    PropertyFinding ceiling_{.property = "ceiling", .where = {}};
    PropertyFinding inversion_{.property = "inversion", .is_time = true, .where = {}};
    PropertyFinding turn_{.property = "turn", .is_time = true, .where = {}};
    PropertyFinding replayed_{.property = "replay", .where = {}};
};

}  // namespace vmm::sched
