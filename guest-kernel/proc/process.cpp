// SPDX-License-Identifier: Apache-2.0
#include "proc/process.hpp"

#include "base/log.hpp"
#include "mm/heap.hpp"
#include "proc/schedule.hpp"

namespace kernel {

namespace {

constinit SpinLock table_lock{Rank::process_table};
constinit Process* table[kMaxProcesses] = {};
constinit std::int32_t next_pid = 1;
constinit unsigned next_hart = 0;

void make_fresh(Process& process) {
    ++process.generation;
    process.pid = next_pid++;
    process.state = ProcessState::starting;
    process.in_wfi = false;
    process.fresh = true;
    process.exit_wanted = false;
    process.killed = false;
    process.fixed_level = kDefaultLevel;
    process.frame = {};
    process.floats = {};
    process.uses_float = false;
    process.user_interrupts = {};
    process.attachment = {};
    process.clear_tid = 0;
    process.counters = {};
    process.exit_status = 0;
    process.outstanding = 0;
    process.last_turn = 0;
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
            return made;
        }
        if (place->state == ProcessState::unused) {
            make_fresh(*place);
            return place;
        }
    }
    return nullptr;
}

Process* process_at(unsigned index) {
    return __atomic_load_n(&table[index], __ATOMIC_ACQUIRE);
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
    process.pid = 0;
    process.state = ProcessState::unused;
}

Cpu& next_home() {
    for (;;) {
        const unsigned hart = __atomic_fetch_add(&next_hart, 1u, __ATOMIC_RELAXED) % hart_limit;
        if (cpus[hart]->exists) {
            return *cpus[hart];
        }
    }
}

OperationScope::OperationScope(Operation& operation, Process& owner)
    : operation_(operation) {
    operation.owner = &owner;
    const Guard guard(owner.lock);
    operation.cancelled = owner.killed;
    owner.operations.push_back(operation);
}

OperationScope::~OperationScope() {
    Process& owner = *operation_.owner;
    const Guard guard(owner.lock);
    owner.operations.remove(operation_);
}

}  // namespace kernel
