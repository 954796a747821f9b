// SPDX-License-Identifier: Apache-2.0
#include "fake_vcpu.hpp"
#include "machine/loader/file.hpp"
#include "process.hpp"

#include <virtio/virtio_config.h>
#include <virtio/virtio_mmio.h>

#include <gtest/gtest.h>

#include <libfdt.h>
#include <linux/serial_reg.h>

#include <array>
#include <cstring>
#include <thread>

namespace {

using test::FakeMachine;
using test::FakeVcpu;
using vmm::Ending;
using vmm::ExitKind;
using vmm::GuestPhys;

constexpr GuestPhys kUart{0x10000000};
constexpr GuestPhys kFinisher{0x100000};

/// Why the machine can't be made or booted.
vmm::Error refusal(vmm::MachineConfig config) {
    FakeMachine fake(FakeMachine::config(1));
    config.vcpu_factory = [](vmm::GuestMemory&, vmm::VcpuHost& host, unsigned hart
                          ) -> vmm::Result<std::unique_ptr<vmm::Vcpu>> {
        return std::make_unique<FakeVcpu>(host, hart);
    };
    auto machine = vmm::Machine::create(std::move(config), nullptr, nullptr);
    if (!machine) {
        return machine.error();
    }
    const auto booted = (*machine)->boot();
    EXPECT_FALSE(booted.has_value());
    return booted.error();
}

TEST(Machine, hart_zero_starts_at_the_entry_with_the_device_tree) {
    FakeMachine fake;
    fake.boot();
    EXPECT_TRUE(fake.machine->may_run(0));
    EXPECT_FALSE(fake.machine->may_run(1));
    EXPECT_EQ(fake.run(1), ExitKind::stopped);
    EXPECT_EQ(fake.run(0), ExitKind::idle);
    const auto& state = fake.vcpus[0]->state;
    EXPECT_EQ(state.pc, 0x80200000U);
    EXPECT_EQ(state.x[10], 0U);
    std::vector<std::byte> tree(fake.machine->device_tree().size());
    ASSERT_TRUE(fake.machine->memory().read({state.x[11]}, tree));
    EXPECT_EQ(::fdt_check_full(tree.data(), tree.size()), 0);
}

TEST(Machine, kernel_and_initrds_are_in_memory) {
    const test_support::TemporaryDirectory directory;
    test_support::write_file(directory / "second", "2nd");
    auto config = FakeMachine::config(1);
    config.initrd_bytes = {'f', 'i', 'r', 's', 't'};
    config.initrds = {directory / "second"};
    FakeMachine fake(config);
    fake.boot();
    const void* const tree = fake.machine->device_tree().data();
    int length = 0;
    const void* const start =
        ::fdt_getprop(tree, ::fdt_path_offset(tree, "/chosen"), "linux,initrd-start", &length);
    ASSERT_EQ(length, 8);
    fdt64_t address;
    std::memcpy(&address, start, sizeof address);
    std::array<char, 11> initrd{};
    ASSERT_TRUE(fake.machine->memory().read(
        {fdt64_to_cpu(address)}, std::as_writable_bytes(std::span(initrd))
    ));
    EXPECT_EQ(
        std::string_view(initrd.data(), 11),
        std::string_view(
            "first\0\0\0"
            "2nd",
            11
        )
    );
    std::byte code{};
    ASSERT_TRUE(fake.machine->memory().read({0x80200000}, std::span(&code, 1)));
    EXPECT_EQ(code, std::byte{0x13});
}

TEST(Machine, impossible_configurations_are_refused_with_a_reason) {
    auto config = FakeMachine::config(0);
    EXPECT_NE(refusal(config).message.find("0 CPUs"), std::string::npos);
    config = FakeMachine::config(65);
    EXPECT_EQ(refusal(config).kind, vmm::ErrorKind::configuration);
    config = FakeMachine::config(1);
    config.memory_bytes = 1000;
    EXPECT_EQ(refusal(config).kind, vmm::ErrorKind::configuration);
    config.memory_bytes = std::uint64_t{1} << 62;
    EXPECT_EQ(refusal(config).kind, vmm::ErrorKind::unavailable);
    config = FakeMachine::config(1);
    config.timebase_hz = 0;
    EXPECT_NE(refusal(config).message.find("timebase"), std::string::npos);
    config.timebase_hz = std::uint64_t{1} << 32;
    EXPECT_NE(refusal(config).message.find("timebase"), std::string::npos);
}

TEST(Machine, impossible_images_are_refused_with_a_reason) {
    auto config = FakeMachine::config(1);
    config.kernel = "/nonexistent/Image";
    EXPECT_NE(refusal(config).message.find("/nonexistent/Image"), std::string::npos);
    config = FakeMachine::config(1);
    config.kernel_bytes.clear();
    EXPECT_EQ(refusal(config).kind, vmm::ErrorKind::configuration);
    config = FakeMachine::config(1);
    config.initrds = {"/nonexistent/initrd"};
    EXPECT_NE(refusal(config).message.find("/nonexistent/initrd"), std::string::npos);
    config = FakeMachine::config(1);
    config.initrd_bytes.resize(15U << 20);
    EXPECT_NE(refusal(config).message.find("does not fit"), std::string::npos);
    config = FakeMachine::config(1);
    config.memory_bytes = std::uint64_t{1} << 20;
    EXPECT_NE(refusal(config).message.find("outside of the guest's memory"), std::string::npos);
    config = FakeMachine::config(1);
    config.dump_dtb = "/nonexistent/dtb";
    EXPECT_NE(refusal(config).message.find("/nonexistent/dtb"), std::string::npos);
}

TEST(Machine, device_tree_can_be_dumped) {
    const test_support::TemporaryDirectory directory;
    auto config = FakeMachine::config(1);
    config.dump_dtb = directory / "dtb";
    FakeMachine fake(config);
    fake.boot();
    const std::string dumped = test_support::read_file(directory / "dtb");
    EXPECT_EQ(dumped.size(), fake.machine->device_tree().size());
    EXPECT_EQ(::fdt_check_full(dumped.data(), dumped.size()), 0);
}

TEST(Machine, output_reaches_the_console_at_the_end_of_each_run) {
    FakeMachine fake;
    fake.boot();
    fake.run(0, [&fake](FakeVcpu& vcpu) {
        EXPECT_TRUE(vcpu.host.mmio_write(kUart, 1, 'o'));
        EXPECT_TRUE(vcpu.host.mmio_write(kUart, 1, 'k'));
        EXPECT_EQ(fake.output, "");
        return ExitKind::interrupted;
    });
    EXPECT_EQ(fake.output, "ok");
}

TEST(Machine, input_interrupts_the_hart_through_the_interrupt_controller) {
    FakeMachine fake;
    fake.boot();
    fake.run(0, [](FakeVcpu& vcpu) {
        EXPECT_TRUE(vcpu.host.mmio_write(kUart + UART_IER, 1, UART_IER_RDI));
        EXPECT_TRUE(vcpu.host.mmio_write({0x0c000000 + 4 * 10}, 4, 1));
        EXPECT_TRUE(vcpu.host.mmio_write({0x0c002080}, 4, 1U << 10));
        return ExitKind::idle;
    });
    EXPECT_FALSE(fake.vcpus[0]->external);
    EXPECT_EQ(fake.machine->console_input(std::string_view("x")), 1U);
    EXPECT_TRUE(fake.vcpus[0]->external);
    ASSERT_EQ(fake.listener.interrupted.size(), 1U);
    EXPECT_EQ(fake.listener.interrupted[0], std::pair(0U, vmm::WakeCause::device));
    fake.run(0, [](FakeVcpu& vcpu) {
        std::uint64_t value = 0;
        EXPECT_TRUE(vcpu.host.mmio_read({0x0c201004}, 4, &value));
        EXPECT_EQ(value, 10U);
        EXPECT_TRUE(vcpu.host.mmio_read(kUart, 1, &value));
        EXPECT_EQ(value, std::uint64_t{'x'});
        return ExitKind::idle;
    });
    EXPECT_FALSE(fake.vcpus[0]->external);
}

TEST(Machine, wild_addresses_answer_nothing) {
    FakeMachine fake;
    fake.boot();
    fake.run(0, [](FakeVcpu& vcpu) {
        std::uint64_t value = 0;
        for (const std::uint64_t address :
             {std::uint64_t{0},
              std::uint64_t{0x10000100},
              std::uint64_t{0x10001000},
              std::uint64_t{0x80000000},
              ~std::uint64_t{0},
              ~std::uint64_t{7}}) {
            for (const unsigned size : {1U, 2U, 4U, 8U}) {
                EXPECT_FALSE(vcpu.host.mmio_read({address}, size, &value));
                EXPECT_FALSE(vcpu.host.mmio_write({address}, size, value));
            }
        }
        return ExitKind::idle;
    });
}

TEST(Machine, the_test_finisher_ends_it) {
    for (const auto& [value, ending, status] :
         {std::tuple{0x5555U, Ending::powered_off, 0U},
          std::tuple{0x00073333U, Ending::powered_off, 7U},
          std::tuple{0x3333U, Ending::powered_off, 1U},
          std::tuple{0x7777U, Ending::reset, 0U}}) {
        FakeMachine fake;
        fake.boot();
        const std::uint32_t word = value;
        const ExitKind exit = fake.run(0, [word](FakeVcpu& vcpu) {
            EXPECT_TRUE(vcpu.host.mmio_write(kFinisher, 4, word));
            return ExitKind::interrupted;
        });
        EXPECT_EQ(exit, ExitKind::ended);
        EXPECT_EQ(fake.machine->outcome().ending, ending);
        EXPECT_EQ(fake.machine->outcome().status, status);
        EXPECT_EQ(fake.listener.ended, 1);
        EXPECT_EQ(fake.vcpus[1]->exit_requests, 1) << "the others are kicked out";
        EXPECT_EQ(fake.run(0), ExitKind::ended);
        EXPECT_EQ(fake.run(1), ExitKind::ended);
    }
}

TEST(Machine, the_first_end_counts) {
    FakeMachine fake;
    fake.boot();
    fake.machine->end({Ending::stopped, 0, "ctrl-c"});
    fake.machine->end({Ending::crashed, 0, "later"});
    EXPECT_EQ(fake.machine->outcome().ending, Ending::stopped);
    EXPECT_EQ(fake.machine->outcome().message, "ctrl-c");
    EXPECT_EQ(fake.listener.ended, 1);
}

TEST(Machine, yield_ends_the_turn_once) {
    FakeMachine fake;
    fake.boot();
    const ExitKind exit = fake.run(0, [&fake](FakeVcpu&) {
        fake.machine->request_yield(0);
        return ExitKind::interrupted;
    });
    EXPECT_EQ(exit, ExitKind::yielded);
    EXPECT_EQ(fake.vcpus[0]->exit_requests, 1);
    EXPECT_EQ(fake.run(0, [](FakeVcpu&) { return ExitKind::interrupted; }), ExitKind::interrupted);
}

TEST(Machine, reboot_starts_afresh) {
    FakeMachine fake;
    fake.boot();
    fake.run(0, [](FakeVcpu& vcpu) {
        EXPECT_TRUE(vcpu.host.mmio_write(kUart + UART_IER, 1, UART_IER_RDI));
        EXPECT_EQ(vcpu.sbi(0x48534d, 0, 1, 0x80200000, 0).error, 0);
        vcpu.host.mmio_write(kFinisher, 4, 0x7777);
        return ExitKind::interrupted;
    });
    ASSERT_TRUE(fake.machine->memory().write({0x80400000}, std::array{std::byte{1}}));
    fake.machine->begin_reset();
    ASSERT_TRUE(fake.machine->reset_finished());
    const auto rebooted = fake.machine->reboot();
    ASSERT_TRUE(rebooted.has_value()) << rebooted.error().message;
    EXPECT_EQ(fake.machine->outcome().ending, Ending::running);
    EXPECT_FALSE(fake.machine->may_run(1));
    std::byte byte{9};
    ASSERT_TRUE(fake.machine->memory().read({0x80400000}, std::span(&byte, 1)));
    EXPECT_EQ(byte, std::byte{0});
    ASSERT_TRUE(fake.machine->memory().read({0x80200000}, std::span(&byte, 1)));
    EXPECT_EQ(byte, std::byte{0x13});
    EXPECT_EQ(fake.run(0, [](FakeVcpu&) { return ExitKind::idle; }), ExitKind::idle);
    EXPECT_EQ(fake.vcpus[0]->state.pc, 0x80200000U);
}

TEST(Machine, is_put_together_once) {
    FakeMachine fake;
    fake.boot();
    EXPECT_FALSE(fake.machine->boot().has_value());
    EXPECT_FALSE(fake.machine->load({}).has_value());
}

TEST(Machine, devices_must_not_overlap_the_platform) {
    struct Nothing final : vmm::MmioDevice {
        bool mmio_read(const vmm::MmioAccess&, std::uint64_t*) override { return true; }
        bool mmio_write(const vmm::MmioAccess&, std::uint64_t) override { return true; }
    } nothing;
    FakeMachine fake;
    EXPECT_FALSE(fake.machine->add_mmio("x", kUart, 0x1000, nothing).has_value());
    EXPECT_FALSE(fake.machine->add_mmio("x", {0x80000000}, 0x1000, nothing).has_value());
    EXPECT_TRUE(fake.machine->add_mmio("x", {0x11010000}, 0x1000, nothing).has_value());
    EXPECT_FALSE(fake.machine->add_host_region("y", {0x11010000}, 0x1000).has_value());
    EXPECT_TRUE(fake.machine->add_host_region("y", {0x11000000}, 0x1000).has_value());
}

}  // namespace
