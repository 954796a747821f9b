// SPDX-License-Identifier: Apache-2.0
#include <cops/cops.hpp>

#include <cstdio>

namespace {

using Numbers = cops::Channel<int, 4>;

cops::Task<> produce(Numbers& numbers) {
    for (int number = 1; number <= 10; ++number) {
        if (!co_await numbers.send(number)) {
            co_return;  // Closed by the consumer.
        }
    }
    numbers.close();
}

}  // namespace

cops::Task<int> cops_main(int, char**) {
    Numbers numbers;
    const cops::TaskId producer = cops::spawn(produce(numbers), 20);
    int sum = 0;
    while (const cops::Result<int> number = co_await numbers.receive()) {
        sum += *number;
    }
    co_await cops::join(producer);
    std::printf("sum %d\n", sum);
    co_return 0;
}
