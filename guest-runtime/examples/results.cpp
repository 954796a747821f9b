// SPDX-License-Identifier: Apache-2.0
#include <cops/cops.hpp>

#include <chrono>
#include <cstdio>

using namespace std::chrono_literals;

namespace {

cops::Task<int> slow_square(int value) {
    (void)co_await cops::sleep_for(1ms);
    co_return value* value;
}

}  // namespace

cops::Task<int> cops_main(int, char**) {
    // Awaited directly: part of this coroutine, one after the other.
    const int first = co_await slow_square(3);

    // Spawned: both sleep at the same time, each at its own level.
    cops::JoinHandle<int> left = cops::spawn_joinable(slow_square(4), 10);
    cops::JoinHandle<int> right = cops::spawn_joinable(slow_square(5), 10);
    if (!left || !right) {
        co_return 1;
    }
    std::printf("%d %d %d\n", first, co_await left, co_await right);
    co_return 0;
}
