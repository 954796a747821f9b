// SPDX-License-Identifier: Apache-2.0
#include "devices/virtio_mmio/virtio_mmio.hpp"

#include "memory/state.hpp"

#include <virtio/virtio_config.h>
#include <virtio/virtio_mmio.h>

#include <bit>
#include <cstring>

namespace vmm {
namespace {

constexpr std::uint32_t kMagic = 0x74726976;  // "virt"
constexpr std::uint32_t kVersion = 2;
constexpr std::uint32_t kVendor = 0x53504f43;  // "COPS"
constexpr std::uint32_t kStarted = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;
constexpr std::uint32_t kDriverBits =
    kStarted | VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK | VIRTIO_CONFIG_S_FAILED;
constexpr std::uint32_t kAbsent = 0xffff'ffff;
constexpr std::uint64_t kVersion1 = std::uint64_t{1} << VIRTIO_F_VERSION_1;

void set_low(std::uint64_t& word, std::uint32_t value) {
    word = (word & ~std::uint64_t{0xffff'ffff}) | value;
}
void set_high(std::uint64_t& word, std::uint32_t value) {
    word = (word & 0xffff'ffff) | std::uint64_t{value} << 32;
}
std::uint32_t low(std::uint64_t word) {
    return static_cast<std::uint32_t>(word);
}
std::uint32_t high(std::uint64_t word) {
    return static_cast<std::uint32_t>(word >> 32);
}

bool valid_size(std::uint32_t size, std::uint16_t max) {
    return size != 0 && size <= max && std::has_single_bit(size);
}

}  // namespace

VirtioMmio::VirtioMmio(VirtioDevice& device, IrqLine irq)
    : device_(device)
    , irq_(irq)
    , queues_(device.queue_count()) {
    device_.connect(*this);
}

bool VirtioMmio::mmio_read(const MmioAccess& access, std::uint64_t* value) {
    if (access.offset >= VIRTIO_MMIO_CONFIG) {
        *value = 0;
        std::byte bytes[8]{};
        device_.config_read(access.offset - VIRTIO_MMIO_CONFIG, std::span(bytes, access.size));
        std::memcpy(value, bytes, access.size);
        return true;
    }
    if (access.size != 4) {
        return false;
    }
    *value = read_register(access.offset);
    return true;
}

bool VirtioMmio::mmio_write(const MmioAccess& access, std::uint64_t value) {
    if (access.offset >= VIRTIO_MMIO_CONFIG) {
        std::byte bytes[8];
        std::memcpy(bytes, &value, sizeof bytes);
        device_.config_write(access.offset - VIRTIO_MMIO_CONFIG, std::span(bytes, access.size));
        return true;
    }
    if (access.size != 4) {
        return false;
    }
    write_register(access.offset, static_cast<std::uint32_t>(value));
    return true;
}

std::uint32_t VirtioMmio::read_register(std::uint64_t offset) {
    switch (offset) {
    case VIRTIO_MMIO_MAGIC_VALUE:
        return kMagic;
    case VIRTIO_MMIO_VERSION:
        return kVersion;
    case VIRTIO_MMIO_DEVICE_ID:
        return device_.device_id();
    case VIRTIO_MMIO_VENDOR_ID:
        return kVendor;
    case VIRTIO_MMIO_STATUS:
        return status_.load(std::memory_order_acquire);
    case VIRTIO_MMIO_CONFIG_GENERATION:
        return device_.config_generation();
    case VIRTIO_MMIO_INTERRUPT_STATUS: {
        const std::lock_guard lock(interrupt_);
        return interrupt_status_;
    }
    default:
        break;
    }
    const std::lock_guard lock(registers_);
    const bool queue_exists = queue_sel_ < queues_.size();
    const auto shm = shm_sel_ <= 0xff ? device_.shared_memory(static_cast<std::uint8_t>(shm_sel_))
                                      : std::nullopt;
    switch (offset) {
    case VIRTIO_MMIO_DEVICE_FEATURES:
        return device_features_sel_ == 0   ? low(device_.device_features())
               : device_features_sel_ == 1 ? high(device_.device_features())
                                           : 0;
    case VIRTIO_MMIO_QUEUE_NUM_MAX:
        return queue_exists ? device_.queue_max(queue_sel_) : 0;
    case VIRTIO_MMIO_QUEUE_READY:
        return queue_exists && queues_[queue_sel_].ready ? 1 : 0;
    case VIRTIO_MMIO_SHM_LEN_LOW:
        return shm ? low(shm->length) : kAbsent;
    case VIRTIO_MMIO_SHM_LEN_HIGH:
        return shm ? high(shm->length) : kAbsent;
    case VIRTIO_MMIO_SHM_BASE_LOW:
        return shm ? low(shm->base.value) : kAbsent;
    case VIRTIO_MMIO_SHM_BASE_HIGH:
        return shm ? high(shm->base.value) : kAbsent;
    default:
        return 0;  // Reserved and write-only registers.
    }
}

void VirtioMmio::write_register(std::uint64_t offset, std::uint32_t value) {
    if (offset == VIRTIO_MMIO_QUEUE_NOTIFY) {
        // Lock-free: pairs with the release store after activate(). A notification that races with
        // a reset reaches a device that ignores it.
        const std::uint64_t active = active_queues_.load(std::memory_order_acquire);
        if (value < queues_.size() && ((active >> value) & 1) != 0) {
            device_.notify(value);
        }
        return;
    }
    if (offset == VIRTIO_MMIO_INTERRUPT_ACK) {
        acknowledge(value);
        return;
    }
    const std::lock_guard lock(registers_);
    if (!idle()) {
        return;  // Until the reset has ended nothing but the status means anything.
    }
    switch (offset) {
    case VIRTIO_MMIO_STATUS:
        write_status(value);
        break;
    case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
        device_features_sel_ = value;
        break;
    case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
        driver_features_sel_ = value;
        break;
    case VIRTIO_MMIO_DRIVER_FEATURES:
        if (is_status(VIRTIO_CONFIG_S_FEATURES_OK)) {
            break;  // Settled.
        }
        if (driver_features_sel_ == 0) {
            set_low(driver_features_, value);
        } else if (driver_features_sel_ == 1) {
            set_high(driver_features_, value);
        }
        break;
    case VIRTIO_MMIO_SHM_SEL:
        shm_sel_ = value;
        break;
    case VIRTIO_MMIO_QUEUE_SEL:
        queue_sel_ = value;
        break;
    default:
        write_queue_register(offset, value);
        break;
    }
}

void VirtioMmio::write_queue_register(std::uint64_t offset, std::uint32_t value) {
    if (queue_sel_ >= queues_.size() || is_status(VIRTIO_CONFIG_S_DRIVER_OK)) {
        return;  // The device has taken over its queues.
    }
    VirtioQueue& queue = queues_[queue_sel_];
    if (offset == VIRTIO_MMIO_QUEUE_READY) {
        queue.ready = value == 1 && valid_size(queue.size, device_.queue_max(queue_sel_));
        return;
    }
    if (queue.ready) {
        return;  // virtio 1.2, 4.2.2.2: not to be written while ready.
    }
    switch (offset) {
    case VIRTIO_MMIO_QUEUE_NUM:
        // An impossible size stays visible as a queue that never gets ready.
        queue.size = valid_size(value, device_.queue_max(queue_sel_))
                         ? static_cast<std::uint16_t>(value)
                         : 0;
        break;
    case VIRTIO_MMIO_QUEUE_DESC_LOW:
        set_low(queue.desc.value, value);
        break;
    case VIRTIO_MMIO_QUEUE_DESC_HIGH:
        set_high(queue.desc.value, value);
        break;
    case VIRTIO_MMIO_QUEUE_AVAIL_LOW:
        set_low(queue.driver.value, value);
        break;
    case VIRTIO_MMIO_QUEUE_AVAIL_HIGH:
        set_high(queue.driver.value, value);
        break;
    case VIRTIO_MMIO_QUEUE_USED_LOW:
        set_low(queue.device.value, value);
        break;
    case VIRTIO_MMIO_QUEUE_USED_HIGH:
        set_high(queue.device.value, value);
        break;
    default:
        break;
    }
}

/// virtio 1.2, 2.1 and 3.1.1: bits are only ever added, in order; only 0 takes them away.
void VirtioMmio::write_status(std::uint32_t value) {
    if (value == 0) {
        start_reset();
        return;
    }
    const std::uint32_t before = status_.load(std::memory_order_relaxed) & kDriverBits;
    std::uint32_t added = value & kDriverBits & ~before;
    if ((before & ~value) != 0) {
        return;
    }
    if ((added & VIRTIO_CONFIG_S_FEATURES_OK) != 0) {
        const bool in_order = ((before | added) & kStarted) == kStarted;
        const bool offered = (driver_features_ & ~device_.device_features()) == 0
                             && (driver_features_ & kVersion1) != 0;
        if (!in_order || !offered || !device_.accept_features(driver_features_)) {
            added &= ~std::uint32_t{VIRTIO_CONFIG_S_FEATURES_OK};
        }
    }
    if (((before | added) & VIRTIO_CONFIG_S_FEATURES_OK) == 0) {
        added &= ~std::uint32_t{VIRTIO_CONFIG_S_DRIVER_OK};
    }
    // fetch_or: the device may be adding DEVICE_NEEDS_RESET.
    status_.fetch_or(added, std::memory_order_acq_rel);
    if ((added & VIRTIO_CONFIG_S_DRIVER_OK) != 0) {
        activate();
    }
}

void VirtioMmio::activate() {
    device_.activate(driver_features_, queues_);
    publish_queues();
}

void VirtioMmio::publish_queues() {
    std::uint64_t active = 0;
    for (std::size_t i = 0; i < queues_.size() && i < 64; ++i) {
        active |= std::uint64_t{queues_[i].ready} << i;
    }
    active_queues_.store(active, std::memory_order_release);
}

void VirtioMmio::begin_reset() {
    const std::lock_guard lock(registers_);
    if (idle()) {
        start_reset();
    }
}

/// The status keeps its value until reset_done(), so that a driver that polls it waits.
void VirtioMmio::start_reset() {
    resetting_.store(true, std::memory_order_release);
    active_queues_.store(0, std::memory_order_release);
    device_features_sel_ = 0;
    driver_features_sel_ = 0;
    driver_features_ = 0;
    queue_sel_ = 0;
    shm_sel_ = 0;
    queues_.assign(queues_.size(), {});
    device_.reset();
}

void VirtioMmio::reset_done() {
    const std::lock_guard lock(interrupt_);
    interrupt_status_ = 0;
    irq_.set(false);
    status_.store(0, std::memory_order_release);
    resetting_.store(false, std::memory_order_release);
}

void VirtioMmio::raise_used_interrupt() {
    raise(VIRTIO_MMIO_INT_VRING);
}

void VirtioMmio::raise_config_interrupt() {
    raise(VIRTIO_MMIO_INT_CONFIG);
}

void VirtioMmio::set_needs_reset() {
    {
        const std::lock_guard lock(interrupt_);
        if (!idle() || !is_status(VIRTIO_CONFIG_S_DRIVER_OK)) {
            return;
        }
        status_.fetch_or(VIRTIO_CONFIG_S_NEEDS_RESET, std::memory_order_acq_rel);
    }
    raise(VIRTIO_MMIO_INT_CONFIG);
}

/// Status word and line change under one lock, so that an acknowledgement that races with a new
/// cause can't leave the line low with a cause pending.
void VirtioMmio::raise(std::uint32_t cause) {
    const std::lock_guard lock(interrupt_);
    if (!idle() || !is_status(VIRTIO_CONFIG_S_DRIVER_OK)) {
        return;
    }
    interrupt_status_ |= cause;
    irq_.set(true);
}

void VirtioMmio::acknowledge(std::uint32_t causes) {
    const std::lock_guard lock(interrupt_);
    interrupt_status_ &= ~causes;
    irq_.set(interrupt_status_ != 0);
}

bool VirtioMmio::is_status(std::uint32_t bit) const noexcept {
    return (status_.load(std::memory_order_acquire) & bit) != 0;
}

void VirtioMmio::save(StateWriter& out) const {
    const std::lock_guard lock(registers_);
    out.put(device_.device_id());
    out.put(device_features_sel_);
    out.put(driver_features_sel_);
    out.put(driver_features_);
    out.put(queue_sel_);
    out.put(shm_sel_);
    for (const VirtioQueue& queue : queues_) {
        out.put(queue.size);
        out.put(queue.ready);
        out.put(queue.desc.value);
        out.put(queue.driver.value);
        out.put(queue.device.value);
    }
    out.put(status_.load(std::memory_order_acquire));
    {
        const std::lock_guard interrupt_lock(interrupt_);
        out.put(interrupt_status_);
    }
    device_.save(out);
}

Result<void> VirtioMmio::load(StateReader& in) {
    const std::lock_guard lock(registers_);
    const auto id = in.get<std::uint32_t>();
    device_features_sel_ = in.get<std::uint32_t>();
    driver_features_sel_ = in.get<std::uint32_t>();
    driver_features_ = in.get<std::uint64_t>();
    queue_sel_ = in.get<std::uint32_t>();
    shm_sel_ = in.get<std::uint32_t>();
    bool sound = true;
    for (std::size_t i = 0; i < queues_.size(); ++i) {
        VirtioQueue& queue = queues_[i];
        queue.size = in.get<std::uint16_t>();
        queue.ready = in.get_bool();
        queue.desc = {in.get<std::uint64_t>()};
        queue.driver = {in.get<std::uint64_t>()};
        queue.device = {in.get<std::uint64_t>()};
        const std::uint16_t max = device_.queue_max(static_cast<unsigned>(i));
        sound &= valid_size(queue.size, max) || (queue.size == 0 && !queue.ready);
    }
    const auto status = in.get<std::uint32_t>();
    const auto interrupt = in.get<std::uint32_t>();
    const bool features_ok = (status & VIRTIO_CONFIG_S_FEATURES_OK) != 0;
    const bool driver_ok = (status & VIRTIO_CONFIG_S_DRIVER_OK) != 0;
    sound &= (status & ~(kDriverBits | VIRTIO_CONFIG_S_NEEDS_RESET)) == 0;
    sound &= (interrupt & ~std::uint32_t{VIRTIO_MMIO_INT_VRING | VIRTIO_MMIO_INT_CONFIG}) == 0;
    sound &= driver_ok || interrupt == 0;
    sound &= features_ok || !driver_ok;
    if (features_ok) {
        sound &= (driver_features_ & ~device_.device_features()) == 0
                 && (driver_features_ & kVersion1) != 0;
    }
    if (!in.ok() || !sound || id != device_.device_id()
        || (features_ok && !device_.accept_features(driver_features_))) {
        return fail(
            ErrorKind::configuration,
            "saved virtio transport state is damaged or belongs to another device"
        );
    }
    status_.store(status, std::memory_order_release);
    if (const auto loaded = device_.load(in, status, driver_features_, queues_); !loaded) {
        return loaded;
    }
    if (driver_ok) {
        publish_queues();
    }
    const std::lock_guard interrupt_lock(interrupt_);
    interrupt_status_ = interrupt;
    irq_.set(interrupt != 0);
    return {};
}

}  // namespace vmm
