// SPDX-License-Identifier: Apache-2.0
// The wake paths of the executor. Objects are made by `new` and never deleted: they are the
// arena's. Plain members are shared on purpose: that a wake hands them over is checked as a race.
#include "scenarios.hpp"

#include "machine.hpp"

using explorer::Event;
using explorer::Execution;

namespace {

constexpr unsigned kPinned = COPS_SPAWN_PINNED;

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

World& make(Execution& execution, Side::Options options) {
    return *new World(execution, options);
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

void park_against_wake(Execution& execution) {
    World& world = make(execution, {.contexts = 2, .slots = 0, .segments = 1});
    world.sleeper = start(world.context(1), sleeps(world), 5, kPinned);
    world.side().run(1);
    start(world.context(0), wakes(world), 5, kPinned);
    execution.threads = {
        [&] { world.machine.run_once(); }, [&] { world.machine.run_hart(); }
    };
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

void park_against_spawn(Execution& execution) {
    World& world = make(execution, {.contexts = 2, .slots = 0, .segments = 1});
    start(world.context(0), spawns_and_computes(world), 5, kPinned);
    execution.threads = {
        [&] { world.machine.run_once(); }, [&] { world.machine.run_hart(); }
    };
}

// ---- Token or sleep: the wake comes while its task goes to sleep, and runs it where it wakes it.

void suspend_against_wake(Execution& execution) {
    World& world = make(execution, {.contexts = 2, .slots = 0, .segments = 1});
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

void join_against_end(Execution& execution) {
    World& world = make(execution, {.contexts = 2, .slots = 0, .segments = 1});
    const cops_task_id id = start(world.context(1), child(world), 5, kPinned);
    start(world.context(0), joins(world, id), 5, kPinned);
    execution.threads = {
        [&] { world.machine.run_hart(); }, [&] { world.machine.run_hart(); }
    };
}

// ---- A level given while the task is being queued.

void level_against_queue(Execution& execution) {
    World& world = make(execution, {.contexts = 2, .slots = 0, .segments = 1});
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

void context_against_look(Execution& execution) {
    World& world = make(execution, {.contexts = 2, .slots = 0, .segments = 1});
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

void table_against_spawn(Execution& execution) {
    World& world = make(execution, {.contexts = 2, .slots = 0, .segments = 0});
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
void table_against_last(Execution& execution) {
    World& world = make(execution, {.contexts = 2, .slots = 0, .segments = 1});
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

void table_against_guess(Execution& execution) {
    World& world = make(execution, {.contexts = 2, .slots = 0, .segments = 1});
    execution.threads = {
        [&] { world.side().add_segment(); },
        [] { cops_executor_wake(here(), first_id(1)); }
    };
}

void spawn_against_guess(Execution& execution) {
    World& world = make(execution, {.contexts = 2, .slots = 0, .segments = 1});
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

void end_against_look(Execution& execution) {
    World& world = make(execution, {.contexts = 2, .slots = 0, .segments = 1});
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

void park_against_open(Execution& execution) {
    World& world = make(execution, {.contexts = 2, .slots = 0, .segments = 1});
    start(world.context(0), spawns_opens_and_computes(world), 5, kPinned);
    cops_executor_close(&world.context(0), 1, 1);
    execution.threads = {
        [&] { world.machine.run_once(); }, [&] { world.machine.run_hart(); }
    };
}

// ---- "All sleep and nothing is in flight" is never said while a wake is on its way.

void sleep_against_verdict(Execution& execution) {
    World& world = make(execution, {.contexts = 2, .slots = 0, .segments = 1});
    world.machine.asleep_is_wrong();
    world.sleeper = start(world.context(1), sleeps(world), 5, kPinned);
    world.side().run(1);
    start(world.context(0), wakes(world), 5, kPinned);
    execution.threads = {
        [&] { world.machine.run_hart(); }, [&] { world.machine.run_hart(); }
    };
}

}  // namespace

constexpr NamedScenario kScenarios[] = {
    {"park_against_wake", park_against_wake},
    {"park_against_spawn", park_against_spawn},
    {"park_against_open", park_against_open},
    {"suspend_against_wake", suspend_against_wake},
    {"join_against_end", join_against_end},
    {"level_against_queue", level_against_queue},
    {"context_against_look", context_against_look},
    {"table_against_spawn", table_against_spawn},
    {"table_against_last", table_against_last},
    {"table_against_guess", table_against_guess},
    {"spawn_against_guess", spawn_against_guess},
    {"end_against_look", end_against_look},
    {"sleep_against_verdict", sleep_against_verdict},
};

std::span<const NamedScenario> executor_scenarios() {
    return kScenarios;
}
