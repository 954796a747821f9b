// SPDX-License-Identifier: Apache-2.0
#include "io/engine.hpp"

#include <fmt/format.h>

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>

namespace vmm::io {
namespace {

constexpr unsigned kSubmissionEntries = 1024;
constexpr Nanos kSecond = 1'000'000'000;

// user_data of entries that are not operations; those carry the address of their slot.
constexpr std::uint64_t kWakeTag = 0;
constexpr std::uint64_t kCancelTag = 1;

Nanos monotonic_now() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<Nanos>(now.tv_sec) * kSecond + static_cast<Nanos>(now.tv_nsec);
}

__kernel_timespec to_timespec(Nanos time) {
    return {
        .tv_sec = static_cast<long long>(time / kSecond),
        .tv_nsec = static_cast<long long>(time % kSecond),
    };
}

std::size_t queue_of(const Operation& operation) {
    return std::min<std::size_t>(operation.level, kLevels);
}

/// Reads directory entries on the spot: io_uring has no operation for it. Bounded by the buffer.
std::int64_t read_directory(const Operation& operation) {
    constexpr std::size_t kMost = 32768;
    if (operation.segments.empty()) {
        return -EINVAL;
    }
    const iovec& to = operation.segments.front();
    const int fd = operation.file->fd();
    if (::lseek(fd, static_cast<off_t>(operation.offset), SEEK_SET) < 0) {
        return -errno;
    }
    const long count = ::syscall(SYS_getdents64, fd, to.iov_base, std::min(to.iov_len, kMost));
    return count < 0 ? -errno : count;
}

}  // namespace

struct Engine::Slot {
    Operation operation;
    __kernel_timespec time{};
    open_how how{};
    struct statx status{};
    std::int64_t result = 0;
    std::uint64_t order = 0;  // of finishing
    enum class State : std::uint8_t { queued, in_kernel, finished } state = State::queued;
    bool cancel_waits = false;  // in waiting_cancels_
};

Engine::Engine(const EngineOptions& options, int wake_fd)
    : options_(options)
    , wake_fd_(wake_fd) {}

Result<std::unique_ptr<Engine>> Engine::create(const EngineOptions& options) {
    const int wake_fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (wake_fd < 0) {
        return fail(
            ErrorKind::unavailable, fmt::format("eventfd cannot be made: {}", std::strerror(errno))
        );
    }
    std::unique_ptr<Engine> engine(new Engine(options, wake_fd));
    engine->ring_.ring_fd = -1;
    // Twice: operations, their cancellations and the wake-up poll all get a completion entry.
    const unsigned completions = std::max(2 * options.max_in_flight + 64, kSubmissionEntries);
    const auto mode =
        set_up_ring(engine->ring_, kSubmissionEntries, completions, options.best_mode);
    if (!mode) {
        engine->ring_.ring_fd = -1;
        return std::unexpected(mode.error());
    }
    engine->mode_ = *mode;
    engine->arm_wake();
    engine->submit();
    return engine;
}

Engine::~Engine() {
    if (ring_.ring_fd >= 0) {
        io_uring_queue_exit(&ring_);
    }
    ::close(wake_fd_);
}

Engine::Slot* Engine::take_slot() {
    if (free_.empty()) {
        slots_.push_back(std::make_unique<Slot>());
        free_.push_back(slots_.back().get());
    }
    Slot* slot = free_.back();
    free_.pop_back();
    ++slots_in_use_;
    return slot;
}

void Engine::start(Operation operation) {
    Slot* slot = take_slot();
    slot->operation = std::move(operation);
    slot->state = Slot::State::queued;
    by_key_[{slot->operation.sink, slot->operation.token}] = slot;
    queues_[queue_of(slot->operation)].push_back(slot);
    ++queued_;
}

void Engine::cancel(CompletionSink& sink, std::uint64_t token) {
    const auto found = by_key_.find({&sink, token});
    if (found == by_key_.end()) {
        return;
    }
    Slot& slot = *found->second;
    if (slot.state == Slot::State::queued) {
        std::erase(queues_[queue_of(slot.operation)], &slot);
        --queued_;
        finish(slot, -ECANCELED);
    } else if (slot.state == Slot::State::in_kernel && !slot.cancel_waits) {
        if (!prepare_cancel(slot)) {
            slot.cancel_waits = true;
            waiting_cancels_.push_back(&slot);
        }
    }
}

