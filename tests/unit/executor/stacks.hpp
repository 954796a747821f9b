// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "side.hpp"

#include <functional>
#include <semaphore>
#include <thread>

/// The stacks of one hart: threads, of which one runs at a time. So a coroutine can keep its stack
/// while the loop goes on on another, and sanitizers see who hands what to whom.
class Stacks {
public:
    /// What a turn of the loop has led to; `resume` after COPS_RUN_RESUME.
    enum class Next : std::uint8_t { turn, resume, stop };

    /// `turn` is one of the loop of the hart that `context` belongs to.
    Stacks(cops_executor_context& context, std::function<Next()> turn)
        : context_(context)
        , turn_(std::move(turn)) {}
    Stacks(const Stacks&) = delete;
    Stacks& operator=(const Stacks&) = delete;
    /// No coroutine may keep a stack any more, unless a test has failed.
    ~Stacks();

    /// Runs the loop, on a stack of its own, until a turn says stop.
    void run();
    /// From below a coroutine that has asked for something with another frame. Gives that frame
    /// when it can go on. -EINVAL of the executor: null.
    void* block();

private:
    struct Stack {
        std::binary_semaphore go{0};
        std::thread thread;
    };

    void start_another();
    void loop(Stack& own);

    cops_executor_context& context_;
    const std::function<Next()> turn_;
    // Of whoever runs.
    std::vector<Stack*> spare_;
    std::vector<std::unique_ptr<Stack>> stacks_;
    bool over_ = false;
    std::binary_semaphore stopped_{0};
};

/// Where a plain function goes on: to the executor, a suspended coroutine.
struct PlainFrame {
    void (*resume)(void*) = [](void* frame) { static_cast<PlainFrame*>(frame)->is_over = true; };
    void (*destroy)(void*) = nullptr;
    bool is_over = false;
};

/// What a coroutine's plain function does to wait: `ask` calls the executor with a frame.
template <typename Ask>
void block_on(Stacks& stacks, Ask ask) {
    PlainFrame frame;
    ask(here(), &frame);
    while (!frame.is_over) {
        void* const suspended = stacks.block();
        if (suspended == nullptr) {
            return;
        }
        std::coroutine_handle<>::from_address(suspended).resume();
    }
}
