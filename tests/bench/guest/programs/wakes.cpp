// SPDX-License-Identifier: Apache-2.0
// wakes FIFO COUNT: how soon a coroutine runs after the host has written to a FIFO that it reads,
// by each way a completion can take. The writer (harness/wakes.py) sends the time at which it
// wrote.
//   ready WAY              now write COUNT times eight bytes, each when the last one was taken
//   wake WAY sent=T handler=T resumed=T    one of them; host time, then guest times; 0 = none
//   lost WAY ns=T          what one of them took from the coroutine that computes beside it
//   spin KIND ns=T         one step of a long computation, by how it looks for more urgent work
//   sleep KIND late=T      how late sleep_for() came back beside that computation, one of COUNT
#include "interrupt_entry.hpp"

#include <cops/cops.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <vector>

using namespace std::chrono_literals;

extern "C" {
/// When the user interrupt handler was last entered; written by its first instructions.
std::uint64_t bench_handler_time = 0;
}

BENCH_INTERRUPT_ENTRY(R"(
    rdtime t0
    lla t1, bench_handler_time
    sd t0, 0(t1)
)");

namespace {

constexpr unsigned kUrgent = 2;
constexpr unsigned kEqual = 20;
constexpr unsigned kPatient = 63;

// The host finds this in the guest's memory, and compares its clock with the guest's through it.
// The marks are made at run time, so that no copy of the program has them.
struct alignas(64) Meeting {
    volatile std::uint64_t mark[2];  // Nobody in here reads it.
    std::uint64_t asked;             // By the host: counts up.
    std::uint64_t answered;          // By us: `asked` as seen; later, messages taken.
    std::uint64_t time;              // When the question was seen.
};
Meeting meeting;
constexpr std::uint64_t kLastQuestion = ~std::uint64_t{0};

void compare_clocks() {
    meeting.mark[0] = 0x6d656574696e6721u + cops::hart();
    meeting.mark[1] = ~meeting.mark[0];
    std::puts("meet");
    std::fflush(stdout);
    std::uint64_t seen = 0;
    while (seen != kLastQuestion) {
        const std::uint64_t asked = __atomic_load_n(&meeting.asked, __ATOMIC_ACQUIRE);
        if (asked != seen) {
            seen = asked;
            __atomic_store_n(&meeting.time, cops::time_now(), __ATOMIC_RELAXED);
            __atomic_store_n(&meeting.answered, seen, __ATOMIC_RELEASE);
        }
    }
}

struct Wake {
    std::uint64_t sent;
    std::uint64_t handler;
    std::uint64_t resumed;
};

struct Shared {
    int fd = -1;
    std::size_t count = 0;
    bool done = false;
    std::vector<Wake> wakes;
    std::vector<std::uint64_t> lost;
};

[[noreturn]] void fail(const char* what) {
    std::printf("failed: %s\n", what);
    std::exit(EXIT_FAILURE);
}

cops::Task<> receive(Shared& shared, std::int64_t offset) {
    while (shared.wakes.size() < shared.count) {
        bench_handler_time = 0;
        std::uint64_t sent = 0;
        const auto got =
            co_await cops::read(shared.fd, std::as_writable_bytes(std::span(&sent, 1)), offset);
        const std::uint64_t resumed = cops::time_now();
        if (!got || *got != sizeof sent) {
            fail("read of the FIFO");
        }
        const std::uint64_t handler = bench_handler_time;
        shared.wakes.push_back({sent, handler, resumed});
        __atomic_store_n(&meeting.answered, shared.wakes.size(), __ATOMIC_RELEASE);
    }
    shared.done = true;
}

// ---- What runs meanwhile ----

cops::Task<> spin_with_yield(Shared& shared) {
    while (!shared.done) {
        co_await cops::yield();
    }
}

// Here and not in a library, where a coroutine is not preempted.
[[gnu::always_inline]] inline std::uint64_t ticks() {
    std::uint64_t value;
    __asm__ volatile("rdtime %0" : "=r"(value) : : "memory");
    return value;
}

enum class Spin : std::uint8_t {
    looks,    // calls maybe_yield()
    never,    // only preemption takes the hart away
    pretends  // and it says that it is most urgent, so that no completion interrupts it
};

// A step in which a message was taken, and no other, is longer by what that cost.
template <Spin how>
cops::Task<> spin(Shared& shared) {
    std::size_t taken = shared.wakes.size();
    virtio_cops_line* const line = cops::detail::context()->line;  // there is one hart
    std::uint64_t last = ticks();
    while (!__atomic_load_n(&shared.done, __ATOMIC_RELAXED)) {
        if constexpr (how == Spin::looks) {
            co_await cops::maybe_yield();
        }
        if constexpr (how == Spin::pretends) {
            __atomic_store_n(&line->running_level, 0u, __ATOMIC_RELAXED);
        }
        const std::uint64_t now = ticks();
        if (shared.wakes.size() != taken) {
            taken = shared.wakes.size();
            shared.lost.push_back(ticks() - last);
        }
        last = now;
    }
}

cops::Task<> nothing(Shared&) {
    co_return;
}

using Beside = cops::Task<> (*)(Shared&);

cops::Task<> measure(
    const char* way,
    Shared& shared,
    unsigned level,
    Beside beside,
    unsigned beside_level,
    std::int64_t offset
) {
    shared.wakes.clear();
    shared.lost.clear();
    shared.lost.reserve(shared.count);
    shared.done = false;
    __atomic_store_n(&meeting.answered, 0, __ATOMIC_RELEASE);
    const cops::TaskId receiver = cops::spawn(receive(shared, offset), level);
    const cops::TaskId other = cops::spawn(beside(shared), beside_level);
    if (!receiver || !other) {
        fail("spawn");
    }
    std::printf("ready %s\n", way);
    std::fflush(stdout);
    co_await cops::join(receiver);
    co_await cops::join(other);
    for (const Wake& wake : shared.wakes) {
        std::printf(
            "wake %s sent=%lu handler=%lu resumed=%lu\n", way, wake.sent, wake.handler, wake.resumed
        );
    }
    for (const std::uint64_t time : shared.lost) {
        std::printf("lost %s ns=%lu\n", way, time);
    }
}

// Completions only come to light when the user timer looks for them.
cops::Task<> measure_timer(Shared& shared) {
    constexpr std::uint64_t kUserSoftware = 1;
    __asm__ volatile("csrc %0, %1" : : "i"(COPS_CSR_UIE), "r"(kUserSoftware));
    co_await measure("timer", shared, kUrgent, &spin<Spin::never>, kPatient, 0);
    __asm__ volatile("csrs %0, %1" : : "i"(COPS_CSR_UIE), "r"(kUserSoftware));
}

// ---- What looking for urgent work costs ----

constexpr unsigned kRuns = 25;
constexpr std::uint64_t kSteps = 1024 * 200;

std::uint64_t work(std::uint64_t value, std::uint64_t steps) {
    for (; steps != 0; --steps) {
        value = value * 6364136223846793005u + 1442695040888963407u;
        __asm__ volatile("" : "+r"(value));
    }
    return value;
}

// Looks after every `Steps` steps.
template <unsigned Steps>
cops::Task<> cost(const char* kind) {
    std::array<double, kRuns> times{};
    std::uint64_t value = 1;
    for (double& time : times) {
        const std::uint64_t begun = cops::time_now();
        for (std::uint64_t done = 0; done < kSteps; done += Steps) {
            value = work(value, Steps);
            co_await cops::maybe_yield();
        }
        time = static_cast<double>(cops::time_now() - begun) / kSteps;
    }
    std::ranges::sort(times);
    std::printf("spin %s ns=%.3f\n", kind, times[kRuns / 2]);
}

// ---- Timers ----

cops::Task<> sleeper(Shared& shared, std::vector<std::uint64_t>& late) {
    constexpr auto kSleep = 500us;
    while (late.size() < shared.count) {
        const std::uint64_t due = cops::time_now() + std::chrono::nanoseconds(kSleep).count();
        (void)co_await cops::sleep_for(kSleep);
        late.push_back(cops::time_now() - due);
    }
    shared.done = true;
}

cops::Task<> measure_sleep(const char* kind, Shared& shared, Beside beside) {
    std::vector<std::uint64_t> late;
    shared.done = false;
    const cops::TaskId timed = cops::spawn(sleeper(shared, late), kUrgent);
    const cops::TaskId other = cops::spawn(beside(shared), kPatient);
    co_await cops::join(timed);
    co_await cops::join(other);
    for (const std::uint64_t one : late) {
        std::printf("sleep %s late=%lu\n", kind, one);
    }
}

}  // namespace

