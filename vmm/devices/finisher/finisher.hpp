// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "devices/mmio_device.hpp"

#include <cstdint>
#include <functional>
#include <utility>

namespace vmm {

/// The SiFive test finisher as QEMU's `virt` has it: one 32-bit register whose write ends the
/// machine.
class Finisher final : public MmioDevice {
public:
    static constexpr std::uint64_t kSize = 0x1000;
    // Values of bits 15:0, by the names of QEMU's sifive_test.
    static constexpr std::uint32_t kFail = 0x3333;
    static constexpr std::uint32_t kPass = 0x5555;
    static constexpr std::uint32_t kReset = 0x7777;

    enum class Verdict : std::uint8_t { pass, fail, reset };
    /// `code` is bits 31:16 of a failure. Called from the writing vCPU's thread.
    using Ended = std::function<void(Verdict verdict, std::uint16_t code)>;

    explicit Finisher(Ended ended)
        : ended_(std::move(ended)) {}

    bool mmio_read(const MmioAccess& access, std::uint64_t* value) override;
    bool mmio_write(const MmioAccess& access, std::uint64_t value) override;

private:
    Ended ended_;
};

}  // namespace vmm
