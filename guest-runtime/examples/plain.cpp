// SPDX-License-Identifier: Apache-2.0
#include <cops/cops.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <vector>

using namespace std::chrono_literals;

namespace {

// A key that has to be asked for.
cops::Task<int> ask_for_key(int item) {
    (void)co_await cops::sleep_for(10us);
    co_return item * 7 % 10;
}

// The algorithm that calls this knows nothing of coroutines.
bool comes_before(int left, int right) {
    const cops::Result<int> key = cops::block_on(ask_for_key(left));
    return key.value_or(0) < cops::block_on(ask_for_key(right)).value_or(0);
}

}  // namespace

cops::Task<int> cops_main(int, char**) {
    std::vector<int> items = {1, 2, 3, 4, 5};
    std::ranges::sort(items, comes_before);
    for (const int item : items) {
        std::printf("%d\n", item);
    }
    co_return 0;
}
