// SPDX-License-Identifier: Apache-2.0
#include "arch/riscv64/sbi.hpp"

#include "arch/riscv64/csr.hpp"
#include "drivers/mmio.hpp"

namespace kernel::sbi {

namespace {

constexpr std::int64_t kBase = 0x10;
constexpr std::int64_t kTime = 0x54494d45;
constexpr std::int64_t kIpi = 0x735049;
constexpr std::int64_t kRemoteFence = 0x52464e43;
constexpr std::int64_t kHart = 0x48534d;
constexpr std::int64_t kReset = 0x53525354;
constexpr std::int64_t kDebugConsole = 0x4442434e;

struct Answer {
    std::int64_t error;
    std::int64_t value;
};

constinit bool debug_console = false;
constinit std::uint64_t finisher = 0;

Answer call(
    std::int64_t extension,
    std::int64_t function,
    std::uint64_t arg0 = 0,
    std::uint64_t arg1 = 0,
    std::uint64_t arg2 = 0,
    std::uint64_t arg3 = 0,
    std::uint64_t arg4 = 0
) {
    register std::uint64_t a0 __asm__("a0") = arg0;
    register std::uint64_t a1 __asm__("a1") = arg1;
    register std::uint64_t a2 __asm__("a2") = arg2;
    register std::uint64_t a3 __asm__("a3") = arg3;
    register std::uint64_t a4 __asm__("a4") = arg4;
    register std::int64_t a6 __asm__("a6") = function;
    register std::int64_t a7 __asm__("a7") = extension;
    __asm__ volatile("ecall"
                     : "+r"(a0), "+r"(a1)
                     : "r"(a2), "r"(a3), "r"(a4), "r"(a6), "r"(a7)
                     : "memory");
    return {static_cast<std::int64_t>(a0), static_cast<std::int64_t>(a1)};
}

}  // namespace

void probe() {
    const Answer answer = call(kBase, 3, kDebugConsole);
    debug_console = answer.error == 0 && answer.value != 0;
}

bool has_console() {
    return debug_console;
}

void set_timer(std::uint64_t deadline) {
    call(kTime, 0, deadline);
}

void send_ipi(std::uint64_t harts) {
    call(kIpi, 0, harts, 0);
}

void remote_fence(
    std::uint64_t harts, std::uint64_t start, std::uint64_t bytes, std::uint32_t asid
) {
    call(kRemoteFence, 2, harts, 0, start, bytes, asid);
}

void remote_fence_instructions(std::uint64_t harts) {
    call(kRemoteFence, 0, harts, 0);
}

std::int64_t start_hart(std::uint64_t hart, std::uint64_t entry, std::uint64_t argument) {
    return call(kHart, 0, hart, entry, argument).error;
}

void stop_hart() {
    call(kHart, 1);
}

std::int64_t console_write(std::uint64_t address, std::size_t bytes) {
    const Answer answer = call(kDebugConsole, 0, bytes, address, 0);
    return answer.error != 0 ? answer.error : answer.value;
}

void legacy_put(char byte) {
    constexpr std::int64_t kLegacyPut = 1;
    call(kLegacyPut, 0, static_cast<unsigned char>(byte));
}

void set_finisher(std::uint64_t address) {
    finisher = address;
}

void shutdown(std::uint32_t reason) {
    call(kReset, 0, 0, reason);
    if (finisher != 0) {
        constexpr std::uint32_t kPass = 0x5555;
        constexpr std::uint32_t kFail = 0x3333;
        const std::uint32_t code = reason & 0xff;
        mmio::write<std::uint32_t>(finisher, reason == kNoReason ? kPass : code << 16 | kFail);
    }
    for (;;) {
        csr::wait_for_interrupt();
    }
}

}  // namespace kernel::sbi
