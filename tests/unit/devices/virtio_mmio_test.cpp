// SPDX-License-Identifier: Apache-2.0
#include "devices/virtio_mmio/virtio_mmio.hpp"
#include "memory/state.hpp"

#include <virtio/virtio_config.h>
#include <virtio/virtio_mmio.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <vector>

namespace {

using vmm::GuestPhys;
using vmm::StateReader;
using vmm::StateWriter;
using vmm::VirtioMmio;
using vmm::VirtioQueue;

constexpr std::uint64_t kVersion1 = std::uint64_t{1} << VIRTIO_F_VERSION_1;
constexpr std::uint32_t kStarted = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;
constexpr std::uint32_t kFeaturesOk = kStarted | VIRTIO_CONFIG_S_FEATURES_OK;
constexpr std::uint32_t kDriverOk = kFeaturesOk | VIRTIO_CONFIG_S_DRIVER_OK;

struct Wire final : vmm::InterruptController {
    bool high = false;
    void set_level(unsigned, bool asserted) override { high = asserted; }
};

/// A device with two queues, features 0 and 3, four bytes of configuration and one shared region.
struct FakeDevice final : vmm::VirtioDevice {
    vmm::VirtioTransport* transport = nullptr;
    bool accepts = true;
    bool drains_at_once = true;
    int resets = 0;
    std::uint64_t activated_features = 0;
    std::vector<VirtioQueue> activated;
    std::vector<unsigned> notified;
    std::vector<std::byte> config = std::vector<std::byte>(4);
    std::uint32_t saved_word = 0x1234;

    void connect(vmm::VirtioTransport& to) override { transport = &to; }
    std::uint32_t device_id() const override { return 65535; }
    std::uint64_t device_features() const override { return kVersion1 | 0b1001; }
    unsigned queue_count() const override { return 2; }
    std::uint16_t queue_max(unsigned queue) const override { return queue == 0 ? 64 : 1024; }
    bool accept_features(std::uint64_t) override { return accepts; }
    void activate(std::uint64_t features, std::span<const VirtioQueue> queues) override {
        activated_features = features;
        activated.assign(queues.begin(), queues.end());
    }
    void reset() override {
        ++resets;
        if (drains_at_once) {
            transport->reset_done();
        }
    }
    void notify(unsigned queue) override { notified.push_back(queue); }
    std::uint32_t config_generation() const override { return 5; }
    void config_read(std::uint64_t offset, std::span<std::byte> to) override {
        for (std::size_t i = 0; i < to.size(); ++i) {
            to[i] = offset + i < config.size() ? config[offset + i] : std::byte{0};
        }
    }
    void config_write(std::uint64_t offset, std::span<const std::byte> from) override {
        for (std::size_t i = 0; i < from.size() && offset + i < config.size(); ++i) {
            config[offset + i] = from[i];
        }
    }
    std::optional<vmm::VirtioSharedMemory> shared_memory(std::uint8_t id) const override {
        return id == 1 ? std::optional(vmm::VirtioSharedMemory{{0x1'11010000}, 0x2'00001000})
                       : std::nullopt;
    }
    void save(StateWriter& out) const override { out.put(saved_word); }
    vmm::Result<void> load(
        StateReader& in, std::uint32_t, std::uint64_t features, std::span<const VirtioQueue> queues
    ) override {
        saved_word = in.get<std::uint32_t>();
        activate(features, queues);
        return in.ok() ? vmm::Result<void>{}
                       : vmm::fail(vmm::ErrorKind::configuration, "device state is damaged");
    }
};

struct VirtioMmioTest : testing::Test {
    Wire wire;
    FakeDevice device;
    VirtioMmio transport{device, vmm::IrqLine(wire, 1)};

