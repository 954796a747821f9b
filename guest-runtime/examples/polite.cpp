// SPDX-License-Identifier: Apache-2.0
#include <cops/cops.hpp>

#include <chrono>
#include <cstdio>

using namespace std::chrono_literals;

namespace {

cops::Task<> compute(std::uint64_t& steps, const bool& stop) {
    while (!stop) {
        ++steps;
        if (steps % 1024 == 0) {
            co_await cops::maybe_yield();  // A few loads when nothing is more urgent.
        }
    }
}

}  // namespace

cops::Task<int> cops_main(int, char**) {
    std::uint64_t steps = 0;
    bool stop = false;
    const cops::TaskId worker = cops::spawn(compute(steps, stop), 40);
    (void)co_await cops::sleep_for(5ms);  // Comes back in time although the worker never blocks.
    stop = true;
    co_await cops::join(worker);
    std::puts(steps != 0 ? "computed" : "starved");
    co_return 0;
}
