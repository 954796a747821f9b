// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sched/policy/accounts.hpp"
#include "sched/policy/id_table.hpp"
#include "sched/policy/indexed_heap.hpp"
#include "sched/policy/policy.hpp"

#include <algorithm>
#include <array>
#include <compare>
#include <cstdint>
#include <vector>

namespace vmm::sched {

/// Virtual time that `ran_ns` costs a guest of `weight`: never nothing, so that a queue always
/// moves.
constexpr std::uint64_t virtual_cost(std::uint64_t ran_ns, std::uint32_t weight) {
    constexpr std::uint64_t kUnit = 1024;  // a weight of 1024 advances at the pace of real time
    constexpr std::uint64_t kLongest = std::uint64_t{1} << 50;  // keeps the product in 64 bits
    return std::max<std::uint64_t>(
        1, std::min(ran_ns, kLongest) * kUnit / std::max<std::uint32_t>(weight, 1)
    );
}

/// What a policy usually is: vCPUs are queued by rank, guests within a rank by weight, and the
/// rules of tenants (ceiling, budget, guaranteed share) hold. A policy that derives from this says
/// which rank a level has; see priority.cpp and rr.cpp.
///
/// Within a rank, guests are served by start-time fair queueing: a guest's virtual time at the rank
/// grows by what its vCPUs run there, divided by its weight; the least runs next. A guest that
/// comes to a rank begins at the virtual time of the guest that the rank served last, if it is
/// behind it: nobody saves up turns by sleeping, and since each rank has its own times, nobody
/// sheds a debt by changing levels. A running vCPU that comes to another rank is served there if it
/// would be next; else it makes way. A turn is charged when it begins and settled when it ends, so
/// that several workers that pick at once don't all pick from one guest. The vCPUs of one guest and
/// rank take turns.
///
/// Cost: O(log n) an event and a decision, n the number of guests with something ready. What
/// changes a guest as a whole (its terms, the end of its budget) costs O(k), k its vCPUs.
class TenantPolicy : public Policy {
public:
    TenantPolicy(const TenantPolicy&) = delete;
    TenantPolicy& operator=(const TenantPolicy&) = delete;

    void apply(const Event& event) final;
    std::optional<Decision> pick(std::uint32_t worker, std::uint64_t now_ns) final;
    std::optional<Preemption> preempt(std::uint64_t now_ns) override;
    std::uint64_t waiting_levels(GuestId guest) const noexcept final;
    std::optional<VcpuId> first_to_yield() const noexcept final;
    std::uint8_t effective_level(const VcpuId& id) const noexcept final;
    bool inherits(const VcpuId& id) const noexcept final;
    std::optional<std::int64_t>
    budget_left(GuestId guest, std::uint64_t now_ns) const noexcept final;
    std::uint64_t waiting_siblings(const VcpuId& id) const noexcept final;

protected:
    enum class Order : std::uint8_t {
        virtual_time,  ///< Guests by weight.
        arrival,       ///< vCPUs in the order in which they became ready, whatever their guests.
    };
    struct Rules {
        std::uint64_t slice_ns = kSliceNs;
        Order order = Order::virtual_time;
        /// Ranks are levels: guests see those that wait elsewhere, and victims are asked to yield.
        bool shows_levels = false;
        /// Once used up, a budget must be full again before it pays; else a slice of it is enough.
        bool budgets_refill_whole = false;
    };

    struct alignas(64) Vcpu {
        enum class State : std::uint8_t { idle, ready, running };

        VcpuId id;
        std::uint32_t guest = 0;  ///< Slot in the table of guests.
        State state = State::idle;
        std::uint8_t claim = kLevelCount;  ///< Its own.
        std::uint8_t level = 0;            ///< Effective level.
        std::uint8_t rank = 0;
        bool above = false;    ///< Runs on the budget: above the base level, or began to.
        bool awaited = false;  ///< Others of the guest may wait for it. Not while it is idle.
        /// Came to its rank while it ran, and others may have had a better right to run there.
        bool out_of_turn = false;
        std::uint32_t worker = 0;  ///< While running.
        std::uint32_t next = 0;    ///< While ready: neighbours in its queue.
        std::uint32_t previous = 0;
        std::uint64_t arrival = 0;     ///< Number of its becoming ready.
        std::uint64_t charged_to = 0;  ///< Time up to which the current run is charged.
        std::uint64_t prepaid = 0;     ///< Virtual time that it was charged in advance.
    };

