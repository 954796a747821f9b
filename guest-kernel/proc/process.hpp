// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "arch/riscv64/cpu.hpp"
#include "base/list.hpp"
#include "base/spinlock.hpp"
#include "drivers/cops_device.hpp"
#include "exec/wait.hpp"
#include "fs/file.hpp"
#include "mm/address_space.hpp"

#include <virtio_cops/virtio_cops.h>

#include <kernel_abi/user_abi.h>

#include <cstdint>
#include <span>
#include <string_view>

namespace kernel {

enum class ProcessState : std::uint8_t {
    unused,
    starting,  ///< Being loaded.
    runnable,  ///< Wants its hart, or has it.
    blocked,   ///< A kernel coroutine does its system call.
    parked,    ///< Nothing ready inside; a completion makes it runnable.
    exiting,   ///< Runs no more; its requests drain.
    zombie,    ///< Only the exit status is left.
};

/// A kernel coroutine that works for a process; lies in its frame. Registered so that the end of
/// the process can end it first.
struct Operation {
    Link<Operation> link;
    Process* owner = nullptr;
    cops_device::Request* request = nullptr;  // awaited now; guarded by the device's lock
    Waiter* waiter = nullptr;                 // awaited now; guarded by the process's lock
    bool sleeping = false;                    // the waiter is in the timer's list
    bool cancelled = false;
    bool has_slot = false;  // of COPS_SYS_SUBMIT: the fields below name it
    std::uint32_t slot = 0;
    std::uint32_t generation = 0;
};

/// State of the N extension that belongs to the process. ustatus is part of the frame's status.
struct UserInterruptState {
    std::uint64_t uie = 0;
    std::uint64_t utvec = 0;
    std::uint64_t uscratch = 0;
    std::uint64_t uepc = 0;
    std::uint64_t ucause = 0;
    std::uint64_t utval = 0;
    std::uint64_t utimecmp = ~std::uint64_t{0};
    bool software_pending = false;
};

/// What ATTACH made: memory shared with host and executor.
struct Attachment {
    static constexpr unsigned kMaxSlotPages = 32;

    bool done = false;
    virtio_cops_line* line = nullptr;  // of the home hart
    virtio_cops_line* lines = nullptr;
    PhysAddr line_page = 0;
    PhysAddr heads_pages[kMaxHarts / VIRTIO_COPS_HEADS_PER_PAGE] = {};
    unsigned heads_count = 0;
    PhysAddr slot_pages[kMaxSlotPages] = {};
    unsigned slot_page_count = 0;
    std::uint32_t slots = 0;
    bool registered = false;  // with the device

    // Upcalls, where the hart has no user interrupts.
    UserAddr handler = 0;
    bool in_handler = false;
    UserAddr interrupted_pc = 0;
};

struct ProcessCounters {
    std::uint64_t traps = 0;
    std::uint64_t submissions = 0;
    std::uint64_t completed_by_kernel = 0;
    std::uint64_t switches = 0;
    std::uint64_t kernel_wakes = 0;
};

/// A process: one thread of control, on one hart. Objects are reused, never freed: a stale pointer
/// meets another process and does it no harm.
struct Process : NoCopy {
    // Constant while it lives.
    std::uint32_t index = 0;
    std::uint32_t generation = 0;
    std::int32_t pid = 0;
    std::int32_t parent = 0;
    Cpu* home = nullptr;
    char name[32] = {};

    // Guarded by the home hart's run-queue lock (schedule.cpp).
    ProcessState state = ProcessState::unused;
    std::uint64_t last_turn = 0;
    bool in_wfi = false;  ///< Sleeps in user mode while its line shows nothing.
    bool fresh = false;   ///< Its ASID may have entries of an earlier process.
    bool exit_wanted = false;
    std::uint32_t fixed_level = 0;  ///< While no line speaks for the process.

    // The home hart's, while it runs the process; before that the loader's.
    TrapFrame frame{};
    FloatState floats{};
    bool uses_float = false;
    UserInterruptState user_interrupts;
    Attachment attachment;
    UserAddr clear_tid = 0;

    AddressSpace space;
    FileTable files;
    ProcessCounters counters;
    std::uint32_t outstanding = 0;  // atomic: submissions whose slot is not complete

    SpinLock lock{Rank::process};
    List<Operation, &Operation::link> operations;  // guarded by lock
    bool killed = false;                           // guarded by lock: no new operations

    // Guarded by the device's lock.
    List<cops_device::Request, &cops_device::Request::owner_link> requests;
    cops_task_id request_drain_task = 0;

    std::uint32_t exit_status = 0;
    WaitList exit_waiters{Rank::wait_list};

    std::uint64_t id() const { return VIRTIO_COPS_PROCESS(index, generation); }
};

/// Program arguments: strings in kernel memory.
struct Strings {
    static constexpr unsigned kMax = 256;
    static constexpr std::size_t kBytes = 64 * 1024;
    char* text = nullptr;  // one after the other, each with its NUL
    std::size_t bytes = 0;
    unsigned count = 0;
};

/// Makes a process of the initrd's program `path` and lets it run. Errors: no_entry,
/// bad_executable, no_memory, again (no process index is free).
Result<std::int32_t> start_process(
    std::string_view path,
    const Strings& arguments,
    const Strings& environment,
    std::int32_t parent,
    Cpu& home
);

/// A process object in state `starting` with a new generation; null when all are in use.
Process* claim_process();
/// Null when there is none of that pid (any more).
Process* find_process(std::int32_t pid);
/// By table index; null when that index was never used.
Process* process_at(unsigned index);
/// Gives a starting process or a zombie's place back.
void forget_process(Process& process);
/// Home of the next process: harts in turn.
Cpu& next_home();

/// Ends the process; its home hart calls it, and the process runs no more. `status` is 0..255.
void exit_process(Process& process, std::uint32_t status);
/// Makes a process end at its hart's next look, with 128 + SIGKILL.
void kill_process(Process& process);
/// Says on the console why, and ends it with 128 + signal.
void end_by_fault(Process& process, const char* what, std::uint64_t address, unsigned signal);
/// Starts the coroutine that buries processes. Boot only.
Result<void> init_exit();

/// Cancels what the operation awaits, now or later. The owner's lock is held. False: the device
/// could not be asked now; ask again.
bool cancel_operation_locked(Operation& operation);

/// Registers an operation for as long as the coroutine that has it runs.
class OperationScope : NoCopy {
public:
    OperationScope(Operation& operation, Process& owner);
    ~OperationScope();

private:
    Operation& operation_;
};

}  // namespace kernel
