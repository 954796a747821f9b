// SPDX-License-Identifier: Apache-2.0
// Locking and unlocking without a second party is one atomic operation; here a second party comes,
// on another hart, at every moment before, between and after the steps of the first.
#include "host_runtime.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace {

using Log = std::vector<std::string>;
using ::testing::ElementsAre;

constexpr unsigned kOwn = 40;  // Level of the coroutine on hart 0.
constexpr unsigned kUrgent = 3;
constexpr unsigned kPatient = 50;

cops::Task<> passes(cops::Mutex& mutex, Log& log, std::string name) {
    const cops::Mutex::Guard guard = co_await mutex.lock();
    log.push_back(name);
}

/// Two harts, and what the second does meanwhile.
struct Harts {
    void spawn(unsigned hart, cops::Task<> task, unsigned level) {
        this_context = &runtime.side().context(hart);
        ASSERT_TRUE(cops::spawn(std::move(task), level));
    }
    void run_both() {
        runtime.run(0);
        runtime.run(1);
        runtime.run(0);
    }
    /// From within hart 0: hart 1 runs until nothing is ready there.
    void run_other() {
        runtime.run(1);
        this_context = &runtime.side().context(0);
    }

    HostRuntime runtime{{.contexts = 2, .slots = 128}};
};

/// An unlock on hart 0, in which an urgent waiter comes at the nth moment.
struct Unlock {
    unsigned moment = 0;
    bool patient = false;  // Somebody waits already.
    bool came = false;     // There is such a moment.
    Harts harts{};
    cops::Mutex mutex{};
    Log log{};
};

cops::Task<> unlocks(Unlock& scene) {
    cops::Mutex::Guard guard = co_await scene.mutex.lock();
    const cops::TaskId self = cops::current();
    if (scene.patient) {
        scene.harts.spawn(1, passes(scene.mutex, scene.log, "patient"), kPatient);
        scene.harts.run_other();
    }
    HostRuntime::interleave(scene.moment, [&] {
        scene.harts.spawn(1, passes(scene.mutex, scene.log, "urgent"), kUrgent);
        scene.harts.run_other();
        // Wherever we are on the way: who can be preempted there has the level.
        EXPECT_EQ(cops::priority(self), scene.log.empty() ? kUrgent : kOwn);
    });
    guard.unlock();
    scene.came = HostRuntime::interleaved();
    EXPECT_EQ(cops::priority(self), kOwn);
    co_await cops::yield();
    guard = co_await scene.mutex.lock();
    scene.log.emplace_back("again");
}

bool unlocks_while_a_waiter_comes(unsigned moment, bool patient) {
    SCOPED_TRACE(testing::Message() << "moment " << moment << ", somebody waits: " << patient);
    Unlock scene{.moment = moment, .patient = patient};
    scene.harts.spawn(0, unlocks(scene), kOwn);
    scene.harts.run_both();
    Log expected;
    if (scene.came) {
        expected.emplace_back("urgent");
    }
    if (patient) {
        expected.emplace_back("patient");
    }
    expected.emplace_back("again");
    EXPECT_EQ(scene.log, expected);
    EXPECT_EQ(scene.harts.runtime.alive(), 0u);
    return scene.came;
}

TEST(MutexMoments, waiter_comes_while_its_holder_unlocks) {
    EXPECT_TRUE(unlocks_while_a_waiter_comes(0, false)) << "before the word changes";
    EXPECT_FALSE(unlocks_while_a_waiter_comes(1, false)) << "it is free then";
    EXPECT_TRUE(unlocks_while_a_waiter_comes(0, true)) << "before the word changes";
    EXPECT_TRUE(unlocks_while_a_waiter_comes(1, true)) << "after it, before the lock";
    EXPECT_FALSE(unlocks_while_a_waiter_comes(2, true)) << "nobody is preempted under the lock";
}

cops::Task<> holds_until_woken(cops::Mutex& mutex) {
    const cops::Mutex::Guard guard = co_await mutex.lock();
    co_await cops::suspend();
}

/// A lock on hart 0, at whose nth moment the holder unlocks. False: there is no such moment.
bool locks_while_the_holder_unlocks(unsigned moment) {
    SCOPED_TRACE(testing::Message() << "moment " << moment);
    Harts harts;
    cops::Mutex mutex;
    Log log;
    this_context = &harts.runtime.side().context(1);
    const cops::TaskId holder = cops::spawn(holds_until_woken(mutex), kOwn);
    harts.run_other();
    HostRuntime::interleave(moment, [&] {
        cops::wake(holder);
        harts.run_other();
    });
    harts.spawn(0, passes(mutex, log, "waiter"), kUrgent);
    harts.runtime.run(0);
    const bool came = HostRuntime::interleaved();
    if (!came) {
        EXPECT_TRUE(log.empty());
        cops::wake(holder);
    }
    harts.run_both();
    EXPECT_THAT(log, ElementsAre("waiter"));
    EXPECT_EQ(harts.runtime.alive(), 0u);
    return came;
}

TEST(MutexMoments, holder_unlocks_while_a_waiter_queues) {
    unsigned moments = 0;
    while (locks_while_the_holder_unlocks(moments)) {
        ++moments;
    }
    EXPECT_GE(moments, 3u) << "before the first look, between it and the queue, and after";
}

}  // namespace
