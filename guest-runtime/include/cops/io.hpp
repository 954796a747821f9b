// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cops/schedule.hpp>

#include <fcntl.h>

#include <chrono>
#include <cstddef>
#include <span>

/// Asynchronous calls. Each suspends the coroutine, never the process, and gives the full result.
/// The request travels at the coroutine's level; when no completion slot is free it waits for one.
///
/// A buffer must stay valid until the call returns. A coroutine has one call in flight at a time.
namespace cops {

/// Read and write at the file position of the descriptor, and advance it.
inline constexpr std::int64_t kCurrentPosition = COPS_OFFSET_CURRENT;

using Stat = virtio_cops_stat;

namespace detail {

/// Awaits one request. T: what its result means.
template <typename T>
class [[nodiscard]] Request {
public:
    explicit Request(const cops_submission& submission) noexcept
        : submission_(submission) {}

    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> self) noexcept {
        cops_executor_submit(context(), self.address(), &submission_);
    }
    Result<T> await_resume() const noexcept {
        return to_result<T>(cops_executor_result(context()));
    }

protected:
    cops_submission submission_;
};

/// The reply lies in the awaiter, hence in the coroutine's frame.
class [[nodiscard]] StatRequest : public Request<void> {
public:
    using Request::Request;

    void await_suspend(std::coroutine_handle<> self) noexcept {
        submission_.buffer = reinterpret_cast<std::uint64_t>(&stat_);
        submission_.length = sizeof stat_;
        Request::await_suspend(self);
    }
    Result<Stat> await_resume() const noexcept {
        const Result<void> result = Request::await_resume();
        if (!result) {
            return std::unexpected(result.error());
        }
        return stat_;
    }

private:
    Stat stat_{};
};

inline cops_submission submission(unsigned opcode, int fd) noexcept {
    cops_submission made{};
    made.opcode = opcode;
    made.fd = fd;
    return made;
}

inline cops_submission transfer(
    unsigned opcode, int fd, const void* data, std::size_t size, std::int64_t offset
) noexcept {
    cops_submission made = submission(opcode, fd);
    made.buffer = reinterpret_cast<std::uint64_t>(data);
    made.length = size;
    made.offset = offset;
    return made;
}

}  // namespace detail

/// Reads up to buffer.size() bytes at `offset`. Gives the count; 0 at the end of the file.
inline detail::Request<std::size_t>
read(int fd, std::span<std::byte> buffer, std::int64_t offset = kCurrentPosition) noexcept {
    return detail::Request<std::size_t>(
        detail::transfer(VIRTIO_COPS_OP_READ, fd, buffer.data(), buffer.size(), offset)
    );
}

/// Writes up to data.size() bytes at `offset`. Gives the count.
inline detail::Request<std::size_t>
write(int fd, std::span<const std::byte> data, std::int64_t offset = kCurrentPosition) noexcept {
    return detail::Request<std::size_t>(
        detail::transfer(VIRTIO_COPS_OP_WRITE, fd, data.data(), data.size(), offset)
    );
}

/// Opens `path` (NUL-terminated, valid until the call returns) relative to `directory`. Gives a
/// descriptor.
inline detail::Request<int>
openat(int directory, const char* path, int flags, unsigned mode = 0) noexcept {
    cops_submission made = detail::submission(VIRTIO_COPS_OP_OPENAT, directory);
    made.buffer = reinterpret_cast<std::uint64_t>(path);
    made.length = std::strlen(path);
    made.open_flags = static_cast<std::uint32_t>(flags);
    made.mode = mode;
    return detail::Request<int>(made);
}

/// Opens `path`: /host/NAME is what the operator granted, anything else is in the initrd.
inline detail::Request<int> open(const char* path, int flags, unsigned mode = 0) noexcept {
    return openat(AT_FDCWD, path, flags, mode);
}

inline detail::Request<void> close(int fd) noexcept {
    return detail::Request<void>(detail::submission(VIRTIO_COPS_OP_CLOSE, fd));
}

/// Size, mode, times of an open file.
inline detail::StatRequest fstat(int fd) noexcept {
    return detail::StatRequest(detail::submission(VIRTIO_COPS_OP_FSTAT, fd));
}

/// Writes to `fd` that have completed are on stable storage when this returns.
inline detail::Request<void> fsync(int fd) noexcept {
    return detail::Request<void>(detail::submission(VIRTIO_COPS_OP_FSYNC, fd));
}

/// Entries of an open directory, as Linux's linux_dirent64 records; `position` 0 to start, then
/// d_off of the last record. Gives the bytes; 0 at the end.
inline detail::Request<std::size_t>
getdents(int fd, std::span<std::byte> buffer, std::int64_t position) noexcept {
    return detail::Request<std::size_t>(
        detail::transfer(VIRTIO_COPS_OP_GETDENTS, fd, buffer.data(), buffer.size(), position)
    );
}

/// Sleeps for `duration` of guest time.
inline detail::Request<void> sleep_for(std::chrono::nanoseconds duration) noexcept {
    cops_submission made = detail::submission(VIRTIO_COPS_OP_NANOSLEEP, -1);
    made.offset = duration.count() < 0 ? 0 : duration.count();
    return detail::Request<void>(made);
}

/// A request that does nothing: the round trip alone.
inline detail::Request<void> nop() noexcept {
    return detail::Request<void>(detail::submission(VIRTIO_COPS_OP_NOP, -1));
}

}  // namespace cops
