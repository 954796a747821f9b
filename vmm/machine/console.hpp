// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>
#include <mutex>
#include <span>
#include <string>
#include <utility>

namespace vmm {

/// Receives a guest's console output in order, one call at a time, from a vCPU's thread.
using ConsoleOutput = std::function<void(std::span<const char>)>;

/// The way out of everything that the guest prints (UART, SBI debug console, legacy putchar): one
/// order, few calls. Bytes are kept until a line ends, the buffer is full or somebody flushes (the
/// machine does so whenever a vCPU leaves run()).
class Console {
public:
    explicit Console(ConsoleOutput output)
        : output_(std::move(output)) {}

    void write(std::span<const char> bytes);
    void flush();

private:
    static constexpr std::size_t kBuffer = 512;

    void emit();

    std::mutex mutex_;
    ConsoleOutput output_;  // called with mutex_ held
    std::string pending_;
};

}  // namespace vmm
