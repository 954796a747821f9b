// SPDX-License-Identifier: Apache-2.0
// Requests of several guests, each with a device of its own, on the io_uring of one worker: urgent
// first, and no more of each under way than its device allows.
#include "io/engine.hpp"
#include "rig.hpp"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <utility>
#include <vector>

namespace vmm::io {
namespace {

using virtio_cops::test::Rig;
using virtio_cops::test::RigOptions;

constexpr std::uint64_t kHour = 3'600'000'000'000;

/// What ended, in order: guest and level.
using Ended = std::vector<std::pair<unsigned, unsigned>>;

/// A guest whose requests are sleeps: of an hour, or of no time at all.
class Guest final : public CompletionSink {
public:
    Guest(unsigned number, std::uint32_t max_in_flight, Engine& engine, Ended& ended)
        : number_(number)
        , engine_(engine)
        , ended_(ended)
        , rig_(options(max_in_flight)) {
        rig_.boot();
        process_ = rig_.attach();
    }

    void request(unsigned level, std::uint64_t sleep_ns) {
        virtio_cops_req header =
            Rig::slot_request(process_, VIRTIO_COPS_OP_NANOSLEEP, slots_++, level);
        header.offset = sleep_ns;
        rig_.submit(header);
        start();
    }
    void cancel_one() {
        engine_.cancel(*this, long_ones_.back());
        long_ones_.pop_back();
    }
    void cancel_all() {
        while (!long_ones_.empty()) {
            cancel_one();
        }
    }
    std::size_t in_flight() const { return rig_.device.in_flight(); }

    void io_completed(const Completion& completion) noexcept override {
        if (completion.result == 0) {
            ended_.emplace_back(number_, levels_[completion.token]);
        }
        rig_.device.complete(completion.token, completion.result);
        start();  // who waited for the place
    }

private:
    static RigOptions options(std::uint32_t max_in_flight) {
        RigOptions options;
        options.device.max_in_flight = max_in_flight;
        return options;
    }
    /// Hands on what the device has started, as a worker does.
    void start() {
        for (const auto& operation : std::exchange(rig_.host.started, {})) {
            levels_[operation.token] = operation.level;
            if (operation.offset == kHour) {
                long_ones_.push_back(operation.token);
            }
            engine_.start({
                .opcode = Opcode::sleep,
                .level = operation.level,
                .sink = this,
                .token = operation.token,
                .offset = operation.offset,
            });
        }
    }

    const unsigned number_;
    Engine& engine_;
    Ended& ended_;
    Rig rig_;
    virtio_cops::test::TestProcess process_;
    std::uint32_t slots_ = 0;
    std::map<std::uint64_t, unsigned> levels_;  // by token
    std::vector<std::uint64_t> long_ones_;
};

class RequestsOfGuests : public testing::Test {
protected:
    /// The kernel holds as many as the long ones and one more, so that it tells the order.
    void make(unsigned long_ones) {
        auto made = Engine::create({.max_in_flight = long_ones + 1});
        ASSERT_TRUE(made) << made.error().message;
        engine_ = std::move(*made);
    }
    void wait_for(std::size_t ended) {
        while (ended_.size() < ended) {
            engine_->wait(~Nanos{0});
            engine_->reap();
        }
    }
    /// Nothing may be in flight when the engine ends.
    void end(Guest& guest) {
        guest.cancel_all();
        while (engine_->pending() != 0) {
            engine_->wait(~Nanos{0});
            engine_->reap();
        }
    }

    Ended ended_;
    std::unique_ptr<Engine> engine_;
};

TEST_F(RequestsOfGuests, at_its_bound_a_guests_urgent_request_overtakes_and_holds_up_nobody_else) {
    make(3);
    Guest flooding(0, 3, *engine_, ended_);
    Guest other(1, 3, *engine_, ended_);
    for (int i = 0; i < 3; ++i) {
        flooding.request(20, kHour);
    }
    for (const unsigned level : {20U, 20U, 0U, 20U}) {
        flooding.request(level, 0);
    }
    EXPECT_EQ(flooding.in_flight(), 3U);
    other.request(30, 0);
    wait_for(1);
    EXPECT_EQ(ended_, (Ended{{1, 30}})) << "the other guest has a bound of its own";
    flooding.cancel_one();
    wait_for(5);
    EXPECT_EQ(ended_, (Ended{{1, 30}, {0, 0}, {0, 20}, {0, 20}, {0, 20}}));
    end(flooding);
}

TEST_F(RequestsOfGuests, are_submitted_urgent_first_whoever_sent_them) {
    make(1);
    Guest one(0, 16, *engine_, ended_);
    Guest another(1, 16, *engine_, ended_);
    one.request(63, kHour);
    engine_->flush();
    one.request(20, 0);
    another.request(40, 0);
    one.request(7, 0);
    another.request(3, 0);
    another.request(20, 0);
    wait_for(5);
    EXPECT_EQ(ended_, (Ended{{1, 3}, {0, 7}, {0, 20}, {1, 20}, {1, 40}}));
    end(one);
}

}  // namespace
}  // namespace vmm::io
