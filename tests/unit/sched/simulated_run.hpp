// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sched/policy/policy.hpp"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <string_view>
#include <vector>

namespace vmm::sched::test {

/// What a vCPU does over and over: it claims `level`, half-way `other_level`, runs for `run_us`
/// altogether and sleeps for `sleep_us`; a vCPU that doesn't sleep is always ready.
struct Behaviour {
    std::uint8_t level = 64;
    std::uint8_t other_level = 64;
    std::uint32_t run_us = 1000;
    std::uint32_t sleep_us = 0;
    bool awaited = false;  ///< Whenever it is runnable others of its guest may wait for it.
};

struct SimulatedGuest {
    TenantTerms terms;
    std::vector<Behaviour> vcpus;
};

inline std::ostream& operator<<(std::ostream& out, const SimulatedGuest& guest) {
    const TenantTerms& terms = guest.terms;
    out << "{base=" << int{terms.base_level} << " ceiling=" << int{terms.ceiling}
        << " weight=" << terms.weight << " budget=" << terms.budget_rate << "/"
        << terms.budget_burst_ns << " share=" << terms.share;
    for (const Behaviour& vcpu : guest.vcpus) {
        out << " [" << int{vcpu.level} << "," << int{vcpu.other_level} << " run " << vcpu.run_us
            << " sleep " << vcpu.sleep_us << (vcpu.awaited ? " awaited]" : "]");
    }
    return out << "}";
}

/// Guests on workers that obey a policy as WorkerPool does: a turn lasts as long as its slice, who
/// must make way does so within a grace time, and what time alone changes is noticed at the end of
/// the slice. Observers see each stretch of time in which nothing changes.
class SimulatedRun {
public:
    static constexpr std::uint64_t kGraceNs = 50'000;
    static constexpr std::uint64_t kSliceNs = 1'000'000;

    struct Vcpu {
        enum class State : std::uint8_t { idle, ready, running };

        VcpuId id;
        const SimulatedGuest* guest = nullptr;
        Behaviour behaviour;
        State state = State::idle;
        std::uint8_t claim = 64;
        std::uint64_t left = 0;   // to run until it sleeps
        std::uint64_t wakes = 0;  // while idle
        std::uint64_t started = 0;
        std::uint64_t turn_end = 0;
        std::uint64_t grace_end = 0;  // 0: it need not make way
        Decision decision;            // while running: what it runs by
        unsigned worker = 0;          // while running

        bool runnable() const { return state != State::idle; }
        bool running() const { return state == State::running; }
        /// By its own claim, while its guest has budget.
        std::uint8_t own_level() const {
            return claim >= 64 ? guest->terms.base_level : std::max(claim, guest->terms.ceiling);
        }
    };
    using Vcpus = std::map<VcpuId, Vcpu>;
    /// Level that a runnable vCPU competes at, while its guest has budget.
    static std::uint8_t effective(const Vcpus& vcpus, const Vcpu& vcpu) {
        std::uint8_t level = vcpu.own_level();
        for (const auto& [id, other] : vcpus) {
            if (vcpu.behaviour.awaited && other.runnable() && id.of_guest() == vcpu.id.of_guest()) {
                level = std::min(level, other.own_level());
            }
        }
        return level;
    }
    /// Nothing changed for `time_ns`.
    using Observer = std::function<void(std::uint64_t time_ns, const Vcpus& vcpus)>;

    SimulatedRun(
        std::unique_ptr<Policy> policy, unsigned workers, const std::vector<SimulatedGuest>& guests
    )
        : policy_(std::move(policy))
        , workers_(workers) {
        for (std::uint32_t g = 0; g < guests.size(); ++g) {
            for (std::uint32_t v = 0; v < guests[g].vcpus.size(); ++v) {
                const VcpuId id{.guest = g, .vcpu = v};
                Vcpu& vcpu = vcpus_[id];
                vcpu.id = id;
                vcpu.guest = &guests[g];
                vcpu.behaviour = guests[g].vcpus[v];
                policy_->apply(
                    {.kind = EventKind::add, .time_ns = now_, .id = id, .terms = guests[g].terms}
                );
            }
        }
    }