    explicit TenantPolicy(const Rules& rules)
        : rules_(rules) {
        on_worker_.fill(kNone);
    }

    /// Which of kLevelCount queues a vCPU of this level waits in; the first is served first.
    virtual std::uint8_t rank(const TenantTerms& terms, std::uint8_t level) const = 0;
    /// The terms under which a guest that asks for `terms` runs.
    virtual TenantTerms grant(const TenantTerms& terms) const { return terms; }

    /// Virtual time of the waiting guest that would be served next; kNever: none waits, or one
    /// that is due.
    std::uint64_t first_waiting_time() const noexcept;
    /// The running vCPU that ran furthest, by the virtual time that its guest would have if its
    /// turn ended now, and that time. Leaves out those whose guest is due.
    std::pair<const Vcpu*, std::uint64_t> furthest_running(std::uint64_t now_ns) const;
    std::uint32_t weight_of(const Vcpu& vcpu) const { return guests_[vcpu.guest].terms.weight; }
    /// Effective level of the vCPU that is served next. Something must wait.
    std::uint8_t first_waiting_level() const;

private:
    static constexpr std::uint32_t kNone = ~std::uint32_t{0};
    static constexpr std::uint32_t kMostGuests = (1U << 24) - 1;  ///< 10 GB of them.

    /// One guest at one rank.
    struct Queue {
        std::uint64_t virtual_time = 0;
        std::uint32_t first = kNone;  ///< Ready vCPUs, in order of arrival.
        std::uint32_t last = kNone;
        std::uint32_t running = 0;
    };
    /// What every decision looks at comes first, two cache lines.
    struct alignas(64) Guest {
        std::uint64_t ready_ranks = 0;  ///< Bit r: a vCPU is ready at rank r.
        std::uint64_t settled_to = 0;   ///< Time up to which the accounts are settled.
        std::uint32_t ready = 0;
        std::uint32_t running = 0;
        std::uint32_t above = 0;  ///< Of those that run: on the budget.
        bool waits_as_due = false;
        /// While somebody is awaited: the most urgent claim of a vCPU that is ready or running.
        std::uint8_t most_urgent = kLevelCount;
        std::uint16_t awaited = 0;  ///< vCPUs.
        Budget budget;
        TenantTerms terms;
        Guarantee guarantee;
        std::uint64_t deadline = 0;  ///< While due.
        GuestId id;
        std::vector<std::uint32_t> vcpus;  ///< Slots, in the order of ids.
    };
    /// Place of a guest among those with something ready. A guest that is due comes first.
    struct ReadyKey {
        std::uint64_t order = 0;        ///< Deadline, virtual time or number of arrival.
        std::uint32_t guest = 0;        ///< Of the id, to tell guests of equal order apart.
        std::uint32_t slot : 24 = 0;    ///< Bits, so that a key has 16 bytes.
        std::uint32_t urgency : 8 = 0;  ///< 0: due; else 1 + rank.
    };
    /// The id makes the order total, whatever the order of addition.
    struct ReadyLess {
        const std::vector<Guest>* guests;
        bool operator()(const ReadyKey& a, const ReadyKey& b) const {
            if (a.urgency != b.urgency) {
                return a.urgency < b.urgency;
            }
            if (a.order != b.order) {
                return a.order < b.order;
            }
            if (a.guest != b.guest) {
                return a.guest < b.guest;
            }
            return (*guests)[a.slot].id < (*guests)[b.slot].id;
        }
    };
    /// Place of a running vCPU: the first to make way is the least.
    struct RunningKey {
        std::uint32_t slot = 0;
        std::uint8_t urgency = 0;
        bool out_of_turn = false;
    };
    struct RunningLess {
        const std::vector<Vcpu>* vcpus;
        bool operator()(const RunningKey& a, const RunningKey& b) const {
            if (a.urgency != b.urgency) {
                return a.urgency > b.urgency;
            }
            if (a.out_of_turn != b.out_of_turn) {
                return a.out_of_turn;
            }
            return (*vcpus)[a.slot].id > (*vcpus)[b.slot].id;
        }
    };
    /// When a guest's accounts turn; which of several at one time comes first makes no difference.
    struct TurnKey {
        std::uint64_t time = 0;
        std::uint32_t slot = 0;
    };
    struct TurnLess {
        bool operator()(const TurnKey& a, const TurnKey& b) const { return a.time < b.time; }
    };
    struct HashId {
        std::size_t operator()(const VcpuId& id) const noexcept;
        std::size_t operator()(const GuestId& id) const noexcept;
    };

