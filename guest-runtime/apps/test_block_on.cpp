// SPDX-License-Identifier: Apache-2.0
// test-block-on: plain functions wait, with the stack of the coroutine that called them, and other
// coroutines have the hart meanwhile.
#include "check.hpp"

#include <cops/cops.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <deque>
#include <memory>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using cops::block_on;

namespace {

constexpr unsigned kUrgent = 2;
constexpr unsigned kLevel = 20;
constexpr unsigned kPatient = 40;

// Compiled as what it is: a function that knows nothing of its caller.
template <typename F>
[[gnu::noinline]] auto plainly(F function) {
    return function();
}

std::array<std::byte, 100> read_at(int fd, std::int64_t offset) {
    std::array<std::byte, 100> buffer{};
    const cops::Result<std::size_t> count = block_on(cops::read(fd, buffer, offset));
    check(count == 100, "read");
    check(buffer[3] == static_cast<std::byte>(offset + 3), "what was read");
    return buffer;
}

cops::Task<> count_turns(const bool& stop, unsigned& turns) {
    while (!stop) {
        ++turns;
        co_await cops::yield();
    }
}

cops::State state_of(cops::TaskId id) {
    return cops::state(id).value();
}

cops::Task<> until_blocked(cops::TaskId id) {
    while (state_of(id) != cops::State::blocked) {
        (void)co_await cops::sleep_for(100us);
    }
}

cops::Task<> until_ended(cops::TaskId id) {
    while (cops::state(id).has_value()) {
        (void)co_await cops::sleep_for(100us);
    }
}

// ---- What it gives ----

struct Move {
    explicit Move(int number)
        : value(new int(number)) {}
    std::unique_ptr<int> value;
};

cops::Task<Move> slow_move(int value) {
    (void)co_await cops::sleep_for(100us);
    co_return Move(value);
}

cops::Task<cops::Result<int>> fails_slowly() {
    (void)co_await cops::sleep_for(100us);
    co_return std::unexpected(cops::Error(EPROTO));
}

cops::Task<int> at_once(int value) {
    co_return value;
}

cops::Task<> all_kinds_of_awaitables() {
    plainly([] {
        check(block_on(cops::nop()).has_value(), "a request");
        const cops::Result<Move> moved = block_on(slow_move(5));
        check(*moved->value == 5, "a task");
        check(block_on(fails_slowly()).error().number() == EPROTO, "the error of a task");
        check(block_on(at_once(3)) == 3, "a task that never waits");
        check(block_on(cops::Task<int>()).error().number() == ENOMEM, "an empty task");
        cops::JoinHandle<int> handle = cops::spawn_joinable(at_once(9), kPatient);
        check(block_on(handle) == 9, "a handle");
        const auto all = block_on(cops::when_all(slow_move(1), fails_slowly(), at_once(2)));
        check(*std::get<0>(*all)->value == 1 && std::get<2>(*all) == 2, "when_all");
        check(std::get<1>(*all).error().number() == EPROTO, "and its errors");
        check(block_on(cops::yield()).has_value(), "yield");
        cops::wake(cops::current());
        check(block_on(cops::suspend()).has_value(), "suspend");
        const cops::TaskId child = cops::spawn(
            []() -> cops::Task<> { (void)co_await cops::sleep_for(100us); }(), kPatient
        );
        check(block_on(cops::yield_to(child)).has_value(), "yield_to");
        check(block_on(cops::join(child)).has_value(), "join");
        cops::Semaphore semaphore(1);
        const std::uint64_t blocks = cops::counters().blocks;
        check(block_on(semaphore.acquire()).has_value(), "what is to be had at once");
        check(cops::counters().blocks == blocks, "takes no switch");
        check(block_on(semaphore.acquire(1ms)).error().number() == ETIMEDOUT, "a limit");
        cops::CancelSource source;
        check(source.cancel_after(1ms).has_value(), "cancel_after");
        check(block_on(semaphore.acquire(source.token())).error().number() == ETIMEDOUT, "a token");
    });
    check(cops::stacks().kept == 0, "no stack is kept any more");
    co_return;
}

// ---- Who runs meanwhile ----

cops::Task<> others_run_meanwhile() {
    bool stop = false;
    std::array<unsigned, 3> turns{};
    std::vector<cops::TaskId> others;
    // Less urgent ones first: an urgent one that only yields keeps them from the hart.
    for (const unsigned level : {kPatient, kLevel}) {
        others.push_back(cops::spawn(count_turns(stop, turns[others.size()]), level));
    }
    others.push_back(cops::spawn(
        [](const bool& over, unsigned& count) -> cops::Task<> {
            while (!over) {
                ++count;
                (void)co_await cops::sleep_for(100us);
            }
        }(stop, turns[2]),
        kUrgent
    ));
    // For ever, if nobody ran while it waits.
    const auto wait_until_it_runs = [](const unsigned& count) {
        const unsigned enough = count + 3;
        while (count < enough) {
            check(block_on(cops::sleep_for(200us)).has_value(), "sleep");
        }
    };
    plainly([&] {
        wait_until_it_runs(turns[1]);  // the one of the same level
        wait_until_it_runs(turns[2]);  // the more urgent one
        check(cops::set_priority(others[1], 63).has_value(), "set_priority");
        wait_until_it_runs(turns[0]);  // the less urgent one
    });
    stop = true;
    for (const cops::TaskId other : others) {
        co_await cops::join(other);
    }
}

cops::Task<>
wait_in_plain_function(cops::Event& event, unsigned number, std::vector<unsigned>& order) {
    plainly([&] {
        // As much of the stack as to notice when others use it too.
        volatile unsigned char mine[20'000];
        std::fill(std::begin(mine), std::end(mine), static_cast<unsigned char>(number));
        check(block_on(event.wait()).has_value(), "event");
        for (const unsigned char byte : mine) {
            check(byte == number, "the stack is its own");
        }
        order.push_back(number);
    });
    co_return;
}

cops::Task<> many_wait_and_go_on_in_any_order() {
    constexpr unsigned kMany = 12;
    std::deque<cops::Event> events;
    std::vector<cops::TaskId> tasks;
    std::vector<unsigned> order;
    for (unsigned i = 0; i < kMany; ++i) {
        events.emplace_back(cops::Reset::manual);
        tasks.push_back(cops::spawn(wait_in_plain_function(events[i], i, order), kPatient));
    }
    for (const cops::TaskId task : tasks) {
        co_await until_blocked(task);
    }
    check(cops::stacks().kept == kMany, "each keeps its stack");
    std::vector<unsigned> expected;
    for (unsigned i = 0; i < kMany; ++i) {
        const unsigned next = i * 5 % kMany;
        check(state_of(tasks[next]) == cops::State::blocked, "it waits");
        events[next].set();
        check(state_of(tasks[next]) == cops::State::unblocked, "and does not become ready");
        expected.push_back(next);
        co_await until_ended(tasks[next]);
    }
    check(order == expected, "one after the other, as they were woken");
    check(cops::stacks().kept == 0, "no stack is kept any more");
}

// ---- Where it can be called ----

int nested(int depth) {
    if (depth == 0) {
        check(block_on(cops::sleep_for(100us)).has_value(), "sleep");
        return 0;
    }
    return 1 + *block_on([](int below) -> cops::Task<int> {
               (void)co_await cops::sleep_for(10us);
               const int result = nested(below - 1);
               (void)co_await cops::sleep_for(10us);
               co_return result;
           }(depth));
}

cops::Task<> nests() {
    check(nested(5) == 5, "nested");
    check(cops::stacks().kept == 0, "no stack is kept any more");
    co_return;
}

std::uint64_t compared = 0;

int compare_by_file(const void* left, const void* right, void* fd) {
    ++compared;
    const auto value = [&](const void* at) {
        return static_cast<int>(read_at(*static_cast<int*>(fd), *static_cast<const int*>(at))[0]);
    };
    return value(left) - value(right);
}

cops::Task<> sorts(int fd, unsigned seed) {
    std::vector<int> offsets;
    for (int i = 0; i < 40; ++i) {
        offsets.push_back(static_cast<int>(seed = (seed * 37 + 11) % 150));
    }
    std::vector<int> expected = offsets;
    std::ranges::sort(expected);
    std::vector<int> sorted = offsets;
    std::sort(sorted.begin(), sorted.end(), [&](int left, int right) {
        ++compared;
        return read_at(fd, left)[0] < read_at(fd, right)[0];
    });
    check(sorted == expected, "std::sort");
    sorted = offsets;
    ::qsort_r(sorted.data(), sorted.size(), sizeof(int), &compare_by_file, &fd);
    check(sorted == expected, "qsort");
    co_return;
}

cops::Task<> comparators_of_several_sorts_wait(int fd) {
    std::vector<cops::TaskId> tasks;
    for (unsigned i = 0; i < 4; ++i) {
        tasks.push_back(cops::spawn(sorts(fd, i + 1), kLevel + i % 2));
    }
    for (const cops::TaskId task : tasks) {
        co_await cops::join(task);
    }
    check(compared > 500, "compared");
}

struct File {
    explicit File(const char* path)
        : fd(block_on(cops::open(path, O_RDONLY)).value()) {}
    ~File() { check(block_on(cops::close(fd)).has_value(), "close"); }
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    const int fd;
};

// ---- What is the coroutine's own ----

constinit cops::Local<int> name;

cops::Task<int> part_of(cops::TaskId caller) {
    (void)co_await cops::sleep_for(100us);
    check(cops::current() == caller, "what it awaits is a part of it");
    const cops::Local<int>::Value inner(name, *name.get() + 1);
    (void)co_await cops::sleep_for(100us);
    co_return *name.get();
}

cops::Task<> is_itself_meanwhile() {
    const cops::Local<int>::Value bound(name, 7);
    const cops::TaskId self = cops::current();
    plainly([&] { check(block_on(part_of(self)) == 8, "local values"); });
    check(cops::current() == self && *name.get() == 7, "and goes on as itself");
    co_return;
}

unsigned long float_control() {
    unsigned long control = 0;
    __asm__ volatile("frcsr %0" : "=r"(control) : : "memory");
    return control;
}

cops::Task<> keeps_what_threads_keep() {
    bool stop = false;
    const cops::TaskId other = cops::spawn(
        [](const bool& over) -> cops::Task<> {
            while (!over) {
                check(float_control() == 0, "a newcomer's rounding mode");
                __asm__ volatile("fsrmi 1" : : : "memory");
                errno = 5;
                __asm__ volatile("fscsr zero" : : : "memory");
                (void)co_await cops::sleep_for(50us);
            }
        }(stop),
        kUrgent
    );
    plainly([] {
        __asm__ volatile("fsrmi 2; fsflagsi 1" : : : "memory");
        errno = 77;
        check(block_on(cops::sleep_for(1ms)).has_value(), "sleep");
        check(errno == 77, "errno");
        check(float_control() == (2 << 5 | 1), "rounding mode and flags");
        __asm__ volatile("fscsr zero" : : : "memory");
    });
    stop = true;
    co_await cops::join(other);
}

cops::Task<> mutexes_and_levels_are_its_own() {
    cops::Mutex mutex;
    cops::Event release(cops::Reset::manual);
    const cops::TaskId holder = cops::spawn(
        [](cops::Mutex& wanted, cops::Event& event) -> cops::Task<> {
            plainly([&] {
                const cops::Mutex::Guard guard = block_on(wanted.lock()).value();
                check(block_on(event.wait()).has_value(), "event");
            });
            check(cops::priority(cops::current()) == 50u, "its own level again");
            co_return;
        }(mutex, release),
        50
    );
    co_await until_blocked(holder);
    check(!mutex.try_lock(), "it holds the mutex while it waits");
    const cops::TaskId waiter = cops::spawn(
        [](cops::Mutex& wanted) -> cops::Task<> {
            plainly([&] {
                const cops::Mutex::Guard guard = block_on(wanted.lock()).value();
                check(static_cast<bool>(guard), "locked");
            });
            co_return;
        }(mutex),
        kUrgent
    );
    check(state_of(waiter) == cops::State::blocked, "it waits for the mutex");
    check(cops::priority(holder) == kUrgent, "and lends its level to the holder");
    check(cops::set_priority(waiter, kLevel).has_value(), "set_priority");
    check(cops::priority(holder) == kLevel, "which follows it");
    release.set();
    co_await cops::join(waiter);
    co_await cops::join(holder);
    check(mutex.try_lock(), "free again");
    mutex.unlock();
}

cops::Task<> wakes_are_kept() {
    const cops::TaskId sleeper = cops::spawn(
        []() -> cops::Task<> {
            plainly([] {
                check(block_on(cops::sleep_for(1ms)).has_value(), "sleep");
                check(block_on(cops::suspend()).has_value(), "woken before");
                check(block_on(cops::suspend()).has_value(), "woken now");
            });
            co_return;
        }(),
        kUrgent
    );
    check(cops::wake(sleeper), "wake");
    check(state_of(sleeper) == cops::State::blocked, "does not end the sleep");
    while (cops::wake(sleeper)) {
        (void)co_await cops::sleep_for(200us);
    }
}

/// One that was interrupted while its plain function computes, and waits afterwards.
cops::Task<> preempted_and_blocked_ones_mix() {
    std::vector<cops::TaskId> tasks;
    for (int i = 0; i < 6; ++i) {
        tasks.push_back(cops::spawn(
            [](int rounds) -> cops::Task<> {
                plainly([rounds] {
                    for (int round = 0; round < rounds; ++round) {
                        const auto until = cops::time_now() + 1'500'000;
                        while (cops::time_now() < until) {
                        }
                        check(block_on(cops::sleep_for(300us)).has_value(), "sleep");
                    }
                });
                co_return;
            }(4 + i),
            kPatient - static_cast<unsigned>(i)
        ));
    }
    for (const cops::TaskId task : tasks) {
        co_await cops::join(task);
    }
    check(cops::stacks().kept == 0, "no stack is kept any more");
}

// ---- Its limits ----

cops::Task<> stacks_are_used_again() {
    for (int i = 0; i < 50; ++i) {
        check(nested(3) == 3, "nested");
    }
    const unsigned idle = cops::stacks().idle;
    for (int i = 0; i < 200; ++i) {
        check(nested(3) == 3, "nested");
    }
    check(cops::stacks().idle == idle, "no more stacks than at first");
    co_return;
}

cops::Task<> with_too_many_stacks_it_fails() {
    constexpr unsigned kTooMany = 1100;
    cops::Event event(cops::Reset::manual);
    unsigned waited = 0;
    unsigned refused = 0;
    std::vector<cops::TaskId> tasks;
    for (unsigned i = 0; i < kTooMany; ++i) {
        tasks.push_back(cops::spawn(
            [](cops::Event& awaited, unsigned& good, unsigned& bad) -> cops::Task<> {
                const cops::Result<void> result = block_on(awaited.wait());
                ++(result ? good : bad);
                check(result || result.error().number() == ENOMEM, "the error");
                co_return;
            }(event, waited, refused),
            kLevel
        ));
    }
    for (const cops::TaskId task : tasks) {
        while (cops::state(task).has_value() && state_of(task) != cops::State::blocked) {
            (void)co_await cops::sleep_for(1ms);
        }
    }
    check(refused != 0, "some were refused");
    check(cops::stacks().kept + refused == kTooMany, "the others wait");
    event.set();
    for (const cops::TaskId task : tasks) {
        co_await cops::join(task);
    }
    check(waited >= 1000 && waited + refused == kTooMany, "and have waited");
    check(cops::stacks().kept == 0, "no stack is kept any more");
}

bool wait() {
    return block_on(cops::sleep_for(1ms)).has_value();
}

/// Waits when its copy in a coroutine's frame is destroyed.
struct Waits {
    explicit Waits(int* counted)
        : count(counted) {}
    Waits(const Waits&) = default;
    ~Waits() { check(++*count == 2 || wait(), "waited"); }
    int* count;
};

cops::Task<> has_parameter(Waits waits) {
    check(*waits.count == 0, "not yet");
    co_return;
}

cops::Task<> misuse(const std::string& how) {
    if (how == "guarded") {
        const cops::NoPreemption guard;
        wait();
    } else if (how == "static") {
        static const bool made = wait();
        check(made, "made");
    } else if (how == "parameter") {
        static int count = 0;
        co_await cops::join(cops::spawn(has_parameter(Waits(&count)), 9));
    } else if (how == "outside") {
        std::atexit([] { wait(); });
    } else if (how == "foreign") {
        (void)block_on(std::suspend_always());
    } else if (how == "asleep") {
        (void)block_on(cops::suspend());
    }
}

}  // namespace

cops::Task<int> cops_main(int argc, char** argv) {
    if (argc > 2) {
        co_await misuse(argv[2]);
        co_return 0;
    }
    const cops::TaskId tests = cops::spawn(
        [](const char* path) -> cops::Task<> {
            check(cops::stacks().kept == 0, "no stack is kept yet");
            co_await all_kinds_of_awaitables();
            co_await others_run_meanwhile();
            co_await many_wait_and_go_on_in_any_order();
            co_await nests();
            {
                const File file(path);
                co_await comparators_of_several_sorts_wait(file.fd);
            }
            co_await is_itself_meanwhile();
            co_await keeps_what_threads_keep();
            co_await mutexes_and_levels_are_its_own();
            co_await wakes_are_kept();
            co_await preempted_and_blocked_ones_mix();
            co_await stacks_are_used_again();
            co_await with_too_many_stacks_it_fails();
        }(argv[1]),
        kLevel
    );
    co_await cops::join(tests);
    std::printf("test-block-on: all passed, blocks=%lu\n", cops::counters().blocks);
    co_return 0;
}
