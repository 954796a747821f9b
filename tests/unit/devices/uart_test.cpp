// SPDX-License-Identifier: Apache-2.0
#include "devices/uart/uart.hpp"
#include "memory/state.hpp"

#include <gtest/gtest.h>

#include <linux/serial_reg.h>

#include <array>
#include <map>
#include <string>
#include <thread>

namespace {

using vmm::Uart;

struct Wire final : vmm::InterruptController {
    bool high = false;
    void set_level(unsigned, bool asserted) override { high = asserted; }
};

struct UartTest : testing::Test {
    Wire wire;
    std::string sent;
    Uart uart{vmm::IrqLine(wire, 10), [this](std::span<const char> bytes) {
                  sent.append(bytes.data(), bytes.size());
              }};

    std::uint8_t read(std::uint64_t offset) {
        std::uint64_t value = 0;
        EXPECT_TRUE(uart.mmio_read({offset, 1, 0}, &value));
        return static_cast<std::uint8_t>(value);
    }
    void write(std::uint64_t offset, std::uint8_t value) {
        EXPECT_TRUE(uart.mmio_write({offset, 1, 0}, value));
    }
    std::size_t type(std::string_view text) { return uart.push_input(text); }
    std::string receive_all() {
        std::string got;
        while ((read(UART_LSR) & UART_LSR_DR) != 0) {
            got += static_cast<char>(read(UART_RX));
        }
        return got;
    }
};

TEST_F(UartTest, transmitter_is_always_ready_and_sends_in_order) {
    EXPECT_EQ(read(UART_LSR), UART_LSR_THRE | UART_LSR_TEMT);
    write(UART_TX, 'h');
    write(UART_TX, 'i');
    EXPECT_EQ(sent, "hi");
    EXPECT_EQ(read(UART_LSR), UART_LSR_THRE | UART_LSR_TEMT);
}

TEST_F(UartTest, divisor_latch_does_not_send) {
    write(UART_LCR, UART_LCR_DLAB);
    write(UART_DLL, 13);
    write(UART_DLM, 1);
    EXPECT_EQ(read(UART_DLL), 13);
    EXPECT_EQ(read(UART_DLM), 1);
    write(UART_LCR, UART_LCR_WLEN8);
    EXPECT_EQ(read(UART_LCR), UART_LCR_WLEN8);
    EXPECT_EQ(read(UART_IER), 0);
    EXPECT_EQ(sent, "");
}

TEST_F(UartTest, receive_interrupt_follows_waiting_input) {
    write(UART_IER, UART_IER_RDI);
    EXPECT_FALSE(wire.high);
    EXPECT_EQ(type("ab"), 2U);
    EXPECT_TRUE(wire.high);
    EXPECT_EQ(read(UART_IIR) & 0x0f, UART_IIR_RDI);
    EXPECT_EQ(read(UART_RX), 'a');
    EXPECT_TRUE(wire.high);
    EXPECT_EQ(read(UART_RX), 'b');
    EXPECT_FALSE(wire.high);
    EXPECT_EQ(read(UART_IIR) & 0x0f, UART_IIR_NO_INT);
}

TEST_F(UartTest, below_the_trigger_level_the_time_out_is_reported) {
    write(UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_TRIGGER_8);
    write(UART_IER, UART_IER_RDI);
    type("1234567");
    EXPECT_EQ(read(UART_IIR), 0xc0 | UART_IIR_RX_TIMEOUT);
    type("8");
    EXPECT_EQ(read(UART_IIR), 0xc0 | UART_IIR_RDI);
}

TEST_F(UartTest, transmit_interrupt_is_an_event_cleared_by_reading_it) {
    write(UART_IER, UART_IER_THRI);
    EXPECT_TRUE(wire.high);
    EXPECT_EQ(read(UART_IIR) & 0x0f, UART_IIR_THRI);
    EXPECT_FALSE(wire.high);
    write(UART_TX, 'x');
    EXPECT_TRUE(wire.high);
    write(UART_IER, 0);
    EXPECT_FALSE(wire.high);
    write(UART_IER, UART_IER_THRI);
    EXPECT_TRUE(wire.high) << "Linux tests for chips that fail to do this";
}

TEST_F(UartTest, input_typed_before_the_driver_is_ready_survives_its_probing) {
    type("early");
    // What Linux's 8250 driver does at start-up.
    write(UART_FCR, UART_FCR_ENABLE_FIFO);
    write(UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR | UART_FCR_CLEAR_XMIT);
    write(UART_FCR, 0);
    for (int i = 0; i < 3; ++i) {  // its console waits for the transmitter in between
        read(UART_LSR);
    }
    read(UART_RX);
    read(UART_IIR);
    read(UART_MSR);
    write(UART_IER, UART_IER_RDI);
    EXPECT_TRUE(wire.high);
    EXPECT_EQ(receive_all(), "early");
}

TEST_F(UartTest, a_guest_that_polls_gets_input_without_interrupts) {
    type("p");
    EXPECT_EQ(read(UART_LSR) & UART_LSR_DR, 0);
    for (int i = 0; i < 16; ++i) {
        read(UART_LSR);
    }
    EXPECT_EQ(read(UART_LSR) & UART_LSR_DR, UART_LSR_DR);
    EXPECT_EQ(read(UART_RX), 'p');
    EXPECT_EQ(read(UART_RX), 0);
}

TEST_F(UartTest, full_queue_pushes_back_and_keeps_what_it_took) {
    const std::string much(Uart::kInputCapacity + 100, 'm');
    EXPECT_EQ(type(much), Uart::kInputCapacity);
    EXPECT_EQ(type("x"), 0U);
    write(UART_IER, UART_IER_RDI);
    EXPECT_EQ(read(UART_RX), 'm');
    EXPECT_EQ(type("xy"), 1U);
    EXPECT_EQ(receive_all(), std::string(Uart::kInputCapacity - 1, 'm') + "x");
}

TEST_F(UartTest, firmware_takes_input_past_the_registers) {
    type("abc");
    std::array<char, 2> bytes{};
    EXPECT_EQ(uart.take_input(bytes), 2U);
    EXPECT_EQ(std::string(bytes.begin(), bytes.end()), "ab");
    EXPECT_EQ(uart.take_input(bytes), 1U);
    EXPECT_EQ(uart.take_input(bytes), 0U);
}

TEST_F(UartTest, loopback_returns_data_and_modem_lines) {
    write(UART_MCR, UART_MCR_LOOP | UART_MCR_OUT2 | UART_MCR_RTS);
    EXPECT_EQ(read(UART_MSR) & 0xf0, UART_MSR_DCD | UART_MSR_CTS);
    write(UART_TX, 'q');
    EXPECT_EQ(sent, "");
    EXPECT_EQ(receive_all(), "q");
    for (int i = 0; i < 40; ++i) {
        write(UART_TX, 'z');
    }
    EXPECT_EQ(receive_all(), std::string(16, 'z'));
    write(UART_MCR, 0);
    EXPECT_EQ(read(UART_MSR), UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS);
}

TEST_F(UartTest, scratch_register_keeps_its_value) {
    write(UART_SCR, 0x5a);
    EXPECT_EQ(read(UART_SCR), 0x5a);
}

TEST_F(UartTest, registers_beyond_the_eighth_are_empty) {
    write(8, 0xff);
    write(0xff, 0xff);
    EXPECT_EQ(read(8), 0);
    EXPECT_EQ(sent, "");
}

TEST_F(UartTest, saved_state_continues_in_another) {
    type("rest");
    write(UART_IER, UART_IER_RDI);
    EXPECT_EQ(read(UART_RX), 'r');
    vmm::StateWriter out;
    uart.save(out);

    Wire other_wire;
    Uart other(vmm::IrqLine(other_wire, 10), [](std::span<const char>) {});
    vmm::StateReader in(out.bytes());
    ASSERT_TRUE(other.load(in).has_value());
    EXPECT_TRUE(other_wire.high);
    std::array<char, 8> bytes{};
    EXPECT_EQ(other.take_input(bytes), 3U);
    EXPECT_EQ(std::string_view(bytes.data(), 3), "est");
}

TEST_F(UartTest, damaged_state_is_refused) {
    vmm::StateWriter out;
    uart.save(out);
    for (std::size_t length = 0; length < out.bytes().size(); ++length) {
        vmm::StateReader in(out.bytes().first(length));
        EXPECT_FALSE(uart.load(in).has_value()) << length;
    }
    vmm::StateWriter too_much;
    for (int i = 0; i < 10; ++i) {
        too_much.put(std::uint8_t{0});
    }
    too_much.put_text(std::string(Uart::kInputCapacity + 1, 'x'));
    too_much.put_text("");
    vmm::StateReader in(too_much.bytes());
    EXPECT_FALSE(uart.load(in).has_value());
}

TEST_F(UartTest, input_from_another_thread_arrives_whole_and_in_order) {
    constexpr std::size_t kBytes = 100000;
    write(UART_IER, UART_IER_RDI);
    std::jthread typist([this] {
        for (std::size_t done = 0; done < kBytes;) {
            const char next = static_cast<char>(done % 251);
            done += uart.push_input(std::span(&next, 1));
        }
    });
    std::size_t wrong = 0;
    for (std::size_t done = 0; done < kBytes;) {
        const bool ready = (read(UART_LSR) & UART_LSR_DR) != 0;
        wrong += static_cast<std::size_t>(
            ready && read(UART_RX) != static_cast<std::uint8_t>(done % 251)
        );
        done += static_cast<std::size_t>(ready);
    }
    EXPECT_EQ(wrong, 0U);
}

}  // namespace
