// SPDX-License-Identifier: Apache-2.0
// Frames of two compilers on one executor.
#include "foreign_frames.hpp"
#include "side.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace {

Routine own(std::vector<int>& log) {
    co_await Suspend();
    log.push_back(100);
}

void sleep_here(void* frame) {
    cops_executor_suspend(here(), frame);
}

void exit_here(void* frame) {
    cops_executor_exit(here(), frame);
}

TEST(ExecutorFrames, of_gcc_and_of_clang_run_side_by_side) {
    Side side;
    std::vector<int> log;
    const cops_task_id foreign_id =
        cops_executor_spawn(&side.context(), foreign::make(log, 2, sleep_here, exit_here), 5, 0);
    const cops_task_id own_id = start(side.context(), own(log), 5);
    side.run();
    EXPECT_TRUE(log.empty());
    cops_executor_wake(&side.context(), foreign_id);
    cops_executor_wake(&side.context(), own_id);
    side.run();
    EXPECT_EQ(foreign::alive(), 1);
    cops_executor_wake(&side.context(), foreign_id);
    side.run();
    EXPECT_THAT(log, ::testing::ElementsAre(1, 100, 2));
    EXPECT_EQ(foreign::alive(), 0) << "destroyed by the executor at its end";
}

}  // namespace