    void run(std::uint64_t time_ns, const Observer& observe) {
        const std::uint64_t end = now_ + time_ns;
        while (now_ < end) {
            settle();
            const std::uint64_t next = std::min(end, next_event());
            observe(next - now_, vcpus_);
            for (auto& [id, vcpu] : vcpus_) {
                vcpu.left -= vcpu.running() ? next - now_ : 0;
            }
            now_ = next;
        }
    }

private:
    static std::uint64_t half(const Behaviour& behaviour) {
        return std::max<std::uint64_t>(behaviour.run_us * std::uint64_t{1000} / 2, 1);
    }
    /// The second half of its work is claimed at the other level.
    static std::uint8_t claim_of(const Vcpu& vcpu) {
        return vcpu.left > half(vcpu.behaviour) ? vcpu.behaviour.level : vcpu.behaviour.other_level;
    }
    void apply(EventKind kind, const Vcpu& vcpu) {
        Event event{.kind = kind, .time_ns = now_, .id = vcpu.id, .level = vcpu.claim};
        if (vcpu.running()) {
            event.ran_ns = now_ - vcpu.started;
        }
        event.awaited = vcpu.behaviour.awaited;
        policy_->apply(event);
    }

    /// All that happens at this moment.
    void settle() {
        for (auto& [id, vcpu] : vcpus_) {
            step(vcpu);
        }
        for (;;) {
            for (unsigned worker = 0; worker < workers_.size(); ++worker) {
                if (!workers_[worker]) {
                    pick(worker);
                }
            }
            const auto preemption = policy_->preempt(now_);
            if (!preemption) {
                return;
            }
            Vcpu& victim = vcpus_.at(preemption->victim);
            if (preemption->ask) {
                victim.grace_end = victim.grace_end != 0 ? victim.grace_end : now_ + kGraceNs;
                return;
            }
            end_turn(victim);
        }
    }

    void step(Vcpu& vcpu) {
        if (vcpu.state == Vcpu::State::idle && vcpu.wakes <= now_) {
            vcpu.left = 2 * half(vcpu.behaviour);
            vcpu.claim = claim_of(vcpu);
            apply(EventKind::ready, vcpu);
            vcpu.state = Vcpu::State::ready;
        }
        if (!vcpu.running()) {
            return;
        }
        if (vcpu.left == 0 && vcpu.behaviour.sleep_us != 0) {
            apply(EventKind::idle, vcpu);
            workers_[vcpu.worker].reset();
            vcpu.state = Vcpu::State::idle;
            vcpu.wakes = now_ + vcpu.behaviour.sleep_us * std::uint64_t{1000};
            return;
        }
        if (vcpu.left == 0) {
            vcpu.left = 2 * half(vcpu.behaviour);
        }
        if (vcpu.claim != claim_of(vcpu)) {
            vcpu.claim = claim_of(vcpu);
            apply(EventKind::claim, vcpu);
        }
        bool ends = vcpu.turn_end <= now_;
        if (vcpu.grace_end != 0 && vcpu.grace_end <= now_) {
            const auto preemption = policy_->preempt(now_);
            ends = ends || (preemption && preemption->victim == vcpu.id);
            vcpu.grace_end = 0;
        }
        if (ends) {
            end_turn(vcpu);
        }
    }

    void end_turn(Vcpu& vcpu) {
        apply(EventKind::ran, vcpu);
        workers_[vcpu.worker].reset();
        vcpu.state = Vcpu::State::ready;
    }

    void pick(unsigned worker) {
        const auto decision = policy_->pick(worker, now_);
        if (!decision) {
            return;
        }
        Vcpu& vcpu = vcpus_.at(decision->id);
        vcpu.state = Vcpu::State::running;
        vcpu.decision = *decision;
        vcpu.worker = worker;
        vcpu.started = now_;
        vcpu.turn_end = now_ + decision->slice_ns;
        vcpu.grace_end = 0;
        workers_[worker] = vcpu.id;
    }

    std::uint64_t next_event() const {
        std::uint64_t next = ~std::uint64_t{0};
        for (const auto& [id, vcpu] : vcpus_) {
            if (vcpu.state == Vcpu::State::idle) {
                next = std::min(next, vcpu.wakes);
            } else if (vcpu.running()) {
                const std::uint64_t middle = half(vcpu.behaviour);
                const std::uint64_t stretch = vcpu.left > middle ? vcpu.left - middle : vcpu.left;
                next = std::min({next, now_ + stretch, vcpu.turn_end});
                next = vcpu.grace_end != 0 ? std::min(next, vcpu.grace_end) : next;
            }
        }
        return next;
    }

    std::unique_ptr<Policy> policy_;
    Vcpus vcpus_;
    std::vector<std::optional<VcpuId>> workers_;
    std::uint64_t now_ = 1;
};

}  // namespace vmm::sched::test
