// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "exec/wait.hpp"

#include <cstdint>

namespace kernel::timer {

/// Ticks of the time CSR.
std::uint64_t from_nanoseconds(std::uint64_t nanoseconds);
std::uint64_t to_nanoseconds(std::uint64_t ticks);

/// cmdline tick_us=; boot only.
void set_tick(std::uint64_t microseconds);
/// How long between two ticks of a busy hart, in ticks of the time CSR.
std::uint64_t tick();

/// The timer interrupt: wakes sleepers that are due, sets `reschedule` at a tick.
void expired(Cpu& cpu);
/// A process begins to run here: ticks come until program_for_idle().
void program_for_process(Cpu& cpu);
void program_for_idle(Cpu& cpu);
/// A tick came at a bad moment: the next one comes in a moment.
void tick_again_soon(Cpu& cpu);

/// Sleepers: any hart adds, hart 0's or any other's interrupt takes.
class Sleep {
public:
    /// Puts the running coroutine's waiter in line; then await Event: 0 at the deadline.
    static void add(Waiter& waiter, std::uint64_t deadline);
    /// Ends a sleep early.
    static bool cancel(Waiter& waiter, std::int64_t result);
};

/// A short sleep, for what can only be tried again.
class Pause {
public:
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> self) noexcept;
    void await_resume() const noexcept {}

private:
    Waiter waiter_;
};

}  // namespace kernel::timer
