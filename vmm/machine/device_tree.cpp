// SPDX-License-Identifier: Apache-2.0
#include "machine/device_tree.hpp"

#include "devices/finisher/finisher.hpp"
#include "devices/plic/plic.hpp"
#include "devices/uart/uart.hpp"
#include "devices/virtio_mmio/virtio_mmio.hpp"
#include "machine/platform_map.hpp"

#include <fmt/format.h>

#include <libfdt.h>

#include <limits>
#include <span>
#include <string_view>

namespace vmm {
namespace {

// Handles by which nodes refer to each other.
constexpr std::uint32_t kPlicHandle = 1;
constexpr std::uint32_t kFinisherHandle = 2;
constexpr std::uint32_t kFirstCpuHandle = 0x100;
constexpr std::uint32_t kFirstIntcHandle = 0x200;

// Interrupt numbers of a hart's own controller (riscv,cpu-intc).
constexpr std::uint32_t kExternalSupervisor = 9;
constexpr std::uint32_t kNotConnected = 0xffff'ffff;

/// What every engine implements, in the order that the ISA string wants. Svadu without Svade says
/// that entries of page tables always get their A and D bits from the hart, with no call to ask for
/// it (Linux, Documentation/devicetree/bindings/riscv/extensions.yaml).
constexpr std::string_view kExtensions[] = {
    "i",
    "m",
    "a",
    "f",
    "d",
    "c",
    "zicntr",
    "zicond",
    "zicsr",
    "zifencei",
    "zihintpause",
    "zba",
    "zbb",
    "zbs",
    "sstc",
    "svadu",
    "svinval",
    "svpbmt"
};

/// libfdt's sequential-write interface with one sticky error.
class Writer {
public:
    explicit Writer(std::span<std::byte> buffer)
        : fdt_(buffer.data()) {
        check(::fdt_create(fdt_, static_cast<int>(buffer.size())));
        check(::fdt_finish_reservemap(fdt_));
    }

    void begin(const std::string& node) { check(::fdt_begin_node(fdt_, node.c_str())); }
    void end() { check(::fdt_end_node(fdt_)); }

    void flag(const char* name) { check(::fdt_property(fdt_, name, nullptr, 0)); }
    void bytes(const char* name, std::span<const std::byte> value) {
        if (value.size() > std::size_t{std::numeric_limits<int>::max()}) {
            check(-FDT_ERR_NOSPACE);
            return;
        }
        check(::fdt_property(fdt_, name, value.data(), static_cast<int>(value.size())));
    }
    void text(const char* name, const std::string& value) {
        bytes(name, std::as_bytes(std::span(value.c_str(), value.size() + 1)));
    }
    /// Several strings, each with its terminator.
    void texts(const char* name, std::span<const std::string_view> values) {
        std::string joined;
        for (const std::string_view value : values) {
            joined += value;
            joined += '\0';
        }
        bytes(name, std::as_bytes(std::span(joined)));
    }
    void cells(const char* name, std::span<const std::uint32_t> values) {
        std::vector<fdt32_t> wire;
        for (const std::uint32_t value : values) {
            wire.push_back(cpu_to_fdt32(value));
        }
        bytes(name, std::as_bytes(std::span(wire)));
    }
    void cell(const char* name, std::uint32_t value) { cells(name, {{value}}); }
    void wide(const char* name, std::uint64_t value) {
        check(::fdt_property_u64(fdt_, name, value));
    }
    /// "reg" with two cells each for address and size.
    void reg(GuestPhys base, std::uint64_t size) {
        const std::uint64_t base_value = base.value;
        cells(
            "reg",
            {{static_cast<std::uint32_t>(base_value >> 32),
              static_cast<std::uint32_t>(base_value),
              static_cast<std::uint32_t>(size >> 32),
              static_cast<std::uint32_t>(size)}}
        );
    }
    void interrupt(unsigned source) {
        cell("interrupt-parent", kPlicHandle);
        cell("interrupts", source);
    }

    std::size_t bytes_used() const { return fdt_totalsize(fdt_); }

    /// 0 when all went well, else libfdt's first error.
    int finish() {
        check(::fdt_finish(fdt_));
        return error_;
    }

private:
    void check(int status) {
        if (error_ == 0) {
            error_ = status;
        }
    }

