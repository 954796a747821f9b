// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <virtio_cops/virtio_cops.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace virtio_cops {

/// Scheduling level: 0 the most urgent, VIRTIO_COPS_LEVEL_NONE (64) none.
using Level = std::uint8_t;
inline constexpr Level kNoLevel = VIRTIO_COPS_LEVEL_NONE;
inline constexpr unsigned kLevels = VIRTIO_COPS_LEVELS;

/// Guest-physical memory as the device sees it. A pointer that it returned stays valid, and stays
/// the same memory, as long as the device lives. Everything behind it may change at any moment.
class Memory {
public:
    /// Host address of [address, address + bytes) if the guest itself could write all of it and it
    /// is contiguous in host memory; else null. `bytes` is not 0. Host and guest addresses agree
    /// modulo the page size.
    virtual std::byte* writable(std::uint64_t address, std::uint64_t bytes) noexcept = 0;
    /// The same for reading.
    virtual const std::byte* readable(std::uint64_t address, std::uint64_t bytes) noexcept = 0;
    /// Called after each write of the device (and of the host on its behalf) to [address,
    /// address + bytes), and before the completion of that write is published.
    virtual void note_write(std::uint64_t address, std::uint64_t bytes) noexcept = 0;

protected:
    ~Memory() = default;
};

/// A piece of guest memory that a request reads or writes: an iovec.
struct IoSegment {
    std::byte* data = nullptr;
    std::size_t bytes = 0;
};

/// How the host names an open file: its own affair, but never negative.
using HostHandle = std::int64_t;

/// A request for the host to carry out. `segments` and `path` stay valid until complete(token).
struct IoOperation {
    std::uint64_t token = 0;   ///< Names it to complete() and cancel(). Never used twice.
    std::uint16_t opcode = 0;  ///< VIRTIO_COPS_OP_*, never CLOSE or NOP.
    Level level = kNoLevel;    ///< Of the coroutine that waits.
    HostHandle handle = -1;    ///< All but OPENAT and NANOSLEEP.
    std::uint64_t offset = 0;  ///< READ, WRITE: file offset. GETDENTS: position. NANOSLEEP: ns.
    /// READ, GETDENTS: to be filled; WRITE: to be read. Not more than the configured max_segments.
    std::span<const IoSegment> segments;
    std::size_t bytes = 0;         ///< Sum over `segments`.
    std::uint32_t grant = 0;       ///< OPENAT: index, below num_grants.
    const char* path = "";         ///< OPENAT: relative to the grant, NUL-terminated; "": itself.
    std::uint32_t open_flags = 0;  ///< OPENAT: asm-generic O_* out of kOpenFlags.
    std::uint32_t mode = 0;        ///< OPENAT with O_CREAT: permission bits.
};

/// What a host handle was opened with: enough to open it again when a saved device is loaded.
struct OpenDescription {
    std::uint32_t grant = 0;
    std::uint32_t open_flags = 0;  ///< Without O_CREAT, O_EXCL and O_TRUNC.
    std::string path;
};

/// A grant as GET_GRANT shows it.
struct GrantInfo {
    std::string name;  ///< 1..63 bytes.
    bool directory = false;
    bool writable = false;
};

/// How the waiting coroutine is told of a completion.
enum class WakePath : std::uint8_t {
    ring,            ///< Not at all: its executor looks at its next switch.
    user_interrupt,  ///< By a user interrupt.
    kernel,          ///< By a used-buffer interrupt.
};

/// One completion, as it is reported to whoever keeps statistics.
struct CompletionEvent {
    Level level = kNoLevel;
    std::uint16_t opcode = 0;
    WakePath path = WakePath::kernel;
    std::int64_t result = 0;
    std::uint64_t bytes = 0;       ///< Moved by READ, WRITE or GETDENTS.
    std::uint64_t latency_ns = 0;  ///< From the request's being taken off the queue.
    std::uint64_t time_ns = 0;     ///< When it was published, by Host::now_ns().
};

/// vCPUs beyond the guest's own, bit v for vCPU v: those that it may run, and those that it has
/// been asked to stop and has not.
struct Cores {
    std::uint64_t granted = 0;
    std::uint64_t revoked = 0;
};

/// What the device asks of the host. Called with the device's lock held, so an implementation must
/// not call back into the device (except where it says so) and must not wait.
class Host {
public:
    /// Starts an operation. It ends by exactly one call of Device::complete() (FSTAT with success:
    /// complete_stat()) with its token: later, never from inside start(). Failure to start is
    /// reported in the same way, from the host's own loop.
    virtual void start(const IoOperation& operation) = 0;
    /// Asks for an early end of an operation that was started. complete() still comes, once: with
    /// -ECANCELED, or with its result when it was too late. May be called more than once.
    virtual void cancel(std::uint64_t token) = 0;
    /// The device has no more use for a handle that an OPENAT returned. No operation uses it.
    virtual void close(HostHandle handle) = 0;
    /// Opens again what a saved device had open. A handle, or -errno.
    virtual HostHandle reopen(const OpenDescription& description) = 0;

    /// Leaves a user interrupt for `process` in the mailbox of `vcpu` and, when that vCPU is idle,
    /// makes it runnable at `level`. The worker that runs it calls Device::take_user_interrupt()
    /// before the guest's next instruction, or soon.
    virtual void post_user_interrupt(unsigned vcpu, std::uint64_t process, Level level) = 0;
    /// The used ring of a queue grew and the driver wants to know: used-buffer interrupt of the
    /// transport. A vCPU that this wakes is runnable at `level` (kNoLevel: at its irq_level).
    virtual void raise_used_interrupt(Level level) = 0;
    /// Configuration space changed: configuration interrupt of the transport.
    virtual void raise_config_interrupt() = 0;
    /// The driver broke a ring: DEVICE_NEEDS_RESET and a configuration interrupt.
    virtual void set_needs_reset(const char* why) = 0;
    /// A reset that Device::reset() left open has ended: no request is in flight, nothing will be
    /// written any more.
    virtual void reset_done() = 0;

    /// The guest wants so many vCPUs in all. Whatever this changes is in cores() by the return.
    virtual void want_vcpus(std::uint32_t /*vcpus*/) {}
    /// What the guest may run beyond its own vCPUs, as of now.
    virtual Cores cores() { return {}; }

    /// Monotonic nanoseconds.
    virtual std::uint64_t now_ns() = 0;
    /// After a completion was published.
    virtual void completed(const CompletionEvent& event) = 0;

protected:
    ~Host() = default;
};

}  // namespace virtio_cops
