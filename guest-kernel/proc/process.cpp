// SPDX-License-Identifier: Apache-2.0
#include "proc/process.hpp"

#include "base/atomic.hpp"
#include "base/log.hpp"
#include "exec/cores.hpp"
#include "mm/heap.hpp"
#include "proc/schedule.hpp"

#include <limits>

namespace kernel {

namespace {

constinit SpinLock table_lock{Rank::process_table};
constinit Process* table[kMaxProcesses] = {};
constinit std::int32_t next_pid = 1;  // of threads, too
constinit unsigned used = 0;          // table entries
constinit unsigned next_hart = 0;

void set_state(Process& process, ProcessState state) {
    __atomic_store(&process.state, &state, __ATOMIC_RELEASE);
}

// 1 is the first process for ever.
std::int32_t next_number() {
    const std::int32_t number = next_pid;
    next_pid = number == std::numeric_limits<std::int32_t>::max() ? 2 : number + 1;
    return number;
}

void make_fresh(Process& process) {
    ++process.generation;
    process.pid = next_number();
    process.exit_wanted = false;
    store_relaxed(process.harts_wanted, 0u);
    process.killed = false;
    process.attachment = {};
    process.counters = {};
    process.exit_status = 0;
    process.outstanding = 0;
    // After the pid: whoever sees this state and then the old pid saw it of the old process.
    set_state(process, ProcessState::starting);
}

void forget_locked(Process& process) {
    process.pid = 0;
    set_state(process, ProcessState::unused);
}

}  // namespace

Process* claim_process() {
    const Guard guard(table_lock);
    for (unsigned i = 0; i < kMaxProcesses; ++i) {
        Process*& place = table[i];
        if (place == nullptr) {
            Process* const made = heap::make<Process>();
            if (made == nullptr) {
                return nullptr;
            }
            made->index = i;
            made->home = cpus[this_cpu().hart];
            make_fresh(*made);
            __atomic_store_n(&place, made, __ATOMIC_RELEASE);  // Partner: process_at().
            __atomic_store_n(&used, i + 1, __ATOMIC_RELEASE);  // Partner: process_count().
            return made;
        }
        if (place->state == ProcessState::unused) {
            make_fresh(*place);
            return place;
        }
    }
    return nullptr;
}

std::int32_t claim_tid() {
    const Guard guard(table_lock);
    return next_number();
}

Process* process_at(unsigned index) {
    return __atomic_load_n(&table[index], __ATOMIC_ACQUIRE);
}

unsigned process_count() {
    return __atomic_load_n(&used, __ATOMIC_ACQUIRE);
}

Process* find_process(std::int32_t pid) {
    const Guard guard(table_lock);
    for (Process* process : table) {
        if (process != nullptr && process->pid == pid && process->state != ProcessState::unused) {
            return process;
        }
    }
    return nullptr;
}

void forget_process(Process& process) {
    const Guard guard(table_lock);
    forget_locked(process);
}

Result<std::uint32_t> reap_child(std::int32_t pid, std::int32_t parent) {
    const Guard guard(table_lock);
    for (Process* process : table) {
        if (process == nullptr || process->pid != pid || process->parent != parent
            || process->state == ProcessState::unused) {
            continue;
        }
        if (process->state != ProcessState::zombie) {
            return std::unexpected(Errno::again);
        }
        const std::uint32_t status = process->exit_status;
        forget_locked(*process);
        return status;
    }
    return std::unexpected(Errno::no_child);
}

Cpu& next_home() {
    for (;;) {
        const unsigned hart = __atomic_fetch_add(&next_hart, 1u, __ATOMIC_RELAXED) % own_harts();
        if (cpus[hart]->exists) {
            return *cpus[hart];
        }
    }
}

unsigned allocate_harts(Process& process, unsigned count) {
    std::uint64_t harts = std::uint64_t{1} << process.home->hart;
    unsigned found = 1;
    const auto add = [&](unsigned hart) {
        if (found < count && is_granted(*cpus[hart])) {
            harts |= std::uint64_t{1} << hart;
            ++found;
        }
    };
    for (unsigned i = 1; i < own_harts(); ++i) {
        add((process.home->hart + i) % own_harts());
    }
    for (unsigned hart = own_harts(); hart < hart_limit; ++hart) {
        add(hart);
    }
    __atomic_store_n(&process.harts, harts, __ATOMIC_RELAXED);
    return found;
}

unsigned harts_wanted() {
    unsigned most = own_harts();
    for (unsigned i = 0; i < process_count(); ++i) {
        const Process* const process = process_at(i);
        const unsigned wanted = process == nullptr ? 0 : load_relaxed(process->harts_wanted);
        most = wanted > most ? wanted : most;
    }
    return most < hart_limit ? most : hart_limit;
}

OperationScope::OperationScope(Operation& operation, Process& owner)
    : operation_(operation) {
    operation.owner = &owner;
    const Guard guard(owner.lock);
    operation.cancelled = owner.killed;
    owner.operations.push_back(operation);
    __atomic_fetch_sub(&owner.promised, 1u, __ATOMIC_RELAXED);
}

OperationScope::~OperationScope() {
    Process& owner = *operation_.owner;
    const Guard guard(owner.lock);
    owner.operations.remove(operation_);
}

}  // namespace kernel
