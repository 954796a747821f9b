// SPDX-License-Identifier: Apache-2.0
// The wake paths of libcops: what coroutines wait for, on two harts or three. Objects are made by
// `new` and never deleted: they are the arena's. Plain members are shared on purpose: that a wake
// hands them over is checked as a race.
#include "machine.hpp"
#include "scenarios.hpp"

#include <cops/cops.hpp>

using explorer::Execution;

namespace {

constexpr unsigned kPinned = COPS_SPAWN_PINNED;

struct World {
    World(Execution& execution, unsigned harts)
        : machine(execution, {.contexts = harts, .slots = 0}) {}

    Side& side() { return machine.side(); }
    cops_executor_context& context(unsigned i) { return side().context(i); }
    void expect_before() const {
        if (before != 1) {
            explorer::fail("woken without what the waker wrote");
        }
    }
    /// Of the coroutines that work together, the last one ends the execution.
    void leave() {
        if (__atomic_fetch_sub(&working, 1u, __ATOMIC_RELAXED) == 1) {
            machine.stop();
        }
    }

    Machine machine;
    cops::detail::TaskRecord* const records =
        new cops::detail::TaskRecord[COPS_EXECUTOR_SEGMENT_TASKS];
    cops::detail::Timers* const timers = new cops::detail::Timers;
    long before = 0;   // written before a wake, read after it
    long counter = 0;  // guarded by a mutex
    bool is_ready = false;
    unsigned working = 2;
};

World* world_of_now = nullptr;

World& make(Execution& execution, unsigned harts = 2) {
    world_of_now = new World(execution, harts);
    return *world_of_now;
}

}  // namespace

// What libcops has of the guest's process. Coroutines do not lose the hart here.
namespace cops::detail {

cops_executor_context* context() noexcept {
    return here();
}
bool lose_hart(bool) noexcept {
    world_of_now->machine.send_kicks();
    return false;
}
cops_task_id spawn_frame(void* frame, unsigned level) noexcept {
    const cops_task_id id = cops_executor_spawn(here(), frame, level, 0);
    world_of_now->machine.send_kicks();
    return id;
}
void finish_root(void* frame) noexcept {
    cops_executor_exit(here(), frame);
}
void no_frame() {
    explorer::fail("no memory for a frame");
}
void move_request(cops_task_id, unsigned) noexcept {}
TaskRecord& task_record(std::uint32_t index) noexcept {
    return world_of_now->records[index];
}
Timers& timers() noexcept {
    return *world_of_now->timers;
}
std::uint64_t monotonic_ns() noexcept {
    return 0;
}

}  // namespace cops::detail

