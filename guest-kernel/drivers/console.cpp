// SPDX-License-Identifier: Apache-2.0
#include "drivers/console.hpp"

#include "arch/riscv64/sbi.hpp"
#include "drivers/mmio.hpp"
#include "drivers/plic.hpp"

#include <algorithm>

namespace kernel::console {

namespace {

// ns16550a registers.
constexpr std::uint64_t kData = 0;
constexpr std::uint64_t kInterruptEnable = 1;
constexpr std::uint64_t kFifoControl = 2;
constexpr std::uint64_t kLineStatus = 5;
constexpr std::uint8_t kDataReady = 0x01;
constexpr std::uint8_t kTransmitEmpty = 0x20;
constexpr std::uint8_t kReceiveInterrupt = 0x01;
constexpr std::uint8_t kFifoOn = 0x07;

constexpr std::size_t kInputBytes = 4096;

constinit SpinLock output_lock{Rank::console_output};
constinit PhysAddr uart = 0;
// Physically contiguous: stacks are not, and SBI takes physical addresses.
constinit char bounce[2048] = {};

constinit WaitList input_waiters{Rank::console_input};
constinit char input[kInputBytes] = {};
constinit std::size_t input_head = 0;
constinit std::size_t input_count = 0;
constinit bool stopped = false;  // receive interrupts are off: no room

void write_to_uart(const char* text, std::size_t bytes) {
    for (std::size_t i = 0; i < bytes; ++i) {
        if (uart == 0) {
            sbi::legacy_put(text[i]);
            continue;
        }
        while ((mmio::read<std::uint8_t>(uart + kLineStatus) & kTransmitEmpty) == 0) {
        }
        mmio::write<std::uint8_t>(uart + kData, static_cast<std::uint8_t>(text[i]));
    }
}

void write_locked(const char* text, std::size_t bytes) {
    while (bytes != 0) {
        const std::size_t part = std::min(bytes, sizeof bounce);
        __builtin_memcpy(bounce, text, part);
        std::size_t done = 0;
        while (done < part) {
            const std::int64_t taken =
                sbi::has_console() ? sbi::console_write(physical(bounce) + done, part - done) : -1;
            if (taken < 0) {
                write_to_uart(bounce + done, part - done);
                break;
            }
            done += static_cast<std::size_t>(taken);
        }
        text += part;
        bytes -= part;
    }
}

void receive() {
    const Guard guard(input_waiters.lock());
    while (input_count < kInputBytes
           && (mmio::read<std::uint8_t>(uart + kLineStatus) & kDataReady) != 0) {
        const auto byte = static_cast<char>(mmio::read<std::uint8_t>(uart + kData));
        input[(input_head + input_count++) % kInputBytes] = byte;
    }
    if (input_count == kInputBytes) {  // the rest waits in the UART, and whoever feeds it waits too
        mmio::write<std::uint8_t>(uart + kInterruptEnable, 0);
        stopped = true;
    }
    if (input_count != 0) {
        input_waiters.signal_all_locked(0);
    }
}

}  // namespace

void init(const Platform& platform) {
    uart = platform.uart;
    if (uart != 0) {
        mmio::write<std::uint8_t>(uart + kFifoControl, kFifoOn);
        plic::connect(platform.uart_irq, &receive);
        mmio::write<std::uint8_t>(uart + kInterruptEnable, kReceiveInterrupt);
    }
}

void write(const char* text, std::size_t bytes) {
    const Guard guard(output_lock);
    write_locked(text, bytes);
}

void write_in_panic(const char* text, std::size_t bytes) {
    write_locked(text, bytes);
}

std::size_t read_ready(char* out, std::size_t size) {
    const Guard guard(input_waiters.lock());
    const std::size_t count = std::min(size, input_count);
    for (std::size_t i = 0; i < count; ++i) {
        out[i] = input[input_head];
        input_head = (input_head + 1) % kInputBytes;
    }
    input_count -= count;
    if (stopped && count != 0) {
        stopped = false;
        mmio::write<std::uint8_t>(uart + kInterruptEnable, kReceiveInterrupt);
    }
    return count;
}

bool wait_for_input(Waiter& waiter) {
    const Guard guard(input_waiters.lock());
    if (input_count != 0) {
        return false;
    }
    input_waiters.add_locked(waiter);
    return true;
}

WaitList& readers() {
    return input_waiters;
}

}  // namespace kernel::console
