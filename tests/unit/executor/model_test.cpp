// SPDX-License-Identifier: Apache-2.0
// Random histories of spawn, wake, set_level and run against a model that keeps plain lists. Some
// coroutines keep their stacks while they sleep.
#include "stacks.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <climits>
#include <map>
#include <optional>

namespace {

struct ModelTask {
    unsigned level;
    bool ready;
    bool token;
    unsigned sleeps;  // Suspensions left before it ends.
};

/// Of the suspensions of a task, those for which it keeps its stack.
bool keeps_stack(unsigned name, unsigned sleeps_left) {
    return (name + sleeps_left) % 3 == 0;
}

/// What the executor should do, said as plainly as possible.
class Model {
public:
    void spawn(unsigned name, unsigned level, unsigned sleeps) {
        tasks_[name] = {level, true, false, sleeps};
        queues_[level].push_back(name);
    }

    bool wake(unsigned name) {
        const auto found = tasks_.find(name);
        if (found == tasks_.end()) {
            return false;
        }
        ModelTask& task = found->second;
        if (task.ready) {
            task.token = true;
        } else {
            task.ready = true;
            queues_[task.level].push_back(name);
        }
        return true;
    }

    bool set_level(unsigned name, unsigned level) {
        const auto found = tasks_.find(name);
        if (found == tasks_.end()) {
            return false;
        }
        ModelTask& task = found->second;
        if (task.ready) {
            std::erase(queues_[task.level], name);
            queues_[level].push_back(name);
        }
        task.level = level;
        return true;
    }

    std::optional<unsigned> run_one() {
        for (auto& queue : queues_) {
            if (queue.empty()) {
                continue;
            }
            const unsigned name = queue.front();
            queue.pop_front();
            ModelTask& task = tasks_[name];
            // Who is on its stack still goes on at once when its wake came first.
            while (task.sleeps != 0 && keeps_stack(name, task.sleeps) && task.token) {
                --task.sleeps;
                task.token = false;
            }
            if (task.sleeps == 0) {
                tasks_.erase(name);
            } else {
                --task.sleeps;
                task.ready = task.token;
                if (std::exchange(task.token, false)) {
                    queues_[task.level].push_back(name);
                }
            }
            return name;
        }
        return std::nullopt;
    }

    std::uint64_t bits() const {
        std::uint64_t bits = 0;
        for (unsigned level = 0; level < 64; ++level) {
            bits |= std::uint64_t{!queues_[level].empty()} << level;
        }
        return bits;
    }

private:
    std::map<unsigned, ModelTask> tasks_;
    std::array<std::deque<unsigned>, 64> queues_;
};

Routine task(Stacks& stacks, unsigned name, unsigned sleeps, std::optional<unsigned>& ran) {
    ran = name;
    for (; sleeps != 0; --sleeps) {
        if (keeps_stack(name, sleeps)) {
            block_on(stacks, cops_executor_suspend);
        } else {
            co_await Suspend();
        }
        ran = name;
    }
}

RC_GTEST_PROP(ExecutorModel, agrees_with_plain_lists, ()) {
    Side side;
    Model model;
    std::vector<cops_task_id> ids;
    std::optional<unsigned> ran;
    unsigned turns = 0;  // Left to run.
    Stacks stacks(side.context(), [&] {
        if (turns == 0) {
            side.run(0, 0);  // Who kept its stack has just left us the hart.
            return Stacks::Next::stop;
        }
        --turns;
        switch (side.run(0, 1)) {
        case COPS_RUN_RESUME:
            return Stacks::Next::resume;
        case COPS_RUN_IDLE:
            return Stacks::Next::stop;
        default:
            return Stacks::Next::turn;
        }
    });
    const auto steps = *rc::gen::inRange(1, 400);
    for (int step = 0; step < steps; ++step) {
        const auto action = *rc::gen::inRange(0, 8);
        const auto level = *rc::gen::inRange(0u, 64u);
        if (action <= 1 || ids.empty()) {
            const auto sleeps = *rc::gen::inRange(0u, 4u);
            const auto name = static_cast<unsigned>(ids.size());
            ids.push_back(start(side.context(), task(stacks, name, sleeps, ran), level));
            model.spawn(name, level, sleeps);
        } else if (action <= 3) {
            const auto name = *rc::gen::inRange<unsigned>(0, static_cast<unsigned>(ids.size()));
            RC_ASSERT((cops_executor_wake(&side.context(), ids[name]) == 0) == model.wake(name));
        } else if (action == 4) {
            const auto name = *rc::gen::inRange<unsigned>(0, static_cast<unsigned>(ids.size()));
            RC_ASSERT(
                (cops_executor_set_level(&side.context(), ids[name], level) == 0)
                == model.set_level(name, level)
            );
        } else {
            ran.reset();
            turns = 1;
            stacks.run();
            RC_ASSERT(ran == model.run_one());
        }
        RC_ASSERT(side.line().ready == model.bits());
    }
    // Nothing is lost: wake everybody until all have ended.
    for (int round = 0; round < 5; ++round) {
        for (const cops_task_id id : ids) {
            cops_executor_wake(&side.context(), id);
        }
        turns = UINT_MAX;
        stacks.run();
    }
    RC_ASSERT(side.context().counters.exited == ids.size());
}

}  // namespace
