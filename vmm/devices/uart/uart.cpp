// SPDX-License-Identifier: Apache-2.0
#include "devices/uart/uart.hpp"

#include "memory/state.hpp"

#include <linux/serial_reg.h>

#include <algorithm>
#include <utility>

namespace vmm {
namespace {

constexpr std::size_t kFifo = 16;
constexpr std::uint8_t kIdle = UART_LSR_THRE | UART_LSR_TEMT;
constexpr std::uint8_t kIirFifoEnabled = 0xc0;

}  // namespace

Uart::Uart(IrqLine irq, Output output)
    : irq_(irq)
    , output_(std::move(output)) {}

std::size_t Uart::push_input(std::span<const char> bytes) {
    const std::lock_guard lock(mutex_);
    const std::size_t count = std::min(bytes.size(), kInputCapacity - input_.size());
    input_.insert(input_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(count));
    update();
    return count;
}

std::size_t Uart::take_input(std::span<char> to) {
    const std::lock_guard lock(mutex_);
    const std::size_t count = std::min(to.size(), input_.size());
    const auto end = input_.begin() + static_cast<std::ptrdiff_t>(count);
    std::copy(input_.begin(), end, to.begin());
    input_.erase(input_.begin(), end);
    update();
    return count;
}

bool Uart::mmio_read(const MmioAccess& access, std::uint64_t* value) {
    const std::lock_guard lock(mutex_);
    if (access.offset != UART_LSR) {
        registers_.lsr_run = 0;
    } else if (registers_.lsr_run < kPolling) {
        ++registers_.lsr_run;
    } else {
        registers_.polled = true;
    }
    *value = access.offset < 8 ? read_register(static_cast<unsigned>(access.offset)) : 0;
    update();
    return true;
}

bool Uart::mmio_write(const MmioAccess& access, std::uint64_t value) {
    const auto byte = static_cast<std::uint8_t>(value);
    bool send = false;
    {
        const std::lock_guard lock(mutex_);
        registers_.lsr_run = 0;
        if (access.offset < 8) {
            send = write_register(static_cast<unsigned>(access.offset), byte);
        }
        update();
    }
    // Outside of the lock: a slow reader of the output must not stop input.
    if (send) {
        const char character = static_cast<char>(byte);
        output_(std::span(&character, 1));
    }
    return true;
}

std::uint8_t Uart::read_register(unsigned which) {
    const bool divisor = (registers_.lcr & UART_LCR_DLAB) != 0;
    switch (which) {
    case UART_RX:
        return divisor ? registers_.dll : receive();
    case UART_IER:
        return divisor ? registers_.dlm : registers_.ier;
    case UART_IIR: {
        const std::uint8_t identity = interrupt_identity();
        if (identity == UART_IIR_THRI) {
            registers_.transmit_event = false;
        }
        const bool fifo = (registers_.fcr & UART_FCR_ENABLE_FIFO) != 0;
        return static_cast<std::uint8_t>(identity | (fifo ? kIirFifoEnabled : 0));
    }
    case UART_LCR:
        return registers_.lcr;
    case UART_MCR:
        return registers_.mcr;
    case UART_LSR:
        return static_cast<std::uint8_t>(kIdle | (data_ready() ? UART_LSR_DR : 0));
    case UART_MSR:
        return modem_status();
    default:
        return registers_.scr;
    }
}

bool Uart::write_register(unsigned which, std::uint8_t value) {
    const bool divisor = (registers_.lcr & UART_LCR_DLAB) != 0;
    switch (which) {
    case UART_TX:
        if (divisor) {
            registers_.dll = value;
            return false;
        }
        registers_.transmit_event = true;
        if ((registers_.mcr & UART_MCR_LOOP) != 0) {
            if (looped_.size() < kFifo) {
                looped_.push_back(static_cast<char>(value));
            }
            return false;
        }
        return true;
    case UART_IER:
        if (divisor) {
            registers_.dlm = value;
            return false;
        }
        if ((value & ~registers_.ier & UART_IER_THRI) != 0) {
            registers_.transmit_event = true;
        }
        registers_.ier = value & 0x0f;
        return false;
    case UART_FCR:
        registers_.fcr = value & (UART_FCR_ENABLE_FIFO | UART_FCR_TRIGGER_MASK);
        registers_.polled = false;
        if ((value & UART_FCR_CLEAR_RCVR) != 0) {
            looped_.clear();
        }
        return false;
    case UART_LCR:
        registers_.lcr = value;
        return false;
    case UART_MCR:
        registers_.mcr = value & 0x1f;
        if ((value & UART_MCR_LOOP) == 0) {
            looped_.clear();
        }
        return false;
    case UART_SCR:
        registers_.scr = value;
        return false;
    default:
        return false;  // LSR and MSR are read-only.
    }
}

bool Uart::data_ready() const {
    if ((registers_.mcr & UART_MCR_LOOP) != 0) {
        return !looped_.empty();
    }
    const bool listens = registers_.polled || (registers_.ier & UART_IER_RDI) != 0;
    return listens && !input_.empty();
}

std::uint8_t Uart::receive() {
    if (!data_ready()) {
        return 0;
    }
    std::deque<char>& from = (registers_.mcr & UART_MCR_LOOP) != 0 ? looped_ : input_;
    const auto byte = static_cast<std::uint8_t>(from.front());
    from.pop_front();
    return byte;
}

/// The pending interrupt of the highest priority. Below the FIFO's trigger level it is reported as
/// the receive time-out, which on an infinitely fast line is at once.
std::uint8_t Uart::interrupt_identity() const {
    if ((registers_.ier & UART_IER_RDI) != 0 && data_ready()) {
        constexpr std::size_t kTriggers[] = {1, 4, 8, 14};
        const bool fifo = (registers_.fcr & UART_FCR_ENABLE_FIFO) != 0;
        const bool looped = (registers_.mcr & UART_MCR_LOOP) != 0;
        const std::size_t waiting = looped ? looped_.size() : input_.size();
        return !fifo || waiting >= kTriggers[registers_.fcr >> 6] ? UART_IIR_RDI
                                                                  : UART_IIR_RX_TIMEOUT;
    }
    if ((registers_.ier & UART_IER_THRI) != 0 && registers_.transmit_event) {
        return UART_IIR_THRI;
    }
    return UART_IIR_NO_INT;
}

/// Loopback wires RTS to CTS, DTR to DSR, OUT1 to RI and OUT2 to DCD; otherwise a peer is there and
/// ready. The delta bits never rise.
std::uint8_t Uart::modem_status() const {
    const std::uint8_t mcr = registers_.mcr;
    if ((mcr & UART_MCR_LOOP) == 0) {
        return UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS;
    }
    return static_cast<std::uint8_t>(
        ((mcr & UART_MCR_RTS) != 0 ? UART_MSR_CTS : 0)
        | ((mcr & UART_MCR_DTR) != 0 ? UART_MSR_DSR : 0)
        | ((mcr & UART_MCR_OUT1) != 0 ? UART_MSR_RI : 0)
        | ((mcr & UART_MCR_OUT2) != 0 ? UART_MSR_DCD : 0)
    );
}

void Uart::update() {
    irq_.set(interrupt_identity() != UART_IIR_NO_INT);
}

void Uart::reset() {
    const std::lock_guard lock(mutex_);
    registers_ = {};
    looped_.clear();
    update();
}

void Uart::save(StateWriter& out) const {
    const std::lock_guard lock(mutex_);
    for (const std::uint8_t byte :
         {registers_.ier,
          registers_.fcr,
          registers_.lcr,
          registers_.mcr,
          registers_.scr,
          registers_.dll,
          registers_.dlm}) {
        out.put(byte);
    }
    out.put(registers_.transmit_event);
    out.put(registers_.polled);
    out.put(registers_.lsr_run);
    for (const std::deque<char>* queue : {&input_, &looped_}) {
        const std::vector<char> bytes(queue->begin(), queue->end());
        out.put_bytes(std::as_bytes(std::span(bytes)));
    }
}

Result<void> Uart::load(StateReader& in) {
    Registers loaded;
    loaded.ier = in.get_below<std::uint8_t>(0x10);
    loaded.fcr = in.get<std::uint8_t>() & (UART_FCR_ENABLE_FIFO | UART_FCR_TRIGGER_MASK);
    loaded.lcr = in.get<std::uint8_t>();
    loaded.mcr = in.get_below<std::uint8_t>(0x20);
    loaded.scr = in.get<std::uint8_t>();
    loaded.dll = in.get<std::uint8_t>();
    loaded.dlm = in.get<std::uint8_t>();
    loaded.transmit_event = in.get_bool();
    loaded.polled = in.get_bool();
    loaded.lsr_run = in.get_below<std::uint8_t>(kPolling + 1);
    const auto input = in.get_bytes();
    const auto looped = in.get_bytes();
    if (!in.ok() || input.size() > kInputCapacity || looped.size() > kFifo) {
        return fail(ErrorKind::configuration, "saved UART state is damaged");
    }
    const std::lock_guard lock(mutex_);
    registers_ = loaded;
    const auto fill = [](std::deque<char>& queue, std::span<const std::byte> from) {
        queue.clear();
        for (const std::byte byte : from) {
            queue.push_back(static_cast<char>(byte));
        }
    };
    fill(input_, input);
    fill(looped_, looped);
    update();
    return {};
}

}  // namespace vmm
