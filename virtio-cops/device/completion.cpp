// SPDX-License-Identifier: Apache-2.0
#include "device/access.hpp"
#include "device/device.hpp"

#include <algorithm>
#include <cerrno>

namespace virtio_cops {
namespace {

/// A list head that changes more often than this while we join it is not changed by an executor.
constexpr int kListAttempts = 4096;

std::uint64_t bytes_moved(const Request& request, std::int64_t result) {
    const std::uint16_t opcode = request.header.opcode;
    const bool moves = opcode == VIRTIO_COPS_OP_READ || opcode == VIRTIO_COPS_OP_WRITE
                       || opcode == VIRTIO_COPS_OP_GETDENTS;
    return moves && result > 0 ? static_cast<std::uint64_t>(result) : 0;
}

/// What the used entry says: bytes written from the start of the device-writable part, without gap.
std::uint32_t used_length(const Request& request, std::int64_t result) {
    std::uint64_t filled = 0;
    switch (request.header.opcode) {
    case VIRTIO_COPS_OP_READ:
    case VIRTIO_COPS_OP_GETDENTS:
        filled = bytes_moved(request, result);
        break;
    case VIRTIO_COPS_OP_FSTAT:
        filled = result == 0 ? sizeof(virtio_cops_stat) : 0;
        break;
    default:
        return sizeof(virtio_cops_req_status);
    }
    filled = std::min<std::uint64_t>(filled, request.bytes);
    return static_cast<std::uint32_t>(
        filled == request.bytes ? filled + sizeof(virtio_cops_req_status) : filled
    );
}

}  // namespace

Request* Device::take_completion(std::uint64_t token) {
    const std::size_t head = token & 0xffff;
    if (head >= requests_.size() || requests_[head].token != token
        || requests_[head].state != Request::State::started) {
        ++misuse_.stale_tokens;
        return nullptr;
    }
    Request& request = requests_[head];
    request.state = Request::State::free;
    --started_;
    return &request;
}

void Device::complete(std::uint64_t token, std::int64_t result) {
    Request* const request = take_completion(token);
    if (request == nullptr) {
        return;
    }
    if (request->header.opcode == VIRTIO_COPS_OP_OPENAT) {
        result = settle_open(*request, result);
    }
    if (resetting_) {
        forget(*request);
        if (started_ == 0) {
            resetting_ = false;
            host_.reset_done();
        }
        return;
    }
    if (request->header.opcode != VIRTIO_COPS_OP_WRITE) {
        for (const Buffer& buffer : request->data) {
            memory_.note_write(buffer.address, buffer.bytes);
        }
    }
    finish(*request, result);
    start_pending();
}

void Device::complete_stat(std::uint64_t token, const virtio_cops_stat& stat) {
    const std::size_t head = token & 0xffff;
    if (!resetting_ && head < requests_.size() && requests_[head].token == token
        && requests_[head].header.opcode == VIRTIO_COPS_OP_FSTAT) {
        write_buffers(requests_[head].data, bytes_of(stat));
    }
    complete(token, 0);
}

/// Publishes a completion, once. The order is normative (SPEC.md section 9): data, status, slot,
/// list, wake_pending, used ring; then the choice how to wake.
void Device::finish(Request& request, std::int64_t result) {
    const virtio_cops_req_status status{static_cast<std::uint64_t>(result), 0};
    write_buffers(std::span(request.status).first(request.status_parts), bytes_of(status));

    Process* const process = request.counts_process ? &processes_[request.process_index] : nullptr;
    const bool listed =
        request.has_slot && !process->detaching && fill_slot(request, result, *process);

    Queue& queue = queues_[VIRTIO_COPS_QUEUE_REQUEST];
    queue.put_used(request.head, used_length(request, result));

    const WakePath path = listed ? choose_path(request, *process) : WakePath::kernel;
    if (path == WakePath::user_interrupt) {
        host_.post_user_interrupt(request.header.hart, request.header.process, request.level);
    } else if (path == WakePath::kernel && queue.wants_interrupt()) {
        host_.raise_used_interrupt(request.level);
    }
    report(request, result, path);
    forget(request);
    if (process != nullptr && --process->requests == 0 && process->detaching) {
        finish_detach(*process);
    }
}

void Device::report(const Request& request, std::int64_t result, WakePath path) {
    LevelCounters& counters = counters_[request.level];
    ++counters.completions;
    counters.bytes += bytes_moved(request, result);
    counters.wakes_ring += path == WakePath::ring;
    counters.wakes_user_interrupt += path == WakePath::user_interrupt;
    counters.wakes_kernel += path == WakePath::kernel;
    const std::uint64_t now = host_.now_ns();
    host_.completed({
        .level = request.level,
        .opcode = request.header.opcode,
        .path = path,
        .result = result,
        .bytes = bytes_moved(request, result),
        .latency_ns = now - request.taken_ns,
        .time_ns = now,
    });
}

/// Fills the slot, lists it and sets its level pending. False: it could not be listed.
bool Device::fill_slot(const Request& request, std::int64_t result, Process& process) {
    const virtio_cops_req& header = request.header;
    const GuestPage& page = process.slots[header.slot / VIRTIO_COPS_SLOTS_PER_PAGE];
    const std::size_t at = header.slot % VIRTIO_COPS_SLOTS_PER_PAGE * sizeof(virtio_cops_slot);
    std::byte* const slot = page.host + at;
    store_word(slot + offsetof(virtio_cops_slot, result), static_cast<std::uint64_t>(result));
    store_word(slot + offsetof(virtio_cops_slot, user_data), header.user_data);
    store_word(slot + offsetof(virtio_cops_slot, generation), header.slot_generation);
    store_word(slot + offsetof(virtio_cops_slot, level), std::uint32_t{request.level});
    store_word(slot + offsetof(virtio_cops_slot, path), std::uint32_t{VIRTIO_COPS_PATH_HOST});
    memory_.note_write(page.address + at, sizeof(virtio_cops_slot));
    return list_slot(request, process, slot);
}

bool Device::list_slot(const Request& request, Process& process, std::byte* slot) {
    const virtio_cops_req& header = request.header;
    const GuestPage& page = process.heads[header.hart / VIRTIO_COPS_HEADS_PER_PAGE];
    const std::size_t at = header.hart % VIRTIO_COPS_HEADS_PER_PAGE * sizeof(virtio_cops_heads)
                           + request.level * sizeof(std::uint32_t);
    auto* const head = reinterpret_cast<std::uint32_t*>(page.host + at);

    std::uint32_t first = __atomic_load_n(head, __ATOMIC_RELAXED);
    for (int attempt = 0;; ++attempt) {
        if (attempt == kListAttempts) {
            ++misuse_.unlisted_slots;
            return false;
        }
        store_word(slot + offsetof(virtio_cops_slot, next), first);
        // Release: pairs with the executor's acquire exchange of the head; it sees the slot.
        if (__atomic_compare_exchange_n(
                head, &first, header.slot + 1, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED
            )) {
            break;
        }
    }
    memory_.note_write(page.address + at, sizeof(std::uint32_t));

    std::byte* const line = line_of(process, header.hart);
    // Pairs with the executor's exchange: who sees the bit sees the list. Sequentially consistent
    // together with the fence in choose_path().
    __atomic_fetch_or(
        reinterpret_cast<std::uint64_t*>(line + offsetof(virtio_cops_line, wake_pending)),
        std::uint64_t{1} << request.level,
        __ATOMIC_SEQ_CST
    );
    memory_.note_write(
        process.page.address + header.hart * sizeof(virtio_cops_line), sizeof(virtio_cops_line)
    );
    return true;
}

/// How the executor learns of it (SPEC.md section 9.3). wake_pending is out; this fence and the one
/// between the executor's store of running_level (or the kernel's of board.process) and its load
/// of wake_pending make sure that at least one side sees the other.
WakePath Device::choose_path(const Request& request, const Process& process) noexcept {
    const std::uint32_t hart = request.header.hart;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    const std::byte* const board = boards_[hart].host;
    if (board == nullptr
        || load_word<std::uint64_t>(board + offsetof(virtio_cops_board, process)) != process.id) {
        return WakePath::kernel;
    }
    const std::byte* const line = line_of(process, hart);
    const auto running = load_word<std::uint32_t>(line + offsetof(virtio_cops_line, running_level));
    const auto flags = load_word<std::uint32_t>(line + offsetof(virtio_cops_line, flags));
    const bool runs = running < VIRTIO_COPS_LEVEL_NONE;
    if (runs && (running <= request.level || (flags & VIRTIO_COPS_LINE_F_MASKED) != 0)) {
        return WakePath::ring;
    }
    const bool user_interrupts = (features_ >> VIRTIO_COPS_F_USER_INTR & 1) != 0;
    return user_interrupts ? WakePath::user_interrupt : WakePath::kernel;
}

/// Gives back what a request held. Its record is free already.
void Device::forget(Request& request) {
    if (request.indexed) {
        unindex_request(request);
        request.indexed = false;
    }
    if (request.counts_handle) {
        request.counts_handle = false;
        release_handle(request.handle_index);
    }
}

}  // namespace virtio_cops
