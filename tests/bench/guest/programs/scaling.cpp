// SPDX-License-Identifier: Apache-2.0
// scaling [HARTS]: a fixed number of wakes on each of as many harts, for the guest and (on one) for
// the host:
//   work wakes ns=T
#include <cops/cops.hpp>

#include <cstdio>
#include <cstdlib>
#include <vector>

namespace {

constexpr int kWakes = 4'000'000;
constexpr int kWarmUp = kWakes / 8;

cops::Task<> answer(cops::TaskId asker) {
    for (;;) {
        co_await cops::suspend();
        cops::wake(asker);
    }
}

cops::Task<> ask(cops::TaskId other, int wakes) {
    for (int n = 0; n < wakes; n += 2) {
        cops::wake(other);
        co_await cops::suspend();
    }
}

}  // namespace

cops::Task<> work(int wakes) {
    const cops::TaskId other = cops::spawn(answer(cops::current()), cops::kMainLevel);
    co_await ask(other, wakes);
}

cops::Task<> work_on(unsigned harts, int wakes) {
    std::vector<cops::TaskId> workers;
    for (unsigned i = 0; i < harts; ++i) {
        workers.push_back(cops::spawn(work(wakes), cops::kMainLevel));
    }
    for (const cops::TaskId worker : workers) {
        co_await cops::join(worker);
    }
}

cops::Task<int> cops_main(int argc, char** argv) {
    const unsigned harts = argc > 1 ? static_cast<unsigned>(std::atoi(argv[1])) : 1;
#if defined(__riscv)
    if (cops::alloc_cpu(harts) != harts) {
        co_return 1;
    }
#endif
    co_await work_on(harts, kWarmUp);
    const std::uint64_t begun = cops::time_now();
    co_await work_on(harts, kWakes);
    std::printf("work wakes ns=%lu\n", cops::time_now() - begun);
    co_return 0;
}
