// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cops/cops.hpp>

#include <cstdio>
#include <cstdlib>
#include <source_location>

/// For guest test programs: a condition that must hold, else the program says where and exits 1.
inline void check(
    bool condition, const char* what, std::source_location where = std::source_location::current()
) {
    if (!condition) {
        std::printf("FAILED %s:%u: %s\n", where.file_name(), unsigned{where.line()}, what);
        std::fflush(stdout);
        std::_Exit(EXIT_FAILURE);
    }
}

/// Completions this process has seen so far, by whatever path. Reads memory: no call, no switch.
inline std::uint64_t completions_seen() {
    const cops_executor_counters& counters = cops::counters();
    return __atomic_load_n(&counters.ring_completions, __ATOMIC_RELAXED)
           + __atomic_load_n(&counters.interrupt_completions, __ATOMIC_RELAXED)
           + __atomic_load_n(&counters.kernel_completions, __ATOMIC_RELAXED);
}