namespace {

// ---- Semaphore, event: who waits finds it free, or is found in the queue.

Routine acquires(World& world, cops::Semaphore& semaphore) {
    co_await semaphore.acquire();
    world.expect_before();
    world.machine.stop();
}

void semaphore_against_release(Execution& execution) {
    World& world = make(execution);
    auto& semaphore = *new cops::Semaphore(0);
    start(world.context(0), acquires(world, semaphore), 5, kPinned);
    execution.threads = {
        [&] { world.machine.run_hart(); },
        [&] {
            world.before = 1;
            semaphore.release();
            world.machine.send_kicks();
        }
    };
}

Routine waits(World& world, cops::Event& event) {
    co_await event.wait();
    world.expect_before();
    world.machine.stop();
}

template <cops::Reset reset>
void event_against_set(Execution& execution) {
    World& world = make(execution);
    auto& event = *new cops::Event(reset);
    start(world.context(0), waits(world, event), 5, kPinned);
    execution.threads = {
        [&] { world.machine.run_hart(); },
        [&] {
            world.before = 1;
            event.set();
            world.machine.send_kicks();
        }
    };
}

// Somebody waits already, and a third one looks.
void waited_event_against_look(Execution& execution) {
    World& world = make(execution);
    auto& event = *new cops::Event(cops::Reset::manual);
    start(world.context(0), waits(world, event), 5, kPinned);
    world.side().run(0);
    execution.threads = {
        [&] { world.machine.run_hart(); },
        [&] {
            world.before = 1;
            event.set();
            world.machine.send_kicks();
        },
        [&] {
            if (event.is_set()) {
                world.expect_before();
            }
        }
    };
}

// ---- The last waiter gives up while someone is on the way to wake it, then comes again.

Routine gives_up_and_acquires(World& world, cops::Semaphore& semaphore, cops::CancelToken token) {
    if (!co_await semaphore.acquire(token)) {
        co_await semaphore.acquire();
    }
    world.expect_before();
    world.machine.stop();
}

void permit_against_giving_up(Execution& execution) {
    World& world = make(execution, 3);
    auto& semaphore = *new cops::Semaphore(0);
    auto& source = *new cops::CancelSource;
    start(world.context(0), gives_up_and_acquires(world, semaphore, source.token()), 5, kPinned);
    world.side().run(0);
    execution.threads = {
        [&] { world.machine.run_hart(); },
        [&] {
            world.before = 1;
            semaphore.release();
            world.machine.send_kicks();
        },
        [&] {
            source.cancel();
            world.machine.send_kicks();
        }
    };
}

Routine gives_up_and_waits(World& world, cops::Event& event, cops::CancelToken token) {
    if (!co_await event.wait(token)) {
        co_await event.wait();
    }
    world.expect_before();
    world.machine.stop();
}

void set_against_giving_up(Execution& execution) {
    World& world = make(execution, 3);
    auto& event = *new cops::Event(cops::Reset::automatic);
    auto& source = *new cops::CancelSource;
    start(world.context(0), gives_up_and_waits(world, event, source.token()), 5, kPinned);
    world.side().run(0);
    execution.threads = {
        [&] { world.machine.run_hart(); },
        [&] {
            world.before = 1;
            event.set();
            world.machine.send_kicks();
        },
        [&] {
            source.cancel();
            world.machine.send_kicks();
        }
    };
}

// ---- Cancellation: who waits is woken by it, who looks sees what came before it.

Routine waits_for_cancellation(World& world, cops::Event& never, cops::CancelToken token) {
    if (co_await never.wait(token)) {
        explorer::fail("an event that nobody set");
    }
    world.expect_before();
    world.machine.stop();
}

void cancel_against_wait(Execution& execution) {
    World& world = make(execution);
    auto& never = *new cops::Event(cops::Reset::manual);
    auto& source = *new cops::CancelSource;
    start(world.context(0), waits_for_cancellation(world, never, source.token()), 5, kPinned);
    execution.threads = {
        [&] { world.machine.run_hart(); },
        [&] {
            world.before = 1;
            source.cancel();
            world.machine.send_kicks();
        }
    };
}

// ---- Mutex

Routine counts(World& world, cops::Mutex& mutex) {
    {
        const cops::Mutex::Guard guard = co_await mutex.lock();
        ++world.counter;
    }
    world.leave();
}

std::string both_counted(const World& world) {
    return world.counter == 2 ? "" : "two had the mutex at once";
}

void lock_against_unlock(Execution& execution) {
    World& world = make(execution);
    auto& mutex = *new cops::Mutex;
    start(world.context(0), counts(world, mutex), 5, kPinned);
    start(world.context(1), counts(world, mutex), 3, kPinned);
    execution.threads = {[&] { world.machine.run_hart(); }, [&] { world.machine.run_hart(); }};
    execution.check = [&] { return both_counted(world); };
}

// The last who waits gives up while the holder is on its way to hand over, then comes again.

Routine gives_up_and_counts(World& world, cops::Mutex& mutex, cops::CancelToken token) {
    {
        cops::Result<cops::Mutex::Guard> guard = co_await mutex.lock(token);
        if (!guard) {
            guard = co_await mutex.lock();
        }
        ++world.counter;
    }
    world.leave();
}

Routine holds(World& world, cops::Mutex& mutex) {
    {
        const cops::Mutex::Guard guard = co_await mutex.lock();
        co_await Suspend();
        ++world.counter;
    }
    world.leave();
}

void hand_over_against_giving_up(Execution& execution) {
    World& world = make(execution, 3);
    auto& mutex = *new cops::Mutex;
    auto& source = *new cops::CancelSource;
    const cops_task_id holder = start(world.context(0), holds(world, mutex), 5, kPinned);
    world.side().run(0);
    start(world.context(1), gives_up_and_counts(world, mutex, source.token()), 3, kPinned);
    world.side().run(1);
    cops_executor_wake(&world.context(0), holder);
    execution.threads = {
        [&] { world.machine.run_hart(); },
        [&] { world.machine.run_hart(); },
        [&] { source.cancel(); }
    };
    execution.check = [&] { return both_counted(world); };
}

// ---- Condition

Routine waits_until_ready(World& world, cops::Mutex& mutex, cops::Condition& condition) {
    {
        cops::Mutex::Guard guard = co_await mutex.lock();
        while (!world.is_ready) {
            co_await condition.wait(guard);
        }
    }
    world.leave();
}

Routine makes_ready(World& world, cops::Mutex& mutex, cops::Condition& condition) {
    {
        const cops::Mutex::Guard guard = co_await mutex.lock();
        world.is_ready = true;
        condition.notify_one();
    }
    world.leave();
}

void condition_against_notify(Execution& execution) {
    World& world = make(execution);
    auto& mutex = *new cops::Mutex;
    auto& condition = *new cops::Condition;
    start(world.context(0), waits_until_ready(world, mutex, condition), 5, kPinned);
    start(world.context(1), makes_ready(world, mutex, condition), 5, kPinned);
    execution.threads = {[&] { world.machine.run_hart(); }, [&] { world.machine.run_hart(); }};
}

// ---- Channel

template <std::size_t places>
Routine receives(World& world, cops::Channel<int, places>& channel) {
    const cops::Result<int> first = co_await channel.receive();
    const cops::Result<int> second = co_await channel.receive();
    if (!first || *first != 1 || !second || *second != 2) {
        explorer::fail("received what was not sent");
    }
    world.expect_before();
    world.leave();
}

template <std::size_t places>
Routine sends(World& world, cops::Channel<int, places>& channel) {
    world.before = 1;
    co_await channel.send(1);
    co_await channel.send(2);
    world.leave();
}

template <std::size_t places>
void send_against_receive(Execution& execution) {
    World& world = make(execution);
    auto& channel = *new cops::Channel<int, places>;
    start(world.context(0), receives(world, channel), 5, kPinned);
    start(world.context(1), sends(world, channel), 5, kPinned);
    execution.threads = {[&] { world.machine.run_hart(); }, [&] { world.machine.run_hart(); }};
}

// ---- A level given while its coroutine goes to a queue.

Routine waits_for_ever(World& world, cops::Semaphore& semaphore) {
    world.is_ready = true;
    co_await semaphore.acquire();
}

void priority_against_wait(Execution& execution) {
    World& world = make(execution);
    auto& semaphore = *new cops::Semaphore(0);
    const cops_task_id id = start(world.context(0), waits_for_ever(world, semaphore), 40, kPinned);
    execution.threads = {
        [&] {
            while (!world.is_ready) {
                world.machine.run_once();  // while it is between two queues there is nothing to run
            }
        },
        [&, id] { cops::set_priority(cops::TaskId(id), 3).value(); }
    };
    execution.check = [&, id]() -> std::string {
        const cops::detail::Waiter* const waiter = cops::detail::record_of(id).waiter;
        return waiter != nullptr && waiter->level == 3 ? "" : "waits at the old level";
    };
}

// ---- Inheritance: the holder has the level of who waits, and its own again.

Routine has_its_level_back(World& world, cops::Mutex& mutex) {
    {
        const cops::Mutex::Guard guard = co_await mutex.lock();
        ++world.counter;
    }
    if (cops::priority(cops::current()).value() != 40) {
        explorer::fail("a level that nobody lends");
    }
    world.leave();
}

void inheritance_against_unlock(Execution& execution) {
    World& world = make(execution);
    auto& mutex = *new cops::Mutex;
    start(world.context(0), has_its_level_back(world, mutex), 40, kPinned);
    start(world.context(1), counts(world, mutex), 3, kPinned);
    execution.threads = {[&] { world.machine.run_hart(); }, [&] { world.machine.run_hart(); }};
    execution.check = [&] { return both_counted(world); };
}

// ---- Coroutines that are waited for together.

cops::Task<int> gives(int value) {
    co_return value;
}

Routine gathers(World& world) {
    const auto [one, other] = co_await cops::when_all(gives(1), gives(2));
    if (!one || *one != 1 || !other || *other != 2) {
        explorer::fail("gathered without the results");
    }
    world.machine.stop();
}

void gathering_against_ends(Execution& execution) {
    World& world = make(execution);
    start(world.context(0), gathers(world), 5, kPinned);
    execution.threads = {[&] { world.machine.run_hart(); }, [&] { world.machine.run_hart(); }};
}

cops::Task<> writes(World& world) {
    world.before = 1;
    co_return;
}

Routine joins_group(World& world) {
    {
        cops::TaskGroup group;
        group.spawn(writes(world), 5).value();
        (co_await group.join()).value();
    }
    world.expect_before();
    world.machine.stop();
}

void group_against_end(Execution& execution) {
    World& world = make(execution);
    start(world.context(0), joins_group(world), 5, kPinned);
    execution.threads = {[&] { world.machine.run_hart(); }, [&] { world.machine.run_hart(); }};
}

// ---- A handle goes while its coroutine ends: the second one destroys the frame.

struct Value {
    explicit Value(long number)
        : number_(number) {}
    Value(Value&&) = default;
    ~Value() { number_ = 0; }

private:
    long number_;
};

cops::Task<Value> makes_value() {
    co_return Value(7);
}

Routine drops_handle(World& world) {
    {
        const cops::JoinHandle<Value> handle = cops::spawn_joinable(makes_value(), 5);
    }
    world.machine.stop();
    co_return;
}

void handle_against_end(Execution& execution) {
    World& world = make(execution);
    start(world.context(0), drops_handle(world), 5, kPinned);
    execution.threads = {[&] { world.machine.run_hart(); }, [&] { world.machine.run_hart(); }};
}

}  // namespace

constexpr NamedScenario kScenarios[] = {
    {"semaphore_against_release", semaphore_against_release},
    {"event_against_set", event_against_set<cops::Reset::manual>},
    {"automatic_event_against_set", event_against_set<cops::Reset::automatic>},
    {"waited_event_against_look", waited_event_against_look},
    {"permit_against_giving_up", permit_against_giving_up},
    {"set_against_giving_up", set_against_giving_up},
    {"cancel_against_wait", cancel_against_wait},
    {"lock_against_unlock", lock_against_unlock},
    {"hand_over_against_giving_up", hand_over_against_giving_up},
    {"condition_against_notify", condition_against_notify},
    {"send_against_receive", send_against_receive<1>},
    {"hand_to_hand", send_against_receive<0>},
    {"priority_against_wait", priority_against_wait},
    {"inheritance_against_unlock", inheritance_against_unlock},
    {"gathering_against_ends", gathering_against_ends},
    {"group_against_end", group_against_end},
    {"handle_against_end", handle_against_end},
};

std::span<const NamedScenario> sync_scenarios() {
    return kScenarios;
}
