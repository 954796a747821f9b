// SPDX-License-Identifier: Apache-2.0
// test-asleep: sleeps with nobody left to wake it. The library must say so and end the process.
#include <cops/cops.hpp>

cops::Task<int> cops_main(int, char**) {
    co_await cops::suspend();
    co_return 0;
}
