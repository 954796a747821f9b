// SPDX-License-Identifier: Apache-2.0
#include "stacks.hpp"

#include <cstdio>
#include <exception>

Stacks::~Stacks() {
    if (spare_.size() != stacks_.size() && std::uncaught_exceptions() == 0) {
        std::fputs("a coroutine keeps its stack for ever\n", stderr);
        std::abort();
    }
    over_ = true;
    for (Stack* stack : spare_) {
        stack->go.release();
        stack->thread.join();
    }
    for (std::unique_ptr<Stack>& stack : stacks_) {
        if (stack->thread.joinable()) {
            stack->thread.detach();
            (void)stack.release();  // It waits there for ever.
        }
    }
}

void Stacks::run() {
    start_another();
    stopped_.acquire();
}

void Stacks::start_another() {
    if (!spare_.empty()) {
        Stack* const stack = spare_.back();
        spare_.pop_back();
        stack->go.release();
        return;
    }
    Stack& stack = *stacks_.emplace_back(std::make_unique<Stack>());
    stack.thread = std::thread([this, &stack] { loop(stack); });
    // The caller touches nothing of ours until it has the hart again.
    stack.go.release();
}

void Stacks::loop(Stack& own) {
    own.go.acquire();
    this_context = &context_;
    while (!over_) {
        const Next next = turn_();
        if (next == Next::turn) {
            continue;
        }
        spare_.push_back(&own);
        if (next == Next::stop) {
            stopped_.release();
        } else {
            static_cast<Stack*>(cops_executor_resumed(&context_))->go.release();
        }
        own.go.acquire();
    }
}

void* Stacks::block() {
    Stack own;
    void* frame = nullptr;
    const int waits = cops_executor_block(&context_, &own, &frame);
    if (waits < 0) {
        return nullptr;
    }
    if (waits != 0) {
        start_another();
        own.go.acquire();
    }
    return frame;
}