cops::Task<int> cops_main(int argc, char** argv) {
    if (argc != 3) {
        fail("usage: wakes FIFO COUNT");
    }
    Shared shared;
    shared.count = std::strtoul(argv[2], nullptr, 10);
    const cops::Result<int> fd = co_await cops::open(argv[1], O_RDONLY);
    if (!fd) {
        fail("open of the FIFO");
    }
    shared.fd = *fd;
    compare_clocks();
    if (!cops::has_user_interrupts()) {
        co_await measure("upcall", shared, kUrgent, &spin<Spin::never>, kPatient, 0);
        // Neither host nor kernel tell it of a completion: the handler is entered at ticks alone.
        co_await measure("kernel-timer", shared, kUrgent, &spin<Spin::pretends>, kPatient, 0);
        std::puts("end");
        co_return 0;
    }
    use_bench_interrupt_entry();
    co_await measure("poll", shared, kEqual, &spin_with_yield, kEqual, 0);
    co_await measure("interrupt", shared, kUrgent, &spin<Spin::looks>, kPatient, 0);
    co_await measure("preempt", shared, kUrgent, &spin<Spin::never>, kPatient, 0);
    co_await measure_timer(shared);
    co_await measure(
        "kernel", shared, kUrgent, &spin<Spin::looks>, kPatient, cops::kCurrentPosition
    );
    co_await measure("idle", shared, kUrgent, &nothing, kPatient, 0);
    co_await measure_sleep("each", shared, &spin<Spin::looks>);
    co_await measure_sleep("never", shared, &spin<Spin::never>);
    co_await cost<kSteps>("never");
    co_await cost<1>("each");
    co_await cost<1024>("1024");
    std::puts("end");
    co_return 0;
}