    void* fdt_;  // the caller's buffer
    int error_ = 0;
};

std::string node_name(std::string_view name, GuestPhys address) {
    return fmt::format("{}@{:x}", name, address.value);
}

void write_chosen(Writer& out, const DeviceTreeSpec& spec) {
    out.begin("chosen");
    out.text("bootargs", spec.cmdline);
    out.text("stdout-path", "/soc/" + node_name("serial", platform::kUart));
    out.bytes("rng-seed", spec.rng_seed);
    if (spec.initrd_bytes != 0) {
        out.wide("linux,initrd-start", spec.initrd.value);
        out.wide("linux,initrd-end", spec.initrd.value + spec.initrd_bytes);
    }
    out.end();
    out.begin("aliases");
    out.text("serial0", "/soc/" + node_name("serial", platform::kUart));
    out.end();
}

void write_cpu(Writer& out, const DeviceTreeSpec& spec, unsigned hart) {
    std::vector<std::string_view> extensions(std::begin(kExtensions), std::end(kExtensions));
    if (spec.user_interrupts) {
        extensions.emplace_back("xcopsn");
    }
    std::string isa = "rv64";
    for (const std::string_view extension : extensions) {
        isa += extension.size() == 1 ? "" : "_";
        isa += extension;
    }
    out.begin(fmt::format("cpu@{:x}", hart));
    out.text("device_type", "cpu");
    out.cell("reg", hart);
    out.text("status", "okay");
    out.text("compatible", "riscv");
    out.text("riscv,isa", isa);
    out.text("riscv,isa-base", "rv64i");
    out.texts("riscv,isa-extensions", extensions);
    out.text("mmu-type", "riscv,sv48");
    out.cell("phandle", kFirstCpuHandle + hart);
    out.begin("interrupt-controller");
    out.text("compatible", "riscv,cpu-intc");
    out.flag("interrupt-controller");
    out.cell("#interrupt-cells", 1);
    out.cell("#address-cells", 0);
    out.cell("phandle", kFirstIntcHandle + hart);
    out.end();
    out.end();
}

void write_cpus(Writer& out, const DeviceTreeSpec& spec) {
    out.begin("cpus");
    out.cell("#address-cells", 1);
    out.cell("#size-cells", 0);
    out.cell("timebase-frequency", static_cast<std::uint32_t>(spec.timebase_hz));
    for (unsigned hart = 0; hart < spec.cpus; ++hart) {
        write_cpu(out, spec, hart);
    }
    out.begin("cpu-map");
    out.begin("cluster0");
    for (unsigned hart = 0; hart < spec.cpus; ++hart) {
        out.begin(fmt::format("core{}", hart));
        out.cell("cpu", kFirstCpuHandle + hart);
        out.end();
    }
    out.end();
    out.end();
    out.end();
}

void write_plic(Writer& out, const DeviceTreeSpec& spec) {
    constexpr std::string_view kCompatible[] = {"sifive,plic-1.0.0", "riscv,plic0"};
    std::vector<std::uint32_t> contexts;
    for (unsigned hart = 0; hart < spec.cpus; ++hart) {
        const std::uint32_t handle = kFirstIntcHandle + hart;
        contexts.insert(contexts.end(), {handle, kNotConnected, handle, kExternalSupervisor});
    }
    out.begin(node_name("plic", platform::kPlic));
    out.texts("compatible", kCompatible);
    out.reg(platform::kPlic, Plic::kSize);
    out.flag("interrupt-controller");
    out.cell("#interrupt-cells", 1);
    out.cell("#address-cells", 0);
    out.cells("interrupts-extended", contexts);
    out.cell("riscv,ndev", Plic::kSources - 1);
    out.cell("phandle", kPlicHandle);
    out.end();
}

void write_uart(Writer& out) {
    out.begin(node_name("serial", platform::kUart));
    out.text("compatible", "ns16550a");
    out.reg(platform::kUart, Uart::kSize);
    out.interrupt(platform::kUartIrq);
    out.cell("clock-frequency", 3686400);
    out.cell("current-speed", 115200);
    out.end();
}

void write_virtio(Writer& out, unsigned slot) {
    const GuestPhys base = platform::kVirtio + slot * platform::kVirtioStride;
    out.begin(node_name("virtio_mmio", base));
    out.text("compatible", "virtio,mmio");
    out.reg(base, VirtioMmio::kSize);
    out.interrupt(platform::kVirtioIrq + slot);
    out.end();
}

void write_finisher(Writer& out) {
    constexpr std::string_view kCompatible[] = {"sifive,test1", "sifive,test0", "syscon"};
    out.begin(node_name("test", platform::kFinisher));
    out.texts("compatible", kCompatible);
    out.reg(platform::kFinisher, Finisher::kSize);
    out.cell("phandle", kFinisherHandle);
    out.end();
}

void write_syscon(Writer& out, const char* what, std::uint32_t value) {
    out.begin(what);
    out.text("compatible", fmt::format("syscon-{}", what));
    out.cell("regmap", kFinisherHandle);
    out.cell("offset", 0);
    out.cell("value", value);
    out.end();
}

void write_tree(Writer& out, const DeviceTreeSpec& spec) {
    out.begin("");
    out.cell("#address-cells", 2);
    out.cell("#size-cells", 2);
    out.text("compatible", "riscv-virtio");
    out.text("model", "riscv-virtio,cops");
    write_chosen(out, spec);
    out.begin(node_name("memory", platform::kRam));
    out.text("device_type", "memory");
    out.reg(platform::kRam, spec.memory_bytes);
    out.end();
    write_cpus(out, spec);
    out.begin("soc");
    out.cell("#address-cells", 2);
    out.cell("#size-cells", 2);
    out.text("compatible", "simple-bus");
    out.flag("ranges");
    write_plic(out, spec);
    write_uart(out);
    for (const unsigned slot : spec.virtio_slots) {
        write_virtio(out, slot);
    }
    write_finisher(out);
    out.end();
    write_syscon(out, "poweroff", Finisher::kPass);
    write_syscon(out, "reboot", Finisher::kReset);
    out.end();
}

}  // namespace

Result<std::vector<std::byte>> build_device_tree(const DeviceTreeSpec& spec, std::size_t limit) {
    std::vector<std::byte> tree(limit);
    Writer out(tree);
    write_tree(out, spec);
    const int error = out.finish();
    if (error == -FDT_ERR_NOSPACE) {
        return fail(
            ErrorKind::configuration,
            fmt::format(
                "the device tree needs more than {} bytes; the command line of {} bytes is too "
                "long",
                limit,
                spec.cmdline.size()
            )
        );
    }
    if (error != 0) {
        return fail(
            ErrorKind::internal,
            fmt::format("cannot build the device tree: {}", ::fdt_strerror(error))
        );
    }
    tree.resize((out.bytes_used() + 7) / 8 * 8);
    return tree;
}

}  // namespace vmm
