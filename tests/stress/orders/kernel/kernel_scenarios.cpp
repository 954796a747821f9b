// SPDX-License-Identifier: Apache-2.0
// The kernel's wakes: a thread parks, or sleeps in user mode, and its hart goes to sleep, while
// another hart has something for it. Hart 0 runs the kernel's loop; it is thread 0.
#include "base/atomic.hpp"
#include "exec/hart.hpp"
#include "kernel_machine.hpp"
#include "proc/moves.hpp"
#include "proc/schedule.hpp"
#include "proc/user_interrupts.hpp"
#include "scenarios.hpp"

using explorer::Execution;
using Trap = KernelMachine::Trap;

namespace {

// Whether harts have user interrupts: who parks sleeps in user mode then, if it is alone.
enum class Wakes : std::uint8_t { by_kernel, by_user_interrupt };

struct World {
    World(Execution& execution, unsigned harts, Wakes wakes)
        : machine(execution, harts, wakes == Wakes::by_user_interrupt) {}

    KernelMachine machine;
    std::uint32_t work = 0;   // in user memory: written before a kick, read after it
    std::uint32_t turns = 0;  // of the thread; two harts that run it at once race for it
};

template <Wakes wakes>
World& make(Execution& execution, unsigned harts = 2) {
    return *new World(execution, harts, wakes);
}

bool has_work(World& world) {
    return __atomic_load_n(&world.work, __ATOMIC_RELAXED) != 0;
}

void give_work(World& world) {
    __atomic_store_n(&world.work, 1u, __ATOMIC_RELAXED);
}

// As an executor without anything ready: looks, parks, looks.
Trap sleeps_until(World& world, bool (*done)(World&)) {
    KernelMachine& machine = world.machine;
    ++world.turns;
    if (machine.result() == COPS_PARK_WFI && machine.sleeps_until_interrupt()) {
        return Trap::interrupt;
    }
    if (done(world)) {
        machine.stop();
    }
    return machine.interrupted() ? Trap::interrupt : Trap::park;
}

void start_sleeper(World& world, bool (*done)(World&), unsigned hart = 0) {
    world.machine.start_thread(hart, [&world, done] { return sleeps_until(world, done); });
}

// ---- COPS_SYS_KICK from another hart.

template <Wakes wakes>
void kick_against_park(Execution& execution) {
    World& world = make<wakes>(execution);
    start_sleeper(world, has_work);
    execution.threads = {
        [] { kernel::run_hart(); },
        [&] {
            give_work(world);
            kernel::kick(world.machine.thread(0));
        }
    };
}

// A thread that was kicked claims something, whatever its hart believed: or it would never come to
// know while others compute there.
void kick_against_interrupt(Execution& execution) {
    World& world = make<Wakes::by_user_interrupt>(execution);
    start_sleeper(world, has_work);
    execution.threads = {
        [&] { kernel::interrupted(world.machine.thread(0), /*at_wfi=*/true); },
        [&] { kernel::kick(world.machine.thread(0)); }
    };
    execution.check = [&]() -> std::string {
        const bool claims = kernel::level_of(world.machine.thread(0)) < VIRTIO_COPS_LEVEL_NONE;
        return claims ? "" : "kicked, and taken for asleep";
    };
}

// ---- A thread of another hart is about to block.

template <Wakes wakes>
void blocking_against_park(Execution& execution) {
    World& world = make<wakes>(execution);
    start_sleeper(world, has_work);
    world.machine.start_thread(1, [] { return Trap::park; });
    execution.threads = {
        [] { kernel::run_hart(); },
        [&] {
            give_work(world);
            kernel::kick_another(world.machine.thread(1));
        }
    };
}

// ---- The kernel completes a request there.

bool has_completion(World& world) {
    return __atomic_exchange_n(&world.machine.line(0).wake_pending, 0, __ATOMIC_RELAXED) != 0;
}

template <Wakes wakes>
void kernel_completion_against_park(Execution& execution) {
    World& world = make<wakes>(execution);
    start_sleeper(world, has_completion);
    kernel::Attachment& attachment = world.machine.process().attachment;
    attachment.slot_pages[0] = kernel::physical(new virtio_cops_slot{});
    attachment.heads_pages[0] = kernel::physical(new virtio_cops_heads{});
    execution.threads = {
        [] { kernel::run_hart(); },
        [&] {
            virtio_cops_req request{};
            request.process = world.machine.process().id();
            request.level = 5;
            kernel::complete_slot(world.machine.process(), request, 7);
        }
    };
}

// ---- The host completes one. It tells nobody while the board names the process.

void host_completion_against_park(Execution& execution) {
    World& world = make<Wakes::by_kernel>(execution);
    start_sleeper(world, has_completion);
    execution.threads = {
        [] { kernel::run_hart(); },
        [&] {
            KernelMachine& machine = world.machine;
            __atomic_fetch_or(&machine.line(0).wake_pending, 1u << 5, __ATOMIC_RELAXED);
            __atomic_thread_fence(__ATOMIC_SEQ_CST);  // the device's: choose_path()
            const std::uint64_t id = machine.process().id();
            if (__atomic_load_n(&kernel::cpus[0]->board->process, __ATOMIC_RELAXED) != id) {
                kernel::completion_arrived(machine.process(), id, 0);
            }
        }
    };
}

// ---- A blocked thread's call ends, here or on another hart.

void call_against_its_end(Execution& execution) {
    World& world = make<Wakes::by_kernel>(execution);
    world.machine.start_thread(0, [&world] {
        if (world.machine.result() == 7) {
            world.machine.stop();
        }
        return world.machine.interrupted() ? Trap::interrupt : Trap::blocking_call;
    });
    execution.threads = {[] { kernel::run_hart(); }, [] { kernel::run_hart(); }};
}

// ---- Hart 1 is taken back, or granted: its thread moves while hart 0 wakes it.

void kick_and_run(World& world) {
    give_work(world);
    kernel::kick(world.machine.thread(1));
    kernel::run_hart();
}

template <Wakes wakes>
void kick_against_hand_over(Execution& execution) {
    World& world = make<wakes>(execution);
    world.machine.make_extra(/*away=*/false);
    start_sleeper(world, has_work, 1);
    execution.threads = {
        [&] {
            world.machine.revoke();
            kick_and_run(world);
        },
        [] { kernel::run_hart(); }
    };
}

template <Wakes wakes>
void kick_against_return(Execution& execution) {
    World& world = make<wakes>(execution);
    world.machine.make_extra(/*away=*/true);
    start_sleeper(world, has_work, 1);
    execution.threads = {[&] { kick_and_run(world); }, [] { kernel::run_hart(); }};
}

// It was granted, and is taken back before its thread came.
void kick_against_short_life(Execution& execution) {
    World& world = make<Wakes::by_kernel>(execution);
    world.machine.make_extra(/*away=*/true);
    start_sleeper(world, has_work, 1);
    execution.threads = {
        [&] { kick_and_run(world); },
        [&] {
            world.machine.revoke();
            kernel::run_hart();
        }
    };
}

// The thread computes where it is until its hart has it.
void return_against_computing(Execution& execution) {
    World& world = make<Wakes::by_kernel>(execution);
    world.machine.make_extra(/*away=*/true);
    world.machine.start_thread(1, [&world] {
        ++world.turns;
        if (world.machine.cpu()->hart == 1) {
            world.machine.stop();
        }
        while (!world.machine.interrupted()) {
            explorer::relax();
        }
        return Trap::interrupt;
    });
    execution.threads = {[] { kernel::run_hart(); }, [] { kernel::run_hart(); }};
}

// A thread that both believe to run would run twice, one that neither does never.
void leaving_against_return(Execution& execution) {
    World& world = make<Wakes::by_kernel>(execution);
    world.machine.make_extra(/*away=*/true);
    start_sleeper(world, has_work, 1);
    execution.threads = {
        [] { kernel::give_threads_back(*kernel::cpus[0]); },
        [] {
            kernel::want_threads_back(*kernel::cpus[1]);
            kernel::hand_threads_over(*kernel::cpus[1]);
        }
    };
    execution.check = []() -> std::string {
        const auto runs = [](unsigned hart) { return (kernel::cpus[hart]->runs >> 1 & 1) != 0; };
        const unsigned runner = kernel::runner_of(*kernel::cpus[1]).hart;
        return runs(runner) && !runs(1 - runner) ? "" : "not one hart runs the thread";
    };
}

// ---- The end of a process.

template <Wakes wakes>
void end_against_park(Execution& execution) {
    World& world = make<wakes>(execution);
    start_sleeper(world, [](World&) { return false; });
    execution.threads = {
        [] { kernel::run_hart(); },
        [&] {
            // As begin_exit() in proc/exit.cpp.
            __atomic_store_n(&world.machine.process().exit_wanted, true, __ATOMIC_RELAXED);
            kernel::make_runnable(world.machine.thread(0));
            kernel::request_reschedule(world.machine.thread(0).home);
        }
    };
}

// ---- A thread is made while others look for it.

void claim_against_look(Execution& execution) {
    World& world = make<Wakes::by_kernel>(execution);
    execution.threads = {
        [&] { kernel::claim_thread(world.machine.process(), *kernel::cpus[0]); },
        [&] {
            if (kernel::Thread* const thread = kernel::thread_on(world.machine.process(), 0)) {
                kernel::kick(*thread);
            }
        }
    };
}

constexpr NamedScenario kScenarios[] = {
    {"kick_against_park", kick_against_park<Wakes::by_kernel>},
    {"kick_against_wfi", kick_against_park<Wakes::by_user_interrupt>},
    {"kick_against_interrupt", kick_against_interrupt},
    {"blocking_against_park", blocking_against_park<Wakes::by_kernel>},
    {"blocking_against_wfi", blocking_against_park<Wakes::by_user_interrupt>},
    {"completion_of_kernel_against_park", kernel_completion_against_park<Wakes::by_kernel>},
    {"completion_of_kernel_against_wfi", kernel_completion_against_park<Wakes::by_user_interrupt>},
    {"completion_of_host_against_park", host_completion_against_park},
    {"call_against_its_end", call_against_its_end, 1},
    {"kick_against_hand_over", kick_against_hand_over<Wakes::by_kernel>},
    {"kick_against_hand_over_in_wfi", kick_against_hand_over<Wakes::by_user_interrupt>, 1},
    {"kick_against_return", kick_against_return<Wakes::by_kernel>, 1},
    {"kick_against_return_in_wfi", kick_against_return<Wakes::by_user_interrupt>, 1},
    {"kick_against_short_life", kick_against_short_life, 1},
    {"return_against_computing", return_against_computing, 1},
    {"leaving_against_return", leaving_against_return},
    {"end_against_park", end_against_park<Wakes::by_kernel>},
    {"end_against_wfi", end_against_park<Wakes::by_user_interrupt>},
    {"claim_against_look", claim_against_look},
};

}  // namespace

std::span<const NamedScenario> kernel_scenarios() {
    return kScenarios;
}
