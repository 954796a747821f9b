// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "syscall/syscall.hpp"

#include <kernel_abi/user_abi.h>

#include <cstdint>
#include <string_view>

namespace kernel {

/// A read or write of user memory on an open file.
struct Transfer {
    bool write = false;
    bool entries = false;   ///< Reads directory entries in place of bytes.
    bool has_turn = false;  ///< The caller has the file's OffsetTurn.
    UserAddr buffer = 0;
    std::uint64_t bytes = 0;
    std::int64_t offset = COPS_OFFSET_CURRENT;
    std::uint32_t level = 0;
};

/// It reads or moves the file's own offset.
inline bool uses_offset(const File& file, const Transfer& transfer) {
    return file.kind != File::Kind::console
           && (transfer.entries || transfer.offset == COPS_OFFSET_CURRENT);
}

/// Does it if that takes no waiting; kWouldWait otherwise.
std::int64_t transfer_now(Process& process, File& file, const Transfer& transfer);
/// Waits for the turn at the file's offset: OffsetTurn::Answer::taken or none, or a negative errno.
Async<std::int64_t> take_offset_turn(Operation& operation, File& file, std::uint32_t level);
inline constexpr auto kNoOffset = static_cast<std::int64_t>(OffsetTurn::Answer::none);
inline constexpr auto kHasTurn = static_cast<std::int64_t>(OffsetTurn::Answer::taken);
/// What a file of the host is, as it says.
OffsetTurn::Kind kind_of(const virtio_cops_stat& stat);
/// Does it, waiting for console input, the host, or the file's offset.
Async<std::int64_t> transfer_slowly(Operation& operation, File& file, Transfer transfer);

/// Opens a path of the initrd: a descriptor or a negative errno; kWouldWait for host paths.
std::int64_t open_now(Process& process, std::string_view path, std::uint32_t flags);
/// Opens a host path for the operation's process.
Async<std::int64_t> open_slowly(
    Operation& operation,
    std::string_view path,
    std::uint32_t flags,
    std::uint32_t mode,
    std::uint32_t level
);
/// Of O_*, as Linux numbers them.
inline constexpr std::uint32_t kAccessMode = 3;  ///< O_ACCMODE
inline constexpr std::uint32_t kAppend = 02000;
inline constexpr std::uint32_t kCloseOnExec = 02000000;
/// The lowest free descriptor that is not below `from`, or a negative errno.
std::int64_t add_descriptor(Process& process, FileRef file, std::uint32_t flags, int from = 0);
/// Closes a descriptor. A host file whose last reference this is waits for the host's answer.
std::int64_t close_now(Process& process, int descriptor);

/// The state of a file as virtio-cops has it; kWouldWait for host files.
std::int64_t stat_now(const File& file, virtio_cops_stat& out);

/// struct timespec.
struct Time {
    std::int64_t seconds;
    std::int64_t nanoseconds;
};
bool is_valid(const Time& time);
/// Of a valid one; no more than centuries.
std::uint64_t in_nanoseconds(const Time& time);
inline constexpr std::uint64_t kRealtime = 0;   ///< CLOCK_REALTIME
inline constexpr std::uint64_t kMonotonic = 1;  ///< CLOCK_MONOTONIC
/// Nanoseconds that a clock of Linux's numbers shows.
std::uint64_t clock_now(std::uint64_t clock);

/// Waits; cancelled early with -ECANCELED.
Async<std::int64_t> sleep_until(Operation& operation, std::uint64_t deadline);

}  // namespace kernel
