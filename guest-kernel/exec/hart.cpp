// SPDX-License-Identifier: Apache-2.0
#include "exec/hart.hpp"

#include "arch/riscv64/csr.hpp"
#include "arch/riscv64/page_table.hpp"
#include "arch/riscv64/sbi.hpp"
#include "base/log.hpp"
#include "drivers/cops_device.hpp"
#include "drivers/plic.hpp"
#include "exec/cores.hpp"
#include "exec/timer.hpp"
#include "mm/heap.hpp"
#include "proc/schedule.hpp"

extern "C" {
extern char secondary_entry[];
[[noreturn]] void secondary_main(kernel::Cpu* cpu);
}

namespace kernel {

namespace {

constexpr std::uint32_t kBudget = 16;  // coroutines between two looks at the interrupts
constexpr std::uint32_t kAllLevels = VIRTIO_COPS_LEVELS - 1;

constinit cops_executor_group group{};
constinit cops_executor_context* contexts[kMaxHarts] = {};
constinit cops_task* segments[COPS_EXECUTOR_SEGMENTS] = {};
constinit std::uint64_t started_harts = 0;  // atomic: bit h = hart h runs

// For locks of the executor, which does not know who holds them.
void give_way_to_any() {
    give_way(nullptr);
}

constexpr std::uint64_t kInterrupts = csr::kSoftware | csr::kTimer | csr::kExternal;

// Sleeps until an interrupt is pending; the caller has announced it by park_begin().
void idle(Cpu& cpu) {
    leave_thread(cpu);
    if (cops_executor_best(&cpu.executor) != VIRTIO_COPS_LEVEL_NONE) {
        return;  // leaving showed that somebody has something to do
    }
    timer::program_for_idle(cpu);
    publish_idle(cpu);
    set_board_flags(cpu, VIRTIO_COPS_BOARD_F_IDLE);
    // Interrupts stay masked in sstatus: wfi returns when one is pending in sip & sie.
    if ((csr::read<csr::sip>() & csr::read<csr::sie>()) == 0) {
        csr::wait_for_interrupt();
    }
    set_board_flags(cpu, VIRTIO_COPS_BOARD_F_CRITICAL);
}

}  // namespace

cops_executor_group& executor_group() {
    return group;
}

Result<void> init_executor() {
    group.abi = COPS_EXECUTOR_ABI;
    group.num_contexts = hart_limit;
    group.contexts = contexts;
    group.segments = segments;
    if (cops_executor_init_group(&group) != 0) {
        return std::unexpected(Errno::invalid);
    }
    for (unsigned hart = 0; hart < hart_limit; ++hart) {
        if (cpus[hart] == nullptr) {
            cpus[hart] = heap::make<Cpu>();
            if (cpus[hart] == nullptr) {
                return std::unexpected(Errno::no_memory);
            }
        }
        cpus[hart]->hart = hart;
        cpus[hart]->runs = std::uint64_t{1} << hart;
        contexts[hart] = &cpus[hart]->executor;
        contexts[hart]->line_index = hart;
        contexts[hart]->give_way = &give_way_to_any;
    }
    for (unsigned hart = 0; hart < hart_limit; ++hart) {
        if (cops_executor_init_context(&group, hart, 0, 0) != 0) {
            return std::unexpected(Errno::invalid);
        }
    }
    return {};
}

void send_kicks() {
    Cpu& cpu = this_cpu();
    send_ipi(
        cops_executor_take_kicks(&cpu.executor) & __atomic_load_n(&started_harts, __ATOMIC_RELAXED)
    );
}

void poll_interrupts() {
    Cpu& cpu = this_cpu();
    const std::uint64_t pending = csr::read<csr::sip>() & kInterrupts;
    if ((pending & csr::kSoftware) != 0) {
        csr::clear<csr::sip>(csr::kSoftware);
    }
    if ((pending & csr::kTimer) != 0) {
        timer::expired(cpu);
        cops_device::poll();
    }
    if ((pending & csr::kExternal) != 0) {
        plic::handle(cpu.hart);
    }
}

void run_hart() {
    Cpu& cpu = this_cpu();
    __atomic_fetch_or(&started_harts, std::uint64_t{1} << cpu.hart, __ATOMIC_RELAXED);
    csr::write<csr::stvec>(reinterpret_cast<std::uint64_t>(&kernel_trap));
    csr::write<csr::sie>(kInterrupts);
    csr::write<csr::scounteren>(csr::kCountersForUsers);
    plic::enable_hart(cpu.hart);
    hart_begins(cpu);
    for (;;) {
        poll_interrupts();
        if (must_leave(cpu)) {
            leave_hart(cpu);
        }
        const int reason = cops_executor_run(&cpu.executor, kBudget, kAllLevels);
        send_kicks();
        if (reason != COPS_RUN_IDLE) {
            continue;
        }
        // Whoever took the interrupt that says so has left that to us.
        if (cops_executor_park_begin(&cpu.executor) != 0 && !must_leave(cpu)) {
            idle(cpu);
        }
        cops_executor_park_end(&cpu.executor);
    }
}

void forget_hart(const Cpu& cpu) {
    __atomic_fetch_and(&started_harts, ~(std::uint64_t{1} << cpu.hart), __ATOMIC_RELAXED);
}

namespace {

// One stack for all lives of the hart: it leaves nothing there. Here and not when it is started:
// who maps must be alone.
void prepare_hart(Cpu& cpu) {
    void* const stack = map_kernel_stack(cpu.hart);
    cpu.start = stack == nullptr ? nullptr : heap::make<HartStart>();
    if (cpu.start == nullptr) {
        info("no memory to start hart ", cpu.hart);
        cpu.exists = false;
        return;
    }
    *cpu.start = {kernel_satp(), reinterpret_cast<std::uint64_t>(stack), &cpu};
}

}  // namespace

bool start_hart(Cpu& cpu) {
    const std::int64_t error =
        sbi::start_hart(cpu.hart, physical(secondary_entry), physical(cpu.start));
    if (error != 0) {
        info("hart ", cpu.hart, " does not start: SBI error ", error);
    }
    return error == 0;
}

void start_secondary_harts() {
    const unsigned self = this_cpu().hart;
    for (unsigned hart = 0; hart < hart_limit; ++hart) {
        Cpu& cpu = *cpus[hart];
        if (hart != self && cpu.exists) {
            prepare_hart(cpu);
        }
        if (hart != self && cpu.exists && hart < own_harts()) {
            cpu.exists = start_hart(cpu);
        }
    }
    look_at_cores();
}

}  // namespace kernel

void secondary_main(kernel::Cpu* cpu) {
    kernel::info("hart ", cpu->hart, " runs");
    kernel::run_hart();
}
