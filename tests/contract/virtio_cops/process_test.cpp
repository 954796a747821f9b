// SPDX-License-Identifier: Apache-2.0
// SPEC.md section 6: the life of a process.
#include "rig.hpp"

namespace virtio_cops::test {
namespace {

/// Sends an ATTACH_PROCESS whose fields `bend` has changed.
std::uint32_t attach_bent(
    Rig& rig,
    const TestProcess& process,
    const std::function<void(virtio_cops_ctrl_attach_process&, std::vector<std::uint64_t>&)>& bend
) {
    virtio_cops_ctrl_attach_process payload{
        .process = process.id,
        .page = process.page,
        .lines = process.lines,
        .heads_pages = static_cast<std::uint32_t>(process.heads.size()),
        .slot_pages = static_cast<std::uint32_t>(process.slots.size()),
        .reserved = 0,
    };
    std::vector<std::uint64_t> pages = process.heads;
    pages.insert(pages.end(), process.slots.begin(), process.slots.end());
    bend(payload, pages);
    const virtio_cops_ctrl_hdr header{VIRTIO_COPS_CTRL_ATTACH_PROCESS, 0};
    std::vector<std::byte> bytes(sizeof header + sizeof payload + pages.size() * 8);
    std::memcpy(bytes.data(), &header, sizeof header);
    std::memcpy(bytes.data() + sizeof header, &payload, sizeof payload);
    std::memcpy(bytes.data() + sizeof header + sizeof payload, pages.data(), pages.size() * 8);
    return rig.raw_command(bytes).value_or(~0u);
}

std::uint32_t detach(Rig& rig, std::uint64_t process) {
    return rig.command(rig.driver.control().detach(process, 0));
}

TEST(VC_6_1, malformed_processes_are_invalid) {
    Rig rig;
    rig.boot();
    const TestProcess process = rig.make_process(0, 1, 2);
    using Payload = virtio_cops_ctrl_attach_process;
    using Pages = std::vector<std::uint64_t>;
    const std::array<std::function<void(Payload&, Pages&)>, 11> bends{
        [](Payload& p, Pages&) { p.process = VIRTIO_COPS_PROCESS(4u, 1u); },
        [](Payload& p, Pages&) { p.process = VIRTIO_COPS_PROCESS(0u, 0u); },
        [](Payload& p, Pages&) { p.lines = 0; },
        [](Payload& p, Pages&) { p.lines = 3; },
        [](Payload& p, Pages&) { p.heads_pages = 0; },
        [](Payload& p, Pages&) { p.heads_pages = 2; },
        [](Payload& p, Pages&) { p.slot_pages = 17; },
        [](Payload& p, Pages&) { p.slot_pages = 0xffff'ffff; },
        [](Payload& p, Pages&) { p.page += 64; },
        [](Payload&, Pages& pages) { pages.front() += 8; },
        [](Payload&, Pages& pages) { pages.pop_back(); },
    };
    for (std::size_t i = 0; i < bends.size(); ++i) {
        EXPECT_EQ(attach_bent(rig, process, bends[i]), unsigned{EINVAL}) << "bend " << i;
    }
    EXPECT_EQ(attach_bent(rig, process, [](Payload&, Pages&) {}), 0u);
}

TEST(VC_6_1, pages_outside_of_memory_are_a_fault) {
    Rig rig;
    rig.boot();
    const TestProcess process = rig.make_process(0, 1, 2);
    using Payload = virtio_cops_ctrl_attach_process;
    using Pages = std::vector<std::uint64_t>;
    const std::array<std::function<void(Payload&, Pages&)>, 4> bends{
        [](Payload& p, Pages&) { p.page = 0x1000; },
        [](Payload& p, Pages&) { p.page = kHostPageBase; },
        [](Payload&, Pages& pages) { pages.front() = ~std::uint64_t{4095}; },
        [](Payload&, Pages& pages) { pages.back() = kRamBase - 4096; },
    };
    for (std::size_t i = 0; i < bends.size(); ++i) {
        EXPECT_EQ(attach_bent(rig, process, bends[i]), unsigned{EFAULT}) << "bend " << i;
    }
    // Nothing of the failed attempts is left.
    EXPECT_EQ(attach_bent(rig, process, [](Payload&, Pages&) {}), 0u);
}

TEST(VC_6_1, an_index_in_use_is_refused) {
    Rig rig;
    rig.boot();
    const TestProcess process = rig.attach(0, 1);
    const TestProcess other = rig.make_process(0, 2, 1);
    ControlQueue& control = rig.driver.control();
    EXPECT_EQ(rig.command(control.attach(Rig::pages(process), 0)), unsigned{EEXIST});
    EXPECT_EQ(rig.command(control.attach(Rig::pages(other), 0)), unsigned{EBUSY});
    EXPECT_EQ(detach(rig, process.id), 0u);
    EXPECT_EQ(rig.command(control.attach(Rig::pages(other), 0)), 0u);
}

TEST(VC_6_2, a_process_attached_as_required_is_idle_and_has_no_completions) {
    Rig rig;
    rig.boot();
    virtio_cops_board& board = rig.set_board();
    const TestProcess process = rig.attach();
    board.process = process.id;
    const Claim claim = rig.device.sample(0);
    EXPECT_EQ(claim.level, kNoLevel);
    EXPECT_EQ(claim.running, kNoLevel);
    // The lists are empty: the first completion is the end of its list.
    rig.submit(Rig::slot_request(process, VIRTIO_COPS_OP_NOP, 7));
    EXPECT_EQ(rig.heads(process).head[10], 8u);
    EXPECT_EQ(rig.slot(process, 7).next, 0u);
}

TEST(VC_6_3, detaching_a_stranger_or_twice_is_refused) {
    Rig rig;
    rig.boot();
    const TestProcess process = rig.attach(0, 1);
    EXPECT_EQ(detach(rig, VIRTIO_COPS_PROCESS(1u, 1u)), unsigned{ESRCH});
    EXPECT_EQ(detach(rig, VIRTIO_COPS_PROCESS(0u, 2u)), unsigned{ESRCH});
    EXPECT_EQ(detach(rig, VIRTIO_COPS_PROCESS(99u, 1u)), unsigned{ESRCH});
    EXPECT_EQ(detach(rig, 0), unsigned{ESRCH});
    rig.submit(Rig::slot_request(process, VIRTIO_COPS_OP_NANOSLEEP, 0));
    ASSERT_EQ(rig.driver.control().detach(process.id, 55), 0);
    rig.driver.notify_control();
    EXPECT_EQ(detach(rig, process.id), unsigned{EBUSY});
    rig.complete_next(-ECANCELED);
    const auto done = rig.reap_command();
    ASSERT_TRUE(done.has_value());
    EXPECT_EQ(done->cookie, 55u);
    EXPECT_EQ(detach(rig, process.id), unsigned{ESRCH});
}

TEST(VC_6_4, a_leaving_process_ends_its_requests_and_starts_no_more) {
    RigOptions options;
    options.device.max_in_flight = 1;
    Rig rig(options);
    rig.boot();
    virtio_cops_board& board = rig.set_board();
    const TestProcess process = rig.attach(0);
    const TestProcess other = rig.attach(1);
    board.process = process.id;
    rig.submit(Rig::slot_request(process, VIRTIO_COPS_OP_NANOSLEEP, 0));
    rig.submit(Rig::slot_request(process, VIRTIO_COPS_OP_NANOSLEEP, 1));
    rig.submit(Rig::slot_request(other, VIRTIO_COPS_OP_NANOSLEEP, 0));
    ASSERT_EQ(rig.driver.control().detach(process.id, 0), 0);
    rig.driver.notify_control();

    const std::vector<RequestDone> waiting = rig.reap();
    ASSERT_EQ(waiting.size(), 1u);
    EXPECT_EQ(waiting[0].result, -ECANCELED);
    const FakeHost::Operation under_way = rig.take_started();
    EXPECT_TRUE(rig.host.was_cancelled(under_way.token));
    EXPECT_EQ(rig.host.cancelled.size(), 1u);
    EXPECT_EQ(rig.submit_now(Rig::slot_request(process, VIRTIO_COPS_OP_NOP, 2)), -ESRCH);

    rig.device.complete(under_way.token, -ECANCELED);
    EXPECT_EQ(rig.reap().size(), 1u);
    EXPECT_EQ(rig.heads(process).head[10], 0u);
    EXPECT_EQ(rig.line(process).wake_pending, 0u);
    EXPECT_TRUE(rig.host.posts.empty());
    // The other process's request took the place.
    ASSERT_EQ(rig.host.started.size(), 1u);
    EXPECT_FALSE(rig.host.was_cancelled(rig.host.started.front().token));
}

TEST(VC_6_5, detach_is_answered_after_the_last_request) {
    Rig rig;
    rig.boot();
    const TestProcess process = rig.attach();
    for (std::uint32_t slot = 0; slot < 3; ++slot) {
        rig.submit(Rig::slot_request(process, VIRTIO_COPS_OP_NANOSLEEP, slot));
    }
    // Requests without a slot belong to the process too.
    virtio_cops_req plain = Rig::request(VIRTIO_COPS_OP_NANOSLEEP);
    plain.process = process.id;
    rig.submit(plain);
    ASSERT_EQ(rig.driver.control().detach(process.id, 0), 0);
    rig.driver.notify_control();
    for (int left = 4; left > 0; --left) {
        EXPECT_FALSE(rig.reap_command().has_value());
        rig.complete_next(left == 2 ? 0 : -ECANCELED);
    }
    const auto done = rig.reap_command();
    ASSERT_TRUE(done.has_value());
    EXPECT_EQ(done->status, 0u);
    EXPECT_EQ(rig.reap().size(), 4u);
}

TEST(VC_6_6, nothing_is_written_after_detach_with_a_thousand_in_flight) {
    Rig rig;
    rig.boot();
    virtio_cops_board& board = rig.set_board();
    const TestProcess process = rig.attach(0);
    const TestProcess other = rig.attach(1);
    board.process = process.id;
    const std::uint32_t handle = rig.open_handle();
    const std::array data{rig.buffer(4096)};
    for (std::uint32_t slot = 0; slot < 1000; ++slot) {
        virtio_cops_req header = Rig::slot_request(process, VIRTIO_COPS_OP_READ, slot, slot % 64);
        header.handle = handle;
        rig.submit(header, data);
    }
    rig.submit(Rig::slot_request(other, VIRTIO_COPS_OP_NANOSLEEP, 0));
    ASSERT_EQ(rig.driver.control().detach(process.id, 0), 0);
    rig.driver.notify_control();
    std::vector<FakeHost::Operation> operations(rig.host.started.begin(), rig.host.started.end());
    rig.host.started.clear();
    const FakeHost::Operation kept = operations.back();
    operations.pop_back();
    for (const FakeHost::Operation& operation : operations) {
        ASSERT_FALSE(rig.reap_command().has_value());
        rig.device.complete(operation.token, operation.token % 3 == 0 ? 4096 : -ECANCELED);
    }
    ASSERT_TRUE(rig.reap_command().has_value());
    EXPECT_EQ(rig.reap().size(), 1000u);

    // What is written now is noted: none of it is the process's.
    rig.ram.writes.clear();
    for (const FakeHost::Operation& operation : operations) {
        rig.device.complete(operation.token, 1);  // A host that reports twice.
    }
    rig.device.complete(kept.token, 0);
    const auto overlaps = [&](std::uint64_t page) {
        return std::ranges::any_of(rig.ram.writes, [page](const GuestRam::Write& write) {
            return write.address < page + kPageBytes && page < write.address + write.bytes;
        });
    };
    EXPECT_FALSE(rig.ram.writes.empty());
    EXPECT_FALSE(overlaps(process.page));
    EXPECT_FALSE(overlaps(data[0].address & ~(kPageBytes - 1)));
    EXPECT_TRUE(std::ranges::none_of(process.heads, overlaps));
    EXPECT_TRUE(std::ranges::none_of(process.slots, overlaps));
    EXPECT_EQ(rig.device.misuse().stale_tokens, 1000u);
}

TEST(VC_6_7, the_driver_reports_a_request_only_when_its_buffers_are_free) {
    // What lets a driver pin: a request counts as in flight until reap() returned it, and a
    // detach is answered by a completion of its own.
    Rig rig;
    rig.boot();
    const TestProcess process = rig.attach();
    rig.submit(Rig::slot_request(process, VIRTIO_COPS_OP_NANOSLEEP, 0));
    ASSERT_EQ(rig.driver.control().detach(process.id, 9), 0);
    rig.driver.notify_control();
    EXPECT_EQ(rig.driver.requests().in_flight(), 1u);
    EXPECT_FALSE(rig.reap_command().has_value());
    rig.complete_next(-ECANCELED);
    EXPECT_EQ(rig.driver.requests().in_flight(), 1u);
    EXPECT_TRUE(rig.reap_one().has_value());
    EXPECT_EQ(rig.driver.requests().in_flight(), 0u);
    EXPECT_TRUE(rig.reap_command().has_value());
}

TEST(VC_6_8, a_current_process_that_is_not_attached_is_no_process) {
    Rig rig;
    rig.boot();
    virtio_cops_board& board = rig.set_board();
    const TestProcess process = rig.attach(0, 1);
    rig.line(process).ready = 1;
    board.process = process.id;
    ASSERT_EQ(rig.device.sample(0).level, 0);
    for (const std::uint64_t id :
         {VIRTIO_COPS_PROCESS(0u, 2u), VIRTIO_COPS_PROCESS(3u, 1u), VIRTIO_COPS_PROCESS(77u, 1u)}) {
        board.process = id;
        EXPECT_EQ(rig.device.sample(0).level, kNoLevel);
        EXPECT_EQ(rig.device.sample(0).process, 0u);
    }
    board.process = process.id;
    EXPECT_EQ(detach(rig, process.id), 0u);
    EXPECT_EQ(rig.device.sample(0).level, kNoLevel);
}

}  // namespace
}  // namespace virtio_cops::test
