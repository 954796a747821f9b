// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <virtio_cops/user_interrupts.h>

#include <kernel_abi/user_abi.h>

#include <cstdint>

namespace cops::detail {

inline constexpr unsigned long kUserSoftware = 1UL << COPS_IRQ_USER_SOFTWARE;
inline constexpr unsigned long kUserTimer = 1UL << COPS_IRQ_USER_TIMER;

template <unsigned Csr>
unsigned long read_csr() noexcept {
    unsigned long value;
    __asm__ volatile("csrr %0, %1" : "=r"(value) : "i"(Csr) : "memory");
    return value;
}

template <unsigned Csr>
void write_csr(unsigned long value) noexcept {
    __asm__ volatile("csrw %0, %1" : : "i"(Csr), "r"(value) : "memory");
}

template <unsigned Csr>
void set_csr(unsigned long bits) noexcept {
    __asm__ volatile("csrs %0, %1" : : "i"(Csr), "r"(bits) : "memory");
}

template <unsigned Csr>
void clear_csr(unsigned long bits) noexcept {
    __asm__ volatile("csrc %0, %1" : : "i"(Csr), "r"(bits) : "memory");
}

/// On this hart, from here on completions interrupt coroutines, and time does: those that run too
/// long.
void allow_interrupts(const cops_attach& attach) noexcept;

/// Each hart serves its least urgent coroutine once in so many ticks of the time counter; 0 =
/// never.
void set_window(std::uint64_t ticks) noexcept;

/// Around sleep: time interrupts only while something runs.
void stop_timer() noexcept;
void start_timer() noexcept;

}  // namespace cops::detail
