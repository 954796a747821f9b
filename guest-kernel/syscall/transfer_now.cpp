// SPDX-License-Identifier: Apache-2.0
// Transfers that need not wait: console and initrd.
#include "drivers/console.hpp"
#include "fs/initrd.hpp"
#include "mm/user_memory.hpp"
#include "syscall/io.hpp"

#include <algorithm>

namespace kernel {

namespace {

// Linux, asm-generic.
constexpr std::uint32_t kWriteOnly = 1;
constexpr std::uint32_t kReadWrite = 2;
constexpr std::size_t kConsoleChunk = 1024;

bool may(const File& file, bool write) {
    const std::uint32_t mode = file.flags & kAccessMode;
    return write ? mode == kWriteOnly || mode == kReadWrite : mode != kWriteOnly;
}

std::int64_t console_now(Process& process, const Transfer& transfer) {
    char chunk[kConsoleChunk];
    if (!transfer.write) {
        const std::size_t wanted = std::min<std::uint64_t>(transfer.bytes, sizeof chunk);
        // Checked before input is taken, so that none is lost to a bad address.
        char probe = 0;
        if (!process.space.read(&probe, transfer.buffer, 1)) {
            return negative(Errno::fault);
        }
        const std::size_t count = console::read_ready(chunk, wanted);
        if (count == 0) {
            return kWouldWait;
        }
        return process.space.write(transfer.buffer, chunk, count) ? static_cast<std::int64_t>(count)
                                                                  : negative(Errno::fault);
    }
    std::uint64_t done = 0;
    while (done < transfer.bytes) {
        const std::size_t part = std::min<std::uint64_t>(transfer.bytes - done, sizeof chunk);
        if (!process.space.read(chunk, transfer.buffer + done, part)) {
            return done == 0 ? negative(Errno::fault) : static_cast<std::int64_t>(done);
        }
        console::write(chunk, part);
        done += part;
    }
    return static_cast<std::int64_t>(done);
}

std::int64_t initrd_now(Process& process, File& file, const Transfer& transfer) {
    if (file.entry->is_directory()) {
        return negative(Errno::is_directory);
    }
    const bool current = uses_offset(file, transfer);
    const std::uint64_t offset = current ? __atomic_load_n(&file.offset, __ATOMIC_RELAXED)
                                         : static_cast<std::uint64_t>(transfer.offset);
    const std::uint64_t size = file.entry->data.size();
    const std::uint64_t count = offset >= size ? 0 : std::min(transfer.bytes, size - offset);
    if (count != 0
        && !process.space.write(transfer.buffer, file.entry->data.data() + offset, count)) {
        return negative(Errno::fault);
    }
    if (current) {
        __atomic_store_n(&file.offset, offset + count, __ATOMIC_RELAXED);
    }
    return static_cast<std::int64_t>(count);
}

}  // namespace

std::int64_t transfer_now(Process& process, File& file, const Transfer& transfer) {
    if (!may(file, transfer.write)) {
        return negative(Errno::bad_descriptor);
    }
    if (transfer.offset < COPS_OFFSET_CURRENT) {
        return negative(Errno::invalid);
    }
    if (transfer.bytes == 0) {
        return 0;
    }
    if (!is_user_range(transfer.buffer, transfer.bytes)) {
        return negative(Errno::fault);
    }
    switch (file.kind) {
    case File::Kind::console:
        return transfer.offset == COPS_OFFSET_CURRENT ? console_now(process, transfer)
                                                      : negative(Errno::illegal_seek);
    case File::Kind::initrd: {
        if (!uses_offset(file, transfer) || transfer.has_turn) {
            return initrd_now(process, file, transfer);
        }
        if (file.offset_turn.try_take() != OffsetTurn::Answer::taken) {
            return kWouldWait;
        }
        const OffsetHolder turn(file.offset_turn);
        return initrd_now(process, file, transfer);
    }
    case File::Kind::host:
        return kWouldWait;
    }
    return negative(Errno::invalid);
}

}  // namespace kernel
