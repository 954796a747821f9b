// SPDX-License-Identifier: Apache-2.0
// Snapshots come from outside: what they say of the device must fit what they say of its transport.
#include "devices/cops/cops_device.hpp"
#include "memory/state.hpp"

#include <virtio/virtio_config.h>

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>

namespace vmm {
namespace {

constexpr std::uint32_t kDriverOk = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER
                                    | VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK;
constexpr std::uint32_t kFeaturesOk =
    VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK;

class NoHost final : public CopsHost {
public:
    void start(const virtio_cops::IoOperation&) override { ADD_FAILURE() << "started"; }
    void cancel(std::uint64_t) override {}
    void close(virtio_cops::HostHandle) override {}
    virtio_cops::HostHandle reopen(const virtio_cops::OpenDescription&) override { return -1; }
    void submit() override {}
    void wake(unsigned, Level) override {}
    void kick(unsigned) override {}
    void begin_interrupt(Level) override {}
    void end_interrupt() override {}
    void reset_done() override {}
    void needs_reset(const char*) override {}
    void claim_doorbell(unsigned) override {}
    void yield_doorbell(unsigned) override {}
    void spin_doorbell(unsigned, std::uint32_t) override {}
    Nanos now() override { return 0; }
};

class NoTransport final : public VirtioTransport {
public:
    void raise_used_interrupt() override {}
    void raise_config_interrupt() override {}
    void set_needs_reset() override {}
    void reset_done() override {}
};

class SavedDevice : public ::testing::Test {
protected:
    SavedDevice()
        : memory(std::move(GuestMemory::create(GuestPhys{0x8000'0000}, 1 << 20).value())) {}

    std::unique_ptr<CopsDevice> make() {
        auto device = std::make_unique<CopsDevice>(
            virtio_cops::DeviceOptions{}, 65535, *memory, host_page, host
        );
        device->connect(transport);
        return device;
    }
    /// The empty string, or why a new device refuses this snapshot.
    std::string refusal(std::span<const std::byte> saved, std::uint32_t status) {
        StateReader in(saved);
        const auto loaded = make()->load(in, status, features, {});
        return loaded ? "" : loaded.error().message;
    }
    /// Of a device whose driver has come to DRIVER_OK, or not.
    std::vector<std::byte> saved(bool active) {
        const auto device = make();
        if (active) {
            device->activate(features, {});
        }
        StateWriter out;
        device->save(out);
        return out.take();
    }

    std::unique_ptr<GuestMemory> memory;
    std::array<std::byte, kPageSize> host_page{};
    NoHost host;
    NoTransport transport;
    std::uint64_t features = std::uint64_t{1} << VIRTIO_F_VERSION_1;
};

TEST_F(SavedDevice, one_that_fits_its_transport_is_loaded) {
    EXPECT_EQ(refusal(saved(true), kDriverOk), "");
    EXPECT_EQ(refusal(saved(false), kFeaturesOk), "");
    EXPECT_EQ(refusal(saved(false), 0), "");
}

TEST_F(SavedDevice, an_active_one_without_driver_ok_is_damaged) {
    EXPECT_NE(refusal(saved(true), kFeaturesOk).find("damaged"), std::string::npos);
    EXPECT_NE(refusal(saved(true), 0).find("damaged"), std::string::npos);
}

TEST_F(SavedDevice, an_idle_one_with_driver_ok_is_damaged) {
    EXPECT_NE(refusal(saved(false), kDriverOk).find("damaged"), std::string::npos);
}

TEST_F(SavedDevice, one_with_other_features_than_its_transport_is_damaged) {
    const auto bytes = saved(true);
    features |= std::uint64_t{1} << VIRTIO_COPS_F_BOARD;
    EXPECT_NE(refusal(bytes, kDriverOk).find("damaged"), std::string::npos);
}

TEST_F(SavedDevice, a_cut_one_is_damaged) {
    const auto bytes = saved(true);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        EXPECT_NE(refusal(std::span(bytes).first(size), kDriverOk), "") << size;
    }
}

}  // namespace
}  // namespace vmm
