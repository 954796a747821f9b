// SPDX-License-Identifier: Apache-2.0
// SPEC.md sections 11 and 13: reset and bounds. And saving, which goes through the same doors.
#include "rig.hpp"

namespace virtio_cops::test {
namespace {

TEST(VC_11_1, a_reset_forgets_what_waits_and_cancels_what_is_under_way) {
    RigOptions options;
    options.device.max_in_flight = 2;
    Rig rig(options);
    rig.boot();
    virtio_cops_board& board = rig.set_board();
    board.ready = 1;
    const TestProcess process = rig.attach();
    for (std::uint32_t slot = 0; slot < 4; ++slot) {
        rig.submit(Rig::slot_request(process, VIRTIO_COPS_OP_NANOSLEEP, slot));
    }
    rig.driver.begin_reset();
    EXPECT_EQ(rig.host.cancelled.size(), 2u);
    EXPECT_FALSE(rig.device.sample(0).present);
    std::uint64_t id = 0;
    const virtio_cops_req nop = Rig::request(VIRTIO_COPS_OP_NOP);
    ASSERT_EQ(rig.driver.requests().submit(nop, {}, Direction::from_device, 0, &id), 0);
    rig.notify(VIRTIO_COPS_QUEUE_REQUEST);
    rig.notify(VIRTIO_COPS_QUEUE_CONTROL);
    rig.notify(7);
    EXPECT_TRUE(rig.reap().empty());
    rig.complete_next(-ECANCELED);
    rig.complete_next(-ECANCELED);
    EXPECT_TRUE(rig.host.started.empty()) << "what waited is not started any more";
}

TEST(VC_11_2, the_status_reads_0_when_a_thousand_have_drained) {
    Rig rig;
    rig.boot();
    const TestProcess process = rig.attach();
    for (std::uint32_t slot = 0; slot < 1000; ++slot) {
        rig.submit(Rig::slot_request(process, VIRTIO_COPS_OP_NANOSLEEP, slot));
    }
    rig.driver.begin_reset();
    while (!rig.host.started.empty()) {
        EXPECT_FALSE(rig.driver.reset_done());
        EXPECT_EQ(rig.driver.open(), -kTryAgain);
        rig.complete_next(rig.host.started.size() % 2 == 0 ? 0 : -ECANCELED);
    }
    EXPECT_TRUE(rig.driver.reset_done());
    EXPECT_TRUE(rig.device.idle());
    rig.boot();
    EXPECT_EQ(rig.submit_now(Rig::request(VIRTIO_COPS_OP_NOP)), 0);
}

TEST(VC_11_2, an_idle_device_resets_at_once) {
    Rig rig;
    rig.boot();
    rig.driver.begin_reset();
    EXPECT_TRUE(rig.driver.reset_done());
    rig.driver.begin_reset();
    EXPECT_TRUE(rig.driver.reset_done());
}

TEST(VC_11_3, nothing_is_written_to_what_the_driver_shared) {
    Rig rig;
    rig.boot();
    const TestProcess process = rig.attach();
    const std::uint32_t handle = rig.open_handle();
    virtio_cops_req stat = Rig::slot_request(process, VIRTIO_COPS_OP_FSTAT, 0);
    stat.handle = handle;
    const std::array data{rig.buffer(sizeof(virtio_cops_stat))};
    rig.submit(stat, data);
    rig.submit(Rig::slot_request(process, VIRTIO_COPS_OP_NANOSLEEP, 1));
    ASSERT_EQ(rig.driver.control().detach(process.id, 0), 0);
    rig.driver.notify_control();
    rig.driver.begin_reset();
    const std::vector<std::byte> before = rig.ram.snapshot();
    rig.host.interrupts.clear();
    rig.device.complete_stat(rig.take_started().token, virtio_cops_stat{});
    rig.complete_next(0);
    EXPECT_EQ(rig.ram.snapshot(), before);
    EXPECT_TRUE(rig.host.interrupts.empty());
    EXPECT_TRUE(rig.host.posts.empty());
    EXPECT_TRUE(rig.driver.reset_done());
}

TEST(VC_11_4, no_file_stays_open) {
    RigOptions options;
    options.device.max_in_flight = 2;
    Rig rig(options);
    rig.boot();
    rig.open_handle(70);
    virtio_cops_req read = Rig::request(VIRTIO_COPS_OP_READ);
    read.handle = rig.open_handle(71);
    const std::array data{rig.buffer(8)};
    rig.submit(read, data);
    virtio_cops_req open = Rig::request(VIRTIO_COPS_OP_OPENAT);
    open.handle = 1;
    rig.submit(open);
    rig.submit(open);
    rig.driver.begin_reset();
    EXPECT_EQ(rig.host.closed, (std::vector<HostHandle>{70}));
    rig.complete_next(8);
    EXPECT_EQ(rig.host.closed, (std::vector<HostHandle>{70, 71}));
    rig.complete_next(72);
    EXPECT_EQ(rig.host.closed, (std::vector<HostHandle>{70, 71, 72}));
    EXPECT_TRUE(rig.driver.reset_done());
    EXPECT_TRUE(rig.host.started.empty());
    // Every handle can be had again.
    rig.boot();
    for (int i = 0; i < 1024; ++i) {
        ASSERT_GT(rig.open_handle(100 + i), 0u);
    }
}

TEST(VC_11_5, the_driver_sets_up_again_only_after_the_status_read_0) {
    Rig rig;
    rig.boot();
    rig.submit(Rig::request(VIRTIO_COPS_OP_NANOSLEEP));
    EXPECT_EQ(rig.driver.open(), -kTryAgain);
    rig.registers.touched.clear();
    EXPECT_EQ(rig.driver.open(), -kTryAgain);
    EXPECT_EQ(rig.registers.touched, (std::vector<std::uint32_t>{VIRTIO_MMIO_STATUS}));
    rig.complete_next(-ECANCELED);
    EXPECT_EQ(rig.driver.open(), 0);
}

TEST(VC_13_1, a_driver_that_offers_without_end_does_not_hold_the_device) {
    Rig rig;
    rig.boot();
    RawQueue raw = rig.raw_requests();
    const std::uint64_t at = rig.ram.allocate(4096);
    rig.ram.at<virtio_cops_req>(at) = Rig::request(VIRTIO_COPS_OP_NOP);
    raw.desc(0) = {at, 64, VRING_DESC_F_NEXT, 1};
    raw.desc(1) = {at + 64, 16, VRING_DESC_F_WRITE, 0};
    const std::uint64_t used = rig.driver.requests().addresses().used;
    // Another vCPU offers the head again as soon as it is used.
    rig.ram.on_write = [&](std::uint64_t address) {
        if (address == used) {
            raw.offer(0);
        }
    };
    raw.offer(0);
    rig.notify(VIRTIO_COPS_QUEUE_REQUEST);
    EXPECT_EQ(raw.used(), 1);
    rig.notify(VIRTIO_COPS_QUEUE_REQUEST);
    EXPECT_EQ(raw.used(), 2);
}

TEST(VC_13_2, random_memory_never_brings_the_device_down) {
    std::uint64_t state = 12345;
    const auto random = [&state] {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        return state;
    };
    for (int round = 0; round < 40; ++round) {
        RigOptions options;
        options.ram_bytes = 2u << 20;
        options.device.max_slots = 128;
        options.driver.request_size = 64;
        Rig rig(options);
        rig.boot();
        virtio_cops_board& board = rig.set_board();
        const TestProcess process = rig.attach();
        board.process = process.id;
        for (int i = 0; i < 50; ++i) {
            auto* const words = &rig.ram.at<std::uint64_t>(kRamBase);
            for (int word = 0; word < 4000; ++word) {
                words[random() % (rig.ram.bytes() / 8)] =
                    random() % 3 == 0 ? kRamBase + random() % rig.ram.bytes() : random() % 70;
            }
            rig.notify(static_cast<std::uint32_t>(random() % 3));
            rig.device.sample(static_cast<unsigned>(random() % 3));
            rig.device.take_user_interrupt(0, random() % 2 == 0 ? process.id : random());
            if (!rig.host.started.empty() && random() % 2 == 0) {
                rig.complete_next(static_cast<std::int64_t>(random() % 100));
            }
        }
        rig.driver.begin_reset();
        while (!rig.host.started.empty()) {
            rig.complete_next(-ECANCELED);
        }
        EXPECT_TRUE(rig.driver.reset_done());
    }
}

TEST(DeviceState, a_saved_device_goes_on_in_a_new_one) {
    Rig first;
    first.boot();
    virtio_cops_board& board = first.set_board();
    const TestProcess process = first.attach();
    board.process = process.id;
    first.line(process).running_level = 40;
    const std::uint32_t stale = first.open_handle(69);
    virtio_cops_req close = Rig::request(VIRTIO_COPS_OP_CLOSE);
    close.handle = stale;
    ASSERT_EQ(first.submit_now(close), 0);
    const std::uint32_t handle = first.open_handle(70);
    first.submit(Rig::slot_request(process, VIRTIO_COPS_OP_NANOSLEEP, 0));
    EXPECT_FALSE(first.device.save().has_value()) << "a request is in flight";
    first.device.set_paused(true);
    virtio_cops_req read = Rig::slot_request(process, VIRTIO_COPS_OP_READ, 1, 5);
    read.handle = handle;
    const std::array data{first.buffer(8)};
    first.submit(read, data);
    first.complete_next(0);
    const std::optional<SavedDevice> saved = first.device.save();
    ASSERT_TRUE(saved.has_value());

    FakeHost host;
    DeviceOptions options = RigOptions{}.device;
    Device second(options, first.ram, host, first.ram.host_page());
    ASSERT_TRUE(second.load(*saved));
    ASSERT_EQ(host.reopened.size(), 1u);
    EXPECT_EQ(host.reopened[0].grant, 1u);
    EXPECT_EQ(host.reopened[0].path, "some/file");
    // What was offered and not taken is taken by the new device, on the file that it opened.
    second.notify(VIRTIO_COPS_QUEUE_REQUEST);
    ASSERT_EQ(host.started.size(), 1u);
    EXPECT_EQ(host.started[0].handle, 500);
    second.complete(host.started[0].token, 8);
    EXPECT_EQ(host.posts.size(), 1u);
    EXPECT_EQ(first.reap().size(), 2u);
    EXPECT_EQ(first.slot(process, 1).result, 8u);
    // The old handle is stale there, too.
    close.handle = stale;
    std::uint64_t id = 0;
    ASSERT_EQ(first.driver.requests().submit(close, {}, Direction::from_device, 0, &id), 0);
    second.notify(VIRTIO_COPS_QUEUE_REQUEST);
    EXPECT_EQ(first.reap_one()->result, -EBADF);
}

TEST(DeviceState, damaged_state_is_refused_and_leaves_the_device_new) {
    Rig rig;
    rig.boot();
    rig.set_board();
    rig.attach();
    rig.open_handle();
    const SavedDevice good = *rig.device.save();
    const std::array<std::function<void(SavedDevice&)>, 8> bends{
        [](SavedDevice& s) { s.features = 0; },
        [](SavedDevice& s) { s.queues[1].desc = 0x1000; },
        [](SavedDevice& s) { s.queues[0].size = 3; },
        [](SavedDevice& s) { s.boards.pop_back(); },
        [](SavedDevice& s) { s.boards[0] = 0x1000; },
        [](SavedDevice& s) { s.processes[0].page += 1; },
        [](SavedDevice& s) { s.handles[0].index = 5000; },
        [](SavedDevice& s) { s.handles.push_back(s.handles[0]); },
    };
    for (std::size_t i = 0; i < bends.size(); ++i) {
        SavedDevice bad = good;
        bends[i](bad);
        FakeHost host;
        Device device(RigOptions{}.device, rig.ram, host, rig.ram.host_page());
        EXPECT_FALSE(device.load(bad)) << "bend " << i;
        EXPECT_FALSE(device.sample(0).present);
        EXPECT_TRUE(device.load(good)) << "after bend " << i;
    }
}

}  // namespace
}  // namespace virtio_cops::test
