// SPDX-License-Identifier: Apache-2.0
// test-give-way hold FILE, in a guest with two harts: a coroutine of level 0 spins on a lock that
// one of level 40 holds on the other hart. It makes FILE once the lock is held, spins a moment
// later, and makes FILE.had when it has the lock.
//
// test-give-way compute FILE, in another guest: computes at level 20 for some seconds from when
// FILE is there, and fails if FILE.had is not there by then. So on one worker the holder gets a
// turn only by what the spinner lends it.
#include "check.hpp"

#include <cops/cops.hpp>
#include <cops/sync/detail/lock.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <string_view>

namespace {

constexpr std::uint64_t kMillisecond = 1'000'000;  // in time_now()'s ticks, at the usual timebase

struct Shared {
    cops::detail::Spinlock lock;
    std::atomic<bool> held{false};
    std::atomic<bool> spins{false};
};

/// Waits in the kernel, so that the hart takes no coroutine meanwhile.
template <typename Condition>
void sleep_until(Condition condition) {
    while (!condition()) {
        ::usleep(1000);
    }
}

void make(const std::string& file) {
    const int made = ::open(file.c_str(), O_WRONLY | O_CREAT, 0644);
    check(made >= 0 && ::close(made) == 0, "make the file");
}

std::string had(const char* file) {
    return std::string(file) + ".had";
}

/// In a critical section, as the executor is while it has a queue's lock.
cops::Task<int> hold(Shared& shared) {
    cops_executor_context* const context = cops::detail::context();
    cops_executor_enter(context);
    {
        const cops::detail::SpinGuard guard(shared.lock);
        shared.held = true;
        while (!shared.spins) {
        }
        for (int i = 0; i < 2'000'000; ++i) {
            __asm__ volatile("");
        }
    }
    cops_executor_leave(context);
    co_return 0;
}

/// How long it waited for the lock, in ms.
cops::Task<int> spin(Shared& shared, const char* file) {
    sleep_until([&] { return shared.held.load(); });
    make(file);
    ::usleep(100'000);  // the others compute by now
    const std::uint64_t begin = cops::time_now();
    shared.spins = true;
    {
        const cops::detail::SpinGuard guard(shared.lock);
    }
    const auto waited = static_cast<int>((cops::time_now() - begin) / kMillisecond);
    make(had(file));
    co_return waited;
}

cops::Task<int> hold_and_spin(const char* file) {
    // Not on our frame: at level 40 the holder comes to its own end only after the others.
    static Shared shared;
    check(cops::alloc_cpu(2) == 2U, "two harts");
    check(static_cast<bool>(cops::spawn(hold(shared), 40)), "spawn");
    auto spinner = cops::spawn_joinable(spin(shared, file), 0);
    std::printf("test-give-way: waited for %d ms\n", co_await spinner);
    co_return 0;
}

cops::Task<int> compute(const char* file) {
    check(cops::set_priority(cops::current(), 20).has_value(), "set_priority");
    sleep_until([&] { return ::access(file, F_OK) == 0; });
    const std::uint64_t end = cops::time_now() + 4000 * kMillisecond;
    while (cops::time_now() < end) {
        for (int i = 0; i < 1000; ++i) {
            __asm__ volatile("");
        }
    }
    check(::access(had(file).c_str(), F_OK) == 0, "the spinner had its lock before this ended");
    co_return 0;
}

}  // namespace

cops::Task<int> cops_main(int argc, char** argv) {
    const std::string_view what = argc == 3 ? argv[1] : "";
    check(what == "hold" || what == "compute", "usage: test-give-way hold|compute FILE");
    co_return co_await (what == "hold" ? hold_and_spin(argv[2]) : compute(argv[2]));
}
