// SPDX-License-Identifier: Apache-2.0
#include <cops/cops.hpp>

#include <atomic>
#include <cstdio>

namespace {

cops::Task<> count_primes(unsigned from, unsigned to, std::atomic<unsigned>& primes) {
    for (unsigned number = from; number < to; ++number) {
        bool prime = number > 1;
        for (unsigned divisor = 2; prime && divisor * divisor <= number; ++divisor) {
            prime = number % divisor != 0;
        }
        primes += prime ? 1 : 0;
    }
    co_return;
}

}  // namespace

cops::Task<int> cops_main(int, char**) {
    const cops::Result<unsigned> harts = cops::alloc_cpu(cops::harts());
    if (!harts) {
        std::printf("alloc_cpu: %s\n", harts.error().message());
        co_return 1;
    }
    std::atomic<unsigned> primes = 0;
    cops::TaskGroup group;
    for (unsigned part = 0; part < 20; ++part) {
        (void)group.spawn(count_primes(part * 500, (part + 1) * 500, primes), 30);
    }
    (void)co_await group.join();
    std::printf("%u primes\n", primes.load());
    co_return 0;
}
