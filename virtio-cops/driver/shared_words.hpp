// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <virtio_cops/virtio_cops.h>

#include <cstdint>

namespace virtio_cops {

// The kernel's side of the words that it shares with host and executors (SPEC.md section 7). Each
// is an atomic of its own; the pairs that need an order are the functions here.

/// Makes `process` current on the hart of `board` and returns what waits for it there: non-zero
/// means that the kernel raises the user interrupt itself before it enters the process.
/// Pairs with the device, which sets wake_pending, fences, and then reads board.process: one of the
/// two sees the other. `line` is null for process 0.
inline std::uint64_t
switch_process(virtio_cops_board& board, std::uint64_t process, virtio_cops_line* line) {
    __atomic_store_n(&board.process, process, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return line != nullptr ? __atomic_load_n(&line->wake_pending, __ATOMIC_RELAXED) : 0;
}

/// Publishes which levels of kernel work are ready. Returns true when the CLAIM doorbell must be
/// rung: the kernel's own claim became more urgent than the level the host published.
/// Pairs with the device, which writes ring_level, fences, and then samples the board again.
inline bool
publish_ready(virtio_cops_board& board, std::uint64_t ready, const virtio_cops_host_line& host) {
    const std::uint64_t before = __atomic_load_n(&board.ready, __ATOMIC_RELAXED);
    __atomic_store_n(&board.ready, ready, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    const std::uint32_t ring_level = __atomic_load_n(&host.ring_level, __ATOMIC_RELAXED);
    const auto best = [](std::uint64_t levels) -> std::uint32_t {
        return levels == 0 ? VIRTIO_COPS_LEVEL_NONE
                           : static_cast<std::uint32_t>(__builtin_ctzll(levels));
    };
    return best(ready) < best(before) && best(ready) < ring_level;
}

/// VIRTIO_COPS_CORE_* of the vCPU whose host line it is: of a device with CORE_ALLOC.
inline std::uint32_t core_of(const virtio_cops_host_line& host) {
    const auto* const word = reinterpret_cast<const std::uint32_t*>(
        reinterpret_cast<const unsigned char*>(&host) + VIRTIO_COPS_HOST_LINE_CORE
    );
    return __atomic_load_n(word, __ATOMIC_RELAXED);
}

/// Level at which a process competes on the hart of `line`, VIRTIO_COPS_LEVEL_NONE = not at all:
/// what is ready there and what has completed without the executor's knowing, cut by its ceiling.
/// To be asked after a used-buffer interrupt and on switching away.
inline std::uint32_t runnable_level(const virtio_cops_line& line, std::uint32_t ceiling) {
    const std::uint64_t levels = __atomic_load_n(&line.ready, __ATOMIC_RELAXED)
                                 | __atomic_load_n(&line.wake_pending, __ATOMIC_RELAXED);
    if (levels == 0) {
        return VIRTIO_COPS_LEVEL_NONE;
    }
    const auto best = static_cast<std::uint32_t>(__builtin_ctzll(levels));
    return best < ceiling ? ceiling : best;
}

/// Lists a slot that the kernel completed itself and sets its level pending. The caller then makes
/// the process look: if it is current on this hart nothing is needed (it drains before it goes on).
inline void list_slot(
    virtio_cops_line& line,
    virtio_cops_heads& heads,
    virtio_cops_slot& slot,
    std::uint32_t index,
    std::uint32_t level
) {
    __atomic_store_n(&slot.level, level, __ATOMIC_RELAXED);
    __atomic_store_n(&slot.path, VIRTIO_COPS_PATH_KERNEL, __ATOMIC_RELAXED);
    std::uint32_t first = __atomic_load_n(&heads.head[level], __ATOMIC_RELAXED);
    do {
        __atomic_store_n(&slot.next, first, __ATOMIC_RELAXED);
        // Release: pairs with the executor's acquire exchange of the head.
    } while (!__atomic_compare_exchange_n(
        &heads.head[level], &first, index + 1, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED
    ));
    __atomic_fetch_or(&line.wake_pending, std::uint64_t{1} << level, __ATOMIC_SEQ_CST);
}

}  // namespace virtio_cops
