// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "side.hpp"

#include <cops/cops.hpp>

#include <cstdint>
#include <functional>
#include <vector>

/// What libcops provides to applications, provided on the host: a Side whose coroutines are made by
/// cops::spawn, and a clock that stands still until the test moves it. One at a time.
class HostRuntime {
public:
    HostRuntime()
        : HostRuntime(Side::Options{.slots = 128}) {}  // One for every sleeper of the timers.
    explicit HostRuntime(Side::Options options);
    /// Lets every sleep end that is in flight.
    ~HostRuntime();
    HostRuntime(const HostRuntime&) = delete;
    HostRuntime& operator=(const HostRuntime&) = delete;

    Side& side() { return side_; }
    /// Runs what is ready on a context until nothing is; sleeps that are asked for stay in flight.
    void run(unsigned index = 0);
    /// Lets one coroutine run. False: nothing was ready.
    bool step(unsigned index = 0);
    /// Moves the clock on; sleeps end in the order of their times, and what they wake runs.
    void advance(std::uint64_t nanoseconds);
    /// Sleep requests in flight.
    [[nodiscard]] std::size_t sleeping() const { return sleeps_.size(); }
    /// Sleep requests made so far.
    [[nodiscard]] unsigned requests() const { return requests_; }
    /// Tasks that have not ended.
    [[nodiscard]] std::uint64_t alive();

    /// From now on: the host's own clock. For tests with threads.
    static void use_real_clock();
    /// The next spawns of a task find no memory.
    static void refuse_tasks(bool refuse);
    /// Calls `other` once, when this thread asks for its context the nth time from now (0 = the
    /// next time) and may be preempted there. That is what another hart may do at that moment.
    static void interleave(unsigned nth, std::function<void()> other);
    /// False when that moment has not come; it will not come any more.
    static bool interleaved();
    /// How often a coroutine was asked to lose the hart. It keeps it.
    static unsigned overtaken();

private:
    struct Sleep {
        std::uint64_t until;
        cops_submission request;
    };

    void take_sleeps(unsigned index);

    Side side_;
    std::vector<Sleep> sleeps_;
    unsigned requests_ = 0;
};

/// Calls of malloc and of operator new by this program's own code so far.
std::uint64_t allocations();
