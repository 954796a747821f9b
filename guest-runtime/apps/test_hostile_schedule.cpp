// SPDX-License-Identifier: Apache-2.0
// Processes that never let go, sleep for ever, or wake what is gone.
#include "test_hostile.hpp"

#include <virtio_cops/user_interrupts.h>

namespace {

void mask_interrupts() {
    if (cops::has_user_interrupts()) {
        __asm__ volatile("csrc %0, %1" : : "i"(COPS_CSR_USTATUS), "r"(COPS_USTATUS_UIE));
        __asm__ volatile("csrw %0, zero" : : "i"(COPS_CSR_UIE));
    }
    virtio_cops_line& line = *cops::detail::context()->line;
    __atomic_fetch_or(&line.flags, VIRTIO_COPS_LINE_F_MASKED, __ATOMIC_SEQ_CST);
}

[[noreturn]] void loop() {
    for (;;) {
        __asm__ volatile("" : : : "memory");
    }
}

cops::Task<int> loop_masked() {
    mask_interrupts();
    loop();
    co_return 0;
}

// Claims to have nothing to do and does it for ever.
cops::Task<int> loop_without_claim() {
    mask_interrupts();
    virtio_cops_line& line = *cops::detail::context()->line;
    __atomic_store_n(&line.ready, std::uint64_t{0}, __ATOMIC_SEQ_CST);
    __atomic_store_n(&line.wake_pending, std::uint64_t{0}, __ATOMIC_SEQ_CST);
    loop();
    co_return 0;
}

// Nothing can wake it: it announces nothing, awaits nothing and listens to nothing.
cops::Task<int> sleep_for_ever() {
    mask_interrupts();
    for (;;) {
        __asm__ volatile("wfi" : : : "memory");
    }
    co_return 0;
}

// Calls as fast as it can, each of which the kernel must refuse or carry out.
cops::Task<int> call_for_ever() {
    mask_interrupts();
    for (;;) {
        cops::spawn_process("/no-such-program", nullptr, nullptr);
        cops::wait_process(1);
    }
    co_return 0;
}

cops::Task<> ends_at_once() {
    co_return;
}
cops::Task<> sleeper(unsigned& woken) {
    co_await cops::suspend();
    ++woken;
}

cops::Task<int> wake_stale() {
    const cops::TaskId stale = cops::spawn(ends_at_once(), cops::kMainLevel);
    co_await cops::join(stale);
    unsigned woken = 0;
    // Takes the same place in the table.
    const cops::TaskId live = cops::spawn(sleeper(woken), cops::kMainLevel);
    co_await cops::yield();
    check((stale.value() & UINT32_MAX) == (live.value() & UINT32_MAX), "the place is used again");
    for (const std::uint64_t id :
         {stale.value(),
          live.value() + (std::uint64_t{1} << 32),
          live.value() & UINT32_MAX,
          std::uint64_t{0},
          std::uint64_t{0xffffffff},
          ~std::uint64_t{0}}) {
        check(!cops::wake(cops::TaskId(id)), "a stale id is nobody's");
        check(!cops::priority(cops::TaskId(id)).has_value(), "and has no level");
        check(!cops::set_priority(cops::TaskId(id), 1).has_value(), "that could be set");
        co_await cops::join(cops::TaskId(id));
    }
    co_await cops::yield();
    check(woken == 0, "nobody else was woken");
    check(cops::wake(live), "the live one is");
    co_await cops::join(live);
    check(woken == 1, "once");
    co_return 0;
}

constexpr HostileCase kCases[] = {
    {"loop-masked", &loop_masked},
    {"loop-without-claim", &loop_without_claim},
    {"sleep-for-ever", &sleep_for_ever},
    {"call-for-ever", &call_for_ever},
    {"wake-stale", &wake_stale},
};

}  // namespace

std::span<const HostileCase> schedule_cases() {
    return kCases;
}
