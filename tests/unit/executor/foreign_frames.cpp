// SPDX-License-Identifier: Apache-2.0
// Compiled by g++: its frames must be as good as clang's.
#include "foreign_frames.hpp"

#include <coroutine>
#include <cstdlib>

namespace foreign {

namespace {

int frames = 0;

struct Routine {
    struct promise_type {
        promise_type(std::vector<int>&, int, SleepFunction, ExitFunction exit_function)
            : exit(exit_function) {
            ++frames;
        }
        ~promise_type() { --frames; }
        struct Final {
            ExitFunction exit;
            bool await_ready() noexcept { return false; }
            void await_suspend(std::coroutine_handle<> self) noexcept { exit(self.address()); }
            void await_resume() noexcept {}
        };
        Routine get_return_object() {
            return {std::coroutine_handle<promise_type>::from_promise(*this)};
        }
        std::suspend_always initial_suspend() noexcept { return {}; }
        Final final_suspend() noexcept { return {exit}; }
        void return_void() {}
        void unhandled_exception() { std::abort(); }

        ExitFunction exit;
    };
    std::coroutine_handle<promise_type> handle;
};

struct Sleep {
    SleepFunction function;
    bool await_ready() { return false; }
    void await_suspend(std::coroutine_handle<> self) { function(self.address()); }
    void await_resume() {}
};

Routine sleeper(std::vector<int>& log, int times, SleepFunction sleep, ExitFunction) {
    for (int i = 1; i <= times; ++i) {
        co_await Sleep{sleep};
        log.push_back(i);
    }
}

}  // namespace

void* make(std::vector<int>& log, int times, SleepFunction sleep, ExitFunction exit) {
    return sleeper(log, times, sleep, exit).handle.address();
}

int alive() {
    return frames;
}

}  // namespace foreign
