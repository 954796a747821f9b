// SPDX-License-Identifier: Apache-2.0
// More is mapped than there is (stacks, constants, MAP_NORESERVE): who took the most pays.
#include "proc/out_of_memory.hpp"

#include "base/log.hpp"
#include "exec/timer.hpp"
#include "proc/schedule.hpp"
#include "syscall/syscall.hpp"

namespace kernel {

namespace {

struct Greediest {
    Process* process = nullptr;
    std::uint64_t pages = 0;
    bool ending = false;  // somebody gives memory back already
};

Greediest find_greediest() {
    Greediest found;
    for (unsigned i = 0; i < kMaxProcesses; ++i) {
        Process* const process = process_at(i);
        const std::uint64_t pages = process == nullptr ? 0 : process->space.resident_pages();
        if (pages == 0 || process->state == ProcessState::starting) {
            continue;  // what starts cannot be ended yet, and learns itself that memory is short
        }
        found.ending =
            found.ending || exit_is_wanted(*process) || process->state == ProcessState::exiting;
        if (pages > found.pages) {
            found.process = process;
            found.pages = pages;
        }
    }
    return found;
}

// Then it faults again.
Async<void> try_again(Thread* thread) {
    Operation operation;
    const OperationScope scope(operation, thread->process);
    co_await timer::Pause{};
    make_runnable(*thread);
}

}  // namespace

void out_of_memory(Thread& thread, const Fault& fault) {
    const Greediest greediest = find_greediest();
    if (!greediest.ending) {
        if (greediest.process == &thread.process || greediest.process == nullptr) {
            end_by_fault(thread, fault);
            return;
        }
        const std::int32_t pid = greediest.process->pid;
        say("process ",
            pid,
            " (",
            greediest.process->name,
            "): out of memory: it holds the most, ",
            greediest.pages,
            " pages; ended by signal 9");
        kill_process(*greediest.process, pid);
    }
    if (start_blocking(thread, try_again(&thread)) != kLater) {
        end_by_fault(thread, fault);
    }
}

}  // namespace kernel
