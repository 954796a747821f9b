// SPDX-License-Identifier: Apache-2.0
// SPEC.md section 5: the control queue.
#include "rig.hpp"

namespace virtio_cops::test {
namespace {

constexpr std::uint32_t kReplyRoom =
    sizeof(virtio_cops_ctrl_status) + sizeof(virtio_cops_ctrl_grant);

std::vector<std::byte> message(std::uint32_t command, std::size_t payload_bytes) {
    std::vector<std::byte> bytes(sizeof(virtio_cops_ctrl_hdr) + payload_bytes);
    const virtio_cops_ctrl_hdr header{command, 0};
    std::memcpy(bytes.data(), &header, sizeof header);
    return bytes;
}

TEST(VC_5_1, commands_are_answered_once_and_in_order) {
    Rig rig;
    rig.boot();
    for (std::uint32_t i = 0; i < 5; ++i) {
        ASSERT_EQ(rig.driver.control().get_grant(i, 100 + i), 0);
    }
    rig.driver.notify_control();
    for (std::uint32_t i = 0; i < 5; ++i) {
        const auto done = rig.reap_command();
        ASSERT_TRUE(done.has_value());
        EXPECT_EQ(done->cookie, 100 + i);
        EXPECT_EQ(done->status, i < 3 ? 0u : unsigned{ENOENT});
    }
    rig.driver.notify_control();
    EXPECT_FALSE(rig.reap_command().has_value());
    EXPECT_EQ(rig.raw_control().used(), 5);
}

TEST(VC_5_2, an_unknown_command_is_not_supported) {
    Rig rig;
    rig.boot();
    EXPECT_EQ(rig.raw_command(message(0, 64)), unsigned{EOPNOTSUPP});
    EXPECT_EQ(rig.raw_command(message(7, 64)), unsigned{EOPNOTSUPP});
    EXPECT_EQ(rig.device.misuse().bad_commands, 2u);
    EXPECT_FALSE(rig.needs_reset());
}

TEST(VC_5_2, short_headers_and_payloads_are_invalid) {
    Rig rig;
    rig.boot();
    EXPECT_EQ(rig.raw_command(std::span<const std::byte>{}), unsigned{EINVAL});
    EXPECT_EQ(rig.raw_command(std::vector<std::byte>(7)), unsigned{EINVAL});
    const std::array<std::array<std::uint32_t, 2>, 6> payloads{{
        {VIRTIO_COPS_CTRL_SET_BOARD, 16},
        {VIRTIO_COPS_CTRL_ATTACH_PROCESS, 32},
        {VIRTIO_COPS_CTRL_DETACH_PROCESS, 8},
        {VIRTIO_COPS_CTRL_CANCEL, 8},
        {VIRTIO_COPS_CTRL_GET_GRANT, 8},
        {VIRTIO_COPS_CTRL_SET_LEVEL, 16},
    }};
    for (const auto& [command, bytes] : payloads) {
        EXPECT_EQ(rig.raw_command(message(command, bytes - 1), kReplyRoom), unsigned{EINVAL})
            << "command " << command;
    }
}

TEST(VC_5_2, a_reply_without_room_is_invalid) {
    Rig rig;
    rig.boot();
    EXPECT_EQ(
        rig.raw_command(message(VIRTIO_COPS_CTRL_GET_GRANT, 8), kReplyRoom - 1), unsigned{EINVAL}
    );
}

TEST(VC_5_2, a_command_outside_of_memory_is_a_fault) {
    Rig rig;
    rig.boot();
    RawQueue raw = rig.raw_control();
    const std::uint64_t status = rig.ram.allocate(8);
    raw.desc(0) = {0x1000, 16, VRING_DESC_F_NEXT, 1};
    raw.desc(1) = {status, 8, VRING_DESC_F_WRITE, 0};
    raw.offer(0);
    rig.notify(VIRTIO_COPS_QUEUE_CONTROL);
    EXPECT_EQ(raw.used(), 1);
    EXPECT_EQ(rig.ram.at<virtio_cops_ctrl_status>(status).status, unsigned{EFAULT});
}

TEST(VC_5_2, bytes_beyond_the_payload_are_ignored) {
    Rig rig;
    rig.boot();
    EXPECT_EQ(rig.raw_command(message(VIRTIO_COPS_CTRL_GET_GRANT, 5000), kReplyRoom), 0u);
}

TEST(VC_5_3, an_error_has_no_reply) {
    Rig rig;
    rig.boot();
    std::vector<std::byte> bytes = message(VIRTIO_COPS_CTRL_GET_GRANT, 8);
    bytes[8] = std::byte{200};
    EXPECT_EQ(rig.raw_command(bytes, kReplyRoom), unsigned{ENOENT});
    const RawQueue raw = rig.raw_control();
    const vring_used_elem entry = raw.used_entry(static_cast<std::uint16_t>(raw.used() - 1));
    EXPECT_EQ(entry.len, sizeof(virtio_cops_ctrl_status));
    const std::uint64_t status =
        rig.raw_control().desc(static_cast<std::uint16_t>(entry.id + 1)).addr;
    EXPECT_EQ(rig.ram.at<std::uint8_t>(status + 8), 0xee);
}

TEST(VC_5_4, bad_boards_are_refused) {
    Rig rig;
    rig.boot();
    const std::uint64_t good = rig.ram.allocate(64, 64);
    const auto set = [&](std::uint32_t vcpu, std::uint32_t size, std::uint64_t address) {
        return rig.raw_command(
            VIRTIO_COPS_CTRL_SET_BOARD, virtio_cops_ctrl_set_board{vcpu, size, address}
        );
    };
    EXPECT_EQ(set(2, 64, good), unsigned{EINVAL});
    EXPECT_EQ(set(0, 63, good), unsigned{EINVAL});
    EXPECT_EQ(set(0, 64, good + 8), unsigned{EINVAL});
    EXPECT_EQ(set(0, 64, 0x1000), unsigned{EFAULT});
    EXPECT_EQ(set(0, 64, ~std::uint64_t{63}), unsigned{EFAULT});
    EXPECT_EQ(set(0, 64, kHostPageBase), unsigned{EFAULT});
    EXPECT_FALSE(rig.device.sample(0).present);
    EXPECT_EQ(set(0, 64, good), 0u);
    EXPECT_TRUE(rig.device.sample(0).present);
    EXPECT_EQ(set(1, 4096, good), 0u);
}

TEST(VC_5_5, a_withdrawn_board_is_not_read) {
    Rig rig;
    rig.boot();
    virtio_cops_board& board = rig.set_board();
    board.ready = 1u << 3;
    ASSERT_EQ(rig.device.sample(0).level, 3);
    EXPECT_EQ(rig.command(rig.driver.control().set_board(0, 0, 0)), 0u);
    board.ready = 1;
    EXPECT_FALSE(rig.device.sample(0).present);
    EXPECT_EQ(rig.device.sample(0).level, kNoLevel);
}

TEST(VC_5_6, cancelling_nothing_finds_nothing) {
    Rig rig;
    rig.boot();
    EXPECT_EQ(rig.command(rig.driver.control().cancel(12345, 0)), unsigned{ENOENT});
    const std::uint64_t id = rig.submit(Rig::request(VIRTIO_COPS_OP_NANOSLEEP));
    rig.complete_next(0);
    EXPECT_EQ(rig.command(rig.driver.control().cancel(id, 0)), unsigned{ENOENT});
}

TEST(VC_5_6, a_cancelled_request_completes_once_with_ecanceled) {
    Rig rig;
    rig.boot();
    const std::uint64_t id = rig.submit(Rig::request(VIRTIO_COPS_OP_NANOSLEEP));
    EXPECT_EQ(rig.command(rig.driver.control().cancel(id, 0)), 0u);
    EXPECT_TRUE(rig.reap().empty());
    const FakeHost::Operation operation = rig.take_started();
    ASSERT_TRUE(rig.host.was_cancelled(operation.token));
    rig.device.complete(operation.token, -ECANCELED);
    rig.device.complete(operation.token, -ECANCELED);
    const std::vector<RequestDone> done = rig.reap();
    ASSERT_EQ(done.size(), 1u);
    EXPECT_EQ(done[0].result, -ECANCELED);
    EXPECT_EQ(rig.device.misuse().stale_tokens, 1u);
}

TEST(VC_5_6, a_cancel_that_comes_too_late_keeps_the_result) {
    Rig rig;
    rig.boot();
    const std::uint64_t id = rig.submit(Rig::request(VIRTIO_COPS_OP_NANOSLEEP));
    EXPECT_EQ(rig.command(rig.driver.control().cancel(id, 0)), 0u);
    rig.complete_next(0);
    const std::vector<RequestDone> done = rig.reap();
    ASSERT_EQ(done.size(), 1u);
    EXPECT_EQ(done[0].result, 0);
}

TEST(VC_5_7, a_request_that_waits_is_cancelled_at_once) {
    RigOptions options;
    options.device.max_in_flight = 1;
    Rig rig(options);
    rig.boot();
    rig.submit(Rig::request(VIRTIO_COPS_OP_NANOSLEEP));
    const std::uint64_t second = rig.submit(Rig::request(VIRTIO_COPS_OP_NANOSLEEP));
    ASSERT_EQ(rig.host.started.size(), 1u);
    EXPECT_EQ(rig.command(rig.driver.control().cancel(second, 0)), 0u);
    const std::vector<RequestDone> done = rig.reap();
    ASSERT_EQ(done.size(), 1u);
    EXPECT_EQ(done[0].request_id, second);
    EXPECT_EQ(done[0].result, -ECANCELED);
    EXPECT_TRUE(rig.host.cancelled.empty());
    rig.complete_next(0);
    EXPECT_TRUE(rig.host.started.empty());
}

TEST(VC_5_7, a_cancelled_open_that_waits_gives_its_handle_back) {
    RigOptions options;
    options.device.max_in_flight = 1;
    options.device.max_handles = 1;
    Rig rig(options);
    rig.boot();
    rig.submit(Rig::request(VIRTIO_COPS_OP_NANOSLEEP));
    virtio_cops_req open = Rig::request(VIRTIO_COPS_OP_OPENAT);
    open.handle = 1;
    const std::uint64_t id = rig.submit(open);
    EXPECT_EQ(rig.command(rig.driver.control().cancel(id, 0)), 0u);
    rig.complete_next(0);
    rig.reap();
    EXPECT_GT(rig.open_handle(), 0u);
}

TEST(VC_5_8, bad_levels_and_unknown_requests_are_refused) {
    Rig rig;
    rig.boot();
    const std::uint64_t id = rig.submit(Rig::request(VIRTIO_COPS_OP_NANOSLEEP));
    EXPECT_EQ(rig.command(rig.driver.control().set_level(id, 64, 0)), unsigned{EINVAL});
    EXPECT_EQ(rig.command(rig.driver.control().set_level(id + 1, 3, 0)), unsigned{ENOENT});
    EXPECT_EQ(rig.command(rig.driver.control().set_level(id, 3, 0)), 0u);
}

TEST(VC_5_8, a_moved_request_waits_and_completes_at_its_new_level) {
    RigOptions options;
    options.device.max_in_flight = 1;
    Rig rig(options);
    rig.boot();
    const TestProcess process = rig.attach();
    rig.submit(Rig::slot_request(process, VIRTIO_COPS_OP_NANOSLEEP, 0, 9));
    rig.submit(Rig::slot_request(process, VIRTIO_COPS_OP_NANOSLEEP, 1, 20));
    const std::uint64_t moved =
        rig.submit(Rig::slot_request(process, VIRTIO_COPS_OP_NANOSLEEP, 2, 30));
    EXPECT_EQ(rig.command(rig.driver.control().set_level(moved, 5, 0)), 0u);
    rig.complete_next(0);
    EXPECT_EQ(rig.host.started.front().level, 5);
    rig.complete_next(0);
    EXPECT_EQ(rig.slot(process, 2).level, 5u);
    EXPECT_EQ(rig.heads(process).head[5], 3u);
    EXPECT_EQ(rig.line(process).wake_pending, 1u << 9 | 1u << 5);
}

TEST(VC_5_9, grants_are_listed_as_they_are) {
    Rig rig;
    rig.boot();
    const auto grant = [&](std::uint32_t index) {
        EXPECT_EQ(rig.driver.control().get_grant(index, 0), 0);
        rig.driver.notify_control();
        return rig.reap_command().value_or(CommandDone{});
    };
    const CommandDone file = grant(0);
    EXPECT_EQ(file.status, 0u);
    EXPECT_EQ(file.grant.kind, unsigned{VIRTIO_COPS_GRANT_FILE});
    EXPECT_EQ(file.grant.flags, 0u);
    EXPECT_STREQ(reinterpret_cast<const char*>(file.grant.name), "file");
    const CommandDone dir = grant(1);
    EXPECT_EQ(dir.grant.kind, unsigned{VIRTIO_COPS_GRANT_DIR});
    EXPECT_EQ(dir.grant.flags, unsigned{VIRTIO_COPS_GRANT_F_WRITE});
    EXPECT_EQ(grant(3).status, unsigned{ENOENT});
}

}  // namespace
}  // namespace virtio_cops::test
