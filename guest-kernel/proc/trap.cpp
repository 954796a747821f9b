// SPDX-License-Identifier: Apache-2.0
#include "proc/trap.hpp"

#include "arch/riscv64/csr.hpp"
#include "base/atomic.hpp"
#include "base/log.hpp"
#include "exec/hart.hpp"
#include "proc/out_of_memory.hpp"
#include "proc/process.hpp"
#include "proc/schedule.hpp"
#include "proc/user_interrupts.hpp"
#include "syscall/syscall.hpp"

#include <virtio_cops/user_interrupts.h>

#include <kernel_abi/user_abi.h>

#include <optional>

namespace kernel {

namespace {

constexpr unsigned kSigIll = 4;
constexpr unsigned kSigTrap = 5;
constexpr unsigned kSigBus = 7;
constexpr unsigned kSigKill = 9;
constexpr unsigned kSigSegv = 11;
constexpr std::uint32_t kWfi = 0x10500073;

std::uint32_t instruction_at(Thread& thread, UserAddr pc) {
    std::uint32_t instruction = 0;
    std::uint16_t low = 0;
    if (!thread.process.space.read(&low, pc, sizeof low)) {
        return 0;
    }
    // A compressed one may end a page, and the memory.
    if ((low & 3) != 3 || !thread.process.space.read(&instruction, pc, sizeof instruction)) {
        return low;
    }
    return instruction;
}

// Asleep in user mode, and not just on the way: the line is empty and the pc is at its wfi.
bool sleeps_in_user_mode(Thread& thread) {
    const UserAddr pc = thread.frame.pc;
    return thread.line != nullptr && __atomic_load_n(&thread.line->ready, __ATOMIC_RELAXED) == 0
           && (instruction_at(thread, pc) == kWfi || instruction_at(thread, pc - 4) == kWfi);
}

const char* name_of(std::uint32_t access) {
    return access == kExecute ? "jump to" : access == kWrite ? "store to" : "load from";
}

// Frames that are not probed page by page may step over the page below the stack.
bool is_stack_overflow(Thread& thread, UserAddr address) {
    constexpr UserAddr kStep = 1 << 20;
    const UserAddr sp = thread.frame.reg(2);
    const UserAddr above = thread.process.space.writable_above(address);
    return above != 0 && above - address <= kStep && sp < above + kPageSize && sp + kStep > address;
}

const char* why_not(Thread& thread, UserAddr address, std::uint32_t access) {
    if (address >= kUserEnd) {
        return address >= kDirectMap ? "the kernel's memory" : "no user address";
    }
    const std::optional<std::uint32_t> rights = thread.process.space.rights_at(address);
    if (!rights) {
        return access != kExecute && is_stack_overflow(thread, address) ? "stack overflow"
                                                                        : "nothing is mapped there";
    }
    return *rights == 0         ? "no access is allowed there"
           : access == kExecute ? "the memory is not executable"
           : access == kWrite   ? "the memory is read-only"
                                : "the memory is not readable";
}

void page_fault(Thread& thread, std::uint32_t access) {
    bool no_memory = false;
    const UserAddr address = thread.frame.value;
    if (thread.process.space.fault(address, access, &no_memory)) {
        return;
    }
    if (no_memory) {
        out_of_memory(thread, {kSigKill, "page fault", name_of(access), address, "out of memory"});
        return;
    }
    end_by_fault(
        thread, {kSigSegv, "page fault", name_of(access), address, why_not(thread, address, access)}
    );
}

void bad_address(Thread& thread, const char* what, std::uint32_t access) {
    end_by_fault(thread, {kSigBus, what, name_of(access), thread.frame.value});
}

void illegal_instruction(Cpu& cpu, Thread& thread) {
    TrapFrame& frame = thread.frame;
    if (finish_upcall(thread)) {
        return;
    }
    if ((frame.status & csr::kFloatMask) == 0 && cpu_features.floating_point) {
        // Most likely its first floating-point instruction; if not, it traps again.
        thread.uses_float = true;
        load_thread_float(cpu, thread);
        return;
    }
    end_by_fault(thread, {kSigIll, "illegal instruction"});
}

}  // namespace

void load_thread_float(Cpu& cpu, Thread& thread) {
    csr::set<csr::sstatus>(csr::kFloatDirty);
    load_float(&thread.floats);
    cpu.float_owner = &thread;
    thread.float_cpu = &cpu;
    thread.frame.status = (thread.frame.status & ~csr::kFloatMask) | csr::kFloatClean;
}

void handle_trap(Cpu& cpu, Thread& thread) {
    const std::uint64_t cause = thread.frame.cause;
    store_relaxed(thread.in_wfi, false);
    if ((cause & csr::kInterrupt) != 0) {
        interrupted(thread, sleeps_in_user_mode(thread));
        poll_interrupts();
        request_reschedule(cpu);
        return;
    }
    switch (cause) {
    case csr::kUserCall:
        thread.frame.pc += 4;
        system_call(thread);
        break;
    case csr::kInstructionPage:
        page_fault(thread, kExecute);
        break;
    case csr::kLoadPage:
        page_fault(thread, kRead);
        break;
    case csr::kStorePage:
        page_fault(thread, kWrite);
        break;
    case csr::kIllegal:
        illegal_instruction(cpu, thread);
        break;
    case csr::kBreakpoint:
        end_by_fault(thread, {kSigTrap, "breakpoint"});
        break;
    case csr::kInstructionMisaligned:
        bad_address(thread, "misaligned address", kExecute);
        break;
    case csr::kLoadMisaligned:
        bad_address(thread, "misaligned address", kRead);
        break;
    case csr::kStoreMisaligned:
        bad_address(thread, "misaligned address", kWrite);
        break;
    case csr::kInstructionAccess:
        bad_address(thread, "access fault", kExecute);
        break;
    case csr::kLoadAccess:
        bad_address(thread, "access fault", kRead);
        break;
    case csr::kStoreAccess:
        bad_address(thread, "access fault", kWrite);
        break;
    default:
        end_by_fault(thread, {kSigBus, "unexpected trap"});
        break;
    }
}

}  // namespace kernel
