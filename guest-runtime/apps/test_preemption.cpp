// SPDX-License-Identifier: Apache-2.0
// test-preemption: coroutines lose the hart while they run, keep their stacks, and go on as if
// nothing had been.
#include "check.hpp"

#include <cops/cops.hpp>

#include <atomic>
#include <cerrno>
#include <cmath>
#include <string>
#include <vector>

using namespace std::chrono_literals;

namespace {

constexpr unsigned kUrgent = 2;
constexpr unsigned kPatient = 40;

using Flag = std::atomic<bool>;

bool is_set(const Flag& flag) {
    return flag.load(std::memory_order_relaxed);
}

cops::Task<> set(Flag& flag) {
    flag.store(true, std::memory_order_relaxed);
    co_return;
}

cops::Task<> spin_until(const Flag& flag) {
    while (!is_set(flag)) {
    }
    co_return;
}

/// Wakes up often and disturbs what a coroutine may think its own: registers, rounding mode and
/// flags of floating point, errno, the heap.
cops::Task<> disturber(const Flag& stop, std::uint64_t& rounds) {
    std::vector<std::string> strings;
    while (!is_set(stop)) {
        check((co_await cops::sleep_for(50us)).has_value(), "sleep");
        __asm__ volatile("fsrmi 1; fsflagsi 31" : : : "memory");
        double sum = 0.5;
        for (int i = 1; i < 40; ++i) {
            sum = std::fma(sum, 1.0 + 1.0 / i, -0.125);
        }
        errno = static_cast<int>(sum) & 63;
        strings.emplace_back(static_cast<std::size_t>(rounds % 300), 'd');
        if (strings.size() > 64) {
            strings.clear();
        }
        ++rounds;
    }
}

// ---- When ----

cops::Task<> wakes_run_at_once() {
    Flag woken = false;
    const cops::TaskId sleeper = cops::spawn(
        [](Flag& done) -> cops::Task<> {
            co_await cops::suspend();
            done = true;
        }(woken),
        kUrgent
    );
    check(!is_set(woken), "the sleeper sleeps");
    check(cops::wake(sleeper), "wake");
    check(is_set(woken), "a more urgent coroutine runs before wake() returns");

    Flag spawned = false;
    cops::spawn(set(spawned), kUrgent);
    check(is_set(spawned), "and before spawn() returns");

    Flag raised = false;
    const cops::TaskId late = cops::spawn(set(raised), 50);
    check(!is_set(raised), "a less urgent one waits");
    check(cops::set_priority(late, kUrgent).has_value(), "set_priority");
    check(is_set(raised), "until it is made more urgent");

    Flag guarded = false;
    {
        const cops::NoPreemption guard;
        cops::spawn(set(guarded), kUrgent);
        check(!is_set(guarded), "not under NoPreemption");
    }
    check(is_set(guarded), "but at its end");
    co_return;
}

/// Endless loops, each of which only another coroutine of its level or a less urgent one's waker
/// could end.
cops::Task<> loops_stop_nobody() {
    Flag stop = false;
    const cops::TaskId first = cops::spawn(spin_until(stop), kPatient);
    const cops::TaskId second = cops::spawn(spin_until(stop), kPatient);
    const cops::TaskId third = cops::spawn(set(stop), kPatient);
    co_await cops::join(first);
    co_await cops::join(second);
    co_await cops::join(third);
}

/// More of them than a process would have stacks for if each were small.
cops::Task<> many_loops_stop_nobody() {
    Flag stop = false;
    std::vector<cops::TaskId> tasks;
    for (int i = 0; i < 80; ++i) {
        tasks.push_back(cops::spawn(spin_until(stop), kPatient));
    }
    tasks.push_back(cops::spawn(set(stop), kPatient));
    for (const cops::TaskId task : tasks) {
        check(static_cast<bool>(task), "spawn");
        co_await cops::join(task);
    }
}

cops::Task<> ladder(unsigned level, std::vector<unsigned>& order, Flag* inner) {
    if (level > kUrgent) {
        Flag done = false;
        cops::spawn(ladder(level - 4, order, &done), level - 4);
        check(is_set(done), "the more urgent one ran to its end");
    }
    order.push_back(level);
    if (inner != nullptr) {
        *inner = true;
    }
    co_return;
}

cops::Task<> preempted_ones_nest() {
    std::vector<unsigned> order;
    co_await cops::join(cops::spawn(ladder(kUrgent + 40, order, nullptr), kUrgent + 40));
    check(order.size() == 11, "all of them");
    for (std::size_t i = 0; i < order.size(); ++i) {
        check(order[i] == kUrgent + 4 * i, "most urgent first");
    }
}

// ---- What a newcomer finds ----

unsigned long float_control() {
    unsigned long control = 0;
    __asm__ volatile("frcsr %0" : "=r"(control) : : "memory");
    return control;
}

cops::Task<> begins_neutral(Flag& ran) {
    check(float_control() == 0, "no rounding mode or flag of the one it preempts");
    // As much stack as on the process's first one.
    volatile char large[1 << 20];
    large[0] = 1;
    large[sizeof large - 1] = 1;
    ran = true;
    co_return;
}

cops::Task<> newcomers_begin_neutral() {
    __asm__ volatile("fsrmi 2; fsflagsi 1" : : : "memory");
    Flag ran = false;
    cops::spawn(begins_neutral(ran), kUrgent);
    check(is_set(ran), "it ran");
    check(float_control() == (2 << 5 | 1), "and left all as it was");
    __asm__ volatile("fscsr zero" : : : "memory");
    co_return;
}

// A static variable that takes long to make, and whose maker wakes somebody who needs it too.
struct Slow {
    explicit Slow(Flag& needed_too);
    int value = 0;
};

Slow& slow(Flag& needed_too) {
    static Slow made(needed_too);
    return made;
}

cops::Task<> needs_slow(Flag& got) {
    got = slow(got).value == 7;
    co_return;
}

Slow::Slow(Flag& needed_too) {
    cops::spawn(needs_slow(needed_too), kUrgent);
    check(!is_set(needed_too), "nobody has the hart before it is made");
    value = 7;
}

cops::Task<> static_variables_are_made_once() {
    Flag got = false;
    check(slow(got).value == 7, "made");
    check(is_set(got), "and the other one had it at once");
    co_return;
}

// ---- What is kept ----

struct Sum {
    double value = 0;
    std::uint64_t mixed = 0;
};

// Keeps many values in registers, whatever the compiler makes of it.
[[gnu::noinline]] Sum compute(std::uint64_t steps) {
    double a = 1;
    double b = 2;
    double c = 3;
    double d = 0.1;
    std::uint64_t x = 88172645463325252;
    std::uint64_t y = 1;
    for (std::uint64_t i = 0; i < steps; ++i) {
        a = a * 0.75 + b * 0.25;
        b = b * 0.5 + c * 0.5 + d;
        c = c * 0.875 - a * 0.125;
        d = d * -0.99 + 0.001;
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        y = y * 6364136223846793005 + x;
    }
    return {a + b + c + d, y};
}

cops::Task<> registers_survive() {
    constexpr std::uint64_t kSteps = 3'000'000;
    const Sum undisturbed = compute(kSteps);
    Flag stop = false;
    std::uint64_t rounds = 0;
    const cops::TaskId other = cops::spawn(disturber(stop, rounds), kUrgent);
    const Sum disturbed = compute(kSteps);
    stop = true;
    co_await cops::join(other);
    check(rounds > 0, "it was disturbed");
    check(disturbed.value == undisturbed.value, "floating point");
    check(disturbed.mixed == undisturbed.mixed, "integers");
}

cops::Task<> library_state_survives(std::uint64_t disturbances) {
    Flag stop = false;
    std::uint64_t rounds = 0;
    const cops::TaskId other = cops::spawn(disturber(stop, rounds), kUrgent);
    std::vector<std::string> strings;
    std::uint64_t turns = 0;
    __asm__ volatile("fsrmi 0; fsflagsi 0" : : : "memory");
    while (__atomic_load_n(&rounds, __ATOMIC_RELAXED) < disturbances) {
        errno = 77;
        for (int i = 0; i < 200; ++i) {
            check(*const_cast<volatile int*>(&errno) == 77, "errno");
        }
        strings.emplace_back(static_cast<std::size_t>(turns % 700), 'v');
        check(strings.back().find_first_not_of('v') == std::string::npos, "memory is its own");
        if (strings.size() > 100) {
            strings.clear();
        }
        check(float_control() >> 5 == 0, "rounding mode");
        ++turns;
    }
    stop = true;
    co_await cops::join(other);
}

}  // namespace

cops::Task<int> cops_main(int, char**) {
    const cops::TaskId tests = cops::spawn(
        []() -> cops::Task<> {
            co_await wakes_run_at_once();
            co_await loops_stop_nobody();
            co_await many_loops_stop_nobody();
            co_await newcomers_begin_neutral();
            co_await static_variables_are_made_once();
            co_await preempted_ones_nest();
            co_await registers_survive();
            co_await library_state_survives(300);
        }(),
        kPatient
    );
    co_await cops::join(tests);
    const cops_executor_counters& counters = cops::counters();
    check(counters.preemptions > 100, "many were preempted");
    std::printf("test-preemption: all passed, preemptions=%lu\n", counters.preemptions);
    co_return 0;
}
