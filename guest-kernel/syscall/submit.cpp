// SPDX-License-Identifier: Apache-2.0
// COPS_SYS_SUBMIT: each submission becomes a request to the host that completes the slot itself
// (host path), or is done here, at once or by a kernel coroutine at its level (kernel path).
#include "arch/riscv64/csr.hpp"
#include "drivers/cops_device.hpp"
#include "exec/timer.hpp"
#include "fs/host_file.hpp"
#include "fs/path.hpp"
#include "mm/heap.hpp"
#include "mm/user_memory.hpp"
#include "proc/schedule.hpp"
#include "proc/user_interrupts.hpp"
#include "syscall/io.hpp"

#include <algorithm>

namespace kernel {

namespace {

using virtio_cops::Direction;

constexpr std::uint64_t kMaxBatch = 1024;
constexpr int kAtCurrentDirectory = -100;

virtio_cops_req header_of(const Process& process, const cops_submission& from) {
    virtio_cops_req header{};
    header.opcode = static_cast<std::uint16_t>(from.opcode);
    header.flags = VIRTIO_COPS_REQ_F_SLOT;
    header.level = from.level;
    header.process = process.id();
    header.hart = from.hart;
    header.slot = from.slot;
    header.slot_generation = from.slot_generation;
    header.user_data = from.user_data;
    return header;
}

void complete_now(Process& process, const virtio_cops_req& header, std::int64_t result) {
    __atomic_fetch_sub(&process.outstanding, 1u, __ATOMIC_RELAXED);
    complete_slot(process, header, result);
}

// ---- Host path ----

std::uint32_t access_of(std::uint32_t opcode) {
    return opcode == VIRTIO_COPS_OP_WRITE ? kRead : kWrite;
}

// Sends it to the host, which completes the slot. 0, or why not.
std::int64_t send_to_host(
    Process& process,
    FileRef file,
    virtio_cops_req header,
    const cops_submission& from,
    std::uint64_t bytes
) {
    auto* const buffer = heap::make<PinnedBuffer>();
    if (buffer == nullptr) {
        return negative(Errno::no_memory);
    }
    const Result<void> pinned = pin_user(
        process.space,
        from.buffer,
        bytes,
        access_of(from.opcode),
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
    const bool whole = buffer->bytes == bytes;
    heap::destroy(buffer);
    if (request == nullptr) {
        return negative(pinned ? Errno::no_memory : pinned.error());
    }
    request->header = header;
    request->owner = &process;
    request->pinned = true;
    request->direction =
        from.opcode == VIRTIO_COPS_OP_WRITE ? Direction::to_device : Direction::from_device;
    request->file = file.release();
    if (from.opcode == VIRTIO_COPS_OP_FSTAT && !whole) {
        cops_device::drop(request);
        return negative(Errno::fault);
    }
    cops_device::submit(*request);
    return 0;
}

bool goes_to_host(const File& file, const cops_submission& from) {
    if (file.kind != File::Kind::host) {
        return false;
    }
    switch (from.opcode) {
    case VIRTIO_COPS_OP_READ:
    case VIRTIO_COPS_OP_WRITE:
        return from.offset >= 0;
    case VIRTIO_COPS_OP_FSTAT:
    case VIRTIO_COPS_OP_FSYNC:
    case VIRTIO_COPS_OP_GETDENTS:
        return true;
    default:
        return false;
    }
}

std::int64_t host_submission(
    Process& process, FileRef file, const cops_submission& from, virtio_cops_req header
) {
    std::uint64_t bytes = from.length;
    header.handle = file->handle;
    header.offset = from.offset < 0 ? 0 : static_cast<std::uint64_t>(from.offset);
    if (from.opcode == VIRTIO_COPS_OP_FSTAT) {
        bytes = sizeof(virtio_cops_stat);
        header.offset = 0;
    } else if (from.opcode == VIRTIO_COPS_OP_FSYNC) {
        bytes = 0;
        header.offset = 0;
    }
    return send_to_host(process, std::move(file), header, from, bytes);
}

// ---- Kernel path ----

/// What a coroutine of the kernel path does; lies in its frame.
struct Job {
    Process* process;
    virtio_cops_req header;
    cops_submission from;
};

Transfer transfer_of(const cops_submission& from) {
    return {
        .write = from.opcode == VIRTIO_COPS_OP_WRITE,
        .buffer = from.buffer,
        .bytes = from.length,
        .offset = from.offset,
        .level = from.level,
    };
}

void name_slot(Operation& operation, const Job& job) {
    operation.has_slot = true;
    operation.slot = job.header.slot;
    operation.generation = job.header.slot_generation;
}

Async<void> transfer_job(Job job, FileRef file) {
    Operation operation;
    name_slot(operation, job);
    const OperationScope scope(operation, *job.process);
    Async<std::int64_t> work = transfer_slowly(operation, *file, transfer_of(job.from));
    const std::int64_t result = work.valid() ? co_await work : negative(Errno::no_memory);
    complete_now(*job.process, job.header, result);
}

Async<void> sleep_job(Job job) {
    Operation operation;
    name_slot(operation, job);
    const OperationScope scope(operation, *job.process);
    const std::uint64_t deadline =
        csr::now() + timer::from_nanoseconds(static_cast<std::uint64_t>(job.from.offset));
    Async<std::int64_t> work = sleep_until(operation, deadline);
    const std::int64_t result = work.valid() ? co_await work : negative(Errno::no_memory);
    complete_now(*job.process, job.header, result);
}

Async<void> close_job(Job job, FileRef file) {
    Operation operation;
    name_slot(operation, job);
    const OperationScope scope(operation, *job.process);
    // The last reference: its handle is closed here, where the answer can be given on.
    file->handle_is_open = false;
    Async<std::int64_t> work = host::close(&operation, file->handle, job.from.level);
    const std::int64_t result = work.valid() ? co_await work : negative(Errno::no_memory);
    complete_now(*job.process, job.header, result);
}

// Reads the path itself: it lies in user memory, and in the kernel's only while it is used.
Async<void> open_job(Job job) {
    Operation operation;
    name_slot(operation, job);
    const OperationScope scope(operation, *job.process);
    std::int64_t result = negative(Errno::no_memory);
    if (auto* const path = static_cast<char*>(heap::allocate(Path::kMax))) {
        if (!job.process->space.read(path, job.from.buffer, job.from.length)) {
            result = negative(Errno::fault);
        } else {
            Async<std::int64_t> work = open_slowly(
                operation,
                std::string_view(path, job.from.length),
                job.from.open_flags,
                job.from.mode,
                job.from.level
            );
            result = work.valid() ? co_await work : negative(Errno::no_memory);
        }
        heap::free(path);
    }
    complete_now(*job.process, job.header, result);
}

// kLater: the coroutine completes the slot.
std::int64_t start_job(const Job& job, Async<void> coroutine) {
    if (!coroutine.valid()) {
        return negative(Errno::no_memory);
    }
    __atomic_fetch_add(&job.process->promised, 1u, __ATOMIC_RELAXED);
    if (spawn(std::move(coroutine), job.from.level) == 0) {
        __atomic_fetch_sub(&job.process->promised, 1u, __ATOMIC_RELAXED);
        return negative(Errno::no_memory);
    }
    count_coroutine();
    return kLater;
}

std::int64_t open_submission(Process& process, const Job& job) {
    char buffer[Path::kMax];
    const std::uint64_t length = job.from.length;
    if (length == 0 || length > sizeof buffer) {
        return negative(length == 0 ? Errno::no_entry : Errno::name_too_long);
    }
    if (!process.space.read(buffer, job.from.buffer, length)) {
        return negative(Errno::fault);
    }
    const std::string_view path(buffer, length);
    if (path[0] != '/' && job.from.fd != kAtCurrentDirectory) {
        return negative(Errno::not_supported);
    }
    const std::int64_t result = open_now(process, path, job.from.open_flags);
    return result == kWouldWait ? start_job(job, open_job(job)) : result;
}

std::int64_t close_submission(Process& process, const Job& job) {
    const Result<File*> removed = process.files.remove(job.from.fd);
    if (!removed) {
        return negative(removed.error());
    }
    FileRef file(*removed);
    const bool last = __atomic_load_n(&file->references, __ATOMIC_ACQUIRE) == 1;
    if (!file->handle_is_open || !last) {
        return 0;
    }
    return start_job(job, close_job(job, std::move(file)));
}

std::int64_t stat_submission(Process& process, const File& file, const Job& job) {
    virtio_cops_stat stat;
    if (stat_now(file, stat) != 0) {
        return negative(Errno::invalid);
    }
    return copy_out(process.space, job.from.buffer, stat) ? 0 : negative(Errno::fault);
}

std::int64_t file_submission(Process& process, const Job& job) {
    const Result<File*> found = process.files.get(job.from.fd);
    if (!found) {
        return negative(found.error());
    }
    FileRef file(*found);
    if (goes_to_host(*file, job.from)) {
        const std::int64_t result = host_submission(process, std::move(file), job.from, job.header);
        return result == 0 ? kLater : result;
    }
    switch (job.from.opcode) {
    case VIRTIO_COPS_OP_READ:
    case VIRTIO_COPS_OP_WRITE: {
        const std::int64_t result = transfer_now(process, *file, transfer_of(job.from));
        return result == kWouldWait ? start_job(job, transfer_job(job, std::move(file))) : result;
    }
    case VIRTIO_COPS_OP_FSTAT:
        return stat_submission(process, *file, job);
    default:
        return negative(Errno::invalid);
    }
}

std::int64_t sleep_submission(Process& process, const Job& job) {
    if (job.from.offset < 0) {
        return negative(Errno::invalid);
    }
    if (!cops_device::present()) {
        return start_job(job, sleep_job(job));
    }
    cops_device::Request* const request = cops_device::make_request({});
    if (request == nullptr) {
        return negative(Errno::no_memory);
    }
    request->header = job.header;
    request->header.offset = static_cast<std::uint64_t>(job.from.offset);
    request->owner = &process;
    cops_device::submit(*request);
    return kLater;
}

// Result for the slot, or kLater when somebody else completes it.
std::int64_t start_submission(Process& process, const cops_submission& from) {
    const Job job{&process, header_of(process, from), from};
    switch (from.opcode) {
    case VIRTIO_COPS_OP_NOP:
        return 0;
    case VIRTIO_COPS_OP_OPENAT:
        return open_submission(process, job);
    case VIRTIO_COPS_OP_CLOSE:
        return close_submission(process, job);
    case VIRTIO_COPS_OP_NANOSLEEP:
        return sleep_submission(process, job);
    case VIRTIO_COPS_OP_READ:
    case VIRTIO_COPS_OP_WRITE:
    case VIRTIO_COPS_OP_FSTAT:
    case VIRTIO_COPS_OP_FSYNC:
    case VIRTIO_COPS_OP_GETDENTS:
        return file_submission(process, job);
    default:
        return negative(Errno::invalid);
    }
}

bool is_sound(const Process& process, const cops_submission& from) {
    return from.slot < process.attachment.slots && from.hart < hart_limit
           && from.level < VIRTIO_COPS_LEVELS;
}

}  // namespace

std::int64_t submit(Process& process, UserAddr list, std::uint64_t count) {
    if (!process.attachment.done || count == 0 || count > kMaxBatch) {
        return negative(Errno::invalid);
    }
    cops_device::poll();
    std::int64_t accepted = 0;
    std::int64_t error = 0;
    for (; accepted < static_cast<std::int64_t>(count); ++accepted) {
        cops_submission from{};
        if (!copy_in(
                process.space, from, list + static_cast<std::uint64_t>(accepted) * sizeof from
            )) {
            error = negative(Errno::fault);
            break;
        }
        if (!is_sound(process, from)) {
            error = negative(Errno::invalid);
            break;
        }
        from.level = std::max(from.level, process.limits.ceiling);
        // One request a slot is what a sound process has: more would fill the kernel's memory.
        if (__atomic_load_n(&process.outstanding, __ATOMIC_RELAXED) >= process.attachment.slots) {
            break;
        }
        __atomic_fetch_add(&process.outstanding, 1u, __ATOMIC_RELAXED);
        __atomic_fetch_add(&process.counters.submissions, 1u, __ATOMIC_RELAXED);
        const std::int64_t result = start_submission(process, from);
        if (result != kLater) {
            complete_now(process, header_of(process, from), result);
        }
    }
    if (cops_device::present()) {
        cops_device::kick();
    }
    return accepted == 0 && error != 0 ? error : accepted;
}

std::int64_t cancel_submission(Process& process, std::uint32_t slot, std::uint32_t generation) {
    {
        const Guard guard(process.lock);
        for (Operation* operation = process.operations.front(); operation != nullptr;
             operation = process.operations.next(*operation)) {
            if (operation->has_slot && operation->slot == slot
                && operation->generation == generation) {
                return cancel_operation_locked(*operation) ? 0 : negative(Errno::again);
            }
        }
    }
    const Result<void> result = cops_device::present()
                                    ? cops_device::cancel_slot(process, slot, generation)
                                    : Result<void>(std::unexpected(Errno::no_entry));
    return result ? 0 : negative(result.error());
}

}  // namespace kernel
