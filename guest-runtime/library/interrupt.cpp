// SPDX-License-Identifier: Apache-2.0
// The body of the user interrupt handler. Compiled without floating point: its registers are the
// interrupted coroutine's until cops_lose_hart().
#include "interrupt.hpp"

#include "runtime.hpp"
#include "stacks.hpp"
#include "system_call.hpp"

#include <cops/cops.hpp>

extern "C" {
/// Called by interrupt.S. Not 0: the pc of a coroutine that loses the hart.
std::uintptr_t cops_handle_interrupt();
/// Then, with all registers saved: others run until it is its turn again at that pc.
void cops_lose_hart(std::uintptr_t pc);

/// Where the program's code begins (the C library's start-up code), and where that of libraries
/// does: everything that is linked after libcops.
extern char program_code[] __asm__("_start");
extern char cops_library_code[];
}

namespace cops::detail {

namespace {

// A coroutine that has run for a slice gives way to others of its level.
constexpr unsigned kSlicesPerSecond = 200;
// On one of several harts: a lone coroutine that has waited for so long is anyone's.
constexpr unsigned kLooksPerSecond = 1000;
// When a coroutine cannot be preempted where it is, how soon to look again.
constexpr unsigned kRetriesPerSecond = 50'000;

// Of one hart.
struct Interrupts {
    bool hardware = false;
    std::uint64_t slice = ~std::uint64_t{0};  // ticks of the time counter
    std::uint64_t retry = 0;
    std::uint64_t timer = 0;  // when the user timer comes

    std::uint64_t slice_began = 0;
    std::uint64_t switches = 0;  // then
    std::uint64_t least_served = 0;

    std::uint64_t look = 0;  // ticks of the time counter
    std::uint64_t lone = 0;
    std::uint64_t lone_since = 0;
};

constinit thread_local Interrupts interrupts;

// Ticks of the time counter; the same on all harts. Atomic.
constinit std::uint64_t window = ~std::uint64_t{0};

// Time for a turn of the least urgent coroutine.
bool window_is_over(std::uint64_t now) {
    const std::uint64_t wanted = __atomic_load_n(&window, __ATOMIC_RELAXED);
    if (now - interrupts.least_served < wanted) {
        return false;
    }
    interrupts.least_served = now;
    return true;
}

void program_timer(std::uint64_t deadline) {
    interrupts.timer = deadline;
    write_csr<COPS_CSR_UTIMECMP>(deadline);
}

bool slice_is_over(std::uint64_t now, const cops_executor_context& context) {
    if (interrupts.switches != context.counters.switches) {
        interrupts.switches = context.counters.switches;
        interrupts.slice_began = now;
    }
    return now - interrupts.slice_began >= interrupts.slice;
}

void look_at_lone(std::uint64_t now, cops_executor_context& context) {
    const std::uint64_t lone = cops_executor_lone(&context, context.index);
    if (lone != interrupts.lone) {
        interrupts.lone = lone;
        interrupts.lone_since = now;
    } else if (lone != 0 && now - interrupts.lone_since >= interrupts.look) {
        cops_executor_share_lone(&context, context.index, lone);
    }
}

std::uint64_t next_look(std::uint64_t now) {
    return now + (runtime.group->num_contexts > 1 ? interrupts.look : interrupts.slice);
}

// The C library is not reentrant in one thread: its code is never preempted, nor is ours.
bool in_application(std::uintptr_t pc) {
    return pc >= reinterpret_cast<std::uintptr_t>(program_code)
           && pc < reinterpret_cast<std::uintptr_t>(cops_library_code);
}

// The pc at which the coroutine was interrupted. By upcall, the kernel forgets it and may enter the
// handler again.
std::uintptr_t take_pc() {
    return interrupts.hardware ? read_csr<COPS_CSR_UEPC>()
                               : static_cast<std::uintptr_t>(system_call(COPS_SYS_UPCALL_TAKE));
}

// The handler's return will go there.
void give_pc(std::uintptr_t pc) {
    if (interrupts.hardware) {
        write_csr<COPS_CSR_UEPC>(pc);
        set_csr<COPS_CSR_USTATUS>(COPS_USTATUS_UPIE);
    } else {
        system_call(COPS_SYS_UPCALL_GIVE, static_cast<long>(pc));
    }
}

}  // namespace

void allow_interrupts(const cops_attach& attach) noexcept {
    interrupts.hardware = attach.user_interrupts != 0;
    interrupts.slice = attach.timebase / kSlicesPerSecond;
    interrupts.look = attach.timebase / kLooksPerSecond;
    interrupts.retry = attach.timebase / kRetriesPerSecond;
    if (interrupts.hardware) {
        program_timer(next_look(time_now()));
        set_csr<COPS_CSR_UIE>(kUserSoftware | kUserTimer);
        set_csr<COPS_CSR_USTATUS>(COPS_USTATUS_UIE);
    }
}

void stop_timer() noexcept {
    if (interrupts.hardware) {
        program_timer(~std::uint64_t{0});
    }
}

void start_timer() noexcept {
    if (interrupts.hardware) {
        program_timer(next_look(time_now()));
    }
}

void set_window(std::uint64_t ticks) noexcept {
    __atomic_store_n(&window, ticks == 0 ? ~std::uint64_t{0} : ticks, __ATOMIC_RELAXED);
}

}  // namespace cops::detail

using namespace cops::detail;

std::uintptr_t cops_handle_interrupt() {
    cops_executor_context* const executor = context();
    if (executor == nullptr) {
        return 0;  // an upcall for a tick while the process starts
    }
    if (interrupts.hardware) {
        // First: an interrupt posted from here on comes again after we have looked.
        clear_csr<COPS_CSR_UIP>(kUserSoftware);
    }
    cops_executor_interrupt(executor);
    const std::uint64_t now = cops::time_now();
    look_at_lone(now, *executor);
    send_kicks();
    const bool slice_over = slice_is_over(now, *executor);
    if (window_is_over(now)) {
        cops_executor_serve_least(executor);
    }
    if (interrupts.hardware && now >= interrupts.timer) {
        program_timer(next_look(now));
    }
    if (cops_executor_should_preempt(executor, slice_over ? 1 : 0) == 0) {
        return 0;
    }
    // From here on another upcall may come, on this stack.
    const std::uintptr_t pc = take_pc();
    if (in_application(pc)) {
        return pc;
    }
    give_pc(pc);
    if (interrupts.hardware) {
        program_timer(now + interrupts.retry);
    }
    return 0;
}

void cops_lose_hart(std::uintptr_t pc) {
    if (interrupts.hardware) {
        set_csr<COPS_CSR_USTATUS>(COPS_USTATUS_UIE);
    }
    give_up_hart(slice_is_over(cops::time_now(), *context()));
    if (interrupts.hardware) {
        clear_csr<COPS_CSR_USTATUS>(COPS_USTATUS_UIE);
    }
    give_pc(pc);
}
