// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace kernel {

/// Linux errno values (asm-generic).
enum class Errno : std::int32_t {
    not_permitted = 1,
    no_entry = 2,
    no_process = 3,
    io = 5,
    too_big = 7,
    bad_executable = 8,
    bad_descriptor = 9,
    no_child = 10,
    again = 11,
    no_memory = 12,
    access = 13,
    fault = 14,
    busy = 16,
    exists = 17,
    no_device = 19,
    not_directory = 20,
    is_directory = 21,
    invalid = 22,
    too_many_files = 24,
    not_terminal = 25,
    illegal_seek = 29,
    read_only = 30,
    range = 34,
    name_too_long = 36,
    no_call = 38,
    overflow = 75,
    not_supported = 95,
    timed_out = 110,
    canceled = 125,
};

/// As a system call returns it.
constexpr std::int64_t negative(Errno error) {
    return -static_cast<std::int64_t>(error);
}

}  // namespace kernel