/// False: the submission ring is full; try again later.
bool Engine::prepare_cancel(Slot& slot) {
    io_uring_sqe* entry = next_entry();
    if (entry == nullptr) {
        return false;
    }
    io_uring_prep_cancel(entry, &slot, 0);
    io_uring_sqe_set_data64(entry, kCancelTag);
    return true;
}

void Engine::send_waiting_cancels() {
    while (!waiting_cancels_.empty() && prepare_cancel(*waiting_cancels_.back())) {
        waiting_cancels_.back()->cancel_waits = false;
        waiting_cancels_.pop_back();
    }
}

io_uring_sqe* Engine::next_entry() {
    io_uring_sqe* entry = io_uring_get_sqe(&ring_);
    if (entry == nullptr) {
        submit();
        entry = io_uring_get_sqe(&ring_);
    }
    return entry;
}

/// Errors here (-EBUSY, -EAGAIN: the kernel is short of something) leave the entries in the ring
/// for the next call.
void Engine::submit() {
    if (io_uring_sq_ready(&ring_) != 0) {
        io_uring_submit(&ring_);
    }
}

void Engine::flush() {
    send_waiting_cancels();
    drain_queue();
    submit();
}

void Engine::drain_queue() {
    for (std::size_t level = 0; queued_ != 0 && level < queues_.size(); ++level) {
        auto& queue = queues_[level];
        while (!queue.empty()) {
            if (in_kernel_ >= options_.max_in_flight || !prepare(*queue.front())) {
                return;
            }
            queue.pop_front();
            --queued_;
        }
    }
}

/// False: the submission ring is full; try again later.
bool Engine::prepare(Slot& slot) {
    const Operation& operation = slot.operation;
    if (operation.opcode == Opcode::nop) {
        finish(slot, 0);
        return true;
    }
    if (operation.opcode == Opcode::directory) {
        finish(slot, read_directory(operation));
        return true;
    }
    io_uring_sqe* entry = next_entry();
    if (entry == nullptr) {
        return false;
    }
    switch (operation.opcode) {
    case Opcode::read:
    case Opcode::write:
        prepare_transfer(slot, entry);
        break;
    case Opcode::open:
        slot.how = {
            .flags = static_cast<std::uint64_t>(operation.open_flags),
            .mode = operation.mode,
            .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
        };
        io_uring_prep_openat2(entry, operation.file->fd(), operation.path.c_str(), &slot.how);
        break;
    case Opcode::stat:
        io_uring_prep_statx(
            entry, operation.file->fd(), "", AT_EMPTY_PATH, STATX_BASIC_STATS, &slot.status
        );
        break;
    case Opcode::sleep:
        slot.time = to_timespec(operation.offset);
        io_uring_prep_timeout(entry, &slot.time, 0, 0);
        break;
    case Opcode::sync:
        io_uring_prep_fsync(entry, operation.file->fd(), 0);
        break;
    case Opcode::nop:
    case Opcode::directory:
        break;
    }
    io_uring_sqe_set_data(entry, &slot);
    slot.state = Slot::State::in_kernel;
    ++in_kernel_;
    return true;
}

void Engine::prepare_transfer(Slot& slot, io_uring_sqe* entry) {
    const Operation& operation = slot.operation;
    const int fd = operation.file->fd();
    const auto count = static_cast<unsigned>(operation.segments.size());
    const std::uint64_t offset = operation.file->seekable() ? operation.offset : ~std::uint64_t{0};
    if (operation.opcode == Opcode::read) {
        io_uring_prep_readv(entry, fd, operation.segments.data(), count, offset);
    } else {
        io_uring_prep_writev(entry, fd, operation.segments.data(), count, offset);
        entry->rw_flags = operation.append ? RWF_APPEND : 0;
    }
}

/// Ends an operation that the kernel does not hold (any more); reap() delivers it.
void Engine::finish(Slot& slot, std::int64_t result) {
    if (std::exchange(slot.cancel_waits, false)) {
        std::erase(waiting_cancels_, &slot);
    }
    slot.state = Slot::State::finished;
    slot.order = next_order_++;
    slot.result = result;
    if (slot.operation.opcode == Opcode::sleep && result == -ETIME) {
        slot.result = 0;
    }
    finished_.push_back(&slot);
}

