// SPDX-License-Identifier: Apache-2.0
#include "proc/trap.hpp"

#include "arch/riscv64/csr.hpp"
#include "base/log.hpp"
#include "exec/hart.hpp"
#include "proc/process.hpp"
#include "proc/schedule.hpp"
#include "proc/user_interrupts.hpp"
#include "syscall/syscall.hpp"

#include <virtio_cops/user_interrupts.h>

#include <kernel_abi/user_abi.h>

namespace kernel {

namespace {

constexpr unsigned kSigIll = 4;
constexpr unsigned kSigTrap = 5;
constexpr unsigned kSigBus = 7;
constexpr unsigned kSigKill = 9;
constexpr unsigned kSigSegv = 11;
constexpr std::uint32_t kWfi = 0x10500073;

std::uint32_t instruction_at(Process& process, UserAddr pc) {
    std::uint32_t instruction = 0;
    std::uint16_t low = 0;
    if (!process.space.read(&low, pc, sizeof low)) {
        return 0;
    }
    // A compressed one may end a page, and the memory.
    if ((low & 3) != 3 || !process.space.read(&instruction, pc, sizeof instruction)) {
        return low;
    }
    return instruction;
}

// Asleep in user mode, and not just on the way: the line is empty and the pc is at its wfi.
bool sleeps_in_user_mode(Process& process) {
    const UserAddr pc = process.frame.pc;
    return process.attachment.done
           && __atomic_load_n(&process.attachment.line->ready, __ATOMIC_RELAXED) == 0
           && (instruction_at(process, pc) == kWfi || instruction_at(process, pc - 4) == kWfi);
}

void page_fault(Process& process, std::uint32_t access) {
    bool no_memory = false;
    const UserAddr address = process.frame.value;
    if (process.space.fault(address, access, &no_memory)) {
        return;
    }
    if (no_memory) {
        end_by_fault(process, "out of memory", address, kSigKill);
        return;
    }
    const char* const what = access == kExecute ? "jump to an address that it may not execute"
                             : access == kWrite ? "store to an address that it may not write"
                                                : "load from an address that it may not read";
    end_by_fault(process, what, address, kSigSegv);
}

void illegal_instruction(Cpu& cpu, Process& process) {
    TrapFrame& frame = process.frame;
    if (finish_upcall(process)) {
        return;
    }
    if ((frame.status & csr::kFloatMask) == 0 && cpu_features.floating_point) {
        // Most likely its first floating-point instruction; if not, it traps again.
        process.uses_float = true;
        load_process_float(cpu, process);
        return;
    }
    end_by_fault(process, "illegal instruction", frame.pc, kSigIll);
}

}  // namespace

void load_process_float(Cpu& cpu, Process& process) {
    csr::set<csr::sstatus>(csr::kFloatDirty);
    load_float(&process.floats);
    cpu.float_owner = &process;
    process.frame.status = (process.frame.status & ~csr::kFloatMask) | csr::kFloatClean;
}

void handle_trap(Cpu& cpu, Process& process) {
    const std::uint64_t cause = process.frame.cause;
    process.in_wfi = false;
    if ((cause & csr::kInterrupt) != 0) {
        process.in_wfi = sleeps_in_user_mode(process);
        poll_interrupts();
        request_reschedule(cpu);
        return;
    }
    switch (cause) {
    case csr::kUserCall:
        process.frame.pc += 4;
        system_call(process);
        break;
    case csr::kInstructionPage:
        page_fault(process, kExecute);
        break;
    case csr::kLoadPage:
        page_fault(process, kRead);
        break;
    case csr::kStorePage:
        page_fault(process, kWrite);
        break;
    case csr::kIllegal:
        illegal_instruction(cpu, process);
        break;
    case csr::kBreakpoint:
        end_by_fault(process, "breakpoint", process.frame.pc, kSigTrap);
        break;
    case csr::kLoadMisaligned:
    case csr::kStoreMisaligned:
    case csr::kInstructionMisaligned:
        end_by_fault(process, "misaligned address", process.frame.value, kSigBus);
        break;
    case csr::kInstructionAccess:
    case csr::kLoadAccess:
    case csr::kStoreAccess:
        end_by_fault(process, "access fault", process.frame.value, kSigBus);
        break;
    default:
        end_by_fault(process, "unexpected trap", process.frame.value, kSigBus);
        break;
    }
}

}  // namespace kernel