    std::uint32_t read(std::uint64_t offset) {
        std::uint64_t value = 0xdead;
        EXPECT_TRUE(transport.mmio_read({offset, 4, 0}, &value));
        return static_cast<std::uint32_t>(value);
    }
    void write(std::uint64_t offset, std::uint32_t value) {
        EXPECT_TRUE(transport.mmio_write({offset, 4, 0}, value));
    }
    std::uint32_t status() { return read(VIRTIO_MMIO_STATUS); }
    void set_features(std::uint64_t features) {
        write(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
        write(VIRTIO_MMIO_DRIVER_FEATURES, static_cast<std::uint32_t>(features));
        write(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
        write(VIRTIO_MMIO_DRIVER_FEATURES, static_cast<std::uint32_t>(features >> 32));
    }
    void negotiate(std::uint64_t features = kVersion1) {
        write(VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE);
        write(VIRTIO_MMIO_STATUS, kStarted);
        set_features(features);
        write(VIRTIO_MMIO_STATUS, kFeaturesOk);
    }
    void set_queue(std::uint32_t queue, std::uint32_t size) {
        write(VIRTIO_MMIO_QUEUE_SEL, queue);
        write(VIRTIO_MMIO_QUEUE_NUM, size);
        write(VIRTIO_MMIO_QUEUE_DESC_LOW, 0x80001000);
        write(VIRTIO_MMIO_QUEUE_DESC_HIGH, 1);
        write(VIRTIO_MMIO_QUEUE_AVAIL_LOW, 0x80002000);
        write(VIRTIO_MMIO_QUEUE_AVAIL_HIGH, 2);
        write(VIRTIO_MMIO_QUEUE_USED_LOW, 0x80003000);
        write(VIRTIO_MMIO_QUEUE_USED_HIGH, 3);
        write(VIRTIO_MMIO_QUEUE_READY, 1);
    }
    void start() {
        negotiate();
        set_queue(0, 64);
        set_queue(1, 256);
        write(VIRTIO_MMIO_STATUS, kDriverOk);
    }
};

TEST_F(VirtioMmioTest, identifies_itself) {
    EXPECT_EQ(read(VIRTIO_MMIO_MAGIC_VALUE), 0x74726976U);
    EXPECT_EQ(read(VIRTIO_MMIO_VERSION), 2U);
    EXPECT_EQ(read(VIRTIO_MMIO_DEVICE_ID), 65535U);
    EXPECT_EQ(read(VIRTIO_MMIO_CONFIG_GENERATION), 5U);
    EXPECT_EQ(status(), 0U);
}

TEST_F(VirtioMmioTest, features_are_shown_by_halves) {
    write(VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0);
    EXPECT_EQ(read(VIRTIO_MMIO_DEVICE_FEATURES), 0b1001U);
    write(VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
    EXPECT_EQ(read(VIRTIO_MMIO_DEVICE_FEATURES), 1U);
    write(VIRTIO_MMIO_DEVICE_FEATURES_SEL, 2);
    EXPECT_EQ(read(VIRTIO_MMIO_DEVICE_FEATURES), 0U);
}

TEST_F(VirtioMmioTest, start_up_hands_features_and_queues_to_the_device) {
    start();
    EXPECT_EQ(status(), kDriverOk);
    EXPECT_EQ(device.activated_features, kVersion1);
    ASSERT_EQ(device.activated.size(), 2U);
    EXPECT_EQ(device.activated[1].size, 256);
    EXPECT_TRUE(device.activated[1].ready);
    EXPECT_EQ(device.activated[1].desc, GuestPhys{0x1'80001000});
    EXPECT_EQ(device.activated[1].driver, GuestPhys{0x2'80002000});
    EXPECT_EQ(device.activated[1].device, GuestPhys{0x3'80003000});
}

TEST_F(VirtioMmioTest, features_not_offered_are_refused) {
    negotiate(kVersion1 | 0b10);
    EXPECT_EQ(status(), kStarted);
}

TEST_F(VirtioMmioTest, legacy_drivers_are_refused) {
    negotiate(0b1);
    EXPECT_EQ(status(), kStarted);
}

TEST_F(VirtioMmioTest, the_device_may_veto_features) {
    device.accepts = false;
    negotiate();
    EXPECT_EQ(status(), kStarted);
    write(VIRTIO_MMIO_STATUS, kDriverOk);
    EXPECT_EQ(status(), kStarted);
    EXPECT_TRUE(device.activated.empty());
}

TEST_F(VirtioMmioTest, features_are_settled_after_features_ok) {
    negotiate(kVersion1);
    set_features(kVersion1 | 0b1000);
    write(VIRTIO_MMIO_STATUS, kDriverOk);
    EXPECT_EQ(device.activated_features, kVersion1);
}

TEST_F(VirtioMmioTest, status_bits_out_of_order_do_nothing) {
    write(VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_DRIVER_OK);
    EXPECT_EQ(status(), 0U);
    set_features(kVersion1);
    write(VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_FEATURES_OK);
    EXPECT_EQ(status(), 0U);
    EXPECT_TRUE(device.activated.empty());
}

TEST_F(VirtioMmioTest, status_bits_cannot_be_taken_back_one_by_one) {
    start();
    write(VIRTIO_MMIO_STATUS, kStarted);
    EXPECT_EQ(status(), kDriverOk);
    write(VIRTIO_MMIO_STATUS, 0xffffffff);
    EXPECT_EQ(status(), kDriverOk | VIRTIO_CONFIG_S_FAILED);
}

TEST_F(VirtioMmioTest, queue_limits_are_shown_and_kept) {
    write(VIRTIO_MMIO_QUEUE_SEL, 0);
    EXPECT_EQ(read(VIRTIO_MMIO_QUEUE_NUM_MAX), 64U);
    write(VIRTIO_MMIO_QUEUE_SEL, 1);
    EXPECT_EQ(read(VIRTIO_MMIO_QUEUE_NUM_MAX), 1024U);
    write(VIRTIO_MMIO_QUEUE_SEL, 2);
    EXPECT_EQ(read(VIRTIO_MMIO_QUEUE_NUM_MAX), 0U);
    write(VIRTIO_MMIO_QUEUE_READY, 1);
    EXPECT_EQ(read(VIRTIO_MMIO_QUEUE_READY), 0U);
}

TEST_F(VirtioMmioTest, impossible_queue_sizes_never_get_ready) {
    negotiate();
    for (const std::uint32_t size : {0U, 3U, 128U, 65536U, 0x10040U, 0xffffffffU}) {
        set_queue(0, size);
        EXPECT_EQ(read(VIRTIO_MMIO_QUEUE_READY), 0U) << size;
    }
    set_queue(0, 32);
    EXPECT_EQ(read(VIRTIO_MMIO_QUEUE_READY), 1U);
}

TEST_F(VirtioMmioTest, queues_are_fixed_while_ready_and_once_the_device_runs) {
    negotiate();
    set_queue(0, 32);
    write(VIRTIO_MMIO_QUEUE_NUM, 64);
    write(VIRTIO_MMIO_STATUS, kDriverOk);
    EXPECT_EQ(device.activated[0].size, 32);
    write(VIRTIO_MMIO_QUEUE_READY, 0);
    EXPECT_EQ(read(VIRTIO_MMIO_QUEUE_READY), 1U);
}

TEST_F(VirtioMmioTest, notifications_reach_only_a_running_device_with_that_queue) {
    write(VIRTIO_MMIO_QUEUE_NOTIFY, 0);
    negotiate();
    set_queue(0, 64);
    write(VIRTIO_MMIO_QUEUE_NOTIFY, 0);
    EXPECT_TRUE(device.notified.empty());
    write(VIRTIO_MMIO_STATUS, kDriverOk);
    write(VIRTIO_MMIO_QUEUE_NOTIFY, 1);
    write(VIRTIO_MMIO_QUEUE_NOTIFY, 2);
    write(VIRTIO_MMIO_QUEUE_NOTIFY, 0xffffffff);
    write(VIRTIO_MMIO_QUEUE_NOTIFY, 64);
    EXPECT_TRUE(device.notified.empty());
    write(VIRTIO_MMIO_QUEUE_NOTIFY, 0);
    EXPECT_EQ(device.notified, std::vector<unsigned>{0});
}

TEST_F(VirtioMmioTest, interrupts_are_raised_and_acknowledged_by_cause) {
    start();
    device.transport->raise_used_interrupt();
    EXPECT_TRUE(wire.high);
    device.transport->raise_config_interrupt();
    EXPECT_EQ(read(VIRTIO_MMIO_INTERRUPT_STATUS), 3U);
    write(VIRTIO_MMIO_INTERRUPT_ACK, VIRTIO_MMIO_INT_VRING);
    EXPECT_TRUE(wire.high);
    write(VIRTIO_MMIO_INTERRUPT_ACK, 0xffffffff);
    EXPECT_FALSE(wire.high);
    EXPECT_EQ(read(VIRTIO_MMIO_INTERRUPT_STATUS), 0U);
}

TEST_F(VirtioMmioTest, a_device_that_does_not_run_raises_nothing) {
    negotiate();
    device.transport->raise_used_interrupt();
    device.transport->set_needs_reset();
    EXPECT_FALSE(wire.high);
    EXPECT_EQ(status(), kFeaturesOk);
}

TEST_F(VirtioMmioTest, needs_reset_is_shown_with_a_configuration_interrupt) {
    start();
    device.transport->set_needs_reset();
    EXPECT_EQ(status(), kDriverOk | VIRTIO_CONFIG_S_NEEDS_RESET);
    EXPECT_EQ(read(VIRTIO_MMIO_INTERRUPT_STATUS), std::uint32_t{VIRTIO_MMIO_INT_CONFIG});
    EXPECT_TRUE(wire.high);
    write(VIRTIO_MMIO_STATUS, 0);
    EXPECT_EQ(status(), 0U);
    EXPECT_FALSE(wire.high);
}

TEST_F(VirtioMmioTest, reset_forgets_everything) {
    start();
    device.transport->raise_used_interrupt();
    write(VIRTIO_MMIO_STATUS, 0);
    EXPECT_EQ(device.resets, 1);
    EXPECT_EQ(status(), 0U);
    EXPECT_FALSE(wire.high);
    write(VIRTIO_MMIO_QUEUE_SEL, 1);
    EXPECT_EQ(read(VIRTIO_MMIO_QUEUE_READY), 0U);
    write(VIRTIO_MMIO_QUEUE_NOTIFY, 0);
    EXPECT_TRUE(device.notified.empty());
    start();
    EXPECT_EQ(status(), kDriverOk);
}

TEST_F(VirtioMmioTest, status_reads_zero_only_when_the_device_has_drained) {
    start();
    device.drains_at_once = false;
    write(VIRTIO_MMIO_STATUS, 0);
    EXPECT_EQ(status(), kDriverOk);
    EXPECT_FALSE(transport.idle());
    // Nothing the driver does meanwhile has an effect.
    write(VIRTIO_MMIO_STATUS, 0);
    write(VIRTIO_MMIO_STATUS, kDriverOk);
    set_queue(0, 64);
    write(VIRTIO_MMIO_QUEUE_NOTIFY, 0);
    device.transport->raise_used_interrupt();
    device.transport->set_needs_reset();
    EXPECT_EQ(device.resets, 1);
    EXPECT_TRUE(device.notified.empty());
    EXPECT_FALSE(wire.high);
    EXPECT_EQ(status(), kDriverOk);

    device.transport->reset_done();
    EXPECT_TRUE(transport.idle());
    EXPECT_EQ(status(), 0U);
    write(VIRTIO_MMIO_QUEUE_SEL, 0);
    EXPECT_EQ(read(VIRTIO_MMIO_QUEUE_READY), 0U);
}

TEST_F(VirtioMmioTest, shared_memory_is_shown_and_unknown_ids_are_all_ones) {
    write(VIRTIO_MMIO_SHM_SEL, 1);
    EXPECT_EQ(read(VIRTIO_MMIO_SHM_BASE_LOW), 0x11010000U);
    EXPECT_EQ(read(VIRTIO_MMIO_SHM_BASE_HIGH), 1U);
    EXPECT_EQ(read(VIRTIO_MMIO_SHM_LEN_LOW), 0x1000U);
    EXPECT_EQ(read(VIRTIO_MMIO_SHM_LEN_HIGH), 2U);
    for (const std::uint32_t id : {0U, 2U, 255U, 257U, 0xffffffffU}) {
        write(VIRTIO_MMIO_SHM_SEL, id);
        EXPECT_EQ(read(VIRTIO_MMIO_SHM_LEN_LOW), 0xffffffffU) << id;
        EXPECT_EQ(read(VIRTIO_MMIO_SHM_LEN_HIGH), 0xffffffffU) << id;
    }
}

TEST_F(VirtioMmioTest, configuration_space_takes_every_width) {
    EXPECT_TRUE(transport.mmio_write({VIRTIO_MMIO_CONFIG, 4, 0}, 0x04030201));
    std::uint64_t value = ~std::uint64_t{0};
    EXPECT_TRUE(transport.mmio_read({VIRTIO_MMIO_CONFIG, 1, 0}, &value));
    EXPECT_EQ(value, 0x01U);
    EXPECT_TRUE(transport.mmio_read({VIRTIO_MMIO_CONFIG + 2, 2, 0}, &value));
    EXPECT_EQ(value, 0x0403U);
    EXPECT_TRUE(transport.mmio_read({VIRTIO_MMIO_CONFIG, 8, 0}, &value));
    EXPECT_EQ(value, 0x04030201U);
    EXPECT_TRUE(transport.mmio_read({0xff8, 8, 0}, &value));
    EXPECT_EQ(value, 0U);
    EXPECT_TRUE(transport.mmio_write({0xff8, 8, 0}, ~std::uint64_t{0}));
}

TEST_F(VirtioMmioTest, registers_are_32_bits_wide_only) {
    std::uint64_t value = 0;
    for (const unsigned size : {1U, 2U, 8U}) {
        EXPECT_FALSE(transport.mmio_read({0, size, 0}, &value));
        EXPECT_FALSE(transport.mmio_write({VIRTIO_MMIO_STATUS, size, 0}, 1));
    }
    EXPECT_EQ(status(), 0U);
}

TEST_F(VirtioMmioTest, every_register_takes_wild_values) {
    for (const std::uint32_t value : {0xffffffffU, 0x80000000U, 1U, 0U}) {
        for (std::uint64_t offset = 0; offset < VIRTIO_MMIO_CONFIG; offset += 4) {
            write(offset, value);
            read(offset);
        }
    }
    write(VIRTIO_MMIO_STATUS, 0);
    start();
    EXPECT_EQ(status(), kDriverOk);
}

TEST_F(VirtioMmioTest, saved_state_continues_in_another) {
    start();
    device.transport->raise_used_interrupt();
    device.saved_word = 0xabcd;
    StateWriter out;
    transport.save(out);

    Wire other_wire;
    FakeDevice other_device;
    VirtioMmio other(other_device, vmm::IrqLine(other_wire, 1));
    StateReader in(out.bytes());
    ASSERT_TRUE(other.load(in).has_value());
    EXPECT_TRUE(in.at_end());
    EXPECT_TRUE(other_wire.high);
    EXPECT_EQ(other_device.saved_word, 0xabcdU);
    EXPECT_EQ(other_device.activated[1].size, 256);
    std::uint64_t value = 0;
    EXPECT_TRUE(other.mmio_read({VIRTIO_MMIO_STATUS, 4, 0}, &value));
    EXPECT_EQ(value, kDriverOk);
    EXPECT_TRUE(other.mmio_write({VIRTIO_MMIO_QUEUE_NOTIFY, 4, 0}, 1));
    EXPECT_EQ(other_device.notified, std::vector<unsigned>{1});
}

TEST_F(VirtioMmioTest, damaged_state_is_refused_and_never_crashes) {
    start();
    StateWriter out;
    transport.save(out);
    const std::vector<std::byte> good(out.bytes().begin(), out.bytes().end());
    for (std::size_t length = 0; length < good.size(); ++length) {
        StateReader in(std::span(good).first(length));
        EXPECT_FALSE(transport.load(in).has_value()) << length;
    }
    for (std::size_t at = 0; at < good.size(); ++at) {
        auto bytes = good;
        bytes[at] = ~bytes[at];
        StateReader in(bytes);
        (void)transport.load(in);
    }
    auto wrong_device = good;
    wrong_device[0] = std::byte{1};
    StateReader in(wrong_device);
    EXPECT_FALSE(transport.load(in).has_value());
}

}  // namespace
