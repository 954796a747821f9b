// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "devices/interrupt_controller.hpp"
#include "devices/mmio_device.hpp"

#include <vmm/error.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <span>

namespace vmm {

class StateReader;
class StateWriter;

/// An ns16550a serial port whose line is infinitely fast: the transmitter is always empty, the
/// receiver takes what push_input() queued.
///
/// Deviation on purpose: typed input is never lost. Clearing the receive FIFO drops nothing, and a
/// byte becomes visible only once the guest listens, i.e. has enabled the receive interrupt or
/// polls the line status (many reads of LSR in a row). Drivers read RBR blindly and clear FIFOs
/// while they probe; what was typed before they were ready is still there afterwards.
class Uart final : public MmioDevice {
public:
    static constexpr std::uint64_t kSize = 0x100;
    static constexpr std::size_t kInputCapacity = 16384;

    using Output = std::function<void(std::span<const char>)>;

    Uart(IrqLine irq, Output output);

    /// Any thread. Queues input; returns how many bytes there was room for.
    std::size_t push_input(std::span<const char> bytes);
    /// Any thread. Takes queued input past the registers (SBI console calls); returns how many
    /// bytes.
    std::size_t take_input(std::span<char> to);

    bool mmio_read(const MmioAccess& access, std::uint64_t* value) override;
    bool mmio_write(const MmioAccess& access, std::uint64_t value) override;

    /// Registers as after power-on; queued input stays.
    void reset();
    void save(StateWriter& out) const;
    Result<void> load(StateReader& in);

private:
    /// So many reads of LSR in a row mean that the guest waits for input. Drivers that wait for the
    /// transmitter find it ready at once, and so make a few in a row at most.
    static constexpr std::uint8_t kPolling = 16;

    struct Registers {
        std::uint8_t ier = 0;
        std::uint8_t fcr = 0;
        std::uint8_t lcr = 0;
        std::uint8_t mcr = 0;
        std::uint8_t scr = 0;
        std::uint8_t dll = 0;
        std::uint8_t dlm = 0;
        // The transmitter-empty interrupt is an event: set when THR drains or the interrupt is
        // enabled, cleared by reading it from IIR.
        bool transmit_event = false;
        bool polled = false;       // the guest polls: input is visible without its interrupt
        std::uint8_t lsr_run = 0;  // reads of LSR since any other access, up to kPolling
    };

    std::uint8_t read_register(unsigned which);
    /// True when `value` is to be sent.
    bool write_register(unsigned which, std::uint8_t value);
    bool data_ready() const;
    std::uint8_t receive();
    std::uint8_t interrupt_identity() const;
    std::uint8_t modem_status() const;
    void update();

    IrqLine irq_;
    Output output_;
    mutable std::mutex mutex_;  // guards all below
    Registers registers_;
    std::deque<char> input_;
    std::deque<char> looped_;  // sent in loopback mode, at most one FIFO full
};

}  // namespace vmm
