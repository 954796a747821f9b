// SPDX-License-Identifier: Apache-2.0
#include "sched/policy/vcpu_table.hpp"

namespace vmm::sched {

VcpuEntry entry_of(const Event& added) {
    VcpuEntry entry;
    entry.id = added.id;
    entry.base_level = std::min<std::uint8_t>(added.level, kLevelCount - 1);
    entry.ceiling = std::min<std::uint8_t>(added.ceiling, kLevelCount - 1);
    entry.weight = added.weight;
    entry.level = entry.base_level;
    return entry;
}

void WaitingLevels::count_guests(std::uint8_t level, std::uint32_t guests) {
    const std::uint64_t bit = std::uint64_t{1} << level;
    guests_at_[level] = guests;
    any_ = guests != 0 ? any_ | bit : any_ & ~bit;
    single_ = guests == 1 ? single_ | bit : single_ & ~bit;
}

void WaitingLevels::add(std::uint32_t guest, std::uint8_t level) {
    PerGuest& mine = guests_[guest];
    if (mine.vcpus[level]++ == 0) {
        mine.levels |= std::uint64_t{1} << level;
        count_guests(level, guests_at_[level] + 1);
    }
}

void WaitingLevels::remove(std::uint32_t guest, std::uint8_t level) {
    const auto found = guests_.find(guest);
    PerGuest& mine = found->second;
    if (--mine.vcpus[level] == 0) {
        mine.levels &= ~(std::uint64_t{1} << level);
        count_guests(level, guests_at_[level] - 1);
        if (mine.levels == 0) {
            guests_.erase(found);
        }
    }
}

std::uint64_t WaitingLevels::outside(std::uint32_t guest) const noexcept {
    const auto found = guests_.find(guest);
    return found == guests_.end() ? any_ : any_ & ~(single_ & found->second.levels);
}

}  // namespace vmm::sched
