// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

/// Calls of the supervisor execution environment (SBI 2.0).
namespace kernel::sbi {

inline constexpr std::uint32_t kNoReason = 0;
inline constexpr std::uint32_t kSystemFailure = 1;
/// SRST reasons from here on are the vendor's: low bits = exit status of the first process.
inline constexpr std::uint32_t kStatusReason = 0xe0000000;

/// Finds out which optional extensions there are.
void probe();
bool has_console();

void set_timer(std::uint64_t deadline);
/// `harts`: bit h = hart h.
void send_ipi(std::uint64_t harts);
/// Those harts forget translations of [start, start + bytes) that they have for the address space,
/// before this returns.
void remote_fence(
    std::uint64_t harts, std::uint64_t start, std::uint64_t bytes, std::uint32_t asid
);
/// Those harts see instructions that were written before.
void remote_fence_instructions(std::uint64_t harts);
/// This hart runs no more until another one starts it. Returns when that is refused.
void stop_hart();
/// 0 or a negative SBI error.
std::int64_t start_hart(std::uint64_t hart, std::uint64_t entry, std::uint64_t argument);
/// Bytes taken by the debug console, 0 when it can't take any now, negative on error.
std::int64_t console_write(std::uint64_t address, std::size_t bytes);
/// One byte through the legacy console: for what is said before any other is known.
void legacy_put(char byte);
/// Where firmware knows no vendor reasons, a sifive,test0 at `finisher` (0 = none) ends the
/// machine.
void set_finisher(std::uint64_t finisher);
[[noreturn]] void shutdown(std::uint32_t reason);

}  // namespace kernel::sbi
