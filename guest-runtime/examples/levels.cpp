// SPDX-License-Identifier: Apache-2.0
#include <cops/cops.hpp>

#include <cstdio>

namespace {

cops::Task<> say(const char* text) {
    std::puts(text);
    co_return;
}

}  // namespace

cops::Task<int> cops_main(int, char**) {
    const cops::TaskId patient = cops::spawn(say("patient"), 20);
    const cops::TaskId urgent = cops::spawn(say("urgent"), 2);
    if (!patient || !urgent) {
        co_return 1;  // No memory for a coroutine.
    }
    co_await cops::join(patient);
    co_await cops::join(urgent);
    co_return 0;
}
