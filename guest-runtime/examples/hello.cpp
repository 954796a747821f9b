// SPDX-License-Identifier: Apache-2.0
#include <cops/cops.hpp>

#include <cstdio>

cops::Task<int> cops_main(int, char**) {
    std::puts("Hello from a coroutine.");
    co_return 0;
}