void Engine::deliver(Slot& slot) {
    Completion completion{.token = slot.operation.token, .result = slot.result};
    if (slot.result >= 0) {
        if (slot.operation.opcode == Opcode::open) {
            completion.opened = File::adopt(static_cast<int>(slot.result));
        } else if (slot.operation.opcode == Opcode::stat) {
            completion.status = &slot.status;
        }
    }
    CompletionSink* sink = slot.operation.sink;
    by_key_.erase({sink, slot.operation.token});
    // The sink may start the next operation with the same token from inside the call.
    sink->io_completed(completion);
    slot.operation = {};
    free_.push_back(&slot);
    --slots_in_use_;
}

std::size_t Engine::deliver_finished() {
    if (finished_.empty()) {
        return 0;
    }
    std::vector<Slot*> batch = std::move(finished_);
    finished_.clear();
    // Urgent first, whatever the order in which the kernel finished them.
    std::ranges::sort(batch, {}, [](const Slot* slot) {
        return std::pair(slot->operation.level, slot->order);
    });
    for (Slot* slot : batch) {
        deliver(*slot);
    }
    return batch.size();
}

void Engine::arm_wake() {
    if (wake_armed_) {
        return;
    }
    if (io_uring_sqe* entry = next_entry(); entry != nullptr) {
        io_uring_prep_poll_add(entry, wake_fd_, POLLIN);
        io_uring_sqe_set_data64(entry, kWakeTag);
        wake_armed_ = true;
    }
}

std::size_t Engine::reap() {
    if (reaping_) {
        return 0;  // a sink called back; the outer call goes on
    }
    reaping_ = true;
    // Acquire: pairs with the kernel's store of the flag after it queued the work.
    const unsigned flags = __atomic_load_n(ring_.sq.kflags, __ATOMIC_ACQUIRE);
    bool left_set = false;
    if ((flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0) {
        io_uring_get_events(&ring_);
        left_set = (__atomic_load_n(ring_.sq.kflags, __ATOMIC_RELAXED) & IORING_SQ_TASKRUN) != 0;
    }
    unsigned head = 0;
    unsigned seen = 0;
    io_uring_cqe* entry = nullptr;
    io_uring_for_each_cqe(&ring_, head, entry) {
        ++seen;
        if (entry->user_data == kWakeTag) {
            wake_armed_ = false;
            std::uint64_t count = 0;
            [[maybe_unused]] const auto got = ::read(wake_fd_, &count, sizeof count);
        } else if (entry->user_data != kCancelTag) {
            --in_kernel_;
            finish(*static_cast<Slot*>(io_uring_cqe_get_data(entry)), entry->res);
        }
    }
    io_uring_cq_advance(&ring_, seen);
    const std::size_t count = deliver_finished();
    arm_wake();
    flush();
    if (left_set && seen == 0) {
        // The kernel lists work, then sets the flag, and clears it only when it finds work: if we
        // ran the work between the two, the flag stays, and vCPUs would come out for ever without
        // having run. Work of our own makes the kernel clear it.
        wake();
    }
    reaping_ = false;
    return count;
}

bool Engine::has_news() const noexcept {
    const unsigned flags = __atomic_load_n(ring_.sq.kflags, __ATOMIC_RELAXED);
    return (flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0
           || io_uring_cq_ready(&ring_) != 0;
}

void Engine::wait(Nanos deadline) {
    arm_wake();
    flush();
    if (!finished_.empty() || io_uring_cq_ready(&ring_) != 0) {
        return;
    }
    io_uring_cqe* entry = nullptr;
    const Nanos now = monotonic_now();
    if (deadline <= now) {
        return;
    }
    constexpr Nanos kLongest = 3600 * kSecond;
    __kernel_timespec timeout = to_timespec(std::min(deadline - now, kLongest));
    io_uring_wait_cqe_timeout(&ring_, &entry, &timeout);
}

void Engine::wait_for(Nanos time) {
    wait(monotonic_now() + time);
}

void Engine::wake() noexcept {
    const std::uint64_t one = 1;
    // Fails only when the counter is full, and then the reader is about to be woken anyway.
    [[maybe_unused]] const auto put = ::write(wake_fd_, &one, sizeof one);
}

}  // namespace vmm::io
