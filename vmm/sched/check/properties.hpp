// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sched/policy/policy.hpp"

#include <algorithm>
#include <cstdint>
#include <map>
#include <span>

// What policies promise (docs/design/scheduling.md), each stated once: the property tests hold it
// against generated runs, check_decisions() against recorded ones.
namespace vmm::sched {

/// What bounds depend on. Times in nanoseconds.
struct Margins {
    double slice = 1e6;   ///< The longest turn; claims and accounts are looked at once a slice.
    double grace = 50e3;  ///< For who is asked to yield.
    double section =
        0;            ///< For who must stop in a critical section; none where there are no guests.
    double obey = 0;  ///< To leave the guest; nothing where none is simulated.
    unsigned workers = 1;
};

/// For how long a more urgent vCPU may wait while a less urgent one runs; `steady`: claims don't
/// change meanwhile.
constexpr double inversion_bound(const Margins& m, bool steady) {
    return m.workers * (m.grace + m.section + m.obey) + (steady ? 0 : m.slice);
}

/// What a guest of `share` (in CPUs) may lack of it at the end of any time in which it is runnable.
constexpr double share_bound(const Margins& m, double share) {
    const double tick = std::clamp(share * 10e6, 0.1e6, 1e6);
    return 5 * tick + (1 + share * (2 * m.workers + 2)) * 1e6 + share * (m.section + m.obey);
}

/// What a guest may run above its base level in any time, beyond what its budget earns meanwhile;
/// `vcpus`: at once, as many as it has and as there are workers.
constexpr double budget_bound(const Margins& m, double burst, double vcpus) {
    return burst + vcpus * (m.slice + m.workers * m.grace + m.section + m.obey);
}

/// For how long one of `vcpus` waits when all take turns.
constexpr double turn_bound(const Margins& m, std::size_t vcpus) {
    const std::size_t turns = (vcpus + m.workers - 1) / m.workers;
    return static_cast<double>(turns) * (m.slice + m.section + m.obey);
}

/// The level of a vCPU while its guest has budget.
constexpr std::uint8_t level_of_claim(const TenantTerms& terms, std::uint8_t claim) {
    return claim >= kLevelCount ? terms.base_level : std::max(claim, terms.ceiling);
}

/// A decision may be at `level` for a vCPU whose claim counts as `of_claim`. `limited`: its guest
/// has a budget, which may be used up.
constexpr bool
level_holds(const TenantTerms& terms, std::uint8_t of_claim, std::uint8_t level, bool limited) {
    return level >= terms.ceiling
           && (level == of_claim || (limited && level == std::max(of_claim, terms.base_level)));
}

/// A vCPU while nothing changes.
struct SeenVcpu {
    VcpuId id;
    std::uint8_t level = kLevelCount;  ///< Effective; or the policy's rank, where it has others.
    bool ready = false;
    bool running = false;
    bool shielded = false;  ///< It runs for a share that may be due: nobody's level counts.
    double held_up = 0;     ///< For how long, of that time, what it waits for waited for the host.
};

/// vCPUs of one guest.
struct SeenGuest {
    std::uint32_t runnable = 0;
    std::uint32_t running = 0;
};

/// What somebody was owed and did not get, over the worst of all windows up to now: service below
/// `rate` times the length of a window is at most the largest value that this ever has.
class Lag {
public:
    void elapse(double owed, double got) {
        lag_ = std::max(0.0, lag_ + owed - got);
        most_ = std::max(most_, lag_);
    }
    void forget() { lag_ = 0; }
    bool none() const { return lag_ == 0; }
    double most() const { return most_; }

private:
    double lag_ = 0;
    double most_ = 0;
};

/// What a guest lacks of its guaranteed share, in windows throughout which it is runnable.
class ShareLag {
public:
    /// For `time`. `held_up`: that part of it in which nothing was owed.
    void observe(double time, std::uint32_t share, SeenGuest guest, double held_up = 0) {
        const double cpus = std::min<double>(share / 1000.0, guest.runnable);
        lag_.elapse(cpus * (time - held_up), guest.running * time);
        if (guest.runnable == 0) {
            lag_.forget();
        }
    }
    /// A window may begin now: it lacks nothing.
    bool none() const { return lag_.none(); }
    double most() const { return lag_.most(); }

private:
    Lag lag_;
};

/// What a guest ran above its base level beyond what its budget earned, in the worst window.
class BudgetUse {
public:
    void observe(double time, std::uint32_t rate, std::uint32_t above, double held_up = 0) {
        use_.elapse(above * time, rate / 1000.0 * time + held_up);
    }
    bool none() const { return use_.none(); }
    double most() const { return use_.most(); }

private:
    Lag use_;
};

/// How long vCPUs wait for something.
class LongestWait {
public:
    /// For `time` the vCPU waited, or did not.
    void observe(const VcpuId& id, bool waits, double time) {
        double& waited = waited_.try_emplace(id, kNot).first->second;
        waited = waits ? std::max(0.0, waited) + time : kNot;
        most_ = std::max(most_, waited);
    }
    /// It does, since it was last observed.
    bool waits(const VcpuId& id) const {
        const auto found = waited_.find(id);
        return found != waited_.end() && found->second != kNot;
    }
    double most() const { return most_; }

private:
    static constexpr double kNot = -1;
    std::map<VcpuId, double> waited_;
    double most_ = 0;
};

/// For how long each vCPU has waited while a less urgent one ran.
class Inversions {
public:
    void observe(double time, std::span<const SeenVcpu> vcpus) {
        std::uint8_t least_urgent = 0;
        for (const SeenVcpu& vcpu : vcpus) {
            const bool counts = vcpu.running && !vcpu.shielded;
            least_urgent = counts ? std::max(least_urgent, vcpu.level) : least_urgent;
        }
        for (const SeenVcpu& vcpu : vcpus) {
            const bool waits = vcpu.ready && vcpu.level < least_urgent;
            waits_.observe(vcpu.id, waits, std::max(0.0, time - vcpu.held_up));
        }
    }
    /// A moment at which a worker is between two vCPUs: nobody's wait ends but by not waiting.
    void pass_over(std::span<const SeenVcpu> vcpus) {
        for (const SeenVcpu& vcpu : vcpus) {
            waits_.observe(vcpu.id, vcpu.ready && waits_.waits(vcpu.id), 0);
        }
    }
    bool waits(const VcpuId& id) const { return waits_.waits(id); }
    double most() const { return waits_.most(); }

private:
    LongestWait waits_;
};

}  // namespace vmm::sched
