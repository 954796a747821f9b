// SPDX-License-Identifier: Apache-2.0
#include "fs/host_file.hpp"

#include "base/log.hpp"
#include "drivers/cops_device.hpp"
#include "fs/path.hpp"
#include "mm/heap.hpp"

namespace kernel::host {

namespace {

using virtio_cops::Direction;
using virtio_cops::Segment;

constexpr std::uint32_t kMaxGrants = 256;
constexpr std::string_view kRoot = "host";

constinit virtio_cops_ctrl_grant* grants = nullptr;  // written at boot only
constinit std::uint32_t grant_count = 0;

std::string_view grant_name(const virtio_cops_ctrl_grant& grant) {
    std::size_t length = 0;
    while (length < sizeof grant.name && grant.name[length] != 0) {
        ++length;
    }
    return {reinterpret_cast<const char*>(grant.name), length};
}

// Index of the grant, -1 = none.
std::int64_t find_grant(std::string_view name) {
    for (std::uint32_t i = 0; i < grant_count; ++i) {
        if (grant_name(grants[i]) == name && !name.empty()) {
            return i;
        }
    }
    return -1;
}

Segment segment_of(const void* memory, std::size_t bytes) {
    return {physical(memory), static_cast<std::uint32_t>(bytes)};
}

}  // namespace

Async<void> list_grants() {
    const std::uint32_t count = cops_device::config().num_grants < kMaxGrants
                                    ? cops_device::config().num_grants
                                    : kMaxGrants;
    grants = static_cast<virtio_cops_ctrl_grant*>(heap::allocate(count * sizeof *grants + 1));
    for (std::uint32_t i = 0; grants != nullptr && i < count; ++i) {
        Async<std::uint32_t> command = cops_device::get_grant(i, &grants[i]);
        if (!command.valid() || co_await command != 0) {
            grants[i] = {};
        }
        grant_count = i + 1;
        info("grant ", i, ": /host/", grant_name(grants[i]));
    }
}

bool is_host_path(std::string_view path) {
    char buffer[Path::kMax];
    const std::string_view name = normalise(path, buffer);
    return name.substr(0, kRoot.size()) == kRoot
           && (name.size() == kRoot.size() || name[kRoot.size()] == '/');
}

bool is_host_root(std::string_view path) {
    char buffer[Path::kMax];
    return normalise(path, buffer) == kRoot;
}

Async<Opened> open(
    Operation* operation,
    std::string_view path,
    std::uint32_t flags,
    std::uint32_t mode,
    std::uint32_t level
) {
    Opened opened;
    char* const buffer = static_cast<char*>(heap::allocate(Path::kMax));
    File* const file = make_file(File::Kind::host, flags);
    if (buffer == nullptr || file == nullptr || !cops_device::present()) {
        heap::free(buffer);
        heap::destroy(file);
        opened.error = negative(cops_device::present() ? Errno::no_memory : Errno::no_entry);
        co_return opened;
    }
    const std::string_view name = normalise(path, std::span(buffer, Path::kMax));
    const std::string_view rest = name.size() > kRoot.size() ? name.substr(kRoot.size() + 1) : "";
    const std::size_t slash = rest.find('/');
    const std::int64_t grant = find_grant(rest.substr(0, slash));
    const std::string_view below =
        slash == std::string_view::npos ? std::string_view() : rest.substr(slash + 1);
    opened.error = negative(Errno::no_entry);
    if (grant >= 0) {
        virtio_cops_req header{};
        header.opcode = VIRTIO_COPS_OP_OPENAT;
        header.level = level;
        header.handle = static_cast<std::uint32_t>(grant);
        header.open_flags = flags;
        header.mode = mode;
        Async<std::int64_t> request = cops_device::transfer(
            operation, header, Direction::to_device, segment_of(below.data(), below.size())
        );
        opened.error = request.valid() ? co_await request : negative(Errno::no_memory);
    }
    heap::free(buffer);
    if (opened.error < 0) {
        heap::destroy(file);
        co_return opened;
    }
    file->handle = static_cast<std::uint32_t>(opened.error);
    file->handle_is_open = true;
    opened.error = 0;
    opened.file = file;
    co_return opened;
}

Async<std::int64_t>
stat(Operation* operation, std::uint32_t handle, std::uint32_t level, virtio_cops_stat* out) {
    auto* const buffer = heap::make<virtio_cops_stat>();
    if (buffer == nullptr) {
        co_return negative(Errno::no_memory);
    }
    virtio_cops_req header{};
    header.opcode = VIRTIO_COPS_OP_FSTAT;
    header.level = level;
    header.handle = handle;
    Async<std::int64_t> request = cops_device::transfer(
        operation, header, Direction::from_device, segment_of(buffer, sizeof *buffer)
    );
    const std::int64_t result = request.valid() ? co_await request : negative(Errno::no_memory);
    *out = *buffer;
    heap::destroy(buffer);
    co_return result < 0 ? result : 0;
}

Async<std::int64_t> close(Operation* operation, std::uint32_t handle, std::uint32_t level) {
    virtio_cops_req header{};
    header.opcode = VIRTIO_COPS_OP_CLOSE;
    header.level = level;
    header.handle = handle;
    Async<std::int64_t> request =
        cops_device::transfer(operation, header, Direction::to_device, Segment{});
    co_return request.valid() ? co_await request : negative(Errno::no_memory);
}

void close_behind(std::uint32_t handle) {
    cops_device::Request* const request = cops_device::make_request({});
    if (request == nullptr) {
        return;  // the device closes what is left with the machine
    }
    request->header.opcode = VIRTIO_COPS_OP_CLOSE;
    request->header.handle = handle;
    request->header.level = VIRTIO_COPS_LEVELS - 1;
    cops_device::submit(*request);
    cops_device::kick();
}

}  // namespace kernel::host
