// SPDX-License-Identifier: Apache-2.0
#include <cops/cops.hpp>

#include <cstdio>

using namespace std::chrono_literals;

namespace {

struct Tally {
    cops::Mutex mutex;
    int slept = 0;
    int gave_up = 0;
};

// Answers after a while, unless nobody wants the answer any more.
cops::Task<cops::Result<int>>
ask(Tally& tally, int answer, std::chrono::nanoseconds time, cops::CancelToken token) {
    const cops::Result<void> slept = co_await cops::sleep_for(time, token);
    const cops::Mutex::Guard guard = co_await tally.mutex.lock();
    ++(slept ? tally.slept : tally.gave_up);
    if (!slept) {
        co_return std::unexpected(slept.error());  // ECANCELED
    }
    co_return answer;
}

}  // namespace

cops::Task<int> cops_main(int, char**) {
    Tally tally;
    cops::CancelSource source;
    const auto [first, answers] = co_await cops::when_any(
        source, ask(tally, 1, 60s, source.token()), ask(tally, 2, 1ms, source.token())
    );
    // Both have ended: the slow one was cancelled, and waited for.
    std::printf("the fast one: %d\n", std::get<1>(answers).value_or(0));
    std::printf("slept %d, gave up %d\n", tally.slept, tally.gave_up);
    co_return first == 1 ? 0 : 1;
}
