// SPDX-License-Identifier: Apache-2.0
#include "proc/user_interrupts.hpp"

#include "arch/riscv64/csr.hpp"
#include "driver/shared_words.hpp"
#include "proc/process.hpp"
#include "proc/schedule.hpp"

#include <virtio_cops/user_interrupts.h>

namespace kernel {

namespace {

constexpr std::uint64_t kDelegated = csr::kUserSoftware | csr::kUserTimer;

constinit PhysAddr kernel_lines = 0;

std::uint64_t wake_pending(const Process& process) {
    return __atomic_load_n(&process.attachment.line->wake_pending, __ATOMIC_RELAXED);
}

}  // namespace

void set_kernel_page(PhysAddr page) {
    kernel_lines = page;
}
PhysAddr kernel_page() {
    return kernel_lines;
}

void enter_user_interrupts(Cpu& cpu, Process& process) {
    if (!process.attachment.done) {
        return;
    }
    if (cpu_features.user_interrupts) {
        const UserInterruptState& state = process.user_interrupts;
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
    const std::uint64_t pending =
        cpu.board == nullptr
            ? wake_pending(process)
            : virtio_cops::switch_process(*cpu.board, process.id(), process.attachment.line);
    if (cpu_features.user_interrupts
        && (pending != 0 || process.user_interrupts.software_pending)) {
        csr::set<csr::sip>(csr::kUserSoftware);
    }
}

void leave_user_interrupts(Cpu&, Process& process) {
    if (!process.attachment.done || !cpu_features.user_interrupts) {
        return;
    }
    UserInterruptState& state = process.user_interrupts;
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

void deliver_user_interrupt(Cpu&, Process& process) {
    Attachment& attachment = process.attachment;
    if (!attachment.done) {
        return;
    }
    const virtio_cops_line& line = *attachment.line;
    const std::uint32_t running = __atomic_load_n(&line.running_level, __ATOMIC_RELAXED);
    const std::uint64_t more_urgent =
        running >= VIRTIO_COPS_LEVELS ? ~std::uint64_t{0} : (std::uint64_t{1} << running) - 1;
    if ((wake_pending(process) & more_urgent) == 0) {
        return;
    }
    if (cpu_features.user_interrupts) {
        csr::set<csr::sip>(csr::kUserSoftware);
        return;
    }
    const std::uint32_t flags = __atomic_load_n(&line.flags, __ATOMIC_RELAXED);
    if (!attachment.in_handler && attachment.handler != 0
        && (flags & VIRTIO_COPS_LINE_F_MASKED) == 0) {
        attachment.in_handler = true;
        attachment.interrupted_pc = process.frame.pc;
        process.frame.pc = attachment.handler;
    }
}

bool finish_upcall(Process& process) {
    Attachment& attachment = process.attachment;
    std::uint32_t instruction = 0;
    if (!attachment.in_handler
        || !process.space.read(&instruction, process.frame.pc, sizeof instruction)
        || instruction != COPS_INSN_URET) {
        return false;
    }
    attachment.in_handler = false;
    process.frame.pc = attachment.interrupted_pc;
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
        ++process.counters.completed_by_kernel;
    }
    completion_arrived(process, request.process);
}

}  // namespace kernel
