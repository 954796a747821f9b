// SPDX-License-Identifier: Apache-2.0
// memory COUNT: makes COUNT coroutines that sleep, and says what is in use before and after. Waits
// for a byte each time, so that harness/memory.py can look at the process outside.
//   memory before|after heap=BYTES free=BYTES_OF_THE_GUEST segments=TASK_TABLE_BYTES
#include <cops/cops.hpp>

#include <malloc.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace {

cops::Task<> sleeping() {
    co_await cops::suspend();
}

void say(const char* when) {
    struct sysinfo info{};
    if (sysinfo(&info) != 0) {
        std::puts("failed: sysinfo");
        std::exit(EXIT_FAILURE);
    }
    const std::uint64_t segments = cops::detail::context()->group->num_segments;
    std::printf(
        "memory %s heap=%zu free=%lu segments=%lu\n",
        when,
        mallinfo2().uordblks,
        info.freeram * info.mem_unit,
        segments * COPS_EXECUTOR_SEGMENT_TASKS * sizeof(cops_task)
    );
    std::fflush(stdout);
    char byte = 0;
    (void)!read(STDIN_FILENO, &byte, 1);
}

}  // namespace

cops::Task<int> cops_main(int argc, char** argv) {
    const unsigned long count = argc == 2 ? std::strtoul(argv[1], nullptr, 10) : 0;
    say("before");
    for (unsigned long n = 0; n < count; ++n) {
        if (!cops::spawn(sleeping(), 1)) {
            std::puts("failed: no memory for a coroutine");
            co_return 1;
        }
    }
    co_await cops::yield();
    co_await cops::maybe_yield();
    say("after");
    std::puts("end");
    co_return 0;
}
