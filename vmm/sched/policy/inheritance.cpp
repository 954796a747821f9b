// SPDX-License-Identifier: Apache-2.0
// Claims of vCPUs, and those that they inherit from others of their guest that may wait for them.
#include "sched/policy/tenant_policy.hpp"

namespace vmm::sched {

std::uint8_t TenantPolicy::own_claim(const Guest& guest, const Vcpu& vcpu) {
    return vcpu.claim < kLevelCount ? vcpu.claim : guest.terms.base_level;
}

/// What the vCPU competes by: its own claim, or the one that it inherits.
std::uint8_t TenantPolicy::claim_in_force(const Guest& guest, const Vcpu& vcpu) {
    const bool lent = vcpu.awaited && guest.most_urgent < own_claim(guest, vcpu);
    return lent ? guest.most_urgent : vcpu.claim;
}

/// Of a vCPU that is runnable, or about to be.
void TenantPolicy::take_claim(
    std::uint32_t slot, Guest& guest, const Event& event, std::uint64_t now
) {
    Vcpu& vcpu = vcpus_[slot];
    const bool idles = event.kind == EventKind::claim && vcpu.state == Vcpu::State::idle;
    const bool awaited = event.awaited && !idles;
    guest.awaited = static_cast<std::uint16_t>(guest.awaited + awaited - vcpu.awaited);
    vcpu.awaited = awaited;
    vcpu.claim = std::min(event.level, kLevelCount);
    bequeath(guest, idles ? kNone : slot, now);
    place(slot, guest, now);
}

/// Of a vCPU that is not runnable any more: it waits for others, not they for it.
void TenantPolicy::forget_claim(std::uint32_t slot, Guest& guest, std::uint64_t now) {
    Vcpu& vcpu = vcpus_[slot];
    guest.awaited = static_cast<std::uint16_t>(guest.awaited - vcpu.awaited);
    vcpu.awaited = false;
    bequeath(guest, kNone, now);
}

/// Gives those that are awaited the most urgent claim of the guest's runnable vCPUs. `claimant`
/// counts as runnable, and is placed by the caller.
void TenantPolicy::bequeath(Guest& guest, std::uint32_t claimant, std::uint64_t now) {
    std::uint8_t most_urgent = kLevelCount;
    if (guest.awaited != 0) {
        for (const std::uint32_t slot : guest.vcpus) {
            const Vcpu& vcpu = vcpus_[slot];
            if (slot == claimant || vcpu.state != Vcpu::State::idle) {
                most_urgent = std::min(most_urgent, own_claim(guest, vcpu));
            }
        }
    }
    if (most_urgent == guest.most_urgent) {
        return;
    }
    guest.most_urgent = most_urgent;
    for (const std::uint32_t slot : guest.vcpus) {
        if (slot != claimant && vcpus_[slot].awaited) {
            place(slot, guest, now);
        }
    }
}

bool TenantPolicy::inherits(const VcpuId& id) const noexcept {
    const std::uint32_t slot = vcpu_slots_.find(id);
    if (slot == kNone) {
        return false;
    }
    const Vcpu& vcpu = vcpus_[slot];
    const Guest& guest = guests_[vcpu.guest];
    return level_of(guest, claim_in_force(guest, vcpu)) != level_of(guest, vcpu.claim);
}

std::uint64_t TenantPolicy::waiting_siblings(const VcpuId& id) const noexcept {
    const std::uint32_t own = vcpu_slots_.find(id);
    if (own == kNone || guests_[vcpus_[own].guest].ready == 0) {
        return 0;
    }
    const Guest& guest = guests_[vcpus_[own].guest];
    std::uint64_t levels = 0;
    for (const std::uint32_t slot : guest.vcpus) {
        const Vcpu& vcpu = vcpus_[slot];
        if (slot != own && vcpu.state == Vcpu::State::ready) {
            levels |= std::uint64_t{1} << own_claim(guest, vcpu);
        }
    }
    return levels;
}

}  // namespace vmm::sched
