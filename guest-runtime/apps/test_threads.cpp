// SPDX-License-Identifier: Apache-2.0
// test-threads HARTS [exit|fault|leave]: threads of the C and C++ libraries on the harts that the
// process was given. No coroutines. With a word, ends in that way while other threads compute.
#include <fcntl.h>
#include <kernel_abi/user_abi.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

constexpr std::size_t kPage = 4096;

void check(bool good, const char* what) {
    if (!good) {
        std::printf("FAILED: %s\n", what);
        std::fflush(stdout);
        std::_Exit(EXIT_FAILURE);
    }
}

unsigned allocate_harts(unsigned count) {
    return static_cast<unsigned>(::syscall(COPS_SYS_ALLOC_CPU, count));
}

void* nothing(void*) {
    return nullptr;
}

bool can_make_a_thread() {
    pthread_t thread;
    if (::pthread_create(&thread, nullptr, nothing, nullptr) != 0) {
        return false;
    }
    ::pthread_join(thread, nullptr);
    return true;
}

// A thread needs a hart of its own.
void test_allocation(unsigned harts) {
    check(!can_make_a_thread(), "no thread without a hart for it");
    check(std::thread::hardware_concurrency() == 1, "one hart at first");
    check(allocate_harts(1000) == harts, "as many harts as there are");
    check(std::thread::hardware_concurrency() == harts, "as many as it was given");
    for (int i = 0; i < 100; ++i) {
        check(can_make_a_thread(), "a hart is free again when its thread has ended");
    }
}

