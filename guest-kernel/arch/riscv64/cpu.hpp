// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "arch/riscv64/instructions.hpp"
#include "arch/riscv64/offsets.h"
#include "base/spinlock.hpp"
#include "base/types.hpp"

#include <virtio_cops/virtio_cops.h>

#include <executor/executor.h>

#include <cstddef>
#include <cstdint>

namespace kernel {

struct Thread;
struct HartStart;

/// User registers at a trap; x[n - 1] is xn.
struct TrapFrame {
    std::uint64_t x[31];
    std::uint64_t pc;
    std::uint64_t status;
    std::uint64_t cause;
    std::uint64_t value;

    std::uint64_t& reg(unsigned number) { return x[number - 1]; }
    std::uint64_t& argument(unsigned number) { return x[9 + number]; }
};
static_assert(offsetof(TrapFrame, x) == FRAME_X(1) && offsetof(TrapFrame, pc) == FRAME_PC);
static_assert(offsetof(TrapFrame, status) == FRAME_STATUS);
static_assert(offsetof(TrapFrame, cause) == FRAME_CAUSE);
static_assert(offsetof(TrapFrame, value) == FRAME_VALUE);

struct FloatState {
    std::uint64_t f[32];
    std::uint64_t fcsr;
};

/// One hart. Owned by that hart but for what says otherwise; tp points to it in the kernel.
struct Cpu {
    TrapFrame* frame = nullptr;  // trap.S
    std::uint64_t kernel_sp = 0;
    std::uint64_t scratch = 0;
    std::uint32_t hart = 0;
    std::uint32_t held_ranks = 0;

    cops_executor_context executor{};
    cops_task_id switcher = 0;  ///< The coroutine that runs this hart's threads.
    virtio_cops_board* board = nullptr;
    const virtio_cops_host_line* host_line = nullptr;
    cops_kernel_line* kernel_line = nullptr;

    Thread* current = nullptr;  ///< Whose address space is in place; null = the kernel's. Atomic.
    Thread* float_owner = nullptr;  ///< Whose floating-point registers are loaded.
    std::uint64_t next_tick = 0;    ///< 0 = not ticking.
    std::uint64_t programmed = 0;   ///< Deadline of the timer as set.
    std::uint32_t running_level = VIRTIO_COPS_LEVEL_NONE;  ///< Level given to the current thread.
    std::uint32_t reschedule = 0;  ///< Atomic; any hart sets it, then sends an IPI if need be.
    bool exists = false;           ///< The device tree names it.
    std::uint32_t gave_way = 0;    ///< How often the host was asked since we last slept for it.

    // Harts that are granted and revoked (exec/cores.cpp, proc/moves.cpp).
    Cpu* stand_in = nullptr;  ///< Runs this hart's threads while it is away; null: it never is.
                              ///< Written at boot only.
    bool stands_in = false;   ///< For any hart. Written at boot only.
    std::uint32_t away = 0;   ///< Atomic; changes under the run-queue lock of who has run them.
    std::uint64_t runs = 0;   ///< Bit h: it runs the threads of hart h. Under its run-queue lock.
    std::uint64_t give_back = 0;  ///< Atomic, bit h: hart h is there again and wants its threads.
    std::uint32_t up = 0;         ///< Atomic: it runs, or has been started.
    HartStart* start = nullptr;   ///< Made when it is first started. Of who starts it.
};
static_assert(offsetof(Cpu, frame) == CPU_FRAME && offsetof(Cpu, kernel_sp) == CPU_KERNEL_SP);
static_assert(offsetof(Cpu, scratch) == CPU_SCRATCH);

/// What a starting hart finds at its argument.
struct HartStart {
    std::uint64_t satp;
    std::uint64_t sp;
    Cpu* cpu;
};
static_assert(offsetof(HartStart, satp) == START_SATP && offsetof(HartStart, sp) == START_SP);
static_assert(offsetof(HartStart, cpu) == START_CPU);

inline Cpu& this_cpu() {
    return *this_cpu_or_null();
}

/// What the device tree says about all harts.
struct CpuFeatures {
    bool sstc = false;
    bool user_interrupts = false;  ///< Every hart has the N extension.
    bool floating_point = false;
    std::uint64_t timebase = 10'000'000;
    std::uint32_t address_space_bits = 0;
};
extern CpuFeatures cpu_features;  ///< Written at boot only.

/// Harts by id; null where there is none. Written at boot only.
extern Cpu* cpus[kMaxHarts];
extern unsigned hart_limit;  ///< 1 + highest hart id.

/// The hart that runs the threads of `home` now.
inline Cpu& runner_of(Cpu& home) {
    if (home.stand_in == nullptr) {
        return home;
    }
    // Acquire: pairs with the release in move_threads(): what the last runner did is done.
    return __atomic_load_n(&home.away, __ATOMIC_ACQUIRE) != 0 ? *home.stand_in : home;
}

extern "C" {
void enter_user(TrapFrame* frame);
void save_float(FloatState* state);
void load_float(const FloatState* state);
void kernel_trap();
}

/// IPI to each hart in the set.
void send_ipi(std::uint64_t harts);

}  // namespace kernel
