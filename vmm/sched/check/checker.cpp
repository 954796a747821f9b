// SPDX-License-Identifier: Apache-2.0
#include "sched/check/checker.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace vmm::sched {
namespace {

/// A worker that was called comes within this time: the affair of the host's scheduler, which
/// promises nothing, so generous.
constexpr double kWorkerComes = 1e9;
constexpr double kLeastBurst = 100e3;

}  // namespace

DecisionChecker::DecisionChecker(
    const RunFacts& facts, Replay replay, HoldUps hold_ups, const DecisionCheckOptions& options
)
    : facts_(facts)
    , replay_(std::move(replay))
    , hold_ups_(std::move(hold_ups))
    , margins_{
          .slice = static_cast<double>(
              facts.policy == "rr" ? facts.of_policy.quantum_ns : facts.tick_ns
          ),
          .grace = static_cast<double>(facts.grace_ns),
          .section = static_cast<double>(facts.section_ns),
          .obey = static_cast<double>(options.obey_ns),
          .workers = facts.workers,
      } {
    for (const RunFacts::GuestFacts& of : facts.guests) {
        Guest& guest = guests_[of.id];
        guest.vcpus = of.vcpus;
        guest.terms = of.terms;
        guest.share = {.property = "share of " + of.name, .is_time = true, .where = {}};
        guest.budget = {.property = "budget of " + of.name, .is_time = true, .where = {}};
    }
}

void DecisionChecker::step(const Record& record, std::uint64_t line) {
    line_ = line;
    const Nanos now = std::visit([](const auto& one) { return one.time_ns; }, record);
    now_ = now_ == 0 ? now : now_;
    elapse(std::max(now, now_));
    const bool compared = replay_.step(record);
    if (compared) {
        count(replayed_, !replay_.difference().empty(), replay_.difference());
    }
    std::visit([this](const auto& one) { apply(one); }, record);
}

// ---- Time --------------------------------------------------------------------------------------

/// The level at which vCPUs of the policy compete; the same for all where levels decide nothing.
std::uint8_t DecisionChecker::rank_of(const VcpuId& id, const TenantTerms& terms) const {
    const std::uint8_t level = replay_.effective_level(id);
    if (facts_.policy == "priority") {
        return level;
    }
    return facts_.policy == "pvsched" && level >= terms.base_level ? 1 : 0;
}

DecisionChecker::Stretch DecisionChecker::stretch(Nanos now) const {
    Stretch stretch{.begin = now_, .end = now, .vcpus = {}};
    stretch.busy = on_worker_.size() >= facts_.workers;
    for (const auto& [id, vcpu] : vcpus_) {
        const TenantTerms& terms = guests_.at(id.of_guest()).terms;
        const bool running = vcpu.state == Vcpu::State::running;
        stretch.vcpus.push_back({
            .id = id,
            .level = rank_of(id, terms),
            .ready = vcpu.state == Vcpu::State::ready,
            .running = running,
            .shielded = running && terms.share != 0,
        });
    }
    return stretch;
}

/// How much of the stretch a worker may have been held up, counted in a window that began at
/// `since`.
double DecisionChecker::held_up(std::uint32_t worker, Nanos since, const Stretch& stretch) const {
    return hold_ups_.between(worker, since, stretch.end)
           - hold_ups_.between(worker, since, stretch.begin);
}

/// The same of the worker that must make way; while none must, of that which was held up least of
/// those whose vCPU `blocks`: each looks at least once a slice whether it must.
template <class Blocks>
double DecisionChecker::victim_held_up(Nanos since, const Stretch& stretch, Blocks blocks) const {
    if (victim_ && on_worker_.contains(*victim_)) {
        return held_up(*victim_, since, stretch);
    }
    double least = stretch.time();
    bool any = false;
    for (const SeenVcpu& vcpu : stretch.vcpus) {
        if (vcpu.running && blocks(vcpu)) {
            any = true;
            least = std::min(least, held_up(vcpus_.at(vcpu.id).worker, since, stretch));
        }
    }
    return any ? least : 0;
}

/// What turns were lost, spread over the workers.
double DecisionChecker::mean_held_up(Nanos since, const Stretch& stretch) const {
    double sum = 0;
    for (const auto& [worker, id] : on_worker_) {
        sum += held_up(worker, since, stretch);
    }
    return sum / facts_.workers;
}

/// From the record before to this one nothing changed.
void DecisionChecker::elapse(Nanos now) {
    Stretch stretch = this->stretch(now);
    observe_waits(stretch);
    for (auto& [id, guest] : guests_) {
        observe_guest(id, guest, stretch);
    }
    now_ = now;
}

