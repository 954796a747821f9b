// SPDX-License-Identifier: Apache-2.0
#include "fleet/guest_io.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>
#include <utility>

namespace vmm {
namespace {

using virtio_cops::HostHandle;
using virtio_cops::IoOperation;
using virtio_cops::OpenDescription;

// The O_* of the wire are asm-generic's, which x86-64, AArch64 and RISC-V hosts share but for a few
// that the device doesn't pass on.
constexpr int kHostOpenFlags =
    O_ACCMODE | O_CREAT | O_EXCL | O_TRUNC | O_APPEND | O_DSYNC | O_SYNC | O_DIRECTORY | O_NOFOLLOW;

bool wants_write(std::uint32_t flags) {
    return (flags & O_ACCMODE) != O_RDONLY || (flags & (O_CREAT | O_TRUNC)) != 0;
}

/// Why a file grant can't be opened like this: 0 or a negative errno.
std::int64_t
check_file_open(const io::OpenGrant& grant, std::string_view path, std::uint32_t flags) {
    if (!path.empty() || (flags & O_DIRECTORY) != 0) {
        return -ENOTDIR;
    }
    if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL)) {
        return -EEXIST;
    }
    if (wants_write(flags & ~std::uint32_t{O_CREAT}) && !grant.writable) {
        return -EROFS;
    }
    if ((flags & O_TRUNC) != 0 && ::ftruncate(grant.file->fd(), 0) != 0
        && errno != EINVAL) {  // not a regular file: open(2) ignores O_TRUNC there
        return -errno;
    }
    return 0;
}

virtio_cops_stat to_wire(const struct statx& from) {
    virtio_cops_stat to{};
    to.size = from.stx_size;
    to.mode = from.stx_mode;
    to.blksize = from.stx_blksize;
    to.blocks = from.stx_blocks;
    to.mtime_ns =
        static_cast<std::uint64_t>(from.stx_mtime.tv_sec) * 1'000'000'000 + from.stx_mtime.tv_nsec;
    to.inode = from.stx_ino;
    to.nlink = from.stx_nlink;
    return to;
}

io::Opcode to_opcode(std::uint16_t opcode) {
    switch (opcode) {
    case VIRTIO_COPS_OP_READ:
        return io::Opcode::read;
    case VIRTIO_COPS_OP_WRITE:
        return io::Opcode::write;
    case VIRTIO_COPS_OP_FSTAT:
        return io::Opcode::stat;
    case VIRTIO_COPS_OP_NANOSLEEP:
        return io::Opcode::sleep;
    case VIRTIO_COPS_OP_FSYNC:
        return io::Opcode::sync;
    case VIRTIO_COPS_OP_GETDENTS:
        return io::Opcode::directory;
    default:
        return io::Opcode::nop;
    }
}

}  // namespace

GuestIo::GuestIo(
    sched::VcpuScheduler& pool,
    std::uint32_t guest,
    std::vector<io::OpenGrant> grants,
    OperationSink& sink
)
    : pool_(pool)
    , guest_(guest)
    , grants_(std::move(grants))
    , sink_(sink) {}

void GuestIo::start(const IoOperation& operation) {
    Pending pending;
    io::Operation translated = translate(operation, pending);
    io::Engine* engine = pool_.current_engine();
    pending.worker = engine != nullptr ? pool_.current_worker() : home_worker_;
    pending.posted = engine == nullptr;
    {
        const std::lock_guard lock(mutex_);
        pending_.insert_or_assign(operation.token, std::move(pending));
    }
    if (io::LatencyQueue* queue = pool_.latency_queue(); queue != nullptr) {
        queue->start(guest_, std::move(translated));
        return;
    }
    if (engine != nullptr) {
        engine->start(std::move(translated));
        return;
    }
    auto moved = std::make_shared<io::Operation>(std::move(translated));
    pool_.post(home_worker_, [moved](io::Engine& to) { to.start(std::move(*moved)); });
}

void GuestIo::cancel(std::uint64_t token) {
    if (io::LatencyQueue* queue = pool_.latency_queue(); queue != nullptr) {
        queue->cancel(*this, token);
        return;
    }
    unsigned worker = 0;
    bool posted = false;
    {
        const std::lock_guard lock(mutex_);
        const auto found = pending_.find(token);
        if (found == pending_.end()) {
            return;
        }
        worker = found->second.worker;
        posted = found->second.posted;
    }
    if (!posted && pool_.current_worker() == worker) {
        pool_.current_engine()->cancel(*this, token);
    } else {
        pool_.post(worker, [this, token](io::Engine& engine) { engine.cancel(*this, token); });
    }
}

