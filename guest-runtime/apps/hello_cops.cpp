// SPDX-License-Identifier: Apache-2.0
#include <cops/cops.hpp>

#include <cstdio>

namespace {

cops::Task<> greet(const char* who) {
    std::printf("Hello from the coroutine of %s.\n", who);
    co_return;
}

}  // namespace

cops::Task<int> cops_main(int, char**) {
    const cops::TaskId patient = cops::spawn(greet("level 20"), 20);
    const cops::TaskId urgent = cops::spawn(greet("level 2"), 2);
    co_await cops::join(patient);
    co_await cops::join(urgent);
    co_return 0;
}
