// SPDX-License-Identifier: Apache-2.0
#include "rig.hpp"

#include <cstdlib>

namespace virtio_cops::test {

GuestRam::GuestRam(std::size_t bytes)
    : bytes_(bytes)
    , ram_(static_cast<std::byte*>(std::aligned_alloc(kPageBytes, bytes)))
    , page_(static_cast<std::byte*>(std::aligned_alloc(kPageBytes, kPageBytes))) {
    std::memset(ram_.get(), 0, bytes);
    std::memset(page_.get(), 0, kPageBytes);
}

std::byte* GuestRam::writable(std::uint64_t address, std::uint64_t bytes) noexcept {
    const std::uint64_t offset = address - kRamBase;
    if (address < kRamBase || offset > bytes_ || bytes > bytes_ - offset) {
        return nullptr;
    }
    return ram_.get() + offset;
}

const std::byte* GuestRam::readable(std::uint64_t address, std::uint64_t bytes) noexcept {
    const std::uint64_t offset = address - kHostPageBase;
    if (address >= kHostPageBase && offset < kPageBytes && bytes <= kPageBytes - offset) {
        return page_.get() + offset;
    }
    return writable(address, bytes);
}

void GuestRam::note_write(std::uint64_t address, std::uint64_t bytes) noexcept {
    writes.push_back({address, bytes});
    if (on_write) {
        on_write(address);
    }
}

std::uint64_t GuestRam::allocate(std::size_t bytes, std::size_t alignment) {
    used_ = (used_ + alignment - 1) & ~(alignment - 1);
    const std::uint64_t address = kRamBase + used_;
    used_ += bytes;
    if (used_ > bytes_) {
        ADD_FAILURE() << "the test's guest memory is too small";
        std::abort();
    }
    return address;
}

void FakeHost::start(const IoOperation& operation) {
    started.push_back({
        .token = operation.token,
        .opcode = operation.opcode,
        .level = operation.level,
        .handle = operation.handle,
        .offset = operation.offset,
        .segments = {operation.segments.begin(), operation.segments.end()},
        .bytes = operation.bytes,
        .grant = operation.grant,
        .path = operation.path,
        .open_flags = operation.open_flags,
        .mode = operation.mode,
    });
}

HostHandle FakeHost::reopen(const OpenDescription& description) {
    reopened.push_back(description);
    return reopen_result;
}

void FakeHost::set_needs_reset(const char* why) {
    if (on_needs_reset) {
        on_needs_reset(why);
    }
}

void FakeHost::reset_done() {
    if (on_reset_done) {
        on_reset_done();
    }
}

Registers::Registers(Device& device, FakeHost& host)
    : device_(device) {
    host.on_needs_reset = [this](const char* why) {
        status |= VIRTIO_CONFIG_S_NEEDS_RESET;
        why_needs_reset = why;
    };
    host.on_reset_done = [this] { status = 0; };
}

std::uint32_t Registers::read32(std::uint32_t offset) {
    touched.push_back(offset);
    const bool exists = queue_sel_ < queues_.size();
    const std::uint64_t features = device_.features() & ~hidden_features;
    const bool has_region = (features >> VIRTIO_COPS_F_BOARD & 1) != 0 && shm_sel_ < 2;
    const std::uint64_t base = kHostPageBase + 0x10000u * shm_sel_;
    if (offset >= VIRTIO_MMIO_CONFIG) {
        if (offset == VIRTIO_MMIO_CONFIG) {
            return config_version;
        }
        std::uint32_t word = 0;
        device_.read_config(
            offset - VIRTIO_MMIO_CONFIG, std::as_writable_bytes(std::span(&word, 1))
        );
        return word;
    }
    switch (offset) {
    case VIRTIO_MMIO_MAGIC_VALUE:
        return magic;
    case VIRTIO_MMIO_VERSION:
        return version;
    case VIRTIO_MMIO_DEVICE_ID:
        return device_id;
    case VIRTIO_MMIO_DEVICE_FEATURES:
        return static_cast<std::uint32_t>(features >> (32 * (device_features_sel_ & 1)));
    case VIRTIO_MMIO_QUEUE_NUM_MAX:
        return exists ? device_.queue_max(queue_sel_) : 0;
    case VIRTIO_MMIO_QUEUE_READY:
        return exists && ready_[queue_sel_] ? 1 : 0;
    case VIRTIO_MMIO_STATUS:
        return status;
    case VIRTIO_MMIO_SHM_LEN_LOW:
        return has_region ? kPageBytes : ~0u;
    case VIRTIO_MMIO_SHM_LEN_HIGH:
        return has_region ? 0 : ~0u;
    case VIRTIO_MMIO_SHM_BASE_LOW:
        return has_region ? static_cast<std::uint32_t>(base) : ~0u;
    case VIRTIO_MMIO_SHM_BASE_HIGH:
        return has_region ? 0 : ~0u;
    default:
        return 0;
    }
}

void Registers::write32(std::uint32_t offset, std::uint32_t value) {
    touched.push_back(offset);
    QueueState none;
    QueueState& queue = queue_sel_ < queues_.size() ? queues_[queue_sel_] : none;
    const auto low = [value](std::uint64_t& word) { word = (word >> 32 << 32) | value; };
    const auto high = [value](std::uint64_t& word) {
        word = (word & 0xffff'ffff) | std::uint64_t{value} << 32;
    };
    switch (offset) {
    case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
        device_features_sel_ = value;
        break;
    case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
        driver_features_sel_ = value;
        break;
    case VIRTIO_MMIO_DRIVER_FEATURES:
        driver_features_sel_ == 0 ? low(driver_features_) : high(driver_features_);
        break;
    case VIRTIO_MMIO_QUEUE_SEL:
        queue_sel_ = value;
        break;
    case VIRTIO_MMIO_SHM_SEL:
        shm_sel_ = value;
        break;
    case VIRTIO_MMIO_QUEUE_NUM:
        queue.size = value;
        break;
    case VIRTIO_MMIO_QUEUE_DESC_LOW:
        low(queue.desc);
        break;
    case VIRTIO_MMIO_QUEUE_DESC_HIGH:
        high(queue.desc);
        break;
    case VIRTIO_MMIO_QUEUE_AVAIL_LOW:
        low(queue.avail);
        break;
    case VIRTIO_MMIO_QUEUE_AVAIL_HIGH:
        high(queue.avail);
        break;
    case VIRTIO_MMIO_QUEUE_USED_LOW:
        low(queue.used);
        break;
    case VIRTIO_MMIO_QUEUE_USED_HIGH:
        high(queue.used);
        break;
    case VIRTIO_MMIO_QUEUE_READY:
        if (queue_sel_ < ready_.size()) {
            ready_[queue_sel_] = value == 1;
        }
        break;
    case VIRTIO_MMIO_QUEUE_NOTIFY:
        ++notifications;
        device_.notify(value);
        break;
    case VIRTIO_MMIO_STATUS:
        write_status(value);
        break;
    default:
        break;
    }
}

void Registers::write_status(std::uint32_t value) {
    if (value == 0) {
        queues_ = {};
        ready_ = {};
        driver_features_ = 0;
        if (device_.reset()) {
            status = 0;
        }
        return;
    }
    const std::uint32_t added = value & ~status;
    if ((added & VIRTIO_CONFIG_S_FEATURES_OK) != 0 && !device_.accept_features(driver_features_)) {
        value &= ~std::uint32_t{VIRTIO_CONFIG_S_FEATURES_OK};
    }
    status = value;
    if ((added & VIRTIO_CONFIG_S_DRIVER_OK) != 0) {
        std::array<QueueState, VIRTIO_COPS_NUM_QUEUES> queues{};
        for (std::size_t i = 0; i < queues.size(); ++i) {
            queues[i] = ready_[i] ? queues_[i] : QueueState{};
        }
        device_.activate(driver_features_, queues);
    }
}

RawQueue::RawQueue(GuestRam& ram, const QueueAddresses& where)
    : ram_(&ram)
    , where_(where) {}

vring_desc& RawQueue::desc(std::uint16_t index) {
    return ram_->at<vring_desc>(where_.desc + index * sizeof(vring_desc));
}

void RawQueue::offer(std::uint16_t head) {
    const std::uint16_t next = available();
    const std::uint64_t entry = where_.avail + 4 + 2u * (next & (where_.size - 1));
    ram_->at<std::uint16_t>(entry) = head;
    set_available(static_cast<std::uint16_t>(next + 1));
}

void RawQueue::set_available(std::uint16_t index) {
    ram_->at<std::uint16_t>(where_.avail + 2) = index;
}

std::uint16_t RawQueue::available() const {
    return ram_->at<std::uint16_t>(where_.avail + 2);
}

std::uint16_t RawQueue::used() const {
    return ram_->at<std::uint16_t>(where_.used + 2);
}

vring_used_elem RawQueue::used_entry(std::uint16_t index) const {
    return ram_->at<vring_used_elem>(where_.used + 4 + 8u * (index & (where_.size - 1)));
}

void RawQueue::suppress_interrupts(bool suppress) {
    ram_->at<std::uint16_t>(where_.avail) = suppress ? VRING_AVAIL_F_NO_INTERRUPT : 0;
}

Rig::Rig(RigOptions options)
    : ram(options.ram_bytes)
    , device(options.device, ram, host, ram.host_page())
    , registers(device, host)
    , driver(Port{&registers}, options.driver) {}

void Rig::boot() {
    ASSERT_EQ(driver.probe(), 0);
    ASSERT_EQ(driver.open(), 0);
    const std::uint64_t memory = ram.allocate(driver.memory_bytes());
    std::memset(&ram.at<std::byte>(memory), 0xa5, driver.memory_bytes());  // It may hold anything.
    ASSERT_EQ(driver.start(&ram.at<std::byte>(memory), memory), 0);
}

virtio_cops_board& Rig::set_board(std::uint32_t vcpu) {
    const std::uint64_t address = ram.allocate(sizeof(virtio_cops_board), 64);
    auto& board = ram.at<virtio_cops_board>(address);
    board.timer_level = VIRTIO_COPS_LEVEL_NONE;
    board.irq_level = VIRTIO_COPS_LEVEL_NONE;
    EXPECT_EQ(command(driver.control().set_board(vcpu, address, 0)), 0u);
    return board;
}

TestProcess Rig::make_process(std::uint32_t index, std::uint32_t generation, std::uint32_t lines) {
    TestProcess process;
    process.id = VIRTIO_COPS_PROCESS(index, generation);
    process.lines = lines;
    process.page = ram.allocate(kPageBytes);
    for (std::uint32_t i = 0; i < lines; i += VIRTIO_COPS_HEADS_PER_PAGE) {
        process.heads.push_back(ram.allocate(kPageBytes));
    }
    for (std::uint32_t i = 0; i < driver.config().max_slots; i += VIRTIO_COPS_SLOTS_PER_PAGE) {
        process.slots.push_back(ram.allocate(kPageBytes));
    }
    for (std::uint32_t hart = 0; hart < lines; ++hart) {
        line(process, hart).running_level = VIRTIO_COPS_LEVEL_NONE;
    }
    return process;
}

TestProcess Rig::attach(std::uint32_t index, std::uint32_t generation, std::uint32_t lines) {
    TestProcess process = make_process(index, generation, lines);
    EXPECT_EQ(command(driver.control().attach(pages(process), 0)), 0u);
    return process;
}

ProcessPages Rig::pages(const TestProcess& process) {
    return {process.id, process.page, process.lines, process.heads, process.slots};
}

virtio_cops_line& Rig::line(const TestProcess& process, unsigned hart) {
    return ram.at<virtio_cops_line>(process.page + hart * sizeof(virtio_cops_line));
}

virtio_cops_heads& Rig::heads(const TestProcess& process, unsigned hart) {
    return ram.at<virtio_cops_heads>(
        process.heads[hart / VIRTIO_COPS_HEADS_PER_PAGE]
        + hart % VIRTIO_COPS_HEADS_PER_PAGE * sizeof(virtio_cops_heads)
    );
}

virtio_cops_slot& Rig::slot(const TestProcess& process, std::uint32_t index) {
    return ram.at<virtio_cops_slot>(
        process.slots[index / VIRTIO_COPS_SLOTS_PER_PAGE]
        + index % VIRTIO_COPS_SLOTS_PER_PAGE * sizeof(virtio_cops_slot)
    );
}

virtio_cops_host_line& Rig::host_line(unsigned vcpu) {
    return reinterpret_cast<virtio_cops_host_line*>(ram.host_page().data())[vcpu];
}

std::uint32_t Rig::command(int sent) {
    EXPECT_EQ(sent, 0);
    driver.notify_control();
    const auto done = reap_command();
    EXPECT_TRUE(done.has_value()) << "the command was not answered";
    return done ? done->status : ~0u;
}

std::optional<std::uint32_t>
Rig::raw_command(std::span<const std::byte> readable, std::uint32_t writable) {
    // The driver core allocates heads from 0 up and keeps them in order, so the last is unused.
    const auto head = static_cast<std::uint16_t>(driver.control().size() - 2);
    RawQueue queue = raw_control();
    const std::uint64_t from = ram.allocate(readable.size() + 1, 8);
    const std::uint64_t to = ram.allocate(writable + 1, 8);
    std::ranges::copy(readable, &ram.at<std::byte>(from));
    std::memset(&ram.at<std::byte>(to), 0xee, writable);
    queue.desc(head) = {
        from,
        static_cast<std::uint32_t>(readable.size()),
        VRING_DESC_F_NEXT,
        static_cast<std::uint16_t>(head + 1),
    };
    queue.desc(static_cast<std::uint16_t>(head + 1)) = {to, writable, VRING_DESC_F_WRITE, 0};
    const std::uint16_t before = queue.used();
    queue.offer(head);
    notify(VIRTIO_COPS_QUEUE_CONTROL);
    if (queue.used() == before) {
        return std::nullopt;
    }
    return ram.at<virtio_cops_ctrl_status>(to).status;
}

std::uint64_t
Rig::submit(const virtio_cops_req& header, std::span<const Segment> data, Direction direction) {
    std::uint64_t id = 0;
    EXPECT_EQ(driver.requests().submit(header, data, direction, header.user_data, &id), 0);
    driver.notify_requests();
    return id;
}

virtio_cops_req Rig::request(std::uint16_t opcode, std::uint32_t level) {
    virtio_cops_req header{};
    header.opcode = opcode;
    header.level = level;
    return header;
}

virtio_cops_req Rig::slot_request(
    const TestProcess& process, std::uint16_t opcode, std::uint32_t slot, std::uint32_t level
) {
    virtio_cops_req header = request(opcode, level);
    header.flags = VIRTIO_COPS_REQ_F_SLOT;
    header.process = process.id;
    header.slot = slot;
    header.slot_generation = slot + 1000;
    header.user_data = 0xc0de'0000u + slot;
    return header;
}

std::uint32_t Rig::open_handle(HostHandle host_handle, std::uint32_t open_flags) {
    virtio_cops_req header = request(VIRTIO_COPS_OP_OPENAT);
    header.handle = 1;
    header.open_flags = open_flags;
    const std::array path{text("some/file")};
    submit(header, path, Direction::to_device);
    device.complete(take_started(host.started.size() - 1).token, host_handle);
    const std::vector<RequestDone> done = reap();
    EXPECT_FALSE(done.empty());
    return done.empty() ? 0 : static_cast<std::uint32_t>(done.back().result);
}

std::int64_t
Rig::submit_now(const virtio_cops_req& header, std::span<const Segment> data, Direction direction) {
    const std::uint64_t id = submit(header, data, direction);
    for (const RequestDone& done : reap()) {
        if (done.request_id == id) {
            return done.result;
        }
    }
    ADD_FAILURE() << "the request was not completed at once";
    return 0;
}

Segment Rig::text(std::string_view text) {
    const Segment segment = buffer(static_cast<std::uint32_t>(text.size()));
    std::memcpy(&ram.at<std::byte>(segment.address), text.data(), text.size());
    return segment;
}

Segment Rig::buffer(std::uint32_t bytes) {
    return {ram.allocate(bytes + 1, 8), bytes};
}

FakeHost::Operation Rig::take_started(std::size_t index) {
    if (index >= host.started.size()) {
        ADD_FAILURE() << "the device has not started that";
        return {};
    }
    FakeHost::Operation operation = host.started[index];
    host.started.erase(host.started.begin() + static_cast<std::ptrdiff_t>(index));
    return operation;
}

void Rig::complete_next(std::int64_t result) {
    device.complete(take_started().token, result);
}

std::vector<RequestDone> Rig::reap() {
    std::vector<RequestDone> all;
    RequestDone done;
    while (driver.requests().reap(&done)) {
        all.push_back(done);
    }
    return all;
}

std::optional<RequestDone> Rig::reap_one() {
    RequestDone done;
    return driver.requests().reap(&done) ? std::optional(done) : std::nullopt;
}

std::optional<CommandDone> Rig::reap_command() {
    CommandDone done;
    return driver.control().reap(&done) ? std::optional(done) : std::nullopt;
}

}  // namespace virtio_cops::test
