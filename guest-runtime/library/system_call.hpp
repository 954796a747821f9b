// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace cops::detail {

/// A call of the guest kernel: result, or -errno.
inline long
system_call(long number, long arg0 = 0, long arg1 = 0, long arg2 = 0, long arg3 = 0) noexcept {
    register long a0 __asm__("a0") = arg0;
    register long a1 __asm__("a1") = arg1;
    register long a2 __asm__("a2") = arg2;
    register long a3 __asm__("a3") = arg3;
    register long a7 __asm__("a7") = number;
    __asm__ volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a2), "r"(a3), "r"(a7) : "memory");
    return a0;
}

}  // namespace cops::detail
