// SPDX-License-Identifier: Apache-2.0
#include "proc/user_interrupts.hpp"

#include "arch/riscv64/csr.hpp"
#include "driver/shared_words.hpp"
#include "exec/timer.hpp"
#include "proc/process.hpp"
#include "proc/schedule.hpp"

#include <virtio_cops/user_interrupts.h>

#include <utility>

namespace kernel {

namespace {

constexpr std::uint64_t kDelegated = csr::kUserSoftware | csr::kUserTimer;

constinit PhysAddr kernel_lines = 0;

std::uint64_t wake_pending(const Thread& thread) {
    return __atomic_load_n(&thread.line->wake_pending, __ATOMIC_RELAXED);
}

}  // namespace

void set_kernel_page(PhysAddr page) {
    kernel_lines = page;
}
PhysAddr kernel_page() {
    return kernel_lines;
}

void enter_user_interrupts(Cpu& cpu, Thread& thread) {
    if (thread.line == nullptr) {
        return;
    }
    if (cpu_features.user_interrupts) {
        const UserInterruptState& state = thread.user_interrupts;
        csr::write<COPS_CSR_SIDELEG>(kDelegated);
        csr::write<COPS_CSR_UTVEC>(state.utvec);
        csr::write<COPS_CSR_USCRATCH>(state.uscratch);
        csr::write<COPS_CSR_UEPC>(state.uepc);
        csr::write<COPS_CSR_UCAUSE>(state.ucause);
        csr::write<COPS_CSR_UTVAL>(state.utval);
        csr::write<COPS_CSR_UTIMECMP>(state.utimecmp);
        csr::clear<csr::sie>(kDelegated);
        csr::set<csr::sie>(state.uie & kDelegated);
    }
    // Partner: the host lists, raises wake_pending, fences, then reads board.process. If it missed
    // us there, we see its bit here.
    // On a hart that stands in for its own, the host must not take another thread's line for its.
    const bool shown = cpu.board != nullptr && &thread.home == &cpu;
    const std::uint64_t pending =
        shown ? virtio_cops::switch_process(*cpu.board, thread.process.id(), thread.line)
              : wake_pending(thread);
    if (cpu_features.user_interrupts && (pending != 0 || thread.user_interrupts.software_pending)) {
        csr::set<csr::sip>(csr::kUserSoftware);
    }
}

void leave_user_interrupts(Cpu&, Thread& thread) {
    if (thread.line == nullptr || !cpu_features.user_interrupts) {
        return;
    }
    UserInterruptState& state = thread.user_interrupts;
    state.utvec = csr::read<COPS_CSR_UTVEC>();
    state.uscratch = csr::read<COPS_CSR_USCRATCH>();
    state.uepc = csr::read<COPS_CSR_UEPC>();
    state.ucause = csr::read<COPS_CSR_UCAUSE>();
    state.utval = csr::read<COPS_CSR_UTVAL>();
    state.utimecmp = csr::read<COPS_CSR_UTIMECMP>();
    state.uie = csr::read<csr::sie>() & kDelegated;
    state.software_pending = (csr::read<csr::sip>() & csr::kUserSoftware) != 0;
    csr::clear<csr::sip>(csr::kUserSoftware);
    csr::clear<csr::sie>(kDelegated);
    csr::write<COPS_CSR_UTIMECMP>(~std::uint64_t{0});
    csr::write<COPS_CSR_SIDELEG>(0);
}

void deliver_user_interrupt(Cpu& cpu, Thread& thread) {
    Upcalls& upcalls = thread.upcalls;
    if (thread.line == nullptr) {
        return;
    }
    const virtio_cops_line& line = *thread.line;
    const std::uint32_t running = __atomic_load_n(&line.running_level, __ATOMIC_RELAXED);
    const std::uint64_t more_urgent =
        running >= VIRTIO_COPS_LEVELS ? ~std::uint64_t{0} : (std::uint64_t{1} << running) - 1;
    const bool tick = std::exchange(upcalls.tick, false) && !cpu_features.user_interrupts;
    // Without user interrupts it finds the mark at its next sleep.
    if (cpu_features.user_interrupts && take_kick(thread)) {
        csr::set<csr::sip>(csr::kUserSoftware);  // ends its wfi
    }
    if ((wake_pending(thread) & more_urgent) == 0 && !tick) {
        return;
    }
    if (cpu_features.user_interrupts) {
        csr::set<csr::sip>(csr::kUserSoftware);
        return;
    }
    const std::uint32_t flags = __atomic_load_n(&line.flags, __ATOMIC_RELAXED);
    if (upcalls.in_handler || upcalls.handler == 0) {
        return;
    }
    if ((flags & VIRTIO_COPS_LINE_F_MASKED) != 0) {
        if (tick) {
            timer::tick_again_soon(cpu);  // between two coroutines: those would never see one
        }
    } else {
        upcalls.in_handler = true;
        upcalls.interrupted_pc = thread.frame.pc;
        thread.frame.pc = upcalls.handler;
    }
}

std::int64_t take_upcall(Thread& thread) {
    Upcalls& upcalls = thread.upcalls;
    if (!upcalls.in_handler) {
        return negative(Errno::invalid);
    }
    upcalls.in_handler = false;
    return static_cast<std::int64_t>(upcalls.interrupted_pc);
}

std::int64_t give_upcall(Thread& thread, UserAddr pc) {
    Upcalls& upcalls = thread.upcalls;
    if (upcalls.in_handler || thread.line == nullptr || cpu_features.user_interrupts
        || pc >= kUserEnd) {
        return negative(Errno::invalid);
    }
    upcalls.in_handler = true;
    upcalls.interrupted_pc = pc;
    return 0;
}

bool finish_upcall(Thread& thread) {
    Upcalls& upcalls = thread.upcalls;
    std::uint32_t instruction = 0;
    if (!upcalls.in_handler
        || !thread.process.space.read(&instruction, thread.frame.pc, sizeof instruction)
        || instruction != COPS_INSN_URET) {
        return false;
    }
    upcalls.in_handler = false;
    thread.frame.pc = upcalls.interrupted_pc;
    return true;
}

void complete_slot(Process& process, const virtio_cops_req& request, std::int64_t result) {
    Attachment& attachment = process.attachment;
    {
        const Guard guard(process.lock);
        if (request.process != process.id() || !attachment.done || process.killed) {
            return;
        }
        const PhysAddr page = attachment.slot_pages[request.slot / VIRTIO_COPS_SLOTS_PER_PAGE];
        virtio_cops_slot& slot =
            direct<virtio_cops_slot>(page)[request.slot % VIRTIO_COPS_SLOTS_PER_PAGE];
        virtio_cops_heads& heads = direct<virtio_cops_heads>(
            attachment.heads_pages[request.hart / VIRTIO_COPS_HEADS_PER_PAGE]
        )[request.hart % VIRTIO_COPS_HEADS_PER_PAGE];
        __atomic_store_n(&slot.result, static_cast<std::uint64_t>(result), __ATOMIC_RELAXED);
        __atomic_store_n(&slot.user_data, request.user_data, __ATOMIC_RELAXED);
        __atomic_store_n(&slot.generation, request.slot_generation, __ATOMIC_RELAXED);
        virtio_cops::list_slot(
            attachment.lines[request.hart], heads, slot, request.slot, request.level
        );
        __atomic_fetch_add(&process.counters.completed_by_kernel, 1u, __ATOMIC_RELAXED);
    }
    completion_arrived(process, request.process, request.hart);
}

}  // namespace kernel