    std::uint64_t advance(std::uint64_t time_ns);
    std::uint32_t find(const Event& event) const;
    void add(const Event& event, std::uint64_t now);
    void set_terms(Guest& guest, const TenantTerms& terms, std::uint64_t now);
    void remove(std::uint32_t slot, Guest& guest, std::uint64_t now);
    void settle(Guest& guest, std::uint64_t now);
    void update(Guest& guest, std::uint64_t now);

    static std::uint8_t own_claim(const Guest& guest, const Vcpu& vcpu);
    static std::uint8_t claim_in_force(const Guest& guest, const Vcpu& vcpu);
    void take_claim(std::uint32_t slot, Guest& guest, const Event& event, std::uint64_t now);
    void forget_claim(std::uint32_t slot, Guest& guest, std::uint64_t now);
    void bequeath(Guest& guest, std::uint32_t claimant, std::uint64_t now);
    std::uint8_t level_of(const Guest& guest, std::uint8_t claim) const;
    void place(std::uint32_t slot, Guest& guest, std::uint64_t now);
    void enqueue(std::uint32_t slot, Guest& guest, bool goes_on);
    void dequeue(std::uint32_t slot, Guest& guest);
    void start(std::uint32_t slot, Guest& guest, std::uint64_t now);
    void prepay(Vcpu& vcpu, const Guest& guest);
    void charge(Vcpu& vcpu, const Guest& guest, std::uint64_t ran_ns);
    void leave_worker(std::uint32_t slot, Guest& guest, std::uint64_t ran_ns);
    void join(const Guest& guest, Queue& queue, std::uint8_t rank, bool goes_on);
    bool serve_running(const Queue& queue, std::uint8_t rank);
    bool others_are_next(const Vcpu& vcpu) const;
    bool runs_ahead(const Vcpu& vcpu) const;
    std::uint64_t slice(const Guest& guest, const Vcpu& vcpu) const;

    Queue& queue(const Guest& guest, std::uint8_t rank);
    const Queue& queue(const Guest& guest, std::uint8_t rank) const {
        return queues_[rank][slot_of(guest)];
    }
    std::uint32_t slot_of(const Guest& guest) const {
        return static_cast<std::uint32_t>(&guest - guests_.data());
    }
    ReadyKey ready_key(const Guest& guest) const;
    RunningKey running_key(std::uint32_t slot) const;
    void mark_waiting(Guest& guest, std::uint8_t rank, bool waits);

    const Rules rules_;
    std::uint64_t now_ = 0;
    std::uint64_t arrivals_ = 0;

    std::array<std::uint32_t, 256> on_worker_;  // slot of the vCPU that runs there
    std::vector<Vcpu> vcpus_;
    std::vector<std::uint32_t> free_vcpus_;  // slots of removed ones
    std::vector<Guest> guests_;              // grows only
    IdTable<VcpuId, HashId> vcpu_slots_;
    IdTable<GuestId, HashId> guest_slots_;

    std::array<std::vector<Queue>, kLevelCount> queues_;  // by rank and slot of guest
    std::array<std::uint64_t, kLevelCount> served_{};     // virtual time of the guest served last
    IndexedHeap<ReadyKey, ReadyLess> ready_{ReadyLess{&guests_}};
    IndexedHeap<RunningKey, RunningLess> running_{RunningLess{&vcpus_}};
    IndexedHeap<TurnKey, TurnLess> turns_;

    // How many guests wait at each rank, so that "what waits outside this guest" is one look-up.
    std::array<std::uint32_t, kLevelCount> guests_at_{};
    std::uint64_t any_ = 0;          // ranks at which some guest waits
    std::uint64_t single_ = 0;       // ranks at which exactly one guest waits
    std::uint32_t waiting_due_ = 0;  // guests that wait as due
};

std::unique_ptr<Policy> make_priority_policy(const PolicyOptions& options);
std::unique_ptr<Policy> make_fair_policy(const PolicyOptions& options);
std::unique_ptr<Policy> make_round_robin_policy(const PolicyOptions& options);
std::unique_ptr<Policy> make_pvsched_policy(const PolicyOptions& options);

}  // namespace vmm::sched
