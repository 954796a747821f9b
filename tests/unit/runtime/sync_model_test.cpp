// SPDX-License-Identifier: Apache-2.0
// Random histories of locks, permits, levels and cancellations against a model that works
// everything out anew from who holds and who waits.
#include "host_runtime.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>

namespace {

constexpr unsigned kActors = 8;
constexpr unsigned kMutexes = 5;
// What an actor may wait for: mutexes, then the semaphore.
constexpr unsigned kSemaphore = kMutexes;

/// What should be true, said as plainly as possible.
class Model {
public:
    struct Actor {
        unsigned base;
        std::optional<unsigned> waits_for;
        unsigned since = 0;  // When it began to wait.
    };

    explicit Model(const std::array<unsigned, kActors>& levels) {
        for (unsigned i = 0; i < kActors; ++i) {
            actors[i].base = levels[i];
        }
    }

    /// Its own level and those of all who wait for it, directly or not.
    [[nodiscard]] unsigned level(unsigned actor) const {
        unsigned best = actors[actor].base;
        for (unsigned other = 0; other < kActors; ++other) {
            const auto& wanted = actors[other].waits_for;
            if (wanted && *wanted != kSemaphore && holders[*wanted] == actor) {
                best = std::min(best, level(other));
            }
        }
        return best;
    }

    /// Would `actor` wait for itself if it waited for that mutex?
    [[nodiscard]] bool closes_a_ring(unsigned actor, unsigned mutex) const {
        std::optional<unsigned> holder = holders[mutex];
        while (holder && *holder != actor) {
            const auto& wanted = actors[*holder].waits_for;
            holder = wanted && *wanted != kSemaphore ? holders[*wanted] : std::nullopt;
        }
        return holder.has_value();
    }

    void want(unsigned actor, unsigned object) {
        if (object == kSemaphore && permits != 0) {
            --permits;
        } else if (object != kSemaphore && !holders[object]) {
            holders[object] = actor;
        } else {
            actors[actor].waits_for = object;
            actors[actor].since = ++time_;
        }
    }

    void release(unsigned object) {
        std::optional<unsigned> next;
        for (unsigned i = 0; i < kActors; ++i) {
            if (actors[i].waits_for == object
                && (!next
                    || std::pair(level(i), actors[i].since)
                           < std::pair(level(*next), actors[*next].since))) {
                next = i;
            }
        }
        if (next) {
            actors[*next].waits_for.reset();
        }
        if (object == kSemaphore) {
            permits += next ? 0 : 1;
        } else {
            holders[object] = next;
        }
    }

    std::array<Actor, kActors> actors{};
    std::array<std::optional<unsigned>, kMutexes> holders{};
    unsigned permits = 0;

private:
    unsigned time_ = 0;
};

struct Objects {
    std::array<cops::Mutex, kMutexes> mutexes;
    cops::Semaphore semaphore{0};
};

struct Actor {
    cops::TaskId id;
    std::unique_ptr<cops::CancelSource> source;
    std::array<cops::Mutex::Guard, kMutexes> guards;
    std::optional<unsigned> wanted;    // Command: acquire this.
    std::optional<unsigned> unwanted;  // Command: unlock this.
    bool quit = false;
};

cops::Task<> act(Actor& self, Objects& objects) {
    while (!self.quit) {
        if (self.wanted) {
            const unsigned object = *self.wanted;
            if (object == kSemaphore) {
                (void)co_await objects.semaphore.acquire(self.source->token());
            } else if (auto guard = co_await objects.mutexes[object].lock(self.source->token())) {
                self.guards[object] = std::move(*guard);
            }
            self.wanted.reset();
        } else if (self.unwanted) {
            self.guards[*self.unwanted].unlock();
            self.unwanted.reset();
        } else {
            co_await cops::suspend();
        }
    }
    for (cops::Mutex::Guard& guard : self.guards) {
        guard.unlock();
    }
}

class History {
public:
    explicit History(const std::array<unsigned, kActors>& levels)
        : model_(levels) {
        for (unsigned i = 0; i < kActors; ++i) {
            actors_[i].id = cops::spawn(act(actors_[i], objects_), levels[i]);
        }
        runtime_.run();
    }
    ~History() {
        for (Actor& actor : actors_) {
            actor.quit = true;
            if (actor.source) {
                actor.source->cancel();
            }
            cops::wake(actor.id);
        }
        runtime_.run();
    }

    void want(unsigned actor, unsigned object) {
        const bool is_mutex = object != kSemaphore;
        if (model_.actors[actor].waits_for || (is_mutex && model_.closes_a_ring(actor, object))) {
            return;
        }
        actors_[actor].source = std::make_unique<cops::CancelSource>();
        actors_[actor].wanted = object;
        cops::wake(actors_[actor].id);
        model_.want(actor, object);
    }

    void release(unsigned actor, unsigned object) {
        if (object == kSemaphore) {
            objects_.semaphore.release();
            model_.release(object);
        } else if (model_.holders[object] == actor && !model_.actors[actor].waits_for) {
            actors_[actor].unwanted = object;
            cops::wake(actors_[actor].id);
            model_.release(object);
        }
    }

    void set_priority(unsigned actor, unsigned level) {
        cops::set_priority(actors_[actor].id, level).value();
        model_.actors[actor].base = level;
    }

    void cancel(unsigned actor) {
        if (model_.actors[actor].waits_for) {
            actors_[actor].source->cancel();
            model_.actors[actor].waits_for.reset();
        }
    }

    void check() {
        runtime_.run();
        for (unsigned i = 0; i < kActors; ++i) {
            RC_ASSERT(actors_[i].wanted == model_.actors[i].waits_for);
            RC_ASSERT(cops::priority(actors_[i].id).value() == model_.level(i));
            for (unsigned mutex = 0; mutex < kMutexes; ++mutex) {
                RC_ASSERT(
                    static_cast<bool>(actors_[i].guards[mutex]) == (model_.holders[mutex] == i)
                );
            }
        }
        RC_ASSERT(objects_.semaphore.available() == model_.permits);
    }

private:
    HostRuntime runtime_;
    Objects objects_;
    std::array<Actor, kActors> actors_;
    Model model_;
};

RC_GTEST_PROP(SyncModel, agrees_with_what_holders_and_waiters_say, ()) {
    std::array<unsigned, kActors> levels{};
    for (unsigned& level : levels) {
        level = *rc::gen::inRange(0u, 8u);
    }
    History history(levels);
    const auto steps = *rc::gen::inRange(1, 250);
    for (int step = 0; step < steps; ++step) {
        const auto action = *rc::gen::inRange(0, 10);
        const auto actor = *rc::gen::inRange(0u, kActors);
        const auto object = *rc::gen::inRange(0u, kMutexes + 1);
        if (action <= 4) {
            history.want(actor, object);
        } else if (action <= 6) {
            history.release(actor, object);
        } else if (action <= 8) {
            history.set_priority(actor, *rc::gen::inRange(0u, 8u));
        } else {
            history.cancel(actor);
        }
        history.check();
    }
}

}  // namespace
