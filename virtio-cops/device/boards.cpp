// SPDX-License-Identifier: Apache-2.0
#include "device/access.hpp"
#include "device/device.hpp"

#include <algorithm>
#include <bit>

namespace virtio_cops {
namespace {

constexpr std::uint32_t kNone = VIRTIO_COPS_LEVEL_NONE;

Level best(std::uint64_t levels) {
    return static_cast<Level>(std::countr_zero(levels));
}
Level to_level(std::uint32_t value) {
    return static_cast<Level>(std::min(value, kNone));
}

}  // namespace

/// What a valid process id stands for; null when it isn't attached (or is leaving).
Process* Device::find_process(std::uint64_t id) noexcept {
    const auto index = static_cast<std::uint32_t>(id);
    if (id == 0 || index >= processes_.size()) {
        return nullptr;
    }
    Process& process = processes_[index];
    return process.id == id && !process.detaching ? &process : nullptr;
}

std::byte* Device::line_of(const Process& process, unsigned hart) noexcept {
    return hart < process.lines ? process.page.host + hart * sizeof(virtio_cops_line) : nullptr;
}

Claim Device::sample(unsigned vcpu) noexcept {
    Claim claim;
    if (!active_ || vcpu >= boards_.size() || boards_[vcpu].host == nullptr) {
        return claim;
    }
    // One copy of each word; they need not be of one moment (SPEC.md 7.2).
    const std::byte* const board = boards_[vcpu].host;
    const auto ready = load_word<std::uint64_t>(board + offsetof(virtio_cops_board, ready));
    const auto process = load_word<std::uint64_t>(board + offsetof(virtio_cops_board, process));
    const auto ceiling = load_word<std::uint32_t>(board + offsetof(virtio_cops_board, ceiling));
    const auto timer = load_word<std::uint32_t>(board + offsetof(virtio_cops_board, timer_level));
    const auto irq = load_word<std::uint32_t>(board + offsetof(virtio_cops_board, irq_level));
    const auto flags = load_word<std::uint32_t>(board + offsetof(virtio_cops_board, flags));

    claim.present = true;
    claim.level = best(ready);
    claim.board = ready;
    claim.timer_level = to_level(timer);
    claim.irq_level = to_level(irq);
    claim.critical = (flags & VIRTIO_COPS_BOARD_F_CRITICAL) != 0;
    claim.idle = (flags & VIRTIO_COPS_BOARD_F_IDLE) != 0;

    const Process* const current = find_process(process);
    const std::byte* const line = current != nullptr ? line_of(*current, vcpu) : nullptr;
    if (line == nullptr) {
        return claim;
    }
    const auto line_ready = load_word<std::uint64_t>(line + offsetof(virtio_cops_line, ready));
    const auto pending = load_word<std::uint64_t>(line + offsetof(virtio_cops_line, wake_pending));
    const auto line_flags = load_word<std::uint32_t>(line + offsetof(virtio_cops_line, flags));
    claim.process = process;
    claim.line = line_ready;
    claim.wake_pending = pending;
    claim.running =
        to_level(load_word<std::uint32_t>(line + offsetof(virtio_cops_line, running_level)));
    claim.critical = claim.critical || (line_flags & VIRTIO_COPS_LINE_F_CRITICAL) != 0;
    const Level wanted = best(line_ready | pending);
    if (wanted != kNoLevel) {
        claim.level = std::min(claim.level, std::max(wanted, to_level(ceiling)));
    }
    return claim;
}

void Device::publish(
    unsigned vcpu,
    Level ring_level,
    Level yield_level,
    std::uint64_t waiting,
    std::uint64_t siblings
) noexcept {
    const std::size_t at = vcpu * sizeof(virtio_cops_host_line);
    if (at + sizeof(virtio_cops_host_line) > host_page_.size()) {
        return;
    }
    std::byte* const line = host_page_.data() + at;
    const auto update = [line]<class T>(std::size_t offset, T value) {
        if (load_word<T>(line + offset) != value) {
            store_word(line + offset, value);
        }
    };
    update(offsetof(virtio_cops_host_line, ring_level), std::uint32_t{ring_level});
    update(offsetof(virtio_cops_host_line, yield_level), std::uint32_t{yield_level});
    update(offsetof(virtio_cops_host_line, waiting), waiting);
    update(offsetof(virtio_cops_host_line, siblings), has_siblings() ? siblings : 0);
    // ring_level must be out before the host samples the boards again; pairs with the fence
    // between a guest's publishing of a claim and its reading of ring_level.
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

bool Device::take_user_interrupt(unsigned vcpu, std::uint64_t id) noexcept {
    const Process* const process = find_process(id);
    const std::byte* const line = process != nullptr ? line_of(*process, vcpu) : nullptr;
    if (line == nullptr || boards_[vcpu].host == nullptr
        || load_word<std::uint64_t>(line + offsetof(virtio_cops_line, wake_pending)) == 0) {
        return false;  // Gone, or its executor has looked already.
    }
    const std::byte* const board = boards_[vcpu].host;
    if (load_word<std::uint64_t>(board + offsetof(virtio_cops_board, process)) == id) {
        return true;
    }
    const auto pending = load_word<std::uint64_t>(line + offsetof(virtio_cops_line, wake_pending));
    if (queues_[VIRTIO_COPS_QUEUE_REQUEST].wants_interrupt()) {
        host_.raise_used_interrupt(best(pending));
    }
    return false;
}

}  // namespace virtio_cops