void DecisionChecker::observe_waits(Stretch& stretch) {
    const bool turns = facts_.policy == "rr";
    bool any_ready = false;
    for (SeenVcpu& vcpu : stretch.vcpus) {
        any_ready = any_ready || vcpu.ready;
        Vcpu& mine = vcpus_.at(vcpu.id);
        if (!(turns ? turns_.waits(vcpu.id) : inversions_.waits(vcpu.id))) {
            mine.waits_since = stretch.begin;
        }
        const auto blocks = [&vcpu](const SeenVcpu& other) {
            return !other.shielded && other.level > vcpu.level;
        };
        if (vcpu.ready) {
            vcpu.held_up = turns ? mean_held_up(mine.waits_since, stretch)
                                 : victim_held_up(mine.waits_since, stretch, blocks);
        }
    }
    // Who waits beside a worker that has none waits for that worker to come.
    const double busy_time = stretch.busy ? stretch.time() : 0;
    if (stretch.busy) {
        inversions_.observe(busy_time, stretch.vcpus);
    } else {
        inversions_.pass_over(stretch.vcpus);
    }
    for (const SeenVcpu& vcpu : stretch.vcpus) {
        turns_.observe(vcpu.id, vcpu.ready, std::max(0.0, busy_time - vcpu.held_up));
        idle_.observe(vcpu.id, vcpu.ready && !stretch.busy, stretch.time());
    }
    idle_worker_.checked += any_ready && !stretch.busy ? 1 : 0;
    inversion_.checked += any_ready && stretch.busy ? 1 : 0;
    turn_.checked += any_ready && stretch.busy ? 1 : 0;
    most_vcpus_ = std::max(most_vcpus_, vcpus_.size());
    note(idle_worker_, idle_.most(), kWorkerComes);
    note(inversion_, inversions_.most(), inversion_bound(margins_, false));
    note(turn_, turns_.most(), turn_bound(margins_, most_vcpus_));
}

void DecisionChecker::observe_guest(const GuestId& id, Guest& guest, const Stretch& stretch) {
    SeenGuest seen;
    std::uint32_t above = 0;
    double above_held_up = 0;
    for (const SeenVcpu& vcpu : stretch.vcpus) {
        const Vcpu& mine = vcpus_.at(vcpu.id);
        if (vcpu.id.of_guest() != id) {
            continue;
        }
        seen.runnable += vcpu.ready || vcpu.running ? 1 : 0;
        seen.running += vcpu.running ? 1 : 0;
        above += mine.above ? 1 : 0;
        above_held_up += mine.above ? held_up(mine.worker, guest.use_begin, stretch) : 0;
    }
    const double time = stretch.time();
    if (guest.terms.share != 0) {
        const auto is_other = [&id](const SeenVcpu& vcpu) { return vcpu.id.of_guest() != id; };
        const bool worker_comes = !stretch.busy && seen.runnable != seen.running;
        const double held_up =
            worker_comes ? time : victim_held_up(guest.lag_begin, stretch, is_other);
        guest.lag.observe(time, guest.terms.share, seen, held_up);
        guest.lag_begin = guest.lag.none() ? stretch.end : guest.lag_begin;
        guest.share.checked += seen.runnable != 0 ? 1 : 0;
        note(guest.share, guest.lag.most(), share_bound(margins_, guest.terms.share / 1000.0));
    }
    if (guest.terms.budget_rate != 0) {
        guest.use.observe(time, guest.terms.budget_rate, above, above_held_up);
        guest.use_begin = guest.use.none() ? stretch.end : guest.use_begin;
        guest.budget.checked += above != 0 ? 1 : 0;
        Margins margins = margins_;
        margins.slice = std::max(margins.slice, static_cast<double>(facts_.tick_ns));
        const double burst =
            std::max(kLeastBurst, static_cast<double>(guest.terms.budget_burst_ns));
        const auto vcpus = static_cast<double>(std::min(guest.vcpus, facts_.workers));
        note(guest.budget, guest.use.most(), budget_bound(margins, burst, vcpus));
    }
}

// ---- Records -----------------------------------------------------------------------------------

void DecisionChecker::apply(const Event& event) {
    Guest& guest = guests_[event.id.of_guest()];
    if (event.kind == EventKind::add || event.kind == EventKind::tenant) {
        set_terms(guest, event.terms);
    }
    if (event.kind == EventKind::add) {
        vcpus_.try_emplace(event.id);
    }
    const auto found = vcpus_.find(event.id);
    if (found == vcpus_.end()) {
        return;
    }
    Vcpu& vcpu = found->second;
    switch (event.kind) {
    case EventKind::ready:
        vcpu.state = Vcpu::State::ready;
        [[fallthrough]];
    case EventKind::claim:
        vcpu.claim = event.level;
        vcpu.awaited = event.awaited;
        break;
    case EventKind::ran:
    case EventKind::idle:
    case EventKind::remove:
        if (vcpu.state == Vcpu::State::running) {
            on_worker_.erase(vcpu.worker);
        }
        vcpu.claim = event.kind == EventKind::ran ? event.level : vcpu.claim;
        vcpu.awaited = event.kind == EventKind::ran && event.awaited;
        vcpu.state = event.kind == EventKind::ran ? Vcpu::State::ready : Vcpu::State::idle;
        vcpu.above = false;
        if (event.kind == EventKind::remove) {
            vcpus_.erase(found);
        }
        break;
    case EventKind::add:
    case EventKind::tenant:
        break;
    }
    update_above(event.id.of_guest());
}

