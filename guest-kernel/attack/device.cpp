// SPDX-License-Identifier: Apache-2.0
#include "attack/device.hpp"

#include <virtio/virtio_config.h>
#include <virtio/virtio_mmio.h>
#include <virtio/virtio_ring.h>

#include <cstddef>

namespace attack {
namespace {

constexpr std::uint64_t kFirstDevice = 0x10001000;
constexpr std::uint64_t kDeviceBytes = 0x1000;
constexpr unsigned kDevices = 8;
constexpr std::uint16_t kSize = 8;  // of a queue
constexpr std::size_t kMessage = 128;

struct Available {
    std::uint16_t flags;
    std::uint16_t index;
    std::uint16_t ring[kSize];
};
/// A queue whose message i is descriptors 2i (ours) and 2i + 1 (the device's answer).
struct Queue {
    alignas(16) vring_desc table[kSize];
    alignas(2) Available available;
    alignas(4) unsigned char used[4 + kSize * 8 + 2];
    alignas(16) unsigned char messages[kSize / 2][kMessage];
    alignas(16) unsigned char answers[kSize / 2][kMessage];
};

constinit Queue queues[VIRTIO_COPS_NUM_QUEUES] = {};
constinit std::uint64_t device = 0;
constinit std::uint64_t doorbell_page = 0;

volatile std::uint32_t& reg(std::uint64_t offset) {
    // NOLINTNEXTLINE(performance-no-int-to-ptr): a device's register.
    return *reinterpret_cast<volatile std::uint32_t*>(device + offset);
}

void set_address(std::uint64_t low, const volatile void* memory) {
    const auto address = reinterpret_cast<std::uint64_t>(memory);
    reg(low) = static_cast<std::uint32_t>(address);
    reg(low + 4) = static_cast<std::uint32_t>(address >> 32);
}

void accept_features() {
    reg(VIRTIO_MMIO_DRIVER_FEATURES_SEL) = 0;
    reg(VIRTIO_MMIO_DRIVER_FEATURES) = 1U << VIRTIO_COPS_F_BOARD;
    reg(VIRTIO_MMIO_DRIVER_FEATURES_SEL) = 1;
    reg(VIRTIO_MMIO_DRIVER_FEATURES) = 1U << (VIRTIO_F_VERSION_1 - 32);
}

void open_queue(std::uint32_t number) {
    Queue& queue = queues[number];
    for (std::uint16_t i = 0; i < kSize; i += 2) {
        queue.table[i] = {
            reinterpret_cast<std::uint64_t>(queue.messages[i / 2]),
            0,
            VRING_DESC_F_NEXT,
            static_cast<std::uint16_t>(i + 1)
        };
        queue.table[i + 1] = {
            reinterpret_cast<std::uint64_t>(queue.answers[i / 2]), kMessage, VRING_DESC_F_WRITE, 0
        };
    }
    reg(VIRTIO_MMIO_QUEUE_SEL) = number;
    reg(VIRTIO_MMIO_QUEUE_NUM) = kSize;
    set_address(VIRTIO_MMIO_QUEUE_DESC_LOW, queue.table);
    set_address(VIRTIO_MMIO_QUEUE_AVAIL_LOW, &queue.available);
    set_address(VIRTIO_MMIO_QUEUE_USED_LOW, queue.used);
    reg(VIRTIO_MMIO_QUEUE_READY) = 1;
}

}  // namespace

bool open_device(std::uint32_t device_id) {
    for (unsigned i = 0; i < kDevices; ++i) {
        device = kFirstDevice + i * kDeviceBytes;
        if (reg(VIRTIO_MMIO_MAGIC_VALUE) != VIRTIO_MMIO_MAGIC
            || reg(VIRTIO_MMIO_DEVICE_ID) != device_id) {
            continue;
        }
        const std::uint32_t found = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;
        reg(VIRTIO_MMIO_STATUS) = found;
        accept_features();
        reg(VIRTIO_MMIO_STATUS) = found | VIRTIO_CONFIG_S_FEATURES_OK;
        for (std::uint32_t queue = 0; queue < VIRTIO_COPS_NUM_QUEUES; ++queue) {
            open_queue(queue);
        }
        reg(VIRTIO_MMIO_STATUS) = found | VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK;
        reg(VIRTIO_MMIO_SHM_SEL) = VIRTIO_COPS_SHM_DOORBELL;
        doorbell_page =
            reg(VIRTIO_MMIO_SHM_BASE_LOW) | std::uint64_t{reg(VIRTIO_MMIO_SHM_BASE_HIGH)} << 32;
        return true;
    }
    return false;
}

volatile std::uint32_t* doorbells() {
    // NOLINTNEXTLINE(performance-no-int-to-ptr): a device's page.
    return reinterpret_cast<volatile std::uint32_t*>(doorbell_page);
}

void command(const void* message, std::uint32_t bytes) {
    Queue& queue = queues[VIRTIO_COPS_QUEUE_CONTROL];
    const std::uint16_t index = queue.available.index;
    const std::uint16_t place = index % (kSize / 2);
    for (std::uint32_t i = 0; i < bytes; ++i) {
        queue.messages[place][i] = static_cast<const unsigned char*>(message)[i];
    }
    queue.table[2 * place].len = bytes;
    queue.available.ring[index % kSize] = static_cast<std::uint16_t>(2 * place);
    __atomic_store_n(
        &queue.available.index, static_cast<std::uint16_t>(index + 1), __ATOMIC_RELEASE
    );
    reg(VIRTIO_MMIO_QUEUE_NOTIFY) = VIRTIO_COPS_QUEUE_CONTROL;
}

void set_board(std::uint32_t vcpu, std::uint64_t board) {
    struct {
        virtio_cops_ctrl_hdr header;
        virtio_cops_ctrl_set_board body;
    } const message{{VIRTIO_COPS_CTRL_SET_BOARD, 0}, {vcpu, sizeof(virtio_cops_board), board}};
    command(&message, sizeof message);
}

}  // namespace attack
