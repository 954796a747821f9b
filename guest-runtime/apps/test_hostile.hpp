// SPDX-License-Identifier: Apache-2.0
// The cases of test-hostile.
#pragma once

#include "check.hpp"

#include <cops/cops.hpp>

#include <cstdint>
#include <span>

/// A way to misbehave. What it returns is the exit status if the kernel lets it come to that.
struct HostileCase {
    const char* name;
    cops::Task<int> (*run)();
};

std::span<const HostileCase> fault_cases();
std::span<const HostileCase> memory_cases();
std::span<const HostileCase> schedule_cases();
std::span<const HostileCase> call_cases();

/// Submissions with wrong addresses, numbers, lengths and paths; `file` holds the bytes 0, 1, 2 ...
cops::Task<int> hostile_requests(const char* file);

/// Addresses of the kernel's half: text, its direct map's start, its stacks; and none's at all.
inline constexpr std::uint64_t kKernelText = 0xffffffc080200000;
inline constexpr std::uint64_t kKernelUart = 0xffffffc010000000;
inline constexpr std::uint64_t kKernelStack = 0xffffffffc000f000;
inline constexpr std::uint64_t kBetweenHalves = 0x8000000000000000;
inline constexpr std::uint64_t kUnmapped = 0x10;
