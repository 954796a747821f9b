// SPDX-License-Identifier: Apache-2.0
#include "machine/device_tree.hpp"
#include "machine/loader/placement.hpp"

#include <gtest/gtest.h>

#include <libfdt.h>

#include <string>
#include <string_view>

namespace {

constexpr std::string_view kIsa =
    "rv64imafdc_zicntr_zicond_zicsr_zifencei_zihintpause_zba_zbb_zbs_sstc_svadu_svinval_svpbmt";

struct DeviceTreeTest : testing::Test {
    vmm::DeviceTreeSpec spec{
        .cpus = 2,
        .memory_bytes = std::uint64_t{5} << 30,
        .timebase_hz = 10'000'000,
        .user_interrupts = true,
        .virtio_slots = {0, 3},
        .cmdline = "console=ttyS0 quiet",
        .initrd = {0x1'90000000},
        .initrd_bytes = 0x1234,
    };
    std::vector<std::byte> tree;

    void build() {
        auto built = vmm::build_device_tree(spec, vmm::kDeviceTreeRoom);
        ASSERT_TRUE(built.has_value()) << built.error().message;
        tree = std::move(*built);
        ASSERT_EQ(::fdt_check_full(tree.data(), tree.size()), 0);
    }
    /// A property's bytes; a text to compare with when it isn't there.
    std::string property(const char* path, const char* name) const {
        const int node = ::fdt_path_offset(tree.data(), path);
        int length = 0;
        const void* value = ::fdt_getprop(tree.data(), node, name, &length);
        return value != nullptr
                   ? std::string(static_cast<const char*>(value), static_cast<std::size_t>(length))
                   : "(absent)";
    }
    bool exists(const char* path) const { return ::fdt_path_offset(tree.data(), path) >= 0; }
};

std::string cells(std::initializer_list<std::uint32_t> values) {
    std::string out;
    for (const std::uint32_t value : values) {
        const fdt32_t wire = cpu_to_fdt32(value);
        out.append(reinterpret_cast<const char*>(&wire), sizeof wire);
    }
    return out;
}
std::string text(std::string_view value) {
    return std::string(value) + '\0';
}

TEST_F(DeviceTreeTest, names_memory_and_what_the_kernel_was_given) {
    build();
    EXPECT_EQ(property("/memory@80000000", "reg"), cells({0, 0x80000000, 1, 0x40000000}));
    EXPECT_EQ(property("/chosen", "bootargs"), text("console=ttyS0 quiet"));
    EXPECT_EQ(property("/chosen", "stdout-path"), text("/soc/serial@10000000"));
    EXPECT_EQ(property("/chosen", "linux,initrd-start"), cells({1, 0x90000000}));
    EXPECT_EQ(property("/chosen", "linux,initrd-end"), cells({1, 0x90001234}));
    EXPECT_EQ(property("/chosen", "rng-seed").size(), 32U);
    EXPECT_EQ(property("/aliases", "serial0"), text("/soc/serial@10000000"));
}

TEST_F(DeviceTreeTest, names_each_hart_with_its_extensions) {
    build();
    EXPECT_EQ(property("/cpus", "timebase-frequency"), cells({10'000'000}));
    EXPECT_EQ(property("/cpus/cpu@1", "reg"), cells({1}));
    EXPECT_EQ(property("/cpus/cpu@1", "riscv,isa"), text(std::string(kIsa) + "_xcopsn"));
    EXPECT_EQ(property("/cpus/cpu@1", "riscv,isa-base"), text("rv64i"));
    EXPECT_NE(property("/cpus/cpu@1", "riscv,isa-extensions").find("xcopsn"), std::string::npos);
    EXPECT_EQ(property("/cpus/cpu@1", "mmu-type"), text("riscv,sv48"));
    EXPECT_TRUE(exists("/cpus/cpu@1/interrupt-controller"));
    EXPECT_FALSE(exists("/cpus/cpu@2"));
}

TEST_F(DeviceTreeTest, user_interrupts_are_announced_only_where_they_exist) {
    spec.user_interrupts = false;
    build();
    EXPECT_EQ(property("/cpus/cpu@0", "riscv,isa"), text(kIsa));
    EXPECT_EQ(property("/cpus/cpu@0", "riscv,isa-extensions").find("xcopsn"), std::string::npos);
}

TEST_F(DeviceTreeTest, interrupt_controller_connects_supervisor_contexts_only) {
    build();
    const auto handle = [this](const char* path) {
        return ::fdt_get_phandle(tree.data(), ::fdt_path_offset(tree.data(), path));
    };
    const std::uint32_t first = handle("/cpus/cpu@0/interrupt-controller");
    const std::uint32_t second = handle("/cpus/cpu@1/interrupt-controller");
    EXPECT_NE(first, second);
    EXPECT_EQ(
        property("/soc/plic@c000000", "interrupts-extended"),
        cells({first, 0xffffffff, first, 9, second, 0xffffffff, second, 9})
    );
    EXPECT_EQ(property("/soc/plic@c000000", "reg"), cells({0, 0x0c000000, 0, 0x600000}));
    EXPECT_EQ(
        property("/soc/serial@10000000", "interrupt-parent"), cells({handle("/soc/plic@c000000")})
    );
    EXPECT_EQ(property("/soc/serial@10000000", "interrupts"), cells({10}));
}

TEST_F(DeviceTreeTest, only_filled_virtio_slots_are_named) {
    build();
    EXPECT_EQ(property("/soc/virtio_mmio@10001000", "interrupts"), cells({1}));
    EXPECT_EQ(property("/soc/virtio_mmio@10004000", "interrupts"), cells({4}));
    EXPECT_EQ(property("/soc/virtio_mmio@10004000", "reg"), cells({0, 0x10004000, 0, 0x1000}));
    EXPECT_FALSE(exists("/soc/virtio_mmio@10002000"));
}

TEST_F(DeviceTreeTest, power_off_and_reboot_go_through_the_test_finisher) {
    build();
    const int finisher = ::fdt_path_offset(tree.data(), "/soc/test@100000");
    EXPECT_EQ(property("/poweroff", "regmap"), cells({::fdt_get_phandle(tree.data(), finisher)}));
    EXPECT_EQ(property("/poweroff", "value"), cells({0x5555}));
    EXPECT_EQ(property("/reboot", "value"), cells({0x7777}));
    EXPECT_EQ(property("/reboot", "compatible"), text("syscon-reboot"));
}

TEST_F(DeviceTreeTest, without_an_initrd_none_is_named) {
    spec.initrd_bytes = 0;
    build();
    EXPECT_EQ(property("/chosen", "linux,initrd-start"), "(absent)");
}

TEST_F(DeviceTreeTest, the_largest_machine_fits_its_room) {
    spec.cpus = 64;
    spec.virtio_slots = {0, 1, 2, 3, 4, 5, 6, 7};
    spec.cmdline = std::string(4096, 'c');
    build();
    EXPECT_TRUE(exists("/cpus/cpu@3f"));
}

TEST_F(DeviceTreeTest, a_command_line_that_is_too_long_is_an_error) {
    spec.cmdline = std::string(vmm::kDeviceTreeRoom, 'c');
    const auto built = vmm::build_device_tree(spec, vmm::kDeviceTreeRoom);
    ASSERT_FALSE(built.has_value());
    EXPECT_EQ(built.error().kind, vmm::ErrorKind::configuration);
    EXPECT_NE(built.error().message.find("command line"), std::string::npos);
}

}  // namespace
