// SPDX-License-Identifier: Apache-2.0
#include "exec/cores.hpp"

#include "arch/riscv64/page_table.hpp"
#include "arch/riscv64/sbi.hpp"
#include "base/atomic.hpp"
#include "base/log.hpp"
#include "driver/shared_words.hpp"
#include "drivers/plic.hpp"
#include "exec/coroutine.hpp"
#include "exec/hart.hpp"
#include "proc/moves.hpp"
#include "proc/schedule.hpp"

namespace kernel {

namespace {

constinit unsigned own = kMaxHarts;

std::uint32_t core_word(const Cpu& cpu) {
    return cpu.host_line == nullptr ? std::uint32_t{VIRTIO_COPS_CORE_NONE}
                                    : virtio_cops::core_of(*cpu.host_line);
}

// Whoever sets `up` starts it. The word is read again after a failure: what was granted while we
// tried, nobody else has started.
void start_granted(Cpu& cpu) {
    constexpr unsigned kAttempts = 3;
    for (unsigned n = 0;
         n < kAttempts && core_word(cpu) == VIRTIO_COPS_CORE_GRANTED
         && __atomic_exchange_n(&cpu.up, 1u, __ATOMIC_ACQ_REL) == 0 && !start_hart(cpu);
         ++n) {
        __atomic_store_n(&cpu.up, 0u, __ATOMIC_RELEASE);
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
    }
}

}  // namespace

void set_own_harts(unsigned count) {
    own = count;
    for (unsigned hart = count; hart < hart_limit; ++hart) {
        Cpu& cpu = *cpus[hart];
        cpu.stand_in = cpus[hart % count];
        cpu.away = 1;
        cpu.runs = 0;
        cpu.stand_in->stands_in = true;
        cpu.stand_in->runs |= std::uint64_t{1} << hart;
        cops_executor_close(&this_cpu().executor, hart, 1);
    }
}

unsigned own_harts() {
    return own < hart_limit ? own : hart_limit;
}

bool is_granted(const Cpu& cpu) {
    return cpu.exists && (cpu.stand_in == nullptr || core_word(cpu) == VIRTIO_COPS_CORE_GRANTED);
}

void look_at_cores() {
    for (unsigned hart = own_harts(); hart < hart_limit; ++hart) {
        Cpu& cpu = *cpus[hart];
        if (!cpu.exists) {
            continue;
        }
        start_granted(cpu);
        if (core_word(cpu) != VIRTIO_COPS_CORE_GRANTED && load_relaxed(cpu.up) != 0) {
            request_reschedule(cpu);
        }
    }
}

bool must_leave(const Cpu& cpu) {
    return cpu.stand_in != nullptr && core_word(cpu) != VIRTIO_COPS_CORE_GRANTED;
}

void leave_hart(Cpu& cpu) {
    // Kernel coroutines that are ready here run here: others may be busy with threads.
    if (cops_executor_best(&cpu.executor) != VIRTIO_COPS_LEVEL_NONE || !hand_threads_over(cpu)) {
        return;
    }
    cops_executor_close(&cpu.executor, cpu.hart, 1);
    forget_hart(cpu);
    plic::disable_hart(cpu.hart);
    cpu.float_owner = nullptr;
    set_board_flags(cpu, VIRTIO_COPS_BOARD_F_IDLE);
    __atomic_store_n(&cpu.up, 0u, __ATOMIC_RELEASE);
    sbi::stop_hart();
    panic("a hart does not stop");
}

void hart_begins(Cpu& cpu) {
    if (cpu.stand_in == nullptr) {
        return;
    }
    cpu.programmed = 0;
    cpu.next_tick = 0;
    cops_executor_close(&cpu.executor, cpu.hart, 0);
    want_threads_back(cpu);
    wake_task(cpu.switcher);
}

}  // namespace kernel
