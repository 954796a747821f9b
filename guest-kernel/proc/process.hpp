// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "arch/riscv64/cpu.hpp"
#include "base/list.hpp"
#include "base/spinlock.hpp"
#include "drivers/cops_device.hpp"
#include "exec/wait.hpp"
#include "fs/file.hpp"
#include "mm/address_space.hpp"
#include "proc/share.hpp"
#include "proc/thread.hpp"

#include <virtio_cops/virtio_cops.h>

#include <kernel_abi/user_abi.h>

#include <cstdint>
#include <span>
#include <string_view>

namespace kernel {

enum class ProcessState : std::uint8_t {
    unused,
    starting,  ///< Being loaded.
    alive,     ///< Has threads.
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
    UserAddr futex = 0;                       // waits for a wake there, for these bits
    std::uint32_t futex_bits = 0;
    bool cancelled = false;
    bool has_slot = false;  // of COPS_SYS_SUBMIT: the fields below name it
    std::uint32_t slot = 0;
    std::uint32_t generation = 0;
};

/// What ATTACH made: memory shared with host and executor.
struct Attachment {
    static constexpr unsigned kMaxSlotPages = 32;

    bool begun = false;
    bool done = false;
    virtio_cops_line* lines = nullptr;  // one for each hart
    PhysAddr line_page = 0;
    PhysAddr heads_pages[kMaxHarts / VIRTIO_COPS_HEADS_PER_PAGE] = {};
    unsigned heads_count = 0;
    PhysAddr slot_pages[kMaxSlotPages] = {};
    unsigned slot_page_count = 0;
    std::uint32_t slots = 0;
    bool registered = false;  // with the device
    UserAddr handler = 0;     // of user interrupts, or of upcalls
};

struct ProcessCounters {
    std::uint64_t traps = 0;
    std::uint64_t submissions = 0;
    std::uint64_t completed_by_kernel = 0;
    std::uint64_t switches = 0;
    std::uint64_t kernel_wakes = 0;
};

/// A process: memory, files, and a thread on each hart that it may use and does. Objects are
/// reused, never freed: a stale pointer meets another process and does it no harm.
struct Process : NoCopy {
    // Constant while it lives.
    std::uint32_t index = 0;
    std::uint32_t generation = 0;
    std::int32_t pid = 0;
    std::int32_t parent = 0;
    Cpu* home = nullptr;  ///< Of its first thread.
    Limits limits;
    char name[32] = {};
    ProcessState state = ProcessState::unused;

    // Guarded by lock.
    Thread* threads[kMaxHarts] = {};  ///< By hart; atomic pointers, see thread_on().
    unsigned live_threads = 0;
    unsigned harts_wanted = 0;  ///< Atomic.
    std::uint64_t harts = 0;    ///< Bit h: it may have a thread on hart h. Atomic.
    bool exit_wanted = false;   ///< Atomic: its threads end at their next trap.
    std::uint32_t exit_status = 0;

    Attachment attachment;
    AddressSpace space;
    FileTable files;
    ProcessCounters counters;
    std::uint32_t outstanding = 0;  // atomic: submissions whose slot is not complete

    SpinLock lock{Rank::process};
    List<Operation, &Operation::link> operations;  // guarded by lock
    bool killed = false;                           // guarded by lock: no new operations
    unsigned promised = 0;  // atomic: coroutines spawned for it that are not operations yet

    // Guarded by the device's lock.
    List<cops_device::Request, &cops_device::Request::owner_link> requests;
    cops_task_id request_drain_task = 0;

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
    const Limits& limits,
    Cpu& home
);

/// A process object in state `starting` with a new generation; null when all are in use.
Process* claim_process();
/// A number that no process or thread has.
std::int32_t claim_tid();
/// Null when there is none of that pid (any more).
Process* find_process(std::int32_t pid);
/// By table index; null when that index was never used.
Process* process_at(unsigned index);
/// How many indices were ever used: the first ones.
unsigned process_count();
/// Gives a starting process or a zombie's place back.
void forget_process(Process& process);
/// Status of a child that has ended, which is forgotten then. again: it has not; no_child: there is
/// none, or somebody else took its status.
Result<std::uint32_t> reap_child(std::int32_t pid, std::int32_t parent);
/// Home of the next process: harts in turn.
Cpu& next_home();

/// Ends the process of the running thread: that thread now, the others at their next trap. `status`
/// is 0..255.
void exit_process(Thread& thread, std::uint32_t status);
inline bool exit_is_wanted(const Process& process) {
    return __atomic_load_n(&process.exit_wanted, __ATOMIC_RELAXED);
}
/// The last thread has ended.
void process_ended(Process& process);
/// Makes the process end at its harts' next look, with 128 + SIGKILL, if it is still the one of
/// that pid.
void kill_process(Process& process, std::int32_t pid);

/// The process may have threads on `count` harts, its own among them, or on all there are: returns
/// on how many. What runs elsewhere goes on there.
unsigned allocate_harts(Process& process, unsigned count);
/// How many harts the guest needs so that each process has as many as it wants.
unsigned harts_wanted();

/// The host wants the machine off: ends the first process as SIGTERM would, all others with it, and
/// then the machine. Any time, while it boots too.
void ask_power_off();

/// What a process did that ends it.
struct Fault {
    unsigned signal = 0;
    const char* what = nullptr;    ///< Kind of the trap.
    const char* access = nullptr;  ///< "load from", "store to", "jump to"; null: no address counts.
    UserAddr address = 0;
    const char* why = nullptr;  ///< What is wrong with the address; may be null.
};
/// Says on the console in one line which process did what and where, and ends it with 128 + signal.
void end_by_fault(Thread& thread, const Fault& fault);
/// Starts the coroutine that buries processes. Boot only.
Result<void> init_exit();

/// Cancels what the operation awaits, now or later. The owner's lock is held. False: the device
/// could not be asked now; ask again.
bool cancel_operation_locked(Operation& operation);

/// Registers an operation for as long as the coroutine that has it runs. Whoever spawns such a
/// coroutine has counted it in `promised`, so that the process outlives it.
class OperationScope : NoCopy {
public:
    OperationScope(Operation& operation, Process& owner);
    ~OperationScope();

private:
    Operation& operation_;
};

}  // namespace kernel
