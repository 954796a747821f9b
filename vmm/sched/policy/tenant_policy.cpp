// SPDX-License-Identifier: Apache-2.0
#include "sched/policy/tenant_policy.hpp"

#include <bit>

namespace vmm::sched {
namespace {

/// How far a guest that always has work may fall behind the one served last, in time of its own: a
/// guest too heavy for the vCPUs that it has would else save up without end.
constexpr std::uint64_t kMostLagNs = 16 * kSliceNs;

/// Mixes all bits of `value` into all others (the finaliser of SplitMix64).
constexpr std::uint64_t mix(std::uint64_t value) {
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
    value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
    return value ^ (value >> 31);
}

TenantTerms in_range(TenantTerms terms) {
    constexpr std::uint8_t kLeastUrgent = kLevelCount - 1;
    terms.base_level = std::min(terms.base_level, kLeastUrgent);
    terms.ceiling = std::min(terms.ceiling, kLeastUrgent);
    terms.weight = std::max<std::uint32_t>(terms.weight, 1);
    return terms;
}

}  // namespace

std::size_t TenantPolicy::HashId::operator()(const GuestId& id) const noexcept {
    return mix((std::uint64_t{id.domain} << 32) | id.guest);
}

std::size_t TenantPolicy::HashId::operator()(const VcpuId& id) const noexcept {
    return mix(operator()(id.of_guest()) + id.vcpu);
}

// ---- Events ------------------------------------------------------------------------------------

/// Lets time go by: turns the accounts whose time has come. Returns the time that it is.
std::uint64_t TenantPolicy::advance(std::uint64_t time_ns) {
    now_ = std::max(now_, time_ns);
    while (!turns_.empty() && turns_.least().time <= now_) {
        Guest& guest = guests_[turns_.least().slot];
        settle(guest, now_);
        update(guest, now_);
    }
    return now_;
}

void TenantPolicy::apply(const Event& event) {
    const std::uint64_t now = advance(event.time_ns);
    if (event.kind == EventKind::add) {
        add(event, now);
        return;
    }
    if (event.kind == EventKind::tenant) {
        const std::uint32_t guest = guest_slots_.find(event.id.of_guest());
        if (guest != kNone) {
            set_terms(guests_[guest], event.terms, now);
        }
        return;
    }
    const std::uint32_t slot = find(event);
    if (slot == kNone) {
        return;
    }
    Vcpu& vcpu = vcpus_[slot];
    Guest& guest = guests_[vcpu.guest];
    settle(guest, now);
    switch (event.kind) {
    case EventKind::ready:
        take_claim(slot, guest, event, now);
        if (vcpu.state == Vcpu::State::idle) {
            enqueue(slot, guest, false);
        }
        break;
    case EventKind::claim:
        take_claim(slot, guest, event, now);
        break;
    case EventKind::ran: {
        const bool ran = vcpu.state == Vcpu::State::running;
        const std::uint8_t left = vcpu.rank;
        if (ran) {
            leave_worker(slot, guest, event.ran_ns);
        }
        take_claim(slot, guest, event, now);
        if (vcpu.state == Vcpu::State::idle) {
            enqueue(slot, guest, ran && vcpu.rank == left);
        }
        break;
    }
    case EventKind::idle:
        if (vcpu.state == Vcpu::State::running) {
            leave_worker(slot, guest, event.ran_ns);
            forget_claim(slot, guest, now);
        }
        break;
    case EventKind::remove:
        remove(slot, guest, now);
        break;
    case EventKind::add:
    case EventKind::tenant:
        break;
    }
    update(guest, now);
}

/// Most events are of the vCPU that runs on their worker.
std::uint32_t TenantPolicy::find(const Event& event) const {
    if (event.worker < on_worker_.size()) {
        const std::uint32_t slot = on_worker_[event.worker];
        if (slot != kNone && vcpus_[slot].id == event.id) {
            return slot;
        }
    }
    return vcpu_slots_.find(event.id);
}

void TenantPolicy::add(const Event& event, std::uint64_t now) {
    std::uint32_t of_guest = guest_slots_.find(event.id.of_guest());
    if (of_guest == kNone) {
        of_guest = static_cast<std::uint32_t>(guests_.size());
        guest_slots_.insert(event.id.of_guest(), of_guest);
        guests_.emplace_back();
        guests_.back().id = event.id.of_guest();
        guests_.back().settled_to = now;
    }
    Guest& guest = guests_[of_guest];
    set_terms(guest, event.terms, now);
    if (vcpu_slots_.find(event.id) != kNone) {
        return;
    }
    std::uint32_t slot = 0;
    if (free_vcpus_.empty()) {
        slot = static_cast<std::uint32_t>(vcpus_.size());
        vcpus_.emplace_back();
    } else {
        slot = free_vcpus_.back();
        free_vcpus_.pop_back();
    }
    vcpu_slots_.insert(event.id, slot);
    Vcpu& vcpu = vcpus_[slot];
    vcpu = {};
    vcpu.id = event.id;
    vcpu.guest = of_guest;
    const auto after =
        std::ranges::upper_bound(guest.vcpus, event.id, {}, [this](std::uint32_t of) {
            return vcpus_[of].id;
        });
    guest.vcpus.insert(after, slot);
    place(slot, guest, now);
}

void TenantPolicy::remove(std::uint32_t slot, Guest& guest, std::uint64_t now) {
    Vcpu& vcpu = vcpus_[slot];
    if (vcpu.state == Vcpu::State::ready) {
        dequeue(slot, guest);
    } else if (vcpu.state == Vcpu::State::running) {
        leave_worker(slot, guest, now - std::min(now, vcpu.charged_to));
    }
    forget_claim(slot, guest, now);
    std::erase(guest.vcpus, slot);
    vcpu_slots_.erase(vcpu.id);
    free_vcpus_.push_back(slot);
}

void TenantPolicy::set_terms(Guest& guest, const TenantTerms& terms, std::uint64_t now) {
    settle(guest, now);
    // What ran so far ran under the old terms.
    for (const std::uint32_t slot : guest.vcpus) {
        Vcpu& vcpu = vcpus_[slot];
        if (vcpu.state == Vcpu::State::running) {
            charge(vcpu, guest, now - std::min(now, vcpu.charged_to));
        }
    }
    guest.terms = in_range(grant(in_range(terms)));
    const TenantTerms& granted = guest.terms;
    guest.budget.set(
        granted.budget_rate,
        granted.budget_burst_ns,
        rules_.budgets_refill_whole ? granted.budget_burst_ns : rules_.slice_ns
    );
    guest.guarantee.set(granted.share);
    bequeath(guest, kNone, now);  // who claims nothing does so at another level
    for (const std::uint32_t slot : guest.vcpus) {
        place(slot, guest, now);
    }
    update(guest, now);
}

// ---- Accounts ----------------------------------------------------------------------------------

/// Brings the accounts up to `now`. To be called before what they depend on changes.
void TenantPolicy::settle(Guest& guest, std::uint64_t now) {
    const std::uint64_t time = now - guest.settled_to;
    guest.settled_to = now;
    if (time == 0) {
        return;
    }
    // What a guest is owed is not paid for by its budget.
    guest.budget.elapse(time, guest.guarantee.due() ? 0 : guest.above);
    guest.guarantee.elapse(time, guest.ready + guest.running, guest.running);
}

/// To be called after anything of a guest has changed: draws the conclusions.
void TenantPolicy::update(Guest& guest, std::uint64_t now) {
    if (guest.budget.turn()) {
        for (const std::uint32_t slot : guest.vcpus) {
            place(slot, guest, now);
        }
    }
    if (guest.guarantee.turn()) {
        guest.deadline = now + guest.guarantee.patience();
        for (const std::uint32_t slot : guest.vcpus) {
            if (vcpus_[slot].state == Vcpu::State::running) {
                running_.set(running_key(slot));
            }
        }
    }
    const std::uint32_t slot = slot_of(guest);
    const bool waits_as_due =
        guest.guarantee.due() && guest.ready != 0 && guest.running < guest.guarantee.slots();
    if (waits_as_due != guest.waits_as_due) {
        guest.waits_as_due = waits_as_due;
        waiting_due_ += waits_as_due ? 1 : -1U;
    }
    if (guest.ready != 0) {
        ready_.set(ready_key(guest));
    } else {
        ready_.erase(slot);
    }
    if (!guest.budget.limited() && !guest.guarantee.given()) {
        turns_.erase(slot);
        return;
    }
    const std::uint64_t turn = std::min(
        guest.budget.next_turn(guest.guarantee.due() ? 0 : guest.above),
        guest.guarantee.next_turn(guest.ready + guest.running, guest.running)
    );
    if (turn > kNever - now) {
        turns_.erase(slot);
    } else {
        turns_.set({.time = now + std::max<std::uint64_t>(turn, 1), .slot = slot});
    }
}

/// The time that a turn may last: shorter where the budget or the guest's debt ends sooner.
std::uint64_t TenantPolicy::slice(const Guest& guest, const Vcpu& vcpu) const {
    std::uint64_t left = rules_.slice_ns;
    if (guest.guarantee.due()) {
        left =
            std::min(left, guest.guarantee.next_turn(guest.ready + guest.running, guest.running));
    } else if (vcpu.above) {
        left = std::min(left, guest.budget.next_turn(guest.above));
    }
    return std::max(left, std::min(kLeastSliceNs, rules_.slice_ns));
}

// ---- vCPUs and queues --------------------------------------------------------------------------

std::uint8_t TenantPolicy::level_of(const Guest& guest, std::uint8_t claim) const {
    const TenantTerms& terms = guest.terms;
    if (claim >= kLevelCount) {
        return terms.base_level;
    }
    const std::uint8_t level = std::max(claim, terms.ceiling);
    return guest.budget.used_up() ? std::max(level, terms.base_level) : level;
}

TenantPolicy::Queue& TenantPolicy::queue(const Guest& guest, std::uint8_t rank) {
    std::vector<Queue>& queues = queues_[rank];
    if (queues.size() < guests_.size()) {
        queues.resize(guests_.size());
    }
    return queues[slot_of(guest)];
}

/// Gives a vCPU in whatever state the level and rank that it has now. What a running one used so
/// far is charged to the rank that it leaves.
void TenantPolicy::place(std::uint32_t slot, Guest& guest, std::uint64_t now) {
    Vcpu& vcpu = vcpus_[slot];
    const std::uint8_t claim = claim_in_force(guest, vcpu);
    const std::uint8_t level = level_of(guest, claim);
    const std::uint8_t new_rank = rank(guest.terms, level);
    switch (vcpu.state) {
    case Vcpu::State::idle:
        vcpu.level = level;
        vcpu.rank = new_rank;
        break;
    case Vcpu::State::ready:
        vcpu.level = level;
        if (vcpu.rank != new_rank) {
            dequeue(slot, guest);
            vcpu.rank = new_rank;
            enqueue(slot, guest, false);
        }
        break;
    case Vcpu::State::running: {
        // What runs on past the budget's end, until its worker obeys, is paid for too.
        const bool claims_above =
            claim < kLevelCount && std::max(claim, guest.terms.ceiling) < guest.terms.base_level;
        const bool above = claims_above && (vcpu.above || !guest.budget.used_up());
        guest.above = guest.above - (vcpu.above ? 1 : 0) + (above ? 1 : 0);
        vcpu.above = above;
        vcpu.level = level;
        if (vcpu.rank != new_rank) {
            charge(vcpu, guest, now - std::min(now, vcpu.charged_to));
            --queue(guest, vcpu.rank).running;
            vcpu.rank = new_rank;
            Queue& mine = queue(guest, new_rank);
            join(guest, mine, new_rank, false);
            vcpu.out_of_turn = !serve_running(mine, new_rank);
            ++mine.running;
        }
        prepay(vcpu, guest);
        running_.set(running_key(slot));
        break;
    }
    }
}

/// The guest comes to the rank, or (`goes_on`) comes back from a turn at it.
void TenantPolicy::join(const Guest& guest, Queue& queue, std::uint8_t rank, bool goes_on) {
    std::uint64_t least = served_[rank];
    if (goes_on || queue.first != kNone || queue.running != 0) {
        least -= std::min(least, virtual_cost(kMostLagNs, guest.terms.weight));
    }
    queue.virtual_time = std::max(queue.virtual_time, least);
}

/// A running vCPU comes to the rank. True: it would be picked there now, and that is as if it were.
bool TenantPolicy::serve_running(const Queue& queue, std::uint8_t rank) {
    const auto urgency = static_cast<std::uint8_t>(1 + rank);
    if (!ready_.empty()
        && (ready_.least().urgency < urgency
            || (ready_.least().urgency == urgency && ready_.least().order < queue.virtual_time))) {
        return false;
    }
    served_[rank] = std::max(served_[rank], queue.virtual_time);
    return true;
}

/// The vCPU runs at a rank where it was not picked, and another guest that waits there would be.
bool TenantPolicy::others_are_next(const Vcpu& vcpu) const {
    const Queue& mine = queue(guests_[vcpu.guest], vcpu.rank);
    return vcpu.out_of_turn && rules_.order == Order::virtual_time && ready_.least().urgency != 0
           && ready_.least().order < mine.virtual_time - vcpu.prepaid;
}

/// The vCPU runs at a rank where it was not picked, and its guest has had a slice too much there: a
/// grace each time that something more urgent waits would add up.
bool TenantPolicy::runs_ahead(const Vcpu& vcpu) const {
    const Queue& mine = queue(guests_[vcpu.guest], vcpu.rank);
    return vcpu.out_of_turn
           && mine.virtual_time - vcpu.prepaid
                  > served_[vcpu.rank] + virtual_cost(rules_.slice_ns, weight_of(vcpu));
}

void TenantPolicy::enqueue(std::uint32_t slot, Guest& guest, bool goes_on) {
    Vcpu& vcpu = vcpus_[slot];
    Queue& mine = queue(guest, vcpu.rank);
    join(guest, mine, vcpu.rank, goes_on);
    vcpu.arrival = ++arrivals_;
    vcpu.next = kNone;
    vcpu.previous = mine.last;
    if (mine.last != kNone) {
        vcpus_[mine.last].next = slot;
    } else {
        mine.first = slot;
        mark_waiting(guest, vcpu.rank, true);
    }
    mine.last = slot;
    ++guest.ready;
    vcpu.state = Vcpu::State::ready;
}

void TenantPolicy::dequeue(std::uint32_t slot, Guest& guest) {
    Vcpu& vcpu = vcpus_[slot];
    Queue& mine = queue(guest, vcpu.rank);
    (vcpu.previous != kNone ? vcpus_[vcpu.previous].next : mine.first) = vcpu.next;
    (vcpu.next != kNone ? vcpus_[vcpu.next].previous : mine.last) = vcpu.previous;
    if (mine.first == kNone) {
        mark_waiting(guest, vcpu.rank, false);
    }
    --guest.ready;
    vcpu.state = Vcpu::State::idle;
}

void TenantPolicy::mark_waiting(Guest& guest, std::uint8_t rank, bool waits) {
    const std::uint64_t bit = std::uint64_t{1} << rank;
    guest.ready_ranks = waits ? guest.ready_ranks | bit : guest.ready_ranks & ~bit;
    const std::uint32_t guests = guests_at_[rank] += waits ? 1 : -1U;
    any_ = guests != 0 ? any_ | bit : any_ & ~bit;
    single_ = guests == 1 ? single_ | bit : single_ & ~bit;
}

void TenantPolicy::start(std::uint32_t slot, Guest& guest, std::uint64_t now) {
    Vcpu& vcpu = vcpus_[slot];
    ++queue(guest, vcpu.rank).running;
    ++guest.running;
    vcpu.state = Vcpu::State::running;
    vcpu.out_of_turn = false;
    vcpu.charged_to = now;
    prepay(vcpu, guest);
    vcpu.above = vcpu.level < guest.terms.base_level;
    guest.above += vcpu.above ? 1 : 0;
    running_.set(running_key(slot));
}

/// Charges a turn in advance, unless it is.
void TenantPolicy::prepay(Vcpu& vcpu, const Guest& guest) {
    if (vcpu.prepaid == 0) {
        vcpu.prepaid = virtual_cost(rules_.slice_ns, guest.terms.weight);
        queue(guest, vcpu.rank).virtual_time += vcpu.prepaid;
    }
}

/// Charges `ran_ns`, up to now, in place of what was charged in advance.
void TenantPolicy::charge(Vcpu& vcpu, const Guest& guest, std::uint64_t ran_ns) {
    std::uint64_t& time = queue(guest, vcpu.rank).virtual_time;
    time = time - vcpu.prepaid + virtual_cost(ran_ns, guest.terms.weight);
    vcpu.prepaid = 0;
    vcpu.charged_to = now_;
}

/// Ends a run of `ran_ns` altogether; what of it was charged already is not charged again.
void TenantPolicy::leave_worker(std::uint32_t slot, Guest& guest, std::uint64_t ran_ns) {
    Vcpu& vcpu = vcpus_[slot];
    charge(vcpu, guest, std::min(now_ - std::min(now_, vcpu.charged_to), ran_ns));
    --queue(guest, vcpu.rank).running;
    --guest.running;
    guest.above -= vcpu.above ? 1 : 0;
    vcpu.above = false;
    vcpu.state = Vcpu::State::idle;
    running_.erase(slot);
    if (vcpu.worker < on_worker_.size() && on_worker_[vcpu.worker] == slot) {
        on_worker_[vcpu.worker] = kNone;
    }
}

TenantPolicy::ReadyKey TenantPolicy::ready_key(const Guest& guest) const {
    ReadyKey key{.order = guest.deadline, .guest = guest.id.guest};
    key.slot = slot_of(guest) & kMostGuests;
    if (!guest.waits_as_due) {
        const int best = std::countr_zero(guest.ready_ranks);
        const Queue& mine = queue(guest, static_cast<std::uint8_t>(best));
        key.order = rules_.order == Order::arrival ? vcpus_[mine.first].arrival : mine.virtual_time;
        key.urgency = static_cast<std::uint8_t>(1 + best);
    }
    return key;
}

TenantPolicy::RunningKey TenantPolicy::running_key(std::uint32_t slot) const {
    const Vcpu& vcpu = vcpus_[slot];
    const bool due = guests_[vcpu.guest].guarantee.due();
    return {
        .slot = slot,
        .urgency = static_cast<std::uint8_t>(due ? 0 : 1 + vcpu.rank),
        .out_of_turn = vcpu.out_of_turn,
    };
}

// ---- Decisions ---------------------------------------------------------------------------------

std::optional<Decision> TenantPolicy::pick(std::uint32_t worker, std::uint64_t now_ns) {
    const std::uint64_t now = advance(now_ns);
    if (ready_.empty()) {
        return std::nullopt;
    }
    Guest& guest = guests_[ready_.least().slot];
    settle(guest, now);
    const bool due = guest.waits_as_due;
    const auto best = static_cast<std::uint8_t>(std::countr_zero(guest.ready_ranks));
    const Queue& mine = queue(guest, best);
    const std::uint32_t slot = mine.first;
    if (!due) {
        served_[best] = std::max(served_[best], mine.virtual_time);
    }
    dequeue(slot, guest);
    Vcpu& vcpu = vcpus_[slot];
    vcpu.worker = worker;
    if (worker < on_worker_.size()) {
        on_worker_[worker] = slot;
    }
    start(slot, guest, now);
    const Decision decision{
        .id = vcpu.id, .level = vcpu.level, .slice_ns = slice(guest, vcpu), .due = due
    };
    update(guest, now);
    return decision;
}

std::optional<Preemption> TenantPolicy::preempt(std::uint64_t now_ns) {
    advance(now_ns);
    if (ready_.empty() || running_.empty()) {
        return std::nullopt;
    }
    const std::uint8_t waits = ready_.least().urgency;
    const std::uint8_t runs = running_.least().urgency;
    const Vcpu& victim = vcpus_[running_.least().slot];
    if (waits > runs || (waits == runs && !others_are_next(victim))) {
        return std::nullopt;
    }
    return Preemption{
        .worker = victim.worker,
        .victim = victim.id,
        .level = first_waiting_level(),
        .ask = rules_.shows_levels && waits != 0 && waits < runs && !runs_ahead(victim),
    };
}

std::uint64_t TenantPolicy::waiting_levels(GuestId id) const noexcept {
    if (!rules_.shows_levels) {
        return 0;
    }
    std::uint64_t levels = any_;
    std::uint32_t due = waiting_due_;
    if (const std::uint32_t slot = guest_slots_.find(id); slot != kNone) {
        const Guest& guest = guests_[slot];
        levels &= ~(single_ & guest.ready_ranks);
        due -= guest.waits_as_due ? 1 : 0;
    }
    return due != 0 ? levels | 1 : levels;
}

std::optional<VcpuId> TenantPolicy::first_to_yield() const noexcept {
    // Nobody takes the worker from a vCPU whose guest is due.
    if (running_.empty() || running_.least().urgency == 0) {
        return std::nullopt;
    }
    return vcpus_[running_.least().slot].id;
}

std::uint8_t TenantPolicy::effective_level(const VcpuId& id) const noexcept {
    const std::uint32_t slot = vcpu_slots_.find(id);
    return slot == kNone ? kLevelCount : vcpus_[slot].level;
}

std::optional<std::int64_t>
TenantPolicy::budget_left(GuestId id, std::uint64_t now_ns) const noexcept {
    const std::uint32_t slot = guest_slots_.find(id);
    if (slot == kNone || !guests_[slot].budget.limited()) {
        return std::nullopt;
    }
    const Guest& guest = guests_[slot];
    Budget budget = guest.budget;
    budget.elapse(
        std::max(now_ns, guest.settled_to) - guest.settled_to,
        guest.guarantee.due() ? 0 : guest.above
    );
    return budget.balance_ns();
}

// ---- For policies ------------------------------------------------------------------------------

std::uint8_t TenantPolicy::first_waiting_level() const {
    const Guest& guest = guests_[ready_.least().slot];
    if (guest.waits_as_due) {
        return 0;
    }
    const auto best = static_cast<std::uint8_t>(std::countr_zero(guest.ready_ranks));
    return vcpus_[queue(guest, best).first].level;
}

std::uint64_t TenantPolicy::first_waiting_time() const noexcept {
    return ready_.empty() || ready_.least().urgency == 0 ? kNever : ready_.least().order;
}

std::pair<const TenantPolicy::Vcpu*, std::uint64_t>
TenantPolicy::furthest_running(std::uint64_t now_ns) const {
    const Vcpu* furthest = nullptr;
    std::uint64_t furthest_time = 0;
    for (std::uint32_t i = 0; i < running_.size(); ++i) {
        const Vcpu& vcpu = vcpus_[running_.any(i).slot];
        const Guest& guest = guests_[vcpu.guest];
        if (guest.guarantee.due()) {
            continue;
        }
        const std::uint64_t ran = now_ns - std::min(now_ns, vcpu.charged_to);
        const std::uint64_t time = queue(guest, vcpu.rank).virtual_time - vcpu.prepaid
                                   + virtual_cost(ran, guest.terms.weight);
        if (furthest == nullptr || time > furthest_time
            || (time == furthest_time && vcpu.id < furthest->id)) {
            furthest = &vcpu;
            furthest_time = time;
        }
    }
    return {furthest, furthest_time};
}

}  // namespace vmm::sched
