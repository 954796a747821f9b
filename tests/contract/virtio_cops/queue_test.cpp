// SPDX-License-Identifier: Apache-2.0
// SPEC.md section 4: queues, and what happens when they are misused.
#include "rig.hpp"

namespace virtio_cops::test {
namespace {

/// A booted device whose request queue is written by hand. Head 0 is a NOP of one readable and one
/// writable descriptor until a test bends it.
struct RawRig : Rig {
    RawRig() {
        boot();
        raw = raw_requests();
        header = ram.allocate(4096, 64);
        status = ram.allocate(64, 64);
        ram.at<virtio_cops_req>(header) = request(VIRTIO_COPS_OP_NOP);
        raw.desc(0) = {header, sizeof(virtio_cops_req), VRING_DESC_F_NEXT, 1};
        raw.desc(1) = {status, sizeof(virtio_cops_req_status), VRING_DESC_F_WRITE, 0};
    }
    void offer(std::uint16_t head = 0) {
        raw.offer(head);
        notify(VIRTIO_COPS_QUEUE_REQUEST);
    }
    /// Offered `head`; the device must have found misuse and used nothing.
    void expect_misuse(std::uint16_t head = 0) {
        offer(head);
        EXPECT_TRUE(needs_reset());
        EXPECT_EQ(raw.used(), 0);
        EXPECT_EQ(device.misuse().broken_rings, 1u);
    }
    std::uint64_t table(std::initializer_list<vring_desc> descriptors) {
        const std::uint64_t at = ram.allocate(descriptors.size() * sizeof(vring_desc), 16);
        std::copy(descriptors.begin(), descriptors.end(), &ram.at<vring_desc>(at));
        return at;
    }
    vring_desc readable(std::uint16_t next) const { return {header, 64, VRING_DESC_F_NEXT, next}; }
    vring_desc writable() const { return {status, 16, VRING_DESC_F_WRITE, 0}; }

