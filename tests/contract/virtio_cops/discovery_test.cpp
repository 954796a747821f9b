// SPDX-License-Identifier: Apache-2.0
// SPEC.md sections 1 to 3: conventions, discovery, negotiation, configuration.
#include "rig.hpp"

namespace virtio_cops::test {
namespace {

constexpr std::uint64_t bit(unsigned number) {
    return std::uint64_t{1} << number;
}

/// Writes the driver's feature words and FEATURES_OK; whether the device kept FEATURES_OK.
bool accepts(Rig& rig, std::uint64_t features) {
    Registers& registers = rig.registers;
    registers.write32(VIRTIO_MMIO_STATUS, 0);
    registers.write32(VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
    for (std::uint32_t half = 0; half < 2; ++half) {
        registers.write32(VIRTIO_MMIO_DRIVER_FEATURES_SEL, half);
        registers.write32(
            VIRTIO_MMIO_DRIVER_FEATURES, static_cast<std::uint32_t>(features >> (32 * half))
        );
    }
    registers.write32(
        VIRTIO_MMIO_STATUS,
        VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK
    );
    return (registers.read32(VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_FEATURES_OK) != 0;
}

TEST(VC_1_1, messages_of_driver_and_device_have_zero_reserved_fields) {
    Rig rig;
    rig.boot();
    ASSERT_EQ(rig.driver.control().get_grant(0, 0), 0);
    const RawQueue control = rig.raw_control();
    const std::uint64_t table = rig.ram.at<vring_desc>(rig.driver.control().addresses().desc).addr;
    const auto* const desc = &rig.ram.at<vring_desc>(table);
    EXPECT_EQ(rig.ram.at<virtio_cops_ctrl_hdr>(desc[0].addr).reserved, 0u);
    EXPECT_EQ(rig.ram.at<virtio_cops_ctrl_get_grant>(desc[0].addr + 8).reserved, 0u);
    rig.ram.at<virtio_cops_ctrl_status>(desc[1].addr).reserved = 0xffff'ffff;
    rig.driver.notify_control();
    ASSERT_EQ(control.used(), 1);
    EXPECT_EQ(rig.ram.at<virtio_cops_ctrl_status>(desc[1].addr).reserved, 0u);
}

TEST(VC_1_2, nonzero_reserved_fields_change_nothing) {
    Rig rig;
    rig.boot();
    std::vector<std::byte> message(
        sizeof(virtio_cops_ctrl_hdr) + sizeof(virtio_cops_ctrl_get_grant)
    );
    const virtio_cops_ctrl_hdr header{VIRTIO_COPS_CTRL_GET_GRANT, 0xdead'beef};
    const virtio_cops_ctrl_get_grant payload{0, 0xdead'beef};
    std::memcpy(message.data(), &header, sizeof header);
    std::memcpy(message.data() + sizeof header, &payload, sizeof payload);
    const auto status =
        rig.raw_command(message, sizeof(virtio_cops_ctrl_status) + sizeof(virtio_cops_ctrl_grant));
    EXPECT_EQ(status, 0u);
}

TEST(VC_2_1, another_device_id_is_not_used) {
    Rig rig;
    rig.registers.device_id = VIRTIO_ID_COPS - 1;
    EXPECT_EQ(rig.driver.probe(), -kNoDevice);
}

TEST(VC_2_1, a_configured_id_is_used) {
    RigOptions options;
    options.driver.device_id = VIRTIO_ID_COPS - 1;
    Rig rig(options);
    EXPECT_EQ(rig.driver.probe(), -kNoDevice);
    rig.registers.device_id = VIRTIO_ID_COPS - 1;
    EXPECT_EQ(rig.driver.probe(), 0);
}

TEST(VC_2_2, a_wrong_magic_value_stops_the_driver_before_other_registers) {
    Rig rig;
    rig.registers.magic = 0;
    EXPECT_EQ(rig.driver.probe(), -kNoDevice);
    EXPECT_EQ(rig.registers.touched, (std::vector<std::uint32_t>{VIRTIO_MMIO_MAGIC_VALUE}));
}

TEST(VC_2_2, a_wrong_version_stops_the_driver_before_other_registers) {
    Rig rig;
    rig.registers.version = 1;
    EXPECT_EQ(rig.driver.probe(), -kNoDevice);
    EXPECT_EQ(
        rig.registers.touched,
        (std::vector<std::uint32_t>{VIRTIO_MMIO_MAGIC_VALUE, VIRTIO_MMIO_VERSION})
    );
}

TEST(VC_2_3, regions_exist_with_boards) {
    Rig rig;
    rig.boot();
    const SharedRegion page = rig.driver.mmio().shared_region(VIRTIO_COPS_SHM_HOST_PAGE);
    const SharedRegion doorbell = rig.driver.mmio().shared_region(VIRTIO_COPS_SHM_DOORBELL);
    EXPECT_EQ(page.address, kHostPageBase);
    EXPECT_EQ(page.bytes, kPageBytes);
    EXPECT_EQ(doorbell.bytes, kPageBytes);
}

TEST(VC_2_3, a_length_of_all_ones_is_no_region) {
    RigOptions options;
    options.device.boards = false;
    Rig rig(options);
    rig.boot();
    EXPECT_EQ(rig.driver.mmio().shared_region(VIRTIO_COPS_SHM_HOST_PAGE).bytes, 0u);
    EXPECT_EQ(rig.driver.mmio().shared_region(VIRTIO_COPS_SHM_DOORBELL).bytes, 0u);
    EXPECT_EQ(rig.driver.mmio().shared_region(7).bytes, 0u);
}

TEST(VC_3_1, version_1_and_indirect_descriptors_are_offered_and_nothing_unknown) {
    Rig rig;
    EXPECT_EQ(
        rig.device.features(),
        bit(VIRTIO_F_VERSION_1) | bit(VIRTIO_RING_F_INDIRECT_DESC) | bit(VIRTIO_COPS_F_BOARD)
            | bit(VIRTIO_COPS_F_USER_INTR) | bit(VIRTIO_COPS_F_POWER_OFF)
            | bit(VIRTIO_COPS_F_SIBLINGS)
    );
}

TEST(VC_3_1, without_boards_there_are_no_user_interrupts_either) {
    RigOptions options;
    options.device.boards = false;
    Rig rig(options);
    EXPECT_EQ(
        rig.device.features(),
        bit(VIRTIO_F_VERSION_1) | bit(VIRTIO_RING_F_INDIRECT_DESC) | bit(VIRTIO_COPS_F_POWER_OFF)
    );
}

TEST(VC_3_1, core_allocation_is_offered_when_there_are_vcpus_to_grant_and_words_to_say_so) {
    RigOptions options;
    options.device.own_vcpus = 1;
    EXPECT_NE(Rig(options).device.features() & bit(VIRTIO_COPS_F_CORE_ALLOC), 0u);
    options.device.own_vcpus = options.device.num_vcpus;
    EXPECT_EQ(Rig(options).device.features() & bit(VIRTIO_COPS_F_CORE_ALLOC), 0u);
    options.device.own_vcpus = 1;
    options.device.boards = false;
    EXPECT_EQ(Rig(options).device.features() & bit(VIRTIO_COPS_F_CORE_ALLOC), 0u);
}

TEST(VC_3_2, core_allocation_needs_boards) {
    RigOptions options;
    options.device.own_vcpus = 1;
    Rig rig(options);
    const std::uint64_t cores = bit(VIRTIO_F_VERSION_1) | bit(VIRTIO_COPS_F_CORE_ALLOC);
    EXPECT_FALSE(accepts(rig, cores));
    EXPECT_TRUE(accepts(rig, cores | bit(VIRTIO_COPS_F_BOARD)));
}

TEST(VC_3_2, bad_feature_sets_leave_features_ok_clear) {
    Rig rig;
    const std::uint64_t version = bit(VIRTIO_F_VERSION_1);
    EXPECT_TRUE(accepts(rig, version));
    EXPECT_TRUE(accepts(rig, rig.device.features()));
    EXPECT_FALSE(accepts(rig, bit(VIRTIO_RING_F_INDIRECT_DESC)));
    EXPECT_FALSE(accepts(rig, version | bit(VIRTIO_RING_F_EVENT_IDX)));
    EXPECT_FALSE(accepts(rig, version | bit(5)));
    EXPECT_FALSE(accepts(rig, version | bit(VIRTIO_COPS_F_USER_INTR)));
    EXPECT_FALSE(accepts(rig, version | bit(VIRTIO_COPS_F_SIBLINGS)));
}

TEST(VC_3_3, a_missing_feature_makes_the_driver_fail_the_device) {
    Rig rig;
    rig.registers.hidden_features = bit(VIRTIO_RING_F_INDIRECT_DESC);
    ASSERT_EQ(rig.driver.probe(), 0);
    EXPECT_EQ(rig.driver.open(), -kNotSupported);
    EXPECT_NE(rig.registers.status & VIRTIO_CONFIG_S_FAILED, 0u);
    EXPECT_EQ(rig.registers.status & VIRTIO_CONFIG_S_DRIVER_OK, 0u);
}

TEST(VC_3_4, without_board_boards_are_refused_and_nothing_is_claimed) {
    RigOptions options;
    options.driver.boards = false;
    Rig rig(options);
    rig.boot();
    const std::uint64_t board = rig.ram.allocate(64, 64);
    rig.ram.at<virtio_cops_board>(board).ready = 1;
    EXPECT_EQ(rig.command(rig.driver.control().set_board(0, board, 0)), unsigned{EOPNOTSUPP});
    EXPECT_FALSE(rig.device.sample(0).present);
}

TEST(VC_3_4, without_user_intr_no_user_interrupt_is_posted) {
    RigOptions options;
    options.driver.user_interrupts = false;
    Rig rig(options);
    rig.boot();
    virtio_cops_board& board = rig.set_board();
    const TestProcess process = rig.attach();
    board.process = process.id;
    rig.submit(Rig::slot_request(process, VIRTIO_COPS_OP_NANOSLEEP, 0));
    rig.host.interrupts.clear();
    rig.complete_next(0);
    EXPECT_TRUE(rig.host.posts.empty());
    EXPECT_EQ(rig.host.interrupts.size(), 1u);
}

TEST(VC_3_4, without_indirect_desc_an_indirect_descriptor_is_misuse) {
    Rig rig;
    ASSERT_TRUE(accepts(rig, bit(VIRTIO_F_VERSION_1)));
    RequestQueue queue;
    const std::uint64_t memory = rig.ram.allocate(RequestQueue::bytes(8, 4));
    queue.init(&rig.ram.at<std::byte>(memory), memory, 8, 4);
    ASSERT_EQ(rig.driver.mmio().set_queue(VIRTIO_COPS_QUEUE_REQUEST, queue.addresses()), 0);
    ASSERT_EQ(rig.driver.mmio().start(), 0);
    std::uint64_t id = 0;
    const virtio_cops_req nop = Rig::request(VIRTIO_COPS_OP_NOP);
    ASSERT_EQ(queue.submit(nop, {}, Direction::from_device, 0, &id), 0);
    rig.notify(VIRTIO_COPS_QUEUE_REQUEST);
    EXPECT_TRUE(rig.needs_reset());
}

TEST(VC_3_5, configuration_says_what_the_device_was_made_with_and_ends_in_zeros) {
    RigOptions options;
    options.device.num_vcpus = 3;
    options.device.max_in_flight = 17;
    Rig rig(options);
    rig.boot();
    const virtio_cops_config& config = rig.driver.config();
    EXPECT_EQ(config.version, unsigned{VIRTIO_COPS_VERSION});
    EXPECT_EQ(config.num_vcpus, 3u);
    EXPECT_EQ(config.max_processes, 4u);
    EXPECT_EQ(config.max_slots, 2048u);
    EXPECT_EQ(config.max_in_flight, 17u);
    EXPECT_EQ(config.max_segments, 64u);
    EXPECT_EQ(config.max_handles, 1024u);
    EXPECT_EQ(config.num_grants, 3u);
    std::array<std::byte, 8> bytes;
    bytes.fill(std::byte{0xff});
    rig.device.read_config(sizeof config - 4, bytes);
    EXPECT_NE(bytes[0], std::byte{0xff});
    EXPECT_EQ(bytes[4], std::byte{0});
    bytes.fill(std::byte{0xff});
    rig.device.read_config(~std::uint64_t{0}, bytes);
    EXPECT_EQ(bytes[7], std::byte{0});
}

TEST(VC_3_5, configuration_survives_a_reset_unchanged) {
    Rig rig;
    rig.boot();
    std::array<std::byte, sizeof(virtio_cops_config)> before;
    std::array<std::byte, sizeof(virtio_cops_config)> after;
    rig.device.read_config(0, before);
    rig.registers.write32(VIRTIO_MMIO_CONFIG + 4, 99);
    rig.driver.begin_reset();
    rig.device.read_config(0, after);
    EXPECT_EQ(before, after);
}

TEST(VC_3_6, an_unknown_version_makes_the_driver_fail_the_device) {
    Rig rig;
    rig.registers.config_version = VIRTIO_COPS_VERSION + 1;
    ASSERT_EQ(rig.driver.probe(), 0);
    EXPECT_EQ(rig.driver.open(), -kNotSupported);
    EXPECT_NE(rig.registers.status & VIRTIO_CONFIG_S_FAILED, 0u);
}

TEST(VC_3_7, an_orderly_end_is_asked_for_once_and_stays_asked_for) {
    Rig rig;
    rig.boot();
    EXPECT_FALSE(rig.driver.power_off_asked());
    const std::uint32_t generation = rig.device.config_generation();
    EXPECT_TRUE(rig.device.ask_power_off());
    EXPECT_TRUE(rig.device.ask_power_off());
    EXPECT_EQ(rig.host.config_interrupts, 1u);
    EXPECT_TRUE(rig.driver.power_off_asked());
    EXPECT_NE(rig.device.config_generation(), generation);
    rig.driver.begin_reset();
    rig.boot();
    EXPECT_TRUE(rig.driver.power_off_asked());
}

TEST(VC_3_7, a_driver_that_did_not_negotiate_it_is_not_asked) {
    Rig rig({.driver = {.power_off = false}});
    EXPECT_FALSE(rig.device.ask_power_off());  // none is live
    rig.boot();
    EXPECT_FALSE(rig.device.ask_power_off());
    EXPECT_EQ(rig.host.config_interrupts, 0u);
    EXPECT_FALSE(rig.driver.power_off_asked());
}

}  // namespace
}  // namespace virtio_cops::test
