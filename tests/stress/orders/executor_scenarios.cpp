// SPDX-License-Identifier: Apache-2.0
// The wake paths of the executor. Objects are made by `new` and never deleted: they are the
// arena's. Plain members are shared on purpose: that a wake hands them over is checked as a race.
#include "machine.hpp"
#include "scenarios.hpp"

using explorer::Event;
using explorer::Execution;

namespace {

constexpr unsigned kPinned = COPS_SPAWN_PINNED;

// Whose contexts: the kernel's have no line, so that masking them fences nothing.
enum class Of : std::uint8_t { process, kernel };

struct World {
    World(Execution& execution, Side::Options options)
        : machine(execution, options) {}

    Side& side() { return machine.side(); }
    cops_executor_context& context(unsigned i) { return side().context(i); }

    Machine machine;
    cops_task_id sleeper = 0;
    long before = 0;  // written before a wake, read after it
    long after = 0;   // written after a wake
    Event ran;
};

template <Of of>
World& make(Execution& execution, unsigned segments = 1) {
    auto& world = *new World(execution, {.contexts = 2, .slots = 0, .segments = segments});
    for (unsigned i = 0; of == Of::kernel && i < 2; ++i) {
        world.context(i).line = nullptr;
    }
    return world;
}

Routine sleeps(World& world) {
    ++world.after;
    co_await Suspend();
    if (world.before != 1 || world.after != 1) {
        explorer::fail("woken without what the waker wrote");
    }
    world.ran.post();
    world.machine.stop();
}

Routine wakes(World& world) {
    world.before = 1;
    cops_executor_wake(here(), world.sleeper);
    world.machine.send_kicks();
    co_return;
}

// ---- A wake that crosses harts ends a sleep.

template <Of of>
void park_against_wake(Execution& execution) {
    World& world = make<of>(execution);
    world.sleeper = start(world.context(1), sleeps(world), 5, kPinned);
    world.side().run(1);
    start(world.context(0), wakes(world), 5, kPinned);
    execution.threads = {[&] { world.machine.run_once(); }, [&] { world.machine.run_hart(); }};
}

// ---- What this hart cannot run now, another one takes; this one waits for it all its time.

Routine runs(World& world) {
    if (world.before != 1) {
        explorer::fail("spawned without what was written before");
    }
    world.ran.post();
    world.machine.stop();
    co_return;
}

Routine spawns_and_computes(World& world) {
    world.before = 1;
    start(*here(), runs(world), 5);
    world.machine.send_kicks();
    world.ran.wait();
    co_return;
}

template <Of of>
void park_against_spawn(Execution& execution) {
    World& world = make<of>(execution);
    start(world.context(0), spawns_and_computes(world), 5, kPinned);
    execution.threads = {[&] { world.machine.run_once(); }, [&] { world.machine.run_hart(); }};
}

// The same, with a task that stays for the next turn there unless somebody has nothing to do.
template <Of of>
void park_against_lone(Execution& execution) {
    World& world = make<of>(execution);
    world.context(0).keeps_lone = 1;
    start(world.context(0), spawns_and_computes(world), 5, kPinned);
    execution.threads = {[&] { world.machine.run_once(); }, [&] { world.machine.run_hart(); }};
}

// ---- Token or sleep: the wake comes while its task goes to sleep, and runs it where it wakes it.

template <Of of>
void suspend_against_wake(Execution& execution) {
    World& world = make<of>(execution);
    world.sleeper = start(world.context(0), sleeps(world), 5);
    execution.threads = {
        [&] { world.machine.run_hart(); },
        [&] {
            world.before = 1;
            cops_executor_wake(here(), world.sleeper);
            world.machine.send_kicks();
            world.machine.run_hart();
        }
    };
}

// ---- The end of a task against one that joins it.

Routine child(World& world) {
    world.before = 1;
    co_return;
}

Routine joins(World& world, cops_task_id id) {
    co_await Join{id};
    if (world.before != 1) {
        explorer::fail("joined without what the task wrote");
    }
    world.machine.stop();
}

template <Of of>
void join_against_end(Execution& execution) {
    World& world = make<of>(execution);
    const cops_task_id id = start(world.context(1), child(world), 5, kPinned);
    start(world.context(0), joins(world, id), 5, kPinned);
    execution.threads = {[&] { world.machine.run_hart(); }, [&] { world.machine.run_hart(); }};
}

// ---- A level given while the task is being queued.

template <Of of>
void level_against_queue(Execution& execution) {
    World& world = make<of>(execution);
    world.sleeper = start(world.context(1), sleeps(world), 40, kPinned);
    world.side().run(1);
    execution.threads = {
        [&] { cops_executor_set_level(here(), world.sleeper, 3); },
        [&] { cops_executor_wake(here(), world.sleeper); }
    };
    execution.check = [&]() -> std::string {
        return cops_executor_best(&world.context(1)) == 3 ? "" : "queued at the old level";
    };
}

Routine ends() {
    co_return;
}

// ---- What is added while others run.

template <Of of>
void context_against_look(Execution& execution) {
    World& world = make<of>(execution);
    cops_executor_group& group = world.side().group();
    cops_executor_context* const added = group.contexts[1];
    group.contexts[1] = nullptr;
    group.num_contexts = 1;
    world.before = 1;
    execution.threads = {
        [&] { world.machine.run_once(); },
        [&, added] {
            group.contexts[1] = added;
            cops_executor_init_context(&group, 1, 0, 0);
            start(*added, runs(world), 5);
            world.machine.run_once();
        }
    };
}

template <Of of>
void table_against_spawn(Execution& execution) {
    World& world = make<of>(execution, 0);
    world.before = 1;
    execution.threads = {
        [&] { world.side().add_segment(); },
        [&] {
            if (start(*here(), runs(world), 5) != 0) {
                world.machine.run_once();
            }
        }
    };
}

// One entry is left when others come.
template <Of of>
void table_against_last(Execution& execution) {
    World& world = make<of>(execution);
    for (unsigned i = 1; i < COPS_EXECUTOR_SEGMENT_TASKS; ++i) {
        start(world.context(0), ends(), 5);
    }
    execution.threads = {
        [&] { world.side().add_segment(); }, [&] { start(*here(), runs(world), 5); }
    };
}

// Who has an id by chance learns nothing but the truth.

constexpr cops_task_id first_id(unsigned segment) {
    return (cops_task_id{1} << 32) | (segment * COPS_EXECUTOR_SEGMENT_TASKS + 1);
}

template <Of of>
void table_against_guess(Execution& execution) {
    World& world = make<of>(execution);
    execution.threads = {
        [&] { world.side().add_segment(); }, [] { cops_executor_wake(here(), first_id(1)); }
    };
}

template <Of of>
void spawn_against_guess(Execution& execution) {
    World& world = make<of>(execution);
    execution.threads = {
        [&] { start(*here(), runs(world), 5); },
        [] {
            const int level = cops_executor_level(here(), first_id(0));
            if (level >= 0 && level != 5) {
                explorer::fail("a task without its level");
            }
        }
    };
}

template <Of of>
void end_against_look(Execution& execution) {
    World& world = make<of>(execution);
    world.sleeper = start(world.context(0), child(world), 5, kPinned);
    execution.threads = {
        [&] { world.machine.run_once(); },
        [&] {
            if (cops_executor_alive(here(), world.sleeper) == 0 && world.before != 1) {
                explorer::fail("ended without what it wrote");
            }
        }
    };
}

// ---- A context that is closed, and opened again.

Routine spawns_opens_and_computes(World& world) {
    world.before = 1;
    start(*here(), runs(world), 5);
    cops_executor_close(here(), 1, 0);
    world.machine.send_kicks();
    world.ran.wait();
    co_return;
}

template <Of of>
void park_against_open(Execution& execution) {
    World& world = make<of>(execution);
    start(world.context(0), spawns_opens_and_computes(world), 5, kPinned);
    cops_executor_close(&world.context(0), 1, 1);
    execution.threads = {[&] { world.machine.run_once(); }, [&] { world.machine.run_hart(); }};
}

// ---- A context is closed while one of its own becomes ready there.

template <Of of>
void close_against_wake(Execution& execution) {
    World& world = make<of>(execution);
    world.sleeper = start(world.context(1), sleeps(world), 5);
    world.side().run(1);
    execution.threads = {
        [&] {
            cops_executor_close(here(), 1, 1);
            world.machine.send_kicks();
            world.machine.run_hart();
        },
        [&] {
            world.before = 1;
            cops_executor_wake(here(), world.sleeper);
            world.machine.send_kicks();
            world.machine.run_hart();
        }
    };
}

// ---- A wake of a task that has lost the hart while it ran.

Routine loses_the_hart(World& world) {
    ++world.after;
    start(*here(), ends(), 3, kPinned);
    int stack = 0;
    if (cops_executor_preempt(here(), &stack, 0) != 1 || world.machine.run_once() != COPS_RUN_RESUME
        || cops_executor_resumed(here()) != &stack) {
        explorer::fail("not preempted");
    }
    co_await Suspend();
    if (world.before != 1) {
        explorer::fail("woken without what the waker wrote");
    }
    world.machine.stop();
}

template <Of of>
void preempt_against_wake(Execution& execution) {
    World& world = make<of>(execution);
    world.sleeper = start(world.context(0), loses_the_hart(world), 5, kPinned);
    execution.threads = {
        [&] { world.machine.run_hart(); },
        [&] {
            world.before = 1;
            cops_executor_wake(here(), world.sleeper);
            world.machine.send_kicks();
        }
    };
}

// ---- "All sleep and nothing is in flight" is never said while a wake is on its way.

template <Of of>
void sleep_against_verdict(Execution& execution) {
    World& world = make<of>(execution);
    world.machine.asleep_is_wrong();
    world.sleeper = start(world.context(1), sleeps(world), 5, kPinned);
    world.side().run(1);
    start(world.context(0), wakes(world), 5, kPinned);
    execution.threads = {[&] { world.machine.run_hart(); }, [&] { world.machine.run_hart(); }};
}

// And it is said.
template <Of of>
void verdict(Execution& execution) {
    World& world = make<of>(execution);
    cops_executor_park_begin(&world.context(1));
    execution.threads = {[] {
        if (cops_executor_park_begin(here()) == 0 || cops_executor_asleep(here()) == 0) {
            explorer::fail("not called asleep");
        }
    }};
}

}  // namespace

