// SPDX-License-Identifier: Apache-2.0
#include "device/access.hpp"
#include "device/device.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>

namespace virtio_cops {
namespace {

constexpr std::uint64_t kStatusBytes = sizeof(virtio_cops_req_status);
constexpr std::uint64_t kHeaderBytes = sizeof(virtio_cops_req);
constexpr std::uint64_t kMostData = 0x7ffff000;  // MAX_RW_COUNT of Linux
constexpr std::uint64_t kLongestPath = 4095;
constexpr std::uint64_t kMostOffset = INT64_MAX;
constexpr std::uint32_t kWriteFlags = O_CREAT | O_TRUNC | O_APPEND;
constexpr std::uint32_t kLifeFlags = O_CREAT | O_EXCL | O_TRUNC;

std::uint64_t total(std::span<const Buffer> buffers) {
    std::uint64_t bytes = 0;
    for (const Buffer& buffer : buffers) {
        bytes += buffer.bytes;
    }
    return bytes;
}

/// Moves the last `bytes` of `buffers` to `to`; false when they are fewer or in too many pieces.
bool cut_tail(std::vector<Buffer>& buffers, std::uint64_t bytes, Request& request) {
    std::uint32_t parts = 0;
    while (bytes != 0 && !buffers.empty() && parts < request.status.size()) {
        Buffer& last = buffers.back();
        const std::uint64_t taken = std::min(bytes, last.bytes);
        request.status[parts++] = {last.address + last.bytes - taken, taken};
        last.bytes -= taken;
        bytes -= taken;
        if (last.bytes == 0) {
            buffers.pop_back();
        }
    }
    std::reverse(request.status.begin(), request.status.begin() + parts);
    request.status_parts = parts;
    return bytes == 0;
}

/// Drops the first `bytes` of `buffers`, which hold as many.
void cut_head(std::vector<Buffer>& buffers, std::uint64_t bytes) {
    auto first = buffers.begin();
    for (; bytes != 0; ++first) {
        if (first->bytes > bytes) {
            *first = {first->address + bytes, first->bytes - bytes};
            break;
        }
        bytes -= first->bytes;
    }
    buffers.erase(buffers.begin(), first);
}

bool moves_to_guest(std::uint16_t opcode) {
    return opcode == VIRTIO_COPS_OP_READ || opcode == VIRTIO_COPS_OP_GETDENTS
           || opcode == VIRTIO_COPS_OP_FSTAT;
}

bool moves_to_host(std::uint16_t opcode) {
    return opcode == VIRTIO_COPS_OP_WRITE || opcode == VIRTIO_COPS_OP_OPENAT;
}

}  // namespace

/// SPEC.md section 8. Everything is copied before it is checked, and used from the copy.
void Device::take_request(Chain& chain) {
    Request& request = requests_[chain.head];
    if (request.state != Request::State::free) {
        break_ring("request uses a descriptor that is in flight");
        return;
    }
    request.renew(chain.head);
    const bool has_status = cut_tail(chain.writable, kStatusBytes, request)
                            && write_buffers(
                                std::span(request.status).first(request.status_parts),
                                bytes_of(virtio_cops_req_status{})
                            );
    if (!has_status) {
        break_ring("request without a status that can be written");
        return;
    }
    request.state = Request::State::pending;
    request.taken_ns = host_.now_ns();
    request.token = next_token_++ << 16 | chain.head;
    const Errno error = check(request, chain);
    ++counters_[request.level].requests;
    if (error != 0) {
        ++misuse_.bad_requests;
        request.state = Request::State::free;
        finish(request, -error);
    } else if (request.header.opcode == VIRTIO_COPS_OP_NOP
               || request.header.opcode == VIRTIO_COPS_OP_CLOSE) {
        request.state = Request::State::free;
        finish(request, 0);
    } else {
        pending_.push(requests_, request.head);
        ++waiting_;
    }
}

Device::Errno Device::check(Request& request, Chain& chain) {
    if (total(chain.readable) < kHeaderBytes) {
        return EINVAL;
    }
    if (!read_buffers(chain.readable, 0, bytes_of(request.header))) {
        return EFAULT;
    }
    cut_head(chain.readable, kHeaderBytes);
    if (const Errno error = check_owner(request); error != 0) {
        return error;
    }
    return check_operation(request, chain);
}

/// Who the request is for, and where its completion goes.
Device::Errno Device::check_owner(Request& request) {
    const virtio_cops_req& header = request.header;
    if (header.level < kLevels) {
        request.level = static_cast<Level>(header.level);
    }
    if (header.process != 0) {
        Process* const process = find_process(header.process);
        if (process == nullptr) {
            return ESRCH;
        }
        request.process_index = static_cast<std::uint32_t>(header.process);
        request.counts_process = true;
        ++process->requests;
        const std::size_t slots = process->slots.size() * VIRTIO_COPS_SLOTS_PER_PAGE;
        request.has_slot = (header.flags & VIRTIO_COPS_REQ_F_SLOT) != 0 && request.level != kNoLevel
                           && header.hart < process->lines && header.slot < slots;
    }
    const bool wants_slot = (header.flags & VIRTIO_COPS_REQ_F_SLOT) != 0;
    if (request.level == kNoLevel || (header.flags & ~VIRTIO_COPS_REQ_F_SLOT) != 0
        || wants_slot != request.has_slot) {
        return EINVAL;
    }
    if (find_request(header.request_id) != nullptr) {
        return EEXIST;
    }
    index_request(request);
    return 0;
}

Device::Errno Device::check_operation(Request& request, Chain& chain) {
    const virtio_cops_req& header = request.header;
    if ((!chain.readable.empty() && !moves_to_host(header.opcode))
        || (!chain.writable.empty() && !moves_to_guest(header.opcode))) {
        return EINVAL;
    }
    switch (header.opcode) {
    case VIRTIO_COPS_OP_NOP:
        return 0;
    case VIRTIO_COPS_OP_NANOSLEEP:
        return header.offset > kMostOffset ? EINVAL : 0;
    case VIRTIO_COPS_OP_OPENAT:
        return check_open(request, chain.readable);
    case VIRTIO_COPS_OP_CLOSE: {
        const auto index = find_handle(header.handle);
        if (!index) {
            return EBADF;
        }
        close_handle(*index);
        return 0;
    }
    case VIRTIO_COPS_OP_READ:
    case VIRTIO_COPS_OP_WRITE:
    case VIRTIO_COPS_OP_GETDENTS:
        if (header.offset > kMostOffset) {
            return EINVAL;
        }
        break;
    case VIRTIO_COPS_OP_FSTAT:
        if (total(chain.writable) < sizeof(virtio_cops_stat)) {
            return EINVAL;
        }
        break;
    case VIRTIO_COPS_OP_FSYNC:
        break;
    default:
        return EOPNOTSUPP;
    }
    const bool to_guest = moves_to_guest(header.opcode);
    const Errno error = check_data(request, to_guest ? chain.writable : chain.readable, to_guest);
    return error != 0 ? error : hold_handle(request);
}

Device::Errno Device::check_data(Request& request, std::span<const Buffer> buffers, bool to_guest) {
    if (buffers.size() > options_.max_segments || total(buffers) > kMostData) {
        return EINVAL;
    }
    for (const Buffer& buffer : buffers) {
        std::byte* const at =
            to_guest ? memory_.writable(buffer.address, buffer.bytes)
                     // The host only reads through an iovec of WRITE.
                     : const_cast<std::byte*>(memory_.readable(buffer.address, buffer.bytes));
        if (at == nullptr) {
            return EFAULT;
        }
        request.data.push_back(buffer);
        request.segments.push_back({at, buffer.bytes});
        request.bytes += buffer.bytes;
    }
    return 0;
}

Device::Errno Device::check_open(Request& request, std::span<const Buffer> buffers) {
    const virtio_cops_req& header = request.header;
    if (header.handle >= options_.grants.size()) {
        return ENOENT;
    }
    const GrantInfo& grant = options_.grants[header.handle];
    const std::uint32_t access = header.open_flags & O_ACCMODE;
    if ((header.open_flags & ~kOpenFlags) != 0 || access == O_ACCMODE) {
        return EINVAL;
    }
    const std::uint64_t length = total(buffers);
    if (length > kLongestPath) {
        return ENAMETOOLONG;
    }
    request.path.resize(length);
    if (!read_buffers(buffers, 0, std::as_writable_bytes(std::span(request.path)))) {
        return EFAULT;
    }
    if (request.path.contains('\0')) {
        return EINVAL;
    }
    if (!grant.directory && length != 0) {
        return ENOTDIR;
    }
    if (!grant.writable && (access != O_RDONLY || (header.open_flags & kWriteFlags) != 0)) {
        return EROFS;
    }
    const auto index = new_handle();
    if (!index) {
        return ENFILE;
    }
    request.handle_index = *index;
    handles_[*index].description = {header.handle, header.open_flags & ~kLifeFlags, request.path};
    return 0;
}

/// Most urgent first, as many as may be in flight.
void Device::start_pending() {
    while (waiting_ != 0 && started_ < options_.max_in_flight) {
        const std::uint16_t head = pending_.front();
        Request& request = requests_[head];
        pending_.remove(requests_, head);
        --waiting_;
        request.state = Request::State::started;
        ++started_;
        const virtio_cops_req& header = request.header;
        host_.start({
            .token = request.token,
            .opcode = header.opcode,
            .level = request.level,
            .handle = request.counts_handle ? handles_[request.handle_index].host : -1,
            .offset = header.offset,
            .segments = request.segments,
            .bytes = request.bytes,
            .grant = header.handle,
            .path = request.path.c_str(),
            .open_flags = header.open_flags,
            .mode = header.mode & 07777,
        });
    }
}

void Device::cancel_pending(Request& request) {
    pending_.remove(requests_, request.head);
    --waiting_;
    request.state = Request::State::free;
    if (request.header.opcode == VIRTIO_COPS_OP_OPENAT) {
        free_handle(request.handle_index);
    }
    finish(request, -ECANCELED);
}

std::uint16_t& Device::bucket(std::uint64_t request_id) noexcept {
    const std::uint64_t mixed = request_id * 0x9e3779b97f4a7c15u;
    return by_id_[mixed >> 53];
}

Request* Device::find_request(std::uint64_t request_id) noexcept {
    for (std::uint16_t head = bucket(request_id); head != kNoIndex;
         head = requests_[head].next_by_id) {
        if (requests_[head].header.request_id == request_id) {
            return &requests_[head];
        }
    }
    return nullptr;
}

void Device::index_request(Request& request) {
    std::uint16_t& first = bucket(request.header.request_id);
    request.next_by_id = first;
    request.indexed = true;
    first = request.head;
}

void Device::unindex_request(const Request& request) {
    std::uint16_t* link = &bucket(request.header.request_id);
    while (*link != request.head) {
        link = &requests_[*link].next_by_id;
    }
    *link = request.next_by_id;
}

}  // namespace virtio_cops
