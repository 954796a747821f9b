// SPDX-License-Identifier: Apache-2.0
// SPEC.md section 8: requests.
#include "rig.hpp"

#include <fcntl.h>

namespace virtio_cops::test {
namespace {

struct RequestRig : Rig {
    explicit RequestRig(RigOptions options = {})
        : Rig(std::move(options)) {
        boot();
        process = attach();
    }
    /// The result of a request that is refused; it must have started nothing.
    std::int64_t refused(
        const virtio_cops_req& header,
        std::span<const Segment> data = {},
        Direction direction = Direction::from_device
    ) {
        const std::size_t before = host.started.size();
        const std::int64_t result = submit_now(header, data, direction);
        EXPECT_EQ(host.started.size(), before);
        EXPECT_FALSE(needs_reset());
        return result;
    }
    std::int64_t refused_open(std::uint32_t grant, std::string_view path, std::uint32_t flags) {
        virtio_cops_req header = request(VIRTIO_COPS_OP_OPENAT);
        header.handle = grant;
        header.open_flags = flags;
        const std::array data{text(path)};
        return refused(header, data, Direction::to_device);
    }

    TestProcess process;
};

TEST(VC_8_1, a_bad_request_completes_once_and_the_device_goes_on) {
    RequestRig rig;
    rig.submit(Rig::slot_request(rig.process, 99, 4));
    const std::vector<RequestDone> done = rig.reap();
    ASSERT_EQ(done.size(), 1u);
    EXPECT_EQ(done[0].result, -EOPNOTSUPP);
    EXPECT_EQ(signed_result(rig.slot(rig.process, 4)), -EOPNOTSUPP);
    EXPECT_EQ(rig.slot(rig.process, 4).generation, 1004u);
    EXPECT_EQ(rig.heads(rig.process).head[10], 5u);
    EXPECT_EQ(rig.line(rig.process).wake_pending, 1u << 10);
    EXPECT_EQ(rig.device.misuse().bad_requests, 1u);
    EXPECT_EQ(rig.submit_now(Rig::request(VIRTIO_COPS_OP_NOP)), 0);
    EXPECT_TRUE(rig.host.started.empty());
}

TEST(VC_8_2, bad_levels_flags_and_slots_are_invalid) {
    RequestRig rig;
    const virtio_cops_req good = Rig::slot_request(rig.process, VIRTIO_COPS_OP_NOP, 1);
    const std::array<std::function<void(virtio_cops_req&)>, 6> bends{
        [](virtio_cops_req& r) { r.level = 64; },
        [](virtio_cops_req& r) { r.level = 0xffff'ffff; },
        [](virtio_cops_req& r) { r.flags |= 2; },
        [](virtio_cops_req& r) { r.process = 0; },
        [](virtio_cops_req& r) { r.hart = 2; },
        [](virtio_cops_req& r) { r.slot = 2048; },
    };
    for (std::size_t i = 0; i < bends.size(); ++i) {
        virtio_cops_req header = good;
        bends[i](header);
        EXPECT_EQ(rig.refused(header), -EINVAL) << "bend " << i;
    }
    EXPECT_EQ(rig.submit_now(good), 0);
}

TEST(VC_8_2, a_short_header_is_invalid) {
    RequestRig rig;
    RawQueue raw = rig.raw_requests();
    const std::uint64_t at = rig.ram.allocate(4096);
    raw.desc(0) = {at, 63, VRING_DESC_F_NEXT, 1};
    raw.desc(1) = {at + 64, 16, VRING_DESC_F_WRITE, 0};
    raw.offer(0);
    rig.notify(VIRTIO_COPS_QUEUE_REQUEST);
    EXPECT_EQ(raw.used(), 1);
    EXPECT_EQ(
        static_cast<std::int64_t>(rig.ram.at<virtio_cops_req_status>(at + 64).result), -EINVAL
    );
}

TEST(VC_8_2, offsets_beyond_63_bits_are_invalid) {
    RequestRig rig;
    const std::uint32_t handle = rig.open_handle();
    for (const int opcode :
         {VIRTIO_COPS_OP_READ,
          VIRTIO_COPS_OP_WRITE,
          VIRTIO_COPS_OP_GETDENTS,
          VIRTIO_COPS_OP_NANOSLEEP}) {
        virtio_cops_req header = Rig::request(static_cast<std::uint16_t>(opcode));
        header.handle = handle;
        header.offset = std::uint64_t{1} << 63;
        EXPECT_EQ(rig.refused(header), -EINVAL) << "opcode " << opcode;
    }
}

TEST(VC_8_2, too_much_or_misplaced_data_is_invalid) {
    RigOptions options;
    options.device.max_segments = 4;
    options.driver.max_segments = 4;
    RequestRig rig(options);
    const std::uint32_t handle = rig.open_handle();
    const auto with = [&](std::uint16_t opcode) {
        virtio_cops_req header = Rig::request(static_cast<std::uint16_t>(opcode));
        header.handle = handle;
        return header;
    };
    const std::array small{rig.buffer(47)};
    EXPECT_EQ(rig.refused(with(VIRTIO_COPS_OP_FSTAT), small), -EINVAL);
    EXPECT_EQ(rig.refused(with(VIRTIO_COPS_OP_WRITE), small, Direction::from_device), -EINVAL);
    EXPECT_EQ(rig.refused(with(VIRTIO_COPS_OP_READ), small, Direction::to_device), -EINVAL);
    EXPECT_EQ(rig.refused(with(VIRTIO_COPS_OP_NOP), small, Direction::to_device), -EINVAL);
    EXPECT_EQ(rig.refused(with(VIRTIO_COPS_OP_FSYNC), small, Direction::from_device), -EINVAL);

    // Overlapping buffers that add up to more than a host moves at once.
    const Segment huge{kRamBase, 8u << 20};
    RawQueue raw = rig.raw_requests();
    const std::uint64_t at = rig.ram.allocate(4096);
    rig.ram.at<virtio_cops_req>(at) = with(VIRTIO_COPS_OP_READ);
    const std::uint64_t table = rig.ram.allocate(300 * sizeof(vring_desc));
    const auto offer = [&](std::uint16_t buffers) {
        auto* const desc = &rig.ram.at<vring_desc>(table);
        desc[0] = {at, 64, VRING_DESC_F_NEXT, 1};
        for (std::uint16_t i = 1; i <= buffers; ++i) {
            const auto next = static_cast<std::uint16_t>(i + 1);
            desc[i] = {huge.address, huge.bytes, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, next};
        }
        desc[buffers + 1] = {at + 64, 16, VRING_DESC_F_WRITE, 0};
        const auto bytes = static_cast<std::uint32_t>((buffers + 2u) * sizeof(vring_desc));
        raw.desc(900) = {table, bytes, VRING_DESC_F_INDIRECT, 0};
        raw.offer(900);
        rig.notify(VIRTIO_COPS_QUEUE_REQUEST);
        return static_cast<std::int64_t>(rig.ram.at<virtio_cops_req_status>(at + 64).result);
    };
    EXPECT_EQ(offer(5), -EINVAL) << "more buffers than max_segments";
    EXPECT_EQ(rig.host.started.size(), 0u);
}

TEST(VC_8_2, more_than_two_gibibytes_of_data_are_invalid) {
    RigOptions options;
    options.device.max_segments = 256;
    options.driver.max_segments = 256;
    RequestRig rig(options);
    virtio_cops_req header = Rig::request(VIRTIO_COPS_OP_READ);
    header.handle = rig.open_handle();
    const std::vector<Segment> data(256, Segment{kRamBase, 8u << 20});
    EXPECT_EQ(rig.refused(header, data), -EINVAL);
    rig.submit(header, std::span(data).first(255));
    EXPECT_EQ(rig.host.started.size(), 1u);
    rig.complete_next(-EIO);
}

TEST(VC_8_3, buffers_outside_of_memory_are_a_fault) {
    RequestRig rig;
    virtio_cops_req header = Rig::request(VIRTIO_COPS_OP_READ);
    header.handle = rig.open_handle();
    const std::uint64_t end = kRamBase + rig.ram.bytes();
    for (const Segment segment :
         {Segment{0x1000, 16},
          Segment{kRamBase - 1, 16},
          Segment{end - 8, 16},
          Segment{end, 1},
          Segment{~std::uint64_t{7}, 16},
          Segment{kHostPageBase, 16}}) {
        const std::array data{rig.buffer(16), segment};
        EXPECT_EQ(rig.refused(header, data), -EFAULT) << std::hex << segment.address;
    }
    header.opcode = VIRTIO_COPS_OP_WRITE;
    const std::array outside{Segment{0x1000, 16}};
    EXPECT_EQ(rig.refused(header, outside, Direction::to_device), -EFAULT);
    header.opcode = VIRTIO_COPS_OP_OPENAT;
    header.handle = 1;
    EXPECT_EQ(rig.refused(header, outside, Direction::to_device), -EFAULT);
}

TEST(VC_8_3, a_header_outside_of_memory_is_a_fault) {
    RequestRig rig;
    RawQueue raw = rig.raw_requests();
    const std::uint64_t at = rig.ram.allocate(4096);
    raw.desc(0) = {0x1000, 64, VRING_DESC_F_NEXT, 1};
    raw.desc(1) = {at, 16, VRING_DESC_F_WRITE, 0};
    raw.offer(0);
    rig.notify(VIRTIO_COPS_QUEUE_REQUEST);
    EXPECT_EQ(static_cast<std::int64_t>(rig.ram.at<virtio_cops_req_status>(at).result), -EFAULT);
    EXPECT_FALSE(rig.needs_reset());
}

TEST(VC_8_4, strangers_duplicates_and_unknown_opcodes_are_refused) {
    RequestRig rig;
    virtio_cops_req stranger = Rig::request(VIRTIO_COPS_OP_NOP);
    stranger.process = VIRTIO_COPS_PROCESS(1u, 1u);
    EXPECT_EQ(rig.refused(stranger), -ESRCH);
    stranger.process = VIRTIO_COPS_PROCESS(0u, 2u);
    EXPECT_EQ(rig.refused(stranger), -ESRCH);
    EXPECT_EQ(rig.refused(Rig::request(9)), -EOPNOTSUPP);
    EXPECT_EQ(rig.refused(Rig::request(0xffff)), -EOPNOTSUPP);

    const std::uint64_t id = rig.submit(Rig::request(VIRTIO_COPS_OP_NANOSLEEP));
    RawQueue raw = rig.raw_requests();
    const std::uint64_t at = rig.ram.allocate(4096);
    rig.ram.at<virtio_cops_req>(at) = Rig::request(VIRTIO_COPS_OP_NANOSLEEP);
    rig.ram.at<virtio_cops_req>(at).request_id = id;
    raw.desc(900) = {at, 64, VRING_DESC_F_NEXT, 901};
    raw.desc(901) = {at + 64, 16, VRING_DESC_F_WRITE, 0};
    raw.offer(900);
    rig.notify(VIRTIO_COPS_QUEUE_REQUEST);
    EXPECT_EQ(
        static_cast<std::int64_t>(rig.ram.at<virtio_cops_req_status>(at + 64).result), -EEXIST
    );
    EXPECT_EQ(rig.command(rig.driver.control().cancel(id, 0)), 0u) << "the first is still known";
    rig.complete_next(-ECANCELED);
}

TEST(VC_8_5, handles_that_are_not_open_are_refused) {
    RequestRig rig;
    const std::uint32_t handle = rig.open_handle();
    for (const int opcode :
         {VIRTIO_COPS_OP_READ,
          VIRTIO_COPS_OP_WRITE,
          VIRTIO_COPS_OP_CLOSE,
          VIRTIO_COPS_OP_FSYNC,
          VIRTIO_COPS_OP_GETDENTS}) {
        for (const std::uint32_t wrong :
             {0u, handle + 1, handle + 0x1'0000, handle & 0xffff, 0xffff'ffff}) {
            virtio_cops_req header = Rig::request(static_cast<std::uint16_t>(opcode));
            header.handle = wrong;
            EXPECT_EQ(rig.refused(header), -EBADF) << "opcode " << opcode << " handle " << wrong;
        }
    }
}

TEST(VC_8_5, reading_and_writing_need_a_handle_opened_for_it) {
    RequestRig rig;
    const std::array data{rig.buffer(8)};
    virtio_cops_req read = Rig::request(VIRTIO_COPS_OP_READ);
    virtio_cops_req write = Rig::request(VIRTIO_COPS_OP_WRITE);
    read.handle = write.handle = rig.open_handle(77, O_RDONLY);
    EXPECT_EQ(rig.refused(write, data, Direction::to_device), -EBADF);
    rig.submit(read, data);
    rig.complete_next(8);
    read.handle = write.handle = rig.open_handle(77, O_WRONLY);
    EXPECT_EQ(rig.refused(read, data), -EBADF);
    rig.submit(write, data, Direction::to_device);
    rig.complete_next(8);
}

TEST(VC_8_6, the_driver_never_has_two_requests_of_one_id_in_flight) {
    RequestRig rig;
    std::set<std::uint64_t> in_flight;
    for (int i = 0; i < 3000; ++i) {
        const std::uint64_t id = rig.submit(Rig::request(VIRTIO_COPS_OP_NANOSLEEP));
        EXPECT_TRUE(in_flight.insert(id).second);
        if (i % 3 != 0 || in_flight.size() > 500) {
            rig.device.complete(rig.take_started(rig.host.started.size() / 2).token, 0);
            for (const RequestDone& done : rig.reap()) {
                EXPECT_EQ(in_flight.erase(done.request_id), 1u);
            }
        }
    }
    EXPECT_EQ(rig.device.misuse().bad_requests, 0u);
}

TEST(VC_8_7, bad_opens_are_refused) {
    RequestRig rig;
    EXPECT_EQ(rig.refused_open(3, "", 0), -ENOENT);
    EXPECT_EQ(rig.refused_open(0xffff'ffff, "", 0), -ENOENT);
    EXPECT_EQ(rig.refused_open(1, "a", O_ACCMODE), -EINVAL);
    EXPECT_EQ(rig.refused_open(1, "a", 020000000 /* O_TMPFILE's bit */), -EINVAL);
    EXPECT_EQ(rig.refused_open(1, "a", O_NONBLOCK), -EINVAL);
    EXPECT_EQ(rig.refused_open(1, std::string_view("a\0b", 3), 0), -EINVAL);
    EXPECT_EQ(rig.refused_open(1, std::string(4096, 'a'), 0), -ENAMETOOLONG);
    EXPECT_EQ(rig.refused_open(0, "a", 0), -ENOTDIR);
    for (const int flags : {O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, O_APPEND}) {
        EXPECT_EQ(rig.refused_open(2, "a", static_cast<unsigned>(flags)), -EROFS) << flags;
    }
}

TEST(VC_8_7, handles_run_out_at_max_handles) {
    RigOptions options;
    options.device.max_handles = 2;
    RequestRig rig(options);
    rig.open_handle();
    const std::uint32_t second = rig.open_handle();
    EXPECT_EQ(rig.refused_open(1, "a", 0), -ENFILE);
    virtio_cops_req close = Rig::request(VIRTIO_COPS_OP_CLOSE);
    close.handle = second;
    EXPECT_EQ(rig.submit_now(close), 0);
    EXPECT_GT(rig.open_handle(), 0u);
}

TEST(VC_8_7, all_allowed_flags_are_passed_on) {
    RequestRig rig;
    virtio_cops_req header = Rig::request(VIRTIO_COPS_OP_OPENAT);
    header.handle = 1;
    header.open_flags = O_RDWR | O_CREAT | O_EXCL | O_TRUNC | O_APPEND | O_DSYNC | O_DIRECTORY
                        | O_NOFOLLOW | O_CLOEXEC | O_SYNC;
    header.mode = 0644;
    rig.submit(header);
    const FakeHost::Operation operation = rig.take_started();
    EXPECT_EQ(operation.open_flags, header.open_flags);
    EXPECT_EQ(operation.mode, 0644u);
    EXPECT_EQ(header.open_flags & ~Device::kOpenFlags, 0u);
    rig.device.complete(operation.token, -ENOENT);
}

TEST(VC_8_8, the_host_is_given_a_grant_and_a_path_as_the_guest_wrote_it) {
    RequestRig rig;
    virtio_cops_req header = Rig::request(VIRTIO_COPS_OP_OPENAT);
    header.handle = 2;
    const std::array path{rig.text("a/"), rig.text("../"), rig.text("b")};
    rig.submit(header, path, Direction::to_device);
    const FakeHost::Operation operation = rig.take_started();
    EXPECT_EQ(operation.grant, 2u);
    EXPECT_EQ(operation.path, "a/../b");
    rig.device.complete(operation.token, -EXDEV);
    EXPECT_EQ(rig.reap_one()->result, -EXDEV);
}

TEST(VC_8_9, close_ends_the_handle_at_once_and_the_file_with_the_last_request) {
    RequestRig rig;
    const std::uint32_t handle = rig.open_handle(77);
    virtio_cops_req read = Rig::request(VIRTIO_COPS_OP_READ);
    read.handle = handle;
    const std::array data{rig.buffer(8)};
    rig.submit(read, data);
    rig.submit(read, data);
    virtio_cops_req close = Rig::request(VIRTIO_COPS_OP_CLOSE);
    close.handle = handle;
    EXPECT_EQ(rig.submit_now(close), 0);
    EXPECT_EQ(rig.refused(read, data), -EBADF);
    EXPECT_EQ(rig.refused(close), -EBADF);
    EXPECT_TRUE(rig.host.closed.empty());
    rig.complete_next(8);
    EXPECT_TRUE(rig.host.closed.empty());
    rig.complete_next(8);
    EXPECT_EQ(rig.host.closed, (std::vector<HostHandle>{77}));
}

TEST(VC_8_10, a_stale_handle_stays_refused) {
    RigOptions options;
    options.device.max_handles = 1;
    RequestRig rig(options);
    std::set<std::uint32_t> seen;
    for (int i = 0; i < 2000; ++i) {
        const std::uint32_t handle = rig.open_handle();
        ASSERT_TRUE(seen.insert(handle).second);
        ASSERT_LT(handle, 0x8000'0000u);
        virtio_cops_req close = Rig::request(VIRTIO_COPS_OP_CLOSE);
        close.handle = handle;
        ASSERT_EQ(rig.submit_now(close), 0);
        ASSERT_EQ(rig.submit_now(close), -EBADF);
    }
}

TEST(VC_8_11, no_more_than_max_in_flight_are_under_way) {
    RigOptions options;
    options.device.max_in_flight = 3;
    RequestRig rig(options);
    for (std::uint32_t i = 0; i < 10; ++i) {
        rig.submit(Rig::slot_request(rig.process, VIRTIO_COPS_OP_NANOSLEEP, i));
        EXPECT_LE(rig.host.started.size(), 3u);
    }
    EXPECT_EQ(rig.device.in_flight(), 3u);
    for (int i = 0; i < 10; ++i) {
        ASSERT_EQ(
            rig.host.started.size(), std::min<std::size_t>(3, 10u - static_cast<unsigned>(i))
        );
        rig.complete_next(0);
    }
    EXPECT_EQ(rig.reap().size(), 10u);
    EXPECT_TRUE(rig.device.idle());
}

TEST(VC_8_12, urgent_requests_overtake_and_equals_keep_their_order) {
    RigOptions options;
    options.device.max_in_flight = 1;
    RequestRig rig(options);
    const std::array<std::uint32_t, 7> levels{20, 20, 63, 20, 0, 5, 0};
    std::vector<std::pair<Level, std::uint64_t>> order;
    for (std::uint32_t i = 0; i < levels.size(); ++i) {
        virtio_cops_req header =
            Rig::slot_request(rig.process, VIRTIO_COPS_OP_NANOSLEEP, i, levels[i]);
        header.offset = i;
        rig.submit(header);
    }
    while (!rig.host.started.empty()) {
        const FakeHost::Operation operation = rig.take_started();
        order.emplace_back(operation.level, operation.offset);
        rig.device.complete(operation.token, 0);
    }
    using Order = std::vector<std::pair<Level, std::uint64_t>>;
    EXPECT_EQ(order, (Order{{20, 0}, {0, 4}, {0, 6}, {5, 5}, {20, 1}, {20, 3}, {63, 2}}));
}

}  // namespace
}  // namespace virtio_cops::test
