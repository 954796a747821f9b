// SPDX-License-Identifier: Apache-2.0
#include "exec/timer.hpp"

#include "arch/riscv64/csr.hpp"
#include "arch/riscv64/sbi.hpp"
#include "drivers/cops_device.hpp"

#include <algorithm>

namespace kernel::timer {

namespace {

constexpr std::uint64_t kNever = ~std::uint64_t{0};
constexpr std::uint64_t kSecond = 1'000'000'000;

using Sleepers = List<Waiter, &Waiter::link>;

// One list for the machine, earliest first: sleepers are few. Every hart programs its timer for the
// first of them, so that no hart depends on another that is busy.
constinit SpinLock lock{Rank::timers};
constinit Sleepers sleepers;
constinit std::uint64_t first_deadline = kNever;  // atomic copy for a quick look
constinit std::uint64_t tick_microseconds = 10'000;

void program(Cpu& cpu, std::uint64_t deadline) {
    if (cpu.programmed == deadline) {
        return;
    }
    cpu.programmed = deadline;
    if (cpu_features.sstc) {
        csr::write<csr::stimecmp>(deadline);
    } else {
        sbi::set_timer(deadline);
    }
}

std::uint64_t first() {
    return __atomic_load_n(&first_deadline, __ATOMIC_RELAXED);
}

void note_first() {
    const Waiter* const waiter = sleepers.front();
    __atomic_store_n(
        &first_deadline, waiter == nullptr ? kNever : waiter->deadline, __ATOMIC_RELAXED
    );
}

void wake_due(std::uint64_t now) {
    const Guard guard(lock);
    while (Waiter* waiter = sleepers.front()) {
        if (waiter->deadline > now) {
            break;
        }
        sleepers.remove(*waiter);
        signal_task(waiter->task, 0);
    }
    note_first();
}

}  // namespace

// Whole units and rest apart: 64 bits are enough then.
std::uint64_t from_nanoseconds(std::uint64_t nanoseconds) {
    const std::uint64_t seconds = nanoseconds / kSecond;
    const std::uint64_t rest = nanoseconds % kSecond * cpu_features.timebase / kSecond;
    return seconds > kNever / 4 / cpu_features.timebase ? kNever / 4
                                                        : seconds * cpu_features.timebase + rest;
}

std::uint64_t to_nanoseconds(std::uint64_t ticks) {
    return ticks / cpu_features.timebase * kSecond
           + ticks % cpu_features.timebase * kSecond / cpu_features.timebase;
}

void set_tick(std::uint64_t microseconds) {
    tick_microseconds = std::clamp<std::uint64_t>(microseconds, 1, 1'000'000);
}

std::uint64_t tick() {
    return from_nanoseconds(tick_microseconds * 1000);
}

void expired(Cpu& cpu) {
    const std::uint64_t now = csr::now();
    cpu.programmed = 0;
    if (first() <= now) {
        wake_due(now);
    }
    if (cpu.next_tick != 0 && cpu.next_tick <= now) {
        cpu.next_tick = now + tick();
        __atomic_store_n(&cpu.reschedule, 2u, __ATOMIC_RELAXED);
    }
    program(cpu, std::min(first(), cpu.next_tick == 0 ? kNever : cpu.next_tick));
}

void program_for_process(Cpu& cpu) {
    if (cpu.next_tick == 0) {
        cpu.next_tick = csr::now() + tick();
    }
    program(cpu, std::min(first(), cpu.next_tick));
}

void tick_again_soon(Cpu& cpu) {
    constexpr std::uint64_t kSoon = 50'000;  // ns
    cpu.next_tick = csr::now() + from_nanoseconds(kSoon);
    program(cpu, std::min(first(), cpu.next_tick));
}

void program_for_idle(Cpu& cpu) {
    cpu.next_tick = 0;
    program(cpu, first());
}

void Sleep::add(Waiter& waiter, std::uint64_t deadline) {
    waiter.task = current_task();
    waiter.deadline = deadline;
    const Guard guard(lock);
    Waiter* before = sleepers.front();
    while (before != nullptr && before->deadline <= deadline) {
        before = Sleepers::next(*before);
    }
    sleepers.insert_before(before, waiter);
    note_first();
    Cpu& cpu = this_cpu();
    if (first() < cpu.programmed || cpu.programmed == 0) {
        program(cpu, std::min(first(), cpu.next_tick == 0 ? kNever : cpu.next_tick));
    }
}

bool Sleep::cancel(Waiter& waiter, std::int64_t result) {
    const Guard guard(lock);
    if (!waiter.link.linked) {
        return false;
    }
    sleepers.remove(waiter);
    note_first();
    signal_task(waiter.task, result);
    return true;
}

void Pause::await_suspend(std::coroutine_handle<> self) noexcept {
    constexpr std::uint64_t kPause = 100'000;  // ns
    Sleep::add(waiter_, csr::now() + from_nanoseconds(kPause));
    cops_executor_wait(&this_cpu().executor, self.address());
}

}  // namespace kernel::timer

namespace kernel {

namespace {

// What the host shows may be old, and another kind of wait than ours may be what it sees: so it is
// not asked for ever. False: nobody to ask.
bool ask_host(const Cpu* holder) {
    constexpr std::uint32_t kOften = 8;
    Cpu* const cpu = this_cpu_or_null();
    if (cpu == nullptr || cpu->host_line == nullptr || !cops_device::has_siblings()) {
        return false;
    }
    if (__atomic_load_n(&cpu->host_line->siblings, __ATOMIC_RELAXED) == 0
        || ++cpu->gave_way >= kOften) {
        cpu->gave_way = 0;
        return false;
    }
    cpu->executor.doorbells[VIRTIO_COPS_DOORBELL_SPIN / sizeof(std::uint32_t)] =
        holder != nullptr ? holder->hart : VIRTIO_COPS_SPIN_ANY;
    return true;
}

}  // namespace

void give_way(const Cpu* holder) {
    if (ask_host(holder)) {
        return;
    }
    constexpr std::uint64_t kNanoseconds = 50'000;
    const std::uint64_t interrupts = csr::read<csr::sie>();
    const std::uint64_t deadline = csr::now() + timer::from_nanoseconds(kNanoseconds);
    csr::write<csr::sie>(csr::kTimer);  // nothing else may cut the sleep short
    if (cpu_features.sstc) {
        csr::write<csr::stimecmp>(deadline);
    } else {
        sbi::set_timer(deadline);
    }
    if (Cpu* const cpu = this_cpu_or_null()) {
        cpu->programmed = 0;  // the timer interrupt that is pending then programs it again
    }
    csr::wait_for_interrupt();
    csr::write<csr::sie>(interrupts);
}

}  // namespace kernel
