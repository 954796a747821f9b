// SPDX-License-Identifier: Apache-2.0
// test-sync: coroutines wait for each other in a real guest: by each object, with real timeouts.
#include "check.hpp"

#include <cops/cops.hpp>

#include <string>

using namespace std::chrono_literals;

namespace {

constexpr unsigned kLow = 40;
constexpr unsigned kHigh = 5;

cops::Task<> holds(cops::Mutex& mutex, unsigned& while_held, unsigned& after) {
    {
        const cops::Mutex::Guard guard = co_await mutex.lock();
        co_await cops::suspend();
        while_held = cops::priority(cops::current()).value();
    }
    after = cops::priority(cops::current()).value();
}

cops::Task<> logs_when_locked(cops::Mutex& mutex, std::string& log, char letter) {
    const cops::Mutex::Guard guard = co_await mutex.lock();
    log += letter;
}

cops::Task<> mutexes() {
    cops::Mutex mutex;
    std::string log;
    unsigned while_held = 0;
    unsigned after = 0;
    const cops::TaskId holder = cops::spawn(holds(mutex, while_held, after), kLow);
    (void)co_await cops::sleep_for(1ms);
    const cops::TaskId b = cops::spawn(logs_when_locked(mutex, log, 'b'), kHigh + 1);
    const cops::TaskId a = cops::spawn(logs_when_locked(mutex, log, 'a'), kHigh);
    co_await cops::join(cops::spawn([]() -> cops::Task<> { co_return; }(), kHigh + 2));
    check(cops::priority(holder) == kHigh, "the holder has its most urgent waiter's level");
    const auto late = co_await mutex.lock(2ms);
    check(!late && late.error() == cops::Error(ETIMEDOUT), "a lock times out");
    cops::wake(holder);
    co_await cops::join(a);
    co_await cops::join(b);
    co_await cops::join(holder);
    check(log == "ab", "most urgent first");
    check(while_held == kHigh && after == kLow, "the level is given back at unlock");
    check(mutex.try_lock(), "the mutex is free");
    mutex.unlock();
}

cops::Task<> sets_later(cops::Event& event, cops::CancelSource& source) {
    (void)co_await cops::sleep_for(1ms);
    event.set();
    (void)co_await cops::sleep_for(1ms);
    source.cancel();
}

cops::Task<> events_and_limits() {
    cops::Event event(cops::Reset::automatic);
    cops::CancelSource source;
    const cops::TaskId setter = cops::spawn(sets_later(event, source), kLow);
    check((co_await event.wait(10s)).has_value(), "an event ends a wait before its time");
    const cops::Result<void> cancelled = co_await event.wait({source.token(), 10s});
    check(!cancelled && cancelled.error() == cops::Error(ECANCELED), "a token ends a wait");
    co_await cops::join(setter);

    cops::Semaphore semaphore(1);
    co_await semaphore.acquire();
    const std::uint64_t before = cops::time_now();
    const cops::Result<void> late = co_await semaphore.acquire(3ms);
    check(!late && late.error() == cops::Error(ETIMEDOUT), "a semaphore times out");
    check(cops::time_now() > before, "time went on");
    semaphore.release();
    check(semaphore.try_acquire(), "with its permit where it was");
}

struct Mailbox {
    cops::Mutex mutex;
    cops::Condition changed;
    int mail = 0;
};

cops::Task<> takes(Mailbox& box, int count, int& sum) {
    for (int i = 0; i < count; ++i) {
        cops::Mutex::Guard guard = co_await box.mutex.lock();
        while (box.mail == 0) {
            co_await box.changed.wait(guard);
        }
        sum += std::exchange(box.mail, 0);
        box.changed.notify_all();
    }
}

cops::Task<> conditions() {
    constexpr int kMails = 100;
    Mailbox box;
    int sum = 0;
    const cops::TaskId taker = cops::spawn(takes(box, kMails, sum), kLow);
    for (int i = 1; i <= kMails; ++i) {
        cops::Mutex::Guard guard = co_await box.mutex.lock();
        while (box.mail != 0) {
            co_await box.changed.wait(guard);
        }
        box.mail = i;
        box.changed.notify_all();
    }
    co_await cops::join(taker);
    check(sum == kMails * (kMails + 1) / 2, "every mail arrived once");
}

cops::Task<cops::Result<int>> nap(std::chrono::milliseconds duration, cops::CancelToken token) {
    const cops::Result<void> slept = co_await cops::sleep_for(duration, token);
    co_return slept ? cops::Result<int>(static_cast<int>(duration.count()))
                    : std::unexpected(slept.error());
}

cops::Task<> gatherings() {
    cops::CancelSource source;
    const auto [first, results] = co_await cops::when_any(
        source,
        nap(60'000ms, source.token()),
        nap(1ms, source.token()),
        nap(90'000ms, source.token())
    );
    check(first == 1 && std::get<1>(results) == 1, "the shortest nap is first");
    check(!std::get<0>(results) && !std::get<2>(results), "the others were cancelled");
    const auto [a, b] = co_await cops::when_all(nap(2ms, {}), nap(1ms, {}));
    check(a == 2 && b == 1, "both results");

    cops::TaskGroup group;
    for (int i = 0; i < 10; ++i) {
        check(group.spawn(nap(60'000ms, group.token()), kLow).has_value(), "spawn in a group");
    }
    check(group.spawn(nap(1ms, group.token()), kLow).has_value(), "and one that ends");
    check(!co_await group.join(3ms), "the group has not ended");
    group.cancel();
    const cops::Result<void> joined = co_await group.join();
    check(!joined && joined.error() == cops::Error(ECANCELED), "until it is cancelled");
    check(group.size() == 0, "then nobody is left");
}

using Numbers = cops::Channel<int, 4>;

cops::Task<> produces(Numbers& channel, int count) {
    for (int i = 1; i <= count; ++i) {
        (void)co_await channel.send(i);
    }
}

cops::Task<> channels() {
    constexpr int kNumbers = 1000;
    Numbers channel;
    cops::TaskGroup producers;
    for (unsigned i = 0; i < 3; ++i) {
        (void)producers.spawn(produces(channel, kNumbers), kLow + i);
    }
    long sum = 0;
    for (int i = 0; i < 3 * kNumbers; ++i) {
        sum += (co_await channel.receive()).value_or(0);
    }
    check(sum == 3L * kNumbers * (kNumbers + 1) / 2, "every number arrived once");
    (void)co_await producers.join();
    channel.close();
    check((co_await channel.receive()).error() == cops::Error(EPIPE), "closed and empty");
}

const cops::Local<int> local;

cops::Task<> others(std::string& log, char letter) {
    check(local.get() == nullptr, "a spawned coroutine has no value");
    log += letter;
    co_return;
}

cops::Task<> locals_and_turns() {
    const cops::Local<int>::Value bound(local, 7);
    std::string log;
    const unsigned own = cops::priority(cops::current()).value();
    const cops::TaskId equal = cops::spawn(others(log, 'b'), own);
    const cops::TaskId patient = cops::spawn(others(log, 'a'), kLow);
    co_await cops::yield_to(patient);
    // Which a yield() would not have done: we are more urgent.
    check(log.contains('a'), "the turn went to the patient one");
    co_await cops::join(equal);
    check(local.get() != nullptr && *local.get() == 7, "the value is ours over suspensions");
}

}  // namespace

cops::Task<int> cops_main(int, char**) {
    // Said before each, so that a hang shows where.
    const auto section = [](const char* name) {
        std::printf("test-sync: %s\n", name);
        std::fflush(stdout);
    };
    section("mutexes");
    co_await mutexes();
    section("events and limits");
    co_await events_and_limits();
    section("conditions");
    co_await conditions();
    section("gatherings");
    co_await gatherings();
    section("channels");
    co_await channels();
    section("locals and turns");
    co_await locals_and_turns();
    std::puts("test-sync: all passed");
    co_return 0;
}