/// The level of a runnable vCPU while its guest has budget: its own, or that of another that may
/// wait for it.
std::uint8_t DecisionChecker::level_of(const VcpuId& id) const {
    const TenantTerms& terms = guests_.at(id.of_guest()).terms;
    const Vcpu& vcpu = vcpus_.at(id);
    std::uint8_t level = level_of_claim(terms, vcpu.claim);
    for (const auto& [other_id, other] : vcpus_) {
        if (vcpu.awaited && other_id.of_guest() == id.of_guest()
            && other.state != Vcpu::State::idle) {
            level = std::min(level, level_of_claim(terms, other.claim));
        }
    }
    return level;
}

/// Who no longer competes above the base level does not run on the budget.
void DecisionChecker::update_above(const GuestId& guest) {
    for (auto& [id, vcpu] : vcpus_) {
        if (vcpu.above && id.of_guest() == guest) {
            vcpu.above = level_of(id) < guests_.at(guest).terms.base_level;
        }
    }
}

void DecisionChecker::apply(const PreemptRecord& preempt) {
    victim_.reset();
    if (preempt.preemption) {
        victim_ = preempt.preemption->worker;
    }
}

void DecisionChecker::apply(const PickRecord& pick) {
    if (!pick.decision) {
        const auto ready = std::ranges::find_if(vcpus_, [](const auto& one) {
            return one.second.state == Vcpu::State::ready;
        });
        count(conserving_, ready != vcpus_.end(), "nobody was picked while a vCPU was ready");
        return;
    }
    const Decision& decision = *pick.decision;
    const auto found = vcpus_.find(decision.id);
    if (found == vcpus_.end() || found->second.state != Vcpu::State::ready) {
        count(conserving_, true, "a vCPU was picked that was not ready");
        return;
    }
    count(conserving_, on_worker_.contains(pick.worker), "the worker had a vCPU already");
    on_worker_[pick.worker] = decision.id;
    Vcpu& vcpu = found->second;
    const TenantTerms& terms = guests_[decision.id.of_guest()].terms;
    const std::uint8_t of_claim = level_of(decision.id);
    // pvsched has budgets of its own for those that have none.
    const bool limited = terms.budget_rate != 0 || facts_.policy == "pvsched";
    count(
        ceiling_,
        !level_holds(terms, of_claim, decision.level, limited)
            || (decision.due && terms.share == 0),
        fmt::format(
            "the claim is {}, the ceiling {}, the base level {}, and the decision at level {}{}",
            vcpu.claim,
            terms.ceiling,
            terms.base_level,
            decision.level,
            decision.due ? ", due" : ""
        )
    );
    vcpu.state = Vcpu::State::running;
    vcpu.worker = pick.worker;
    vcpu.above = decision.level < terms.base_level;
}

/// Other terms, other bounds: what was counted under the old ones stays as the worst so far.
void DecisionChecker::set_terms(Guest& guest, const TenantTerms& terms) {
    if (guest.terms != terms) {
        guest.terms = terms;
        guest.lag = {};
        guest.use = {};
    }
}

// ---- Findings ----------------------------------------------------------------------------------

std::string DecisionChecker::at() const {
    return fmt::format("line {}", line_);
}

/// One more decision.
void DecisionChecker::count(PropertyFinding& finding, bool broken, std::string_view what) const {
    ++finding.checked;
    finding.worst += broken ? 1 : 0;
    if (broken && finding.where.empty()) {
        finding.where = fmt::format("{}: {}", at(), what);
    }
}

/// The worst is the one that comes nearest to its bound.
void DecisionChecker::note(PropertyFinding& finding, double value, double bound) const {
    if (finding.bound == 0 || value / bound > finding.worst / finding.bound) {
        finding.where = value > 0 ? at() : "";
        finding.worst = value;
        finding.bound = bound;
    }
}

std::vector<PropertyFinding> DecisionChecker::findings() const {
    std::vector<PropertyFinding> all{conserving_, idle_worker_, ceiling_};
    if (facts_.policy == "priority" || facts_.policy == "pvsched") {
        all.push_back(inversion_);
    }
    bool shares = false;
    for (const auto& [id, guest] : guests_) {
        shares = shares || guest.share.checked != 0;
    }
    if (facts_.policy == "rr" && !shares) {
        all.push_back(turn_);
    }
    for (const auto& [id, guest] : guests_) {
        for (const PropertyFinding& finding : {guest.share, guest.budget}) {
            if (finding.bound != 0) {
                all.push_back(finding);
            }
        }
    }
    all.push_back(replayed_);
    return all;
}

}  // namespace vmm::sched
