// SPDX-License-Identifier: Apache-2.0
// Boot: device tree, memory, harts, devices, then the first process.
#include "arch/riscv64/csr.hpp"
#include "arch/riscv64/page_table.hpp"
#include "arch/riscv64/sbi.hpp"
#include "base/log.hpp"
#include "base/random.hpp"
#include "drivers/console.hpp"
#include "drivers/cops_device.hpp"
#include "drivers/device_tree.hpp"
#include "drivers/plic.hpp"
#include "exec/cores.hpp"
#include "exec/hart.hpp"
#include "exec/timer.hpp"
#include "fs/host_file.hpp"
#include "fs/initrd.hpp"
#include "mm/frames.hpp"
#include "mm/heap.hpp"
#include "proc/process.hpp"
#include "proc/schedule.hpp"
#include "syscall/syscall.hpp"
#if COPS_SELFTEST
#include "selftest/selftest.hpp"
#endif

#include <algorithm>
#include <bit>

extern "C" {
extern char kernel_start[];
extern char kernel_end[];
[[noreturn]] void boot_main(std::uint64_t hart, std::uint64_t device_tree);
[[noreturn]] void leave_boot_stack(void* stack_top, void (*function)());
}

namespace kernel {

namespace {

constexpr std::uint32_t kBootLevel = 0;
constexpr std::uint32_t kNotExecutable = 126;  // as shells have it
constexpr std::uint32_t kNotFound = 127;

constinit Platform platform;
constinit std::uint32_t boot_hart = 0;
// Of the first process; nobody has wider ones.
constinit Limits first_limits{.weight = Limits::kMaxWeight, .share = Limits::kMaxShare};

struct Range {
    PhysAddr start;
    PhysAddr end;
};

// Gives the allocator all RAM but what firmware, kernel, device tree, initrd and frame map lie in.
void init_memory(PhysAddr device_tree) {
    const PhysAddr map_start = page_up(physical(kernel_end));
    const std::size_t map_bytes = frames::map_bytes(platform.ram_start, platform.ram_end);
    PhysAddr map = map_start;
    Range reserved[] = {
        {platform.ram_start, map_start},  // firmware lies below the kernel
        {page_down(device_tree), page_up(device_tree + device_tree_bytes(device_tree))},
        {page_down(platform.initrd_start), page_up(platform.initrd_end)},
        {0, 0},
    };
    // The map goes behind the kernel, or behind whatever it would overlap there.
    for (int pass = 0; pass < 3; ++pass) {
        for (const Range& range : reserved) {
            if (range.end > range.start && map < range.end && map + map_bytes > range.start) {
                map = range.end;
            }
        }
    }
    check(map + map_bytes < platform.ram_end, "not enough memory for the kernel");
    reserved[3] = {map, map + map_bytes};
    frames::init(platform.ram_start, platform.ram_end, map);
    PhysAddr at = platform.ram_start;
    while (at < platform.ram_end) {
        PhysAddr next = platform.ram_end;
        bool inside = false;
        for (const Range& range : reserved) {
            if (range.end <= range.start || range.end <= at) {
                continue;
            }
            if (range.start <= at) {
                const PhysAddr end = std::min(range.end, platform.ram_end);
                frames::reserve(at, end);
                at = end;
                inside = true;
                break;
            }
            next = range.start < next ? range.start : next;
        }
        if (!inside) {
            frames::add(at, next);
            at = next;
        }
    }
}

bool isa_has(std::string_view isa, std::string_view extension) {
    while (!isa.empty()) {
        const std::size_t end = isa.find('_');
        if (isa.substr(0, end) == extension) {
            return true;
        }
        isa = end == std::string_view::npos ? std::string_view() : isa.substr(end + 1);
    }
    return false;
}

void read_features() {
    const std::string_view base = platform.isa.substr(0, platform.isa.find('_'));
    const std::string_view letters = base.size() > 4 ? base.substr(4) : std::string_view();
    cpu_features.timebase = platform.timebase == 0 ? 10'000'000 : platform.timebase;
    cpu_features.sstc = isa_has(platform.isa, "sstc");
    cpu_features.user_interrupts = isa_has(platform.isa, COPS_ISA_EXTENSION_NAME);
    cpu_features.floating_point = letters.find('d') != std::string_view::npos;
    cpu_features.address_space_bits = probe_asid_bits();
}

void read_options() {
    const std::string_view line = platform.bootargs;
    const std::string_view level = boot_option(line, "loglevel");
    log_level = level == "debug"  ? LogLevel::debug
                : level == "info" ? LogLevel::info
                                  : LogLevel::none;
    timer::set_tick(parse_number(boot_option(line, "tick_us"), 10'000));
    first_limits.ceiling = std::min<std::uint32_t>(
        static_cast<std::uint32_t>(parse_number(boot_option(line, "ceiling"), 0)),
        VIRTIO_COPS_LEVELS - 1
    );
    want_stats(!boot_option(line, "stats").empty());
    set_boot_time(parse_number(boot_option(line, "boot_time"), 0));
}

void seed_random() {
    random::seed(platform.rng_seed);
    const std::uint64_t now = csr::now();
    random::seed(std::as_bytes(std::span(&now, 1)));
}

Strings strings_of(std::span<const std::byte> content) {
    Strings strings;
    strings.text = reinterpret_cast<char*>(const_cast<std::byte*>(content.data()));
    for (std::size_t i = 0; i < content.size() && strings.count < Strings::kMax; ++i) {
        if (content[i] == std::byte{0}) {
            ++strings.count;
            strings.bytes = i + 1;
        }
    }
    return strings;
}

[[noreturn]] void give_up(const char* why, std::uint32_t status) {
    say("cops-kernel: /app: ", why);
    sbi::shutdown(sbi::kStatusReason | status);
}

void start_first_process() {
    const Strings arguments = strings_of(initrd::content("/argv"));
    const Strings environment = strings_of(initrd::content("/env"));
    const Result<std::int32_t> pid =
        start_process("/app", arguments, environment, 0, first_limits, *cpus[boot_hart]);
    if (pid) {
        return;
    }
    switch (pid.error()) {
    case Errno::no_entry:
        give_up("not in the initrd", kNotFound);
    case Errno::bad_executable:
        give_up("not a static RISC-V executable", kNotExecutable);
    default:
        give_up("not enough memory", kNotExecutable);
    }
}

Async<void> set_boards() {
    for (unsigned hart = 0; hart < hart_limit; ++hart) {
        if (hart < cops_device::config().num_vcpus) {
            Async<std::uint32_t> command =
                cops_device::set_board(hart, physical(cpus[hart]->board));
            const std::uint32_t status = command.valid() ? co_await command : 12;
            check(status == 0, "the device refuses a board");
        }
    }
}

Async<void> boot_coroutine() {
    if (cops_device::has_boards()) {
        Async<void> boards = set_boards();
        check(boards.valid(), "no memory to boot");
        co_await boards;
    }
    if (cops_device::present()) {
        Async<void> grants = host::list_grants();
        check(grants.valid(), "no memory to boot");
        co_await grants;
    }
#if COPS_SELFTEST
    if (const std::string_view names = boot_option(platform.bootargs, "selftest"); !names.empty()) {
        // On this hart to their end: what they spawn here runs when they give way.
        const cops_task_id tests = spawn(selftest::run(names), kBootLevel, COPS_SPAWN_PINNED);
        check(tests != 0, "no memory for the selftests");
        co_return;
    }
#endif
    start_first_process();
}

void share_with_host() {
    if (!cops_device::has_boards()) {
        return;
    }
    const auto* const host = direct<const virtio_cops_host_line>(cops_device::host_page());
    auto* const doorbells = direct<volatile std::uint32_t>(cops_device::doorbell_page());
    for (unsigned hart = 0; hart < hart_limit && hart < cops_device::config().num_vcpus; ++hart) {
        cpus[hart]->host_line = host + hart;
        cpus[hart]->executor.host_line = host + hart;
        cpus[hart]->executor.doorbells = doorbells;
    }
}

// On a stack with a guard page: the rest of the hart's life.
[[noreturn]] void boot_on_own_stack() {
    hart_limit = static_cast<unsigned>(std::bit_width(platform.harts));
    cpus[boot_hart] = &this_cpu();
    for (unsigned hart = 0; hart < hart_limit; ++hart) {
        if (cpus[hart] == nullptr) {
            cpus[hart] = heap::make<Cpu>();
            check(cpus[hart] != nullptr, "no memory for a hart");
        }
        cpus[hart]->exists = (platform.harts >> hart & 1) != 0;
    }
    sbi::set_finisher(platform.finisher);
    plic::init(platform);
    console::init(platform);
    initrd::init(platform.initrd_start, platform.initrd_end);
    const bool device = cops_device::init(platform);
    check(init_executor() && init_scheduler(), "no memory for the executor");
    set_own_harts(std::min(device ? cops_device::own_harts() : hart_limit, hart_limit));
    share_with_host();
    info(
        "harts ",
        std::popcount(platform.harts),
        ", memory ",
        frames::total() / 256,
        " MiB, timebase ",
        cpu_features.timebase,
        cpu_features.sstc ? ", sstc" : "",
        cpu_features.user_interrupts ? ", user interrupts" : "",
        device ? ", virtio-cops" : ""
    );
    check(start_switching() && init_exit(), "no memory for the scheduler");
#if COPS_SELFTEST
    check(selftest::prepare().has_value(), "no memory for the selftests");
#endif
    check(spawn(boot_coroutine(), kBootLevel) != 0, "no memory to boot");
    start_secondary_harts();
    run_hart();
}

}  // namespace

}  // namespace kernel

void boot_main(std::uint64_t hart, std::uint64_t device_tree) {
    using namespace kernel;
    csr::write<csr::stvec>(reinterpret_cast<std::uint64_t>(&kernel_trap));
    sbi::probe();
    check(read_device_tree(device_tree, platform), "no usable device tree");
    check(hart < kMaxHarts, "hart id out of range");
    boot_hart = static_cast<std::uint32_t>(hart);
    read_features();
    read_options();
    init_memory(device_tree);
    init_kernel_map(platform.ram_start, platform.ram_end);
    seed_random();
    auto* const cpu = heap::make<Cpu>();
    void* const stack = map_kernel_stack(boot_hart);
    check(cpu != nullptr && stack != nullptr, "no memory to boot");
    cpu->hart = boot_hart;
    set_this_cpu(*cpu);
    leave_boot_stack(stack, &boot_on_own_stack);
}