constexpr NamedScenario kScenarios[] = {
    {"park_against_wake", park_against_wake<Of::process>},
    {"park_against_wake_in_kernel", park_against_wake<Of::kernel>},
    {"park_against_spawn", park_against_spawn<Of::process>},
    {"park_against_spawn_in_kernel", park_against_spawn<Of::kernel>},
    {"park_against_lone", park_against_lone<Of::process>},
    {"park_against_open", park_against_open<Of::process>},
    {"park_against_open_in_kernel", park_against_open<Of::kernel>},
    {"suspend_against_wake", suspend_against_wake<Of::process>},
    {"suspend_against_wake_in_kernel", suspend_against_wake<Of::kernel>},
    {"join_against_end", join_against_end<Of::process>},
    {"join_against_end_in_kernel", join_against_end<Of::kernel>},
    {"level_against_queue", level_against_queue<Of::process>},
    {"level_against_queue_in_kernel", level_against_queue<Of::kernel>},
    {"context_against_look", context_against_look<Of::process>},
    {"context_against_look_in_kernel", context_against_look<Of::kernel>},
    {"table_against_spawn", table_against_spawn<Of::process>},
    {"table_against_spawn_in_kernel", table_against_spawn<Of::kernel>},
    {"table_against_last", table_against_last<Of::process>},
    {"table_against_last_in_kernel", table_against_last<Of::kernel>},
    {"table_against_guess", table_against_guess<Of::process>},
    {"table_against_guess_in_kernel", table_against_guess<Of::kernel>},
    {"spawn_against_guess", spawn_against_guess<Of::process>},
    {"spawn_against_guess_in_kernel", spawn_against_guess<Of::kernel>},
    {"end_against_look", end_against_look<Of::process>},
    {"end_against_look_in_kernel", end_against_look<Of::kernel>},
    {"close_against_wake", close_against_wake<Of::process>},
    {"close_against_wake_in_kernel", close_against_wake<Of::kernel>},
    {"preempt_against_wake", preempt_against_wake<Of::process>},
    {"preempt_against_wake_in_kernel", preempt_against_wake<Of::kernel>},
    {"verdict", verdict<Of::process>},
    {"verdict_in_kernel", verdict<Of::kernel>},
    {"sleep_against_verdict", sleep_against_verdict<Of::process>},
    {"sleep_against_verdict_in_kernel", sleep_against_verdict<Of::kernel>},
};

std::span<const NamedScenario> executor_scenarios() {
    return kScenarios;
}