void GuestIo::close(HostHandle handle) {
    Handle closed;  // the file is closed after the lock is given back
    const std::lock_guard lock(mutex_);
    const auto index = static_cast<std::size_t>(handle);
    if (index < handles_.size() && handles_[index].file != nullptr) {
        closed = std::exchange(handles_[index], {});
        free_handles_.push_back(index);
    }
}

HostHandle GuestIo::add_handle(Handle handle) {
    const std::lock_guard lock(mutex_);
    if (free_handles_.empty()) {
        free_handles_.push_back(handles_.size());
        handles_.emplace_back();
    }
    const std::size_t index = free_handles_.back();
    free_handles_.pop_back();
    handles_[index] = std::move(handle);
    return static_cast<HostHandle>(index);
}

io::Operation GuestIo::translate(const IoOperation& from, Pending& pending) const {
    io::Operation to;
    to.opcode = to_opcode(from.opcode);
    to.level = from.level;
    to.sink = const_cast<GuestIo*>(this);
    to.token = from.token;
    to.offset = from.offset;
    to.segments.reserve(from.segments.size());
    for (const virtio_cops::IoSegment& segment : from.segments) {
        to.segments.push_back({.iov_base = segment.data, .iov_len = segment.bytes});
    }
    if (from.opcode == VIRTIO_COPS_OP_OPENAT) {
        translate_open(from, to, pending);
    } else if (to.opcode == io::Opcode::nop) {
        pending.refused = -ENOSYS;
    } else if (to.opcode != io::Opcode::sleep) {
        const std::lock_guard lock(mutex_);
        const auto index = static_cast<std::size_t>(from.handle);
        if (index < handles_.size() && handles_[index].file != nullptr) {
            to.file = handles_[index].file;
            to.append = handles_[index].append;
        } else {
            pending.refused = -EBADF;
        }
    }
    if (pending.refused < 0) {
        to.opcode = io::Opcode::nop;
    }
    return to;
}

void GuestIo::translate_open(const IoOperation& from, io::Operation& to, Pending& pending) const {
    if (from.grant >= grants_.size()) {
        pending.refused = -ENOENT;
        return;
    }
    const io::OpenGrant& grant = grants_[from.grant];
    const std::string_view path = from.path;
    pending.append = (from.open_flags & O_APPEND) != 0;
    if (grant.kind == Grant::Kind::file) {
        pending.refused = check_file_open(grant, path, from.open_flags);
        pending.grant_file = grant.file;
        to.opcode = io::Opcode::nop;
        return;
    }
    if (wants_write(from.open_flags) && !grant.writable) {
        pending.refused = -EROFS;
        return;
    }
    to.opcode = io::Opcode::open;
    to.file = grant.file;
    to.path = path.empty() ? "." : path;
    to.open_flags = (static_cast<int>(from.open_flags) & kHostOpenFlags) | O_CLOEXEC | O_NOCTTY;
    to.mode = (from.open_flags & O_CREAT) != 0 ? from.mode & 0777 : 0;
}

HostHandle GuestIo::reopen(const OpenDescription& description) {
    if (description.grant >= grants_.size()) {
        return -ENOENT;
    }
    const io::OpenGrant& grant = grants_[description.grant];
    const bool append = (description.open_flags & O_APPEND) != 0;
    if (grant.kind == Grant::Kind::file) {
        const auto refused = check_file_open(grant, description.path, description.open_flags);
        return refused < 0 ? refused : add_handle({grant.file, append});
    }
    if (wants_write(description.open_flags) && !grant.writable) {
        return -EROFS;
    }
    open_how how{};
    how.flags = (description.open_flags & kHostOpenFlags) | O_CLOEXEC | O_NOCTTY;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
    const char* path = description.path.empty() ? "." : description.path.c_str();
    const long fd = ::syscall(SYS_openat2, grant.file->fd(), path, &how, sizeof how);
    return fd < 0 ? -errno : add_handle({io::File::adopt(static_cast<int>(fd)), append});
}

void GuestIo::io_completed(const io::Completion& completion) noexcept {
    Pending pending;
    {
        const std::lock_guard lock(mutex_);
        const auto found = pending_.find(completion.token);
        if (found == pending_.end()) {
            return;
        }
        pending = std::move(found->second);
        pending_.erase(found);
    }
    const bool cancelled = completion.result == -ECANCELED;
    if (pending.refused < 0) {
        sink_.complete(completion.token, pending.refused);
    } else if (completion.status != nullptr) {
        sink_.complete_stat(completion.token, to_wire(*completion.status));
    } else if (completion.opened != nullptr) {
        sink_.complete(completion.token, add_handle({completion.opened, pending.append}));
    } else if (pending.grant_file != nullptr && !cancelled) {
        sink_.complete(completion.token, add_handle({pending.grant_file, pending.append}));
    } else {
        sink_.complete(completion.token, completion.result);
    }
}

}  // namespace vmm
