// SPDX-License-Identifier: Apache-2.0
// Static variables of functions are made by one coroutine, without being preempted: another that
// came by meanwhile would wait in the C++ library, which is never preempted, for ever. These stand
// in for libstdc++'s (Itanium C++ ABI, 3.3.3).
#include <cops/schedule.hpp>

#include <sched.h>

#include <cstdio>
#include <cstdlib>
#include <utility>

namespace {

// The first byte is the compiler's: not 0 when the variable is there. The next two are ours.
struct Guard {
    std::uint8_t made;
    std::uint8_t maker;       // 1 + context of the hart that makes it, kNoContext; 0 = none
    std::uint8_t keeps_hart;  // no other coroutine there until it is made
};

// What HartGuard does, for what begins in one call and ends in another.
void keep_hart() {
    ++cops::detail::context()->kept;
}
void release_hart() {
    if (--cops::detail::context()->kept == 0) {
        cops::detail::lose_hart(false);
    }
}

constexpr std::uint8_t kNoContext = 255;  // before there are any, or a thread without

void end(Guard& guard) {
    const bool keeps_hart = std::exchange(guard.keeps_hart, std::uint8_t{0}) != 0;
    __atomic_store_n(&guard.maker, std::uint8_t{0}, __ATOMIC_RELEASE);
    if (keeps_hart) {
        release_hart();
    }
}

}  // namespace

// The ABI names them.
// NOLINTBEGIN(readability-identifier-naming)
extern "C" {
int __cxa_guard_acquire(Guard* guard);
void __cxa_guard_release(Guard* guard);
void __cxa_guard_abort(Guard* guard);
}
// NOLINTEND(readability-identifier-naming)

int __cxa_guard_acquire(Guard* guard) {
    for (;;) {
        if (__atomic_load_n(&guard->made, __ATOMIC_ACQUIRE) != 0) {
            return 0;
        }
        cops_executor_context* const context = cops::detail::context();
        if (context != nullptr) {
            keep_hart();
        }
        const auto self =
            context == nullptr ? kNoContext : static_cast<std::uint8_t>(context->index + 1);
        std::uint8_t maker = 0;
        if (__atomic_compare_exchange_n(
                &guard->maker, &maker, self, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED
            )) {
            // Another hart may have made it between the two looks.
            if (__atomic_load_n(&guard->made, __ATOMIC_ACQUIRE) == 0) {
                guard->keeps_hart = context != nullptr ? 1 : 0;
                return 1;
            }
            __atomic_store_n(&guard->maker, std::uint8_t{0}, __ATOMIC_RELEASE);
        } else if (maker == self && self != kNoContext) {
            std::fputs("cops: a static variable is needed to make itself\n", stderr);
            std::abort();
        }
        if (context != nullptr) {
            release_hart();
        }
        ::sched_yield();
    }
}

void __cxa_guard_release(Guard* guard) {
    __atomic_store_n(&guard->made, std::uint8_t{1}, __ATOMIC_RELEASE);
    end(*guard);
}

void __cxa_guard_abort(Guard* guard) {
    end(*guard);
}