void test_own_state(unsigned harts) {
    static thread_local int mine = 7;
    std::vector<std::thread> threads;
    std::atomic<std::uint64_t> tids = 0;
    for (unsigned i = 1; i < harts; ++i) {
        threads.emplace_back([&tids, i] {
            check(mine == 7, "thread-local variables begin anew");
            mine = static_cast<int>(i);
            volatile double product = 1.0 + i;
            for (int n = 0; n < 1000; ++n) {
                errno = static_cast<int>(i);
                product = product * 1.0000001;
                ::sched_yield();
                check(errno == static_cast<int>(i) && mine == static_cast<int>(i), "own errno");
            }
            check(product > 1.0 + i && product < 1.01 + i, "own floating-point registers");
            tids += static_cast<std::uint64_t>(::gettid());
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    check(::gettid() == ::getpid() && mine == 7, "the first thread is what it was");
    check(tids != 0, "every thread has a number");
}

// Locks that are mostly contended, memory from all harts at once.
void test_mutex_and_memory(unsigned harts) {
    constexpr unsigned kRounds = 5'000;
    std::mutex mutex;
    std::uint64_t sum = 0;
    const auto work = [&] {
        std::vector<std::string> kept;
        for (unsigned n = 0; n < kRounds; ++n) {
            {
                const std::lock_guard guard(mutex);
                ++sum;
            }
            kept.emplace_back(20 + n % 200, 'x');
            if (kept.size() == 64) {
                kept.clear();
            }
        }
    };
    std::vector<std::thread> threads;
    for (unsigned i = 1; i < harts; ++i) {
        threads.emplace_back(work);
    }
    work();
    for (std::thread& thread : threads) {
        thread.join();
    }
    check(sum == std::uint64_t{harts} * kRounds, "nobody's addition is lost");
}

// Two threads hand a turn to and fro: a lost wake would stop them.
void test_condition() {
    constexpr int kTurns = 2'000;
    std::mutex mutex;
    std::condition_variable changed;
    int turn = 0;
    const auto take_turns = [&](int mine) {
        for (int n = 0; n < kTurns; ++n) {
            std::unique_lock lock(mutex);
            changed.wait(lock, [&] { return turn % 2 == mine; });
            ++turn;
            changed.notify_one();
        }
    };
    std::thread other([&] { take_turns(1); });
    take_turns(0);
    other.join();
    check(turn == 2 * kTurns, "every turn was taken");

    std::unique_lock lock(mutex);
    const auto begin = std::chrono::steady_clock::now();
    const bool came = changed.wait_for(lock, std::chrono::milliseconds(5), [] { return false; });
    check(
        !came && std::chrono::steady_clock::now() - begin >= std::chrono::milliseconds(5),
        "a wait with a timeout ends after it, not before"
    );
}

void* map_page(void* where, int flags) {
    void* const page =
        ::mmap(where, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
    check(page != MAP_FAILED, "mmap");
    return page;
}

// While others read a page, it is replaced by another, and its frame gets another owner. A hart
// that still used the old translation would see what that one writes.
void test_replaced_page(unsigned harts) {
    constexpr unsigned kRounds = 300;
    constexpr unsigned kPatience = 2'000;
    constexpr unsigned kOld = 1;
    auto* const page = static_cast<volatile unsigned*>(map_page(nullptr, 0));
    std::atomic<unsigned> now = kOld;
    std::atomic<unsigned> stale = 0;
    std::atomic<unsigned> looks = 0;
    std::vector<std::thread> readers;
    for (unsigned i = 1; i < harts; ++i) {
        readers.emplace_back([&] {
            while (now != kRounds) {
                const unsigned least = now;
                const unsigned seen = *page;
                stale += seen != 0 && seen < least ? 1 : 0;  // 0: new, not yet written
                if (++looks % kPatience == 0) {
                    ::usleep(1);  // another may need our hart's processor
                }
            }
        });
    }
    for (unsigned round = kOld + 1; round <= kRounds; ++round) {
        map_page(const_cast<unsigned*>(page), MAP_FIXED);
        void* const other = map_page(nullptr, 0);
        *static_cast<volatile unsigned*>(other) = kOld;  // in the frame that was given back
        *page = round;
        now = round;
        const unsigned before = looks;
        for (unsigned n = 1; round < kRounds && looks < before + 10; ++n) {
            if (n % kPatience == 0) {
                ::usleep(1);
            }
        }
        check(::munmap(other, kPage) == 0, "munmap");
    }
    for (std::thread& reader : readers) {
        reader.join();
    }
    check(stale == 0, "nobody reads a page that was replaced");
}

[[noreturn]] void end(std::string_view how, unsigned harts) {
    allocate_harts(harts);
    std::vector<std::thread> threads;
    std::atomic<unsigned> running = 0;
    for (unsigned i = 1; i < harts; ++i) {
        threads.emplace_back([&, how, i] {
            ++running;
            while (running < harts - 1) {
            }
            if (how == "fault" && i == 1) {
                *reinterpret_cast<volatile int*>(0x1234560) = 1;
            }
            if (how == "exit" && i == 1) {
                std::_Exit(7);
            }
            while (how != "leave") {
            }
            ::usleep(2000);
            if (i == harts - 1) {
                std::puts("the last thread");
                std::fflush(stdout);
            }
            ::syscall(SYS_exit, 5);
        });
    }
    if (how == "leave") {
        ::syscall(SYS_exit, 3);  // the first thread only: the others go on
    }
    for (;;) {
    }
}

// Sum over parts of the program's own file, which are all different: each is read once by somebody,
// whoever it is.
std::uint64_t sum_of_parts(int fd) {
    std::array<std::uint64_t, 8> part{};
    std::uint64_t sum = 0;
    for (ssize_t count = 0; (count = ::read(fd, part.data(), sizeof part)) > 0;) {
        std::uint64_t hash = static_cast<std::uint64_t>(count);
        for (const std::uint64_t word : part) {
            hash = (hash ^ word) * 0x100000001b3;
        }
        sum += hash;
        part = {};
    }
    return sum;
}

void test_shared_position(unsigned harts) {
    const int fd = ::open("/app", O_RDONLY);
    const std::uint64_t expected = sum_of_parts(fd);
    check(::lseek(fd, 0, SEEK_SET) == 0, "back to the start");
    std::atomic<std::uint64_t> sum = 0;
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < harts; ++i) {
        if (i == harts - 1) {
            sum += sum_of_parts(fd);
        } else {
            threads.emplace_back([&] { sum += sum_of_parts(fd); });
        }
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    check(sum == expected, "threads that read one descriptor see no byte twice");
    ::close(fd);
}

// dup3() gives its number to nobody else, not for a moment.
void test_replaced_descriptor() {
    constexpr int kNumber = 40;
    const int fd = ::open("/app", O_RDONLY);
    check(::dup3(fd, kNumber, 0) == kNumber, "dup3");
    std::atomic<bool> done = false;
    std::thread other([&] {
        while (!done) {
            const int another = ::fcntl(fd, F_DUPFD, kNumber);
            check(another > kNumber, "a number that dup3 replaces is never free");
            ::close(another);
        }
    });
    for (int i = 0; i < 60000; ++i) {
        check(::dup3(fd, kNumber, 0) == kNumber, "dup3 gives the number that was asked for");
    }
    done = true;
    other.join();
    ::close(kNumber);
    ::close(fd);
}

}  // namespace

int main(int argc, char** argv) {
    const unsigned harts = argc > 1 ? static_cast<unsigned>(std::atoi(argv[1])) : 0;
    check(harts >= 2, "usage: test-threads HARTS [exit|fault|leave], 2 harts or more");
    if (argc > 2) {
        end(argv[2], harts);
    }
    test_allocation(harts);
    test_own_state(harts);
    test_mutex_and_memory(harts);
    test_condition();
    test_replaced_page(harts);
    test_shared_position(harts);
    test_replaced_descriptor();
    std::puts("test-threads: all passed");
    return EXIT_SUCCESS;
}
