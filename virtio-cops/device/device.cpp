// SPDX-License-Identifier: Apache-2.0
#include "device/device.hpp"

#include "device/access.hpp"

#include <virtio/virtio_config.h>
#include <virtio/virtio_ring.h>

#include <algorithm>
#include <array>
#include <utility>

namespace virtio_cops {
namespace {

constexpr std::uint64_t bit(unsigned number) {
    return std::uint64_t{1} << number;
}

/// What the wire can express.
DeviceOptions within_limits(DeviceOptions options) {
    options.num_vcpus = std::clamp(options.num_vcpus, 1u, 64u);
    const bool all = options.own_vcpus == 0 || options.own_vcpus > options.num_vcpus;
    options.own_vcpus = all ? options.num_vcpus : options.own_vcpus;
    options.max_processes = std::clamp(options.max_processes, 1u, 4096u);
    options.max_slots -= options.max_slots % VIRTIO_COPS_SLOTS_PER_PAGE;
    options.max_in_flight = std::clamp(options.max_in_flight, 1u, 1024u);
    options.max_segments = std::clamp(options.max_segments, 1u, 256u);
    options.max_handles = std::clamp(options.max_handles, 1u, 0xffffu);
    options.user_interrupts = options.user_interrupts && options.boards;
    return options;
}

}  // namespace

Device::Device(DeviceOptions options, Memory& memory, Host& host, std::span<std::byte> host_page)
    : options_(within_limits(std::move(options)))
    , memory_(memory)
    , host_(host)
    , host_page_(host_page)
    , boards_(options_.num_vcpus)
    , processes_(options_.max_processes)
    , handles_(options_.max_handles)
    , by_id_(2048, kNoIndex) {
    for (std::uint32_t i = 0; i < options_.max_handles; ++i) {
        free_handles_.push_back(i);
    }
    drop_everything();
}

Device::~Device() = default;

std::uint64_t Device::features() const noexcept {
    return bit(VIRTIO_F_VERSION_1) | bit(VIRTIO_RING_F_INDIRECT_DESC)
           | std::uint64_t{options_.boards} << VIRTIO_COPS_F_BOARD
           | std::uint64_t{options_.user_interrupts} << VIRTIO_COPS_F_USER_INTR
           | bit(VIRTIO_COPS_F_POWER_OFF)
           | std::uint64_t{offers_cores()} << VIRTIO_COPS_F_CORE_ALLOC
           | std::uint64_t{options_.boards} << VIRTIO_COPS_F_SIBLINGS;
}

std::uint16_t Device::queue_max(unsigned queue) const noexcept {
    return queue == VIRTIO_COPS_QUEUE_CONTROL   ? kControlQueueMax
           : queue == VIRTIO_COPS_QUEUE_REQUEST ? kRequestQueueMax
                                                : std::uint16_t{0};
}

bool Device::accept_features(std::uint64_t features) const noexcept {
    const bool needs_boards = (features
                               & (bit(VIRTIO_COPS_F_USER_INTR) | bit(VIRTIO_COPS_F_CORE_ALLOC)
                                  | bit(VIRTIO_COPS_F_SIBLINGS)))
                              != 0;
    return (features & ~this->features()) == 0 && (features & bit(VIRTIO_F_VERSION_1)) != 0
           && (!needs_boards || (features & bit(VIRTIO_COPS_F_BOARD)) != 0);
}

void Device::read_config(std::uint64_t offset, std::span<std::byte> to) const noexcept {
    const virtio_cops_config config{
        .version = VIRTIO_COPS_VERSION,
        .num_vcpus = options_.num_vcpus,
        .max_processes = options_.max_processes,
        .max_slots = options_.max_slots,
        .max_in_flight = options_.max_in_flight,
        .max_segments = options_.max_segments,
        .max_handles = options_.max_handles,
        .num_grants = static_cast<std::uint32_t>(options_.grants.size()),
    };
    std::array<std::byte, VIRTIO_COPS_CONFIG_OWN_VCPUS + sizeof(virtio_cops_le32)> from{};
    static_assert(sizeof config == VIRTIO_COPS_CONFIG_POWER_OFF);
    std::ranges::copy(bytes_of(config), from.begin());
    from[VIRTIO_COPS_CONFIG_POWER_OFF] =
        power_off_asked_ ? std::byte{VIRTIO_COPS_POWER_OFF_ASKED} : std::byte{0};
    from[VIRTIO_COPS_CONFIG_OWN_VCPUS] =
        offers_cores() ? static_cast<std::byte>(options_.own_vcpus) : std::byte{0};
    for (std::size_t i = 0; i < to.size(); ++i) {
        to[i] = offset < from.size() && i < from.size() - offset ? from[offset + i] : std::byte{0};
    }
}

bool Device::has_siblings() const noexcept {
    return active_ && (features_ & bit(VIRTIO_COPS_F_SIBLINGS)) != 0;
}

bool Device::ask_power_off() {
    if (!active_ || (features_ & bit(VIRTIO_COPS_F_POWER_OFF)) == 0) {
        return false;
    }
    if (!power_off_asked_) {
        power_off_asked_ = true;
        host_.raise_config_interrupt();
    }
    return true;
}

void Device::activate(std::uint64_t features, std::span<const QueueState> queues) {
    if (resetting_) {
        return;  // The transport waits for reset_done().
    }
    active_ = true;
    features_ = features;
    for (std::size_t i = 0; i < queues_.size() && i < queues.size(); ++i) {
        const bool indirect = (features & bit(VIRTIO_RING_F_INDIRECT_DESC)) != 0;
        const bool fits = queues[i].size <= queue_max(static_cast<unsigned>(i));
        if (queues[i].size != 0 && (!fits || !queues_[i].open(memory_, queues[i], indirect))) {
            break_ring("queue has an impossible size or lies outside of memory");
        }
    }
    requests_.assign(queues_[VIRTIO_COPS_QUEUE_REQUEST].state().size, {});
    publish_cores();
}

bool Device::reset() {
    if (active_) {
        drop_everything();
        resetting_ = started_ != 0;
        for (const Request& request : requests_) {
            if (request.state == Request::State::started) {
                host_.cancel(request.token);
            }
        }
    }
    return !resetting_;
}

/// Forgets everything of the driver's but the operations that the host has under way.
void Device::drop_everything() {
    forget_cores();
    active_ = false;
    broken_ = false;
    features_ = 0;
    for (Queue& queue : queues_) {
        queue.close();
    }
    boards_.assign(boards_.size(), {});
    processes_.assign(processes_.size(), {});
    pending_.clear();
    waiting_ = 0;
    std::ranges::fill(by_id_, kNoIndex);
    control_busy_.clear();
    for (Request& request : requests_) {
        request.indexed = false;
        request.counts_process = false;
        if (request.state == Request::State::pending) {
            request.state = Request::State::free;
            if (request.header.opcode == VIRTIO_COPS_OP_OPENAT) {
                free_handle(request.handle_index);
            }
            forget(request);
        }
    }
    for (std::uint32_t i = 0; i < handles_.size(); ++i) {
        if (handles_[i].state == Handle::State::open) {
            close_handle(i);
        }
    }
    for (unsigned vcpu = 0; vcpu < options_.num_vcpus; ++vcpu) {
        publish(vcpu, 0, kNoLevel, 0);
    }
}

void Device::break_ring(const char* why) {
    ++misuse_.broken_rings;
    if (!broken_) {
        broken_ = true;
        host_.set_needs_reset(why);
    }
}

void Device::notify(unsigned queue) {
    if (queue < queues_.size()) {
        take_all(queue);
        start_pending();
    }
}

/// Takes what was offered when it looked: the driver notifies again for more, so a driver that
/// offers without end can't keep the caller here.
void Device::take_all(unsigned queue) {
    if (!active_ || broken_ || paused_ || !queues_[queue].is_open()) {
        return;
    }
    const std::uint16_t offered = queues_[queue].offered();
    if (offered > queues_[queue].state().size) {
        break_ring("available ring ran ahead by more than the queue holds");
        return;
    }
    for (std::uint16_t i = 0; i < offered && !broken_; ++i) {
        if (const char* why = queues_[queue].take(chain_); why != nullptr) {
            break_ring(why);
        } else if (queue == VIRTIO_COPS_QUEUE_CONTROL) {
            take_command(chain_);
        } else {
            take_request(chain_);
        }
    }
}

void Device::set_paused(bool paused) {
    paused_ = paused;
    if (!paused) {
        // Requests before the control commands that may cancel them.
        notify(VIRTIO_COPS_QUEUE_REQUEST);
        notify(VIRTIO_COPS_QUEUE_CONTROL);
    }
}

bool Device::idle() const noexcept {
    return started_ == 0 && waiting_ == 0 && control_busy_.empty();
}

bool Device::read_buffers(
    std::span<const Buffer> from, std::uint64_t offset, std::span<std::byte> to
) const noexcept {
    for (const Buffer& buffer : from) {
        if (to.empty()) {
            break;
        }
        if (offset >= buffer.bytes) {
            offset -= buffer.bytes;
            continue;
        }
        const std::size_t count = std::min<std::uint64_t>(buffer.bytes - offset, to.size());
        const std::byte* const at = memory_.readable(buffer.address + offset, count);
        if (at == nullptr) {
            return false;
        }
        copy_from_guest(to.first(count), at);
        to = to.subspan(count);
        offset = 0;
    }
    return to.empty();
}

bool Device::write_buffers(std::span<const Buffer> to, std::span<const std::byte> from) noexcept {
    for (const Buffer& buffer : to) {
        if (from.empty()) {
            break;
        }
        const std::size_t count = std::min<std::uint64_t>(buffer.bytes, from.size());
        std::byte* const at = memory_.writable(buffer.address, count);
        if (at == nullptr) {
            return false;
        }
        copy_to_guest(at, from.first(count));
        memory_.note_write(buffer.address, count);
        from = from.subspan(count);
    }
    return from.empty();
}

}  // namespace virtio_cops