    std::uint64_t header = 0;
    std::uint64_t status = 0;
    RawQueue raw{ram, {}};
};

/// DRIVER_OK with a request queue at `where`; whether the device gave up.
bool refuses(const QueueAddresses& where) {
    Rig rig;
    std::uint64_t features = 0;
    EXPECT_EQ(rig.driver.probe(), 0);
    EXPECT_EQ(rig.driver.mmio().negotiate(std::uint64_t{1} << VIRTIO_F_VERSION_1, 0, &features), 0);
    QueueState state{where.size, where.desc, where.avail, where.used, 0, 0};
    rig.device.activate(features, std::array{QueueState{}, state});
    return rig.needs_reset();
}

TEST(VC_4_1, impossible_queues_need_a_reset) {
    const std::uint64_t at = kRamBase;
    EXPECT_FALSE(refuses({8, at, at + 0x1000, at + 0x2000}));
    EXPECT_TRUE(refuses({6, at, at + 0x1000, at + 0x2000}));
    EXPECT_TRUE(refuses({2048, at, at + 0x10000, at + 0x20000}));
    EXPECT_TRUE(refuses({8, at + 8, at + 0x1000, at + 0x2000}));
    EXPECT_TRUE(refuses({8, at, at + 0x1001, at + 0x2000}));
    EXPECT_TRUE(refuses({8, at, at + 0x1000, at + 0x2002}));
    EXPECT_TRUE(refuses({8, 0x1000, at + 0x1000, at + 0x2000}));
    EXPECT_TRUE(refuses({8, at, ~std::uint64_t{1}, at + 0x2000}));
    EXPECT_TRUE(refuses({8, at, at + 0x1000, at + (8u << 20) - 16}));
    EXPECT_TRUE(refuses({8, at, at + 0x1000, kHostPageBase}));
}

TEST(VC_4_2, what_changes_after_the_notification_changes_nothing) {
    Rig rig;
    rig.boot();
    const TestProcess process = rig.attach();
    const std::uint32_t handle = rig.open_handle(77);
    virtio_cops_req header = Rig::slot_request(process, VIRTIO_COPS_OP_READ, 5);
    header.handle = handle;
    header.offset = 100;
    const std::array data{rig.buffer(32)};
    rig.submit(header, data);
    // The driver's cell, found through the ring, is overwritten while the request is in flight.
    const std::uint64_t table = rig.raw_requests().desc(0).addr;
    auto* const desc = &rig.ram.at<vring_desc>(table);
    std::memset(&rig.ram.at<std::byte>(desc[0].addr), 0xff, sizeof(virtio_cops_req));
    const std::uint64_t status = desc[2].addr;
    std::memset(desc, 0xff, 3 * sizeof(vring_desc));

    const FakeHost::Operation operation = rig.take_started();
    EXPECT_EQ(operation.handle, 77);
    EXPECT_EQ(operation.offset, 100u);
    EXPECT_EQ(operation.bytes, 32u);
    rig.device.complete(operation.token, 32);
    EXPECT_EQ(rig.ram.at<virtio_cops_req_status>(status).result, 32u);
    EXPECT_EQ(signed_result(rig.slot(process, 5)), 32);
    EXPECT_EQ(rig.slot(process, 5).user_data, header.user_data);
    EXPECT_EQ(rig.heads(process).head[10], 6u);
}

TEST(VC_4_2, a_path_that_changes_after_the_notification_is_opened_as_it_was) {
    Rig rig;
    rig.boot();
    virtio_cops_req header = Rig::request(VIRTIO_COPS_OP_OPENAT);
    header.handle = 1;
    const std::array path{rig.text("harmless")};
    rig.submit(header, path, Direction::to_device);
    std::memcpy(&rig.ram.at<std::byte>(path[0].address), "../../etc", 8);
    EXPECT_EQ(rig.take_started().path, "harmless");
}

TEST(VC_4_3, any_division_into_descriptors_means_the_same) {
    RawRig rig;
    // The header in pieces of 5, 0, 40 and 19 bytes; the status in pieces of 3 and 13.
    const std::uint64_t table = rig.table({
        {rig.header, 5, VRING_DESC_F_NEXT, 2},
        {rig.status, 3, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 5},
        {0, 0, VRING_DESC_F_NEXT, 3},
        {rig.header + 5, 40, VRING_DESC_F_NEXT, 4},
        {rig.header + 45, 19, VRING_DESC_F_NEXT, 1},
        {rig.status + 32, 13, VRING_DESC_F_WRITE, 0},
    });
    rig.raw.desc(0) = {table, 6 * sizeof(vring_desc), VRING_DESC_F_INDIRECT, 0};
    std::memset(&rig.ram.at<std::byte>(rig.status), 0xee, 64);
    rig.ram.at<virtio_cops_req>(rig.header).opcode = 99;
    rig.offer();
    ASSERT_EQ(rig.raw.used(), 1);
    std::int64_t result = 0;
    std::memcpy(&result, &rig.ram.at<std::byte>(rig.status), 3);
    std::memcpy(
        reinterpret_cast<std::byte*>(&result) + 3, &rig.ram.at<std::byte>(rig.status + 32), 5
    );
    EXPECT_EQ(result, -EOPNOTSUPP);
    EXPECT_EQ(rig.ram.at<std::uint8_t>(rig.status + 3), 0xee);
    EXPECT_EQ(rig.ram.at<std::uint8_t>(rig.status + 45), 0xee);
}

TEST(VC_4_3, data_may_share_descriptors_with_header_and_status) {
    RawRig rig;
    const std::uint32_t handle = rig.open_handle(77);
    const std::uint16_t used = rig.raw.used();
    auto& header = rig.ram.at<virtio_cops_req>(rig.header);
    header = Rig::request(VIRTIO_COPS_OP_READ);
    header.handle = handle;
    rig.raw.desc(8) = {rig.header, 64, VRING_DESC_F_NEXT, 9};
    rig.raw.desc(9) = {rig.status, 24 + 16, VRING_DESC_F_WRITE, 0};
    rig.offer(8);
    const FakeHost::Operation operation = rig.take_started();
    EXPECT_EQ(operation.bytes, 24u);
    ASSERT_EQ(operation.segments.size(), 1u);
    std::memset(operation.segments[0].data, 'x', 24);
    rig.device.complete(operation.token, 24);
    EXPECT_EQ(rig.raw.used(), used + 1);
    EXPECT_EQ(rig.ram.at<char>(rig.status + 23), 'x');
    EXPECT_EQ(rig.ram.at<virtio_cops_req_status>(rig.status + 24).result, 24u);
}

TEST(VC_4_4, the_driver_refuses_more_segments_than_its_table_holds) {
    RigOptions options;
    options.driver.max_segments = 4;
    Rig rig(options);
    rig.boot();
    const std::vector<Segment> data(5, rig.buffer(16));
    std::uint64_t id = 0;
    virtio_cops_req header = Rig::request(VIRTIO_COPS_OP_READ);
    EXPECT_EQ(rig.driver.requests().submit(header, data, Direction::from_device, 0, &id), -kTooBig);
    EXPECT_EQ(rig.raw_requests().available(), 0);
}

TEST(VC_4_4, the_driver_fills_the_queue_with_one_descriptor_each) {
    Rig rig;
    rig.boot();
    const TestProcess process = rig.attach();
    for (std::uint32_t i = 0; i < 1024; ++i) {
        rig.submit(Rig::slot_request(process, VIRTIO_COPS_OP_NANOSLEEP, i));
    }
    EXPECT_EQ(rig.driver.requests().in_flight(), 1024u);
    EXPECT_EQ(rig.host.started.size(), 1024u);
    std::uint64_t id = 0;
    const virtio_cops_req nop = Rig::request(VIRTIO_COPS_OP_NOP);
    EXPECT_EQ(rig.driver.requests().submit(nop, {}, Direction::from_device, 0, &id), -kTryAgain);
}

TEST(VC_4_5, an_available_index_far_ahead_is_misuse) {
    RawRig rig;
    rig.raw.set_available(1025);
    rig.notify(VIRTIO_COPS_QUEUE_REQUEST);
    EXPECT_TRUE(rig.needs_reset());
    EXPECT_EQ(rig.raw.used(), 0);
}

TEST(VC_4_5, a_wild_head_is_misuse) {
    RawRig rig;
    rig.expect_misuse(1024);
}

TEST(VC_4_5, a_wild_next_is_misuse) {
    RawRig rig;
    rig.raw.desc(0).next = 1024;
    rig.expect_misuse();
}

TEST(VC_4_5, a_wild_next_inside_a_table_is_misuse) {
    RawRig rig;
    rig.raw.desc(0) = {rig.table({rig.readable(2), rig.writable()}), 32, VRING_DESC_F_INDIRECT, 0};
    rig.expect_misuse();
}

TEST(VC_4_5, a_loop_is_misuse) {
    RawRig rig;
    rig.raw.desc(0).next = 0;
    rig.expect_misuse();
}

TEST(VC_4_5, a_loop_inside_a_table_is_misuse) {
    RawRig rig;
    rig.raw.desc(0) = {rig.table({rig.readable(1), rig.readable(0)}), 32, VRING_DESC_F_INDIRECT, 0};
    rig.expect_misuse();
}

TEST(VC_4_5, a_table_inside_a_table_is_misuse) {
    RawRig rig;
    const std::uint64_t inner = rig.table({rig.readable(1), rig.writable()});
    const std::uint64_t outer = rig.table({{inner, 32, VRING_DESC_F_INDIRECT, 0}});
    rig.raw.desc(0) = {outer, 16, VRING_DESC_F_INDIRECT, 0};
    rig.expect_misuse();
}

TEST(VC_4_5, an_indirect_descriptor_with_next_is_misuse) {
    RawRig rig;
    const std::uint64_t table = rig.table({rig.readable(1), rig.writable()});
    rig.raw.desc(0) = {table, 32, VRING_DESC_F_INDIRECT | VRING_DESC_F_NEXT, 1};
    rig.expect_misuse();
}

TEST(VC_4_5, an_indirect_table_of_odd_length_is_misuse) {
    RawRig rig;
    const std::uint64_t table = rig.table({rig.readable(1), rig.writable()});
    rig.raw.desc(0) = {table, 31, VRING_DESC_F_INDIRECT, 0};
    rig.expect_misuse();
}

TEST(VC_4_5, an_empty_indirect_table_is_misuse) {
    RawRig rig;
    rig.raw.desc(0) = {rig.header, 0, VRING_DESC_F_INDIRECT, 0};
    rig.expect_misuse();
}

TEST(VC_4_5, an_indirect_table_outside_of_memory_is_misuse) {
    RawRig rig;
    rig.raw.desc(0) = {0x1000, 32, VRING_DESC_F_INDIRECT, 0};
    rig.expect_misuse();
}

TEST(VC_4_5, a_readable_descriptor_after_a_writable_one_is_misuse) {
    RawRig rig;
    rig.raw.desc(0) = {rig.status, 16, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 1};
    rig.raw.desc(1) = {rig.header, 64, 0, 0};
    rig.expect_misuse();
}

TEST(VC_4_5, a_head_that_is_in_flight_is_misuse) {
    RawRig rig;
    rig.ram.at<virtio_cops_req>(rig.header).opcode = VIRTIO_COPS_OP_NANOSLEEP;
    rig.offer();
    ASSERT_EQ(rig.host.started.size(), 1u);
    rig.expect_misuse();
    EXPECT_EQ(rig.host.started.size(), 1u);
}

TEST(VC_4_5, a_control_head_that_is_in_flight_is_misuse) {
    RawRig rig;
    const TestProcess process = rig.attach();
    rig.submit(Rig::slot_request(process, VIRTIO_COPS_OP_NANOSLEEP, 0));
    const RawQueue before = rig.raw_control();
    const std::uint16_t used = before.used();
    ASSERT_EQ(rig.driver.control().detach(process.id, 0), 0);
    rig.driver.notify_control();
    const std::uint16_t head = rig.ram.at<std::uint16_t>(
        rig.driver.control().addresses().avail + 4 + 2u * (before.available() - 1u)
    );
    rig.raw_control().offer(head);
    rig.notify(VIRTIO_COPS_QUEUE_CONTROL);
    EXPECT_TRUE(rig.needs_reset());
    EXPECT_EQ(before.used(), used);
}

TEST(VC_4_5, a_missing_status_is_misuse) {
    RawRig rig;
    rig.raw.desc(1).len = 15;
    rig.expect_misuse();
}

TEST(VC_4_5, a_status_that_the_guest_cannot_write_is_misuse) {
    RawRig rig;
    rig.raw.desc(1).addr = kHostPageBase;
    rig.expect_misuse();
    EXPECT_EQ(rig.host_line(0).yield_level, 64u);
}

TEST(VC_4_5, a_command_without_room_for_its_status_is_misuse) {
    RawRig rig;
    const virtio_cops_ctrl_hdr header{VIRTIO_COPS_CTRL_CANCEL, 0};
    EXPECT_EQ(rig.raw_command(std::as_bytes(std::span(&header, 1)), 7), std::nullopt);
    EXPECT_TRUE(rig.needs_reset());
}

TEST(VC_4_6, after_misuse_nothing_is_taken_and_the_rest_completes) {
    RawRig rig;
    const TestProcess process = rig.attach();
    auto& header = rig.ram.at<virtio_cops_req>(rig.header);
    header = Rig::slot_request(process, VIRTIO_COPS_OP_NANOSLEEP, 3);
    rig.offer();
    rig.raw.offer(2000);
    rig.notify(VIRTIO_COPS_QUEUE_REQUEST);
    ASSERT_TRUE(rig.needs_reset());

    rig.raw.desc(4) = {rig.ram.allocate(64), 64, VRING_DESC_F_NEXT, 5};
    rig.raw.desc(5) = {rig.ram.allocate(16), 16, VRING_DESC_F_WRITE, 0};
    rig.ram.at<virtio_cops_req>(rig.raw.desc(4).addr) = Rig::request(VIRTIO_COPS_OP_NOP);
    rig.offer(4);
    EXPECT_EQ(rig.raw.used(), 0);
    EXPECT_EQ(rig.raw_command(VIRTIO_COPS_CTRL_CANCEL, virtio_cops_ctrl_cancel{0}), std::nullopt);

    rig.complete_next(0);
    EXPECT_EQ(rig.raw.used(), 1);
    EXPECT_EQ(rig.heads(process).head[10], 4u);
}

TEST(VC_4_6, a_reset_cures_misuse) {
    RawRig rig;
    rig.expect_misuse(1024);
    rig.driver.begin_reset();
    ASSERT_TRUE(rig.driver.reset_done());
    rig.boot();
    EXPECT_EQ(rig.submit_now(Rig::request(VIRTIO_COPS_OP_NOP)), 0);
    EXPECT_FALSE(rig.needs_reset());
}

TEST(VC_4_7, the_used_entry_comes_last_and_once) {
    Rig rig;
    rig.boot();
    const TestProcess process = rig.attach();
    rig.submit(Rig::slot_request(process, VIRTIO_COPS_OP_NANOSLEEP, 1));
    RawQueue raw = rig.raw_requests();
    const std::uint64_t used = rig.driver.requests().addresses().used;
    std::vector<std::uint16_t> seen;
    rig.ram.writes.clear();
    rig.ram.on_write = [&](std::uint64_t) { seen.push_back(raw.used()); };
    rig.complete_next(0);
    // Each noted write but the last, which is the index itself, came before the index moved.
    ASSERT_GE(seen.size(), 2u);
    EXPECT_EQ(rig.ram.writes.back().address, used);
    EXPECT_EQ(std::ranges::count(seen, 1), 1);
    EXPECT_EQ(seen.back(), 1);
}

TEST(VC_4_8, len_counts_what_was_written_without_a_gap) {
    Rig rig;
    rig.boot();
    const std::uint32_t handle = rig.open_handle();
    virtio_cops_req header = Rig::request(VIRTIO_COPS_OP_READ);
    header.handle = handle;
    const std::array data{rig.buffer(100)};
    RawQueue raw = rig.raw_requests();
    const auto length_for = [&](std::int64_t result) {
        rig.submit(header, data);
        rig.complete_next(result);
        rig.reap();
        return raw.used_entry(static_cast<std::uint16_t>(raw.used() - 1)).len;
    };
    EXPECT_EQ(length_for(100), 116u);
    EXPECT_EQ(length_for(60), 60u);
    EXPECT_EQ(length_for(0), 0u);
    EXPECT_EQ(length_for(-EIO), 0u);
    rig.submit_now(Rig::request(VIRTIO_COPS_OP_NOP));
    EXPECT_EQ(raw.used_entry(static_cast<std::uint16_t>(raw.used() - 1)).len, 16u);
}

TEST(VC_4_9, the_driver_reports_the_status_whatever_len_says) {
    Rig rig;
    rig.boot();
    rig.submit(Rig::request(VIRTIO_COPS_OP_NANOSLEEP));
    rig.complete_next(-ECANCELED);
    const std::uint64_t used = rig.driver.requests().addresses().used;
    rig.ram.at<vring_used_elem>(used + 4).len = 0x7fff'ffff;
    const auto done = rig.reap_one();
    ASSERT_TRUE(done.has_value());
    EXPECT_EQ(done->result, -ECANCELED);
}

TEST(VC_4_9, the_driver_does_not_believe_in_completions_of_what_it_never_offered) {
    Rig rig;
    rig.boot();
    rig.submit(Rig::request(VIRTIO_COPS_OP_NANOSLEEP));
    for (const QueueAddresses& queue :
         {rig.driver.requests().addresses(), rig.driver.control().addresses()}) {
        rig.ram.at<vring_used_elem>(queue.used + 4) = {.id = 7, .len = 0};
        rig.ram.at<std::uint16_t>(queue.used + 2) = 1;
    }
    EXPECT_FALSE(rig.reap_one().has_value());
    EXPECT_FALSE(rig.reap_command().has_value());
    EXPECT_EQ(rig.driver.requests().in_flight(), 1u);
}

TEST(VC_4_10, one_notification_takes_all_that_was_available) {
    Rig rig;
    rig.boot();
    std::uint64_t id = 0;
    for (int i = 0; i < 100; ++i) {
        const virtio_cops_req nop = Rig::request(VIRTIO_COPS_OP_NOP);
        ASSERT_EQ(rig.driver.requests().submit(nop, {}, Direction::from_device, 0, &id), 0);
    }
    EXPECT_TRUE(rig.reap().empty());
    rig.driver.notify_requests();
    EXPECT_EQ(rig.reap().size(), 100u);
}

TEST(VC_4_11, the_driver_notifies_unless_it_is_told_not_to) {
    Rig rig;
    rig.boot();
    const std::uint64_t before = rig.registers.notifications;
    rig.submit(Rig::request(VIRTIO_COPS_OP_NOP));
    EXPECT_EQ(rig.registers.notifications, before + 1);
    rig.ram.at<std::uint16_t>(rig.driver.requests().addresses().used) = VRING_USED_F_NO_NOTIFY;
    rig.submit(Rig::request(VIRTIO_COPS_OP_NOP));
    EXPECT_EQ(rig.registers.notifications, before + 1);
}

TEST(VC_4_12, no_interrupt_is_raised_while_the_driver_asks_for_none) {
    Rig rig;
    rig.boot();
    RawQueue raw = rig.raw_requests();
    raw.suppress_interrupts(true);
    rig.submit(Rig::request(VIRTIO_COPS_OP_NOP));
    EXPECT_TRUE(rig.host.interrupts.empty());
    raw.suppress_interrupts(false);
    rig.submit(Rig::request(VIRTIO_COPS_OP_NOP));
    EXPECT_EQ(rig.host.interrupts.size(), 1u);
}

TEST(VC_4_12, control_answers_respect_it_too) {
    Rig rig;
    rig.boot();
    rig.raw_control().suppress_interrupts(true);
    rig.command(rig.driver.control().get_grant(0, 0));
    EXPECT_TRUE(rig.host.interrupts.empty());
    rig.raw_control().suppress_interrupts(false);
    rig.command(rig.driver.control().get_grant(0, 0));
    EXPECT_EQ(rig.host.interrupts, (std::vector<Level>{kNoLevel}));
}

}  // namespace
}  // namespace virtio_cops::test
