// SPDX-License-Identifier: Apache-2.0
// Transfers that wait: for the host, for console input, for their turn at a file's offset.
#include "drivers/console.hpp"
#include "drivers/cops_device.hpp"
#include "fs/host_file.hpp"
#include "mm/heap.hpp"
#include "mm/user_memory.hpp"
#include "syscall/io.hpp"
#include "syscall/paths.hpp"

namespace kernel {

namespace {

// S_IF*, as Linux numbers them.
constexpr std::uint32_t kFileType = 0170000;
constexpr std::uint32_t kRegularFile = 0100000;
constexpr std::uint32_t kDirectory = 0040000;
constexpr std::uint32_t kBlockDevice = 0060000;

Async<std::int64_t> host_transfer(Operation& operation, File& file, Transfer transfer) {
    Process& process = *operation.owner;
    auto* const buffer = heap::make<PinnedBuffer>();
    if (buffer == nullptr) {
        co_return negative(Errno::no_memory);
    }
    const Result<void> pinned = pin_user(
        process.space,
        transfer.buffer,
        transfer.bytes,
        transfer.write ? kRead : kWrite,
        cops_device::max_segments(),
        *buffer
    );
    cops_device::Request* request = nullptr;
    if (pinned) {
        request = cops_device::make_request(std::span(buffer->segments, buffer->count));
        if (request == nullptr) {
            unpin(std::span(buffer->segments, buffer->count));
        }
    }
    heap::destroy(buffer);
    if (request == nullptr) {
        co_return negative(pinned ? Errno::no_memory : pinned.error());
    }
    const bool current = transfer.offset == COPS_OFFSET_CURRENT;
    request->pinned = true;
    request->direction =
        transfer.write ? virtio_cops::Direction::to_device : virtio_cops::Direction::from_device;
    request->header.opcode = transfer.entries ? VIRTIO_COPS_OP_GETDENTS
                             : transfer.write ? VIRTIO_COPS_OP_WRITE
                                              : VIRTIO_COPS_OP_READ;
    request->header.level = transfer.level;
    request->header.handle = file.handle;
    request->header.offset = current ? __atomic_load_n(&file.offset, __ATOMIC_RELAXED)
                                     : static_cast<std::uint64_t>(transfer.offset);
    Async<std::int64_t> work = cops_device::await_request(&operation, request);
    if (!work.valid()) {
        cops_device::drop(request);
        co_return negative(Errno::no_memory);
    }
    const std::int64_t result = co_await work;
    if (result > 0 && transfer.entries) {
        advance_to_last_entry(process, file, transfer.buffer, static_cast<std::uint64_t>(result));
    } else if (result > 0 && current) {
        __atomic_fetch_add(&file.offset, static_cast<std::uint64_t>(result), __ATOMIC_RELAXED);
    }
    co_return result;
}

Async<std::int64_t> console_transfer(Operation& operation, File& file, Transfer transfer) {
    Process& process = *operation.owner;
    for (;;) {
        const std::int64_t result = transfer_now(process, file, transfer);
        if (result != kWouldWait) {
            co_return result;
        }
        Waiter waiter;
        bool waits = false;
        {
            const Guard guard(process.lock);
            if (operation.cancelled) {
                co_return negative(Errno::canceled);
            }
            waits = console::wait_for_input(waiter);
            operation.waiter = waits ? &waiter : nullptr;
        }
        if (waits) {
            const std::int64_t woken = co_await Event{};
            const Guard guard(process.lock);
            operation.waiter = nullptr;
            if (woken < 0) {
                co_return woken;
            }
        }
    }
}

// In line until somebody gives it the turn, or says that there is none. An OffsetTurn::Answer, or a
// negative errno.
Async<std::int64_t> stand_in_line(Operation& operation, File& file) {
    Process& process = *operation.owner;
    Waiter waiter;
    {
        const Guard guard(process.lock);
        if (operation.cancelled) {
            co_return negative(Errno::canceled);
        }
        const OffsetTurn::Answer answer = file.offset_turn.enter(waiter);
        if (answer != OffsetTurn::Answer::waits) {
            co_return static_cast<std::int64_t>(answer);
        }
        operation.waiter = &waiter;
    }
    const std::int64_t answer = co_await Event{};
    const Guard guard(process.lock);
    operation.waiter = nullptr;
    co_return answer;
}

// Has the turn, if there is one.
Async<std::int64_t> transfer_in_turn(Operation& operation, File& file, Transfer transfer) {
    if (file.kind == File::Kind::host) {
        Async<std::int64_t> work = host_transfer(operation, file, transfer);
        co_return work.valid() ? co_await work : negative(Errno::no_memory);
    }
    if (file.kind == File::Kind::initrd) {
        co_return transfer_now(*operation.owner, file, transfer);
    }
    Async<std::int64_t> work = console_transfer(operation, file, transfer);
    co_return work.valid() ? co_await work : negative(Errno::no_memory);
}

}  // namespace

OffsetTurn::Kind kind_of(const virtio_cops_stat& stat) {
    const std::uint32_t type = stat.mode & kFileType;
    const bool has_one = type == kRegularFile || type == kDirectory || type == kBlockDevice;
    return has_one ? OffsetTurn::Kind::offset : OffsetTurn::Kind::none;
}

Async<std::int64_t> take_offset_turn(Operation& operation, File& file, std::uint32_t level) {
    for (;;) {
        Async<std::int64_t> line = stand_in_line(operation, file);
        const std::int64_t answer = line.valid() ? co_await line : negative(Errno::no_memory);
        if (answer != static_cast<std::int64_t>(OffsetTurn::Answer::ask)) {
            co_return answer;
        }
        virtio_cops_stat stat{};
        std::int64_t error = 0;
        if (file.kind == File::Kind::host) {
            Async<std::int64_t> question = host::stat(&operation, file.handle, level, &stat);
            error = question.valid() ? co_await question : negative(Errno::no_memory);
        } else {
            stat.mode = kRegularFile;
        }
        file.offset_turn.tell(error < 0 ? OffsetTurn::Kind::unknown : kind_of(stat));
        if (error < 0) {
            co_return error;
        }
    }
}

Async<std::int64_t> transfer_slowly(Operation& operation, File& file, Transfer transfer) {
    std::int64_t turn = kNoOffset;
    if (uses_offset(file, transfer)) {
        turn = static_cast<std::int64_t>(file.offset_turn.try_take());
    }
    if (turn == static_cast<std::int64_t>(OffsetTurn::Answer::waits)) {
        Async<std::int64_t> wait = take_offset_turn(operation, file, transfer.level);
        turn = wait.valid() ? co_await wait : negative(Errno::no_memory);
    }
    if (turn < 0) {
        co_return turn;
    }
    transfer.has_turn = turn == kHasTurn;
    Async<std::int64_t> work = transfer_in_turn(operation, file, transfer);
    const std::int64_t result = work.valid() ? co_await work : negative(Errno::no_memory);
    if (transfer.has_turn) {
        file.offset_turn.give_back();
    }
    co_return result;
}

}  // namespace kernel
