// SPDX-License-Identifier: Apache-2.0
#include "host_runtime.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

using namespace std::chrono_literals;
using ::testing::ElementsAre;

namespace {

using Log = std::vector<std::string>;
using Ints = cops::Channel<int, 2>;

class ChannelTest : public ::testing::Test {
protected:
    HostRuntime runtime_;
    Log log_;
};

std::string error_of(const cops::Error error) {
    return ::strerrorname_np(error.number());
}

template <typename Channel>
cops::Task<> sends(Channel& channel, Log& log, int value) {
    const cops::Result<void> result = co_await channel.send(value);
    log.push_back("sent " + std::to_string(value) + (result ? "" : " " + error_of(result.error())));
}

template <typename Channel>
cops::Task<> sends_within(Channel& channel, Log& log, int value, cops::Limit limit) {
    const cops::Result<void> result = co_await channel.send(value, limit);
    log.push_back("sent " + std::to_string(value) + (result ? "" : " " + error_of(result.error())));
}

template <typename Channel>
cops::Task<> receives(Channel& channel, Log& log, std::string name) {
    const cops::Result<int> result = co_await channel.receive();
    log.push_back(name + " " + (result ? std::to_string(*result) : error_of(result.error())));
}

template <typename Channel>
cops::Task<> receives_within(Channel& channel, Log& log, std::string name, cops::Limit limit) {
    const cops::Result<int> result = co_await channel.receive(limit);
    log.push_back(name + " " + (result ? std::to_string(*result) : error_of(result.error())));
}

TEST_F(ChannelTest, values_come_in_the_order_they_were_sent) {
    Ints channel;
    EXPECT_TRUE(channel.try_send(1));
    EXPECT_TRUE(channel.try_send(2));
    EXPECT_EQ(channel.try_send(3).error(), cops::Error(EAGAIN));
    EXPECT_EQ(channel.try_receive(), 1);
    EXPECT_TRUE(channel.try_send(3));
    EXPECT_EQ(channel.try_receive(), 2);
    EXPECT_EQ(channel.try_receive(), 3);
    EXPECT_EQ(channel.try_receive().error(), cops::Error(EAGAIN));
}

TEST_F(ChannelTest, values_go_to_the_most_urgent_receiver) {
    Ints channel;
    cops::spawn(receives(channel, log_, "20a"), 20);
    cops::spawn(receives(channel, log_, "20b"), 20);
    cops::spawn(receives(channel, log_, "5"), 5);
    runtime_.run();
    for (int value = 1; value <= 3; ++value) {
        EXPECT_TRUE(channel.try_send(value + 0));
    }
    EXPECT_EQ(channel.try_receive().error(), cops::Error(EAGAIN)) << "all have an owner";
    runtime_.run();
    EXPECT_THAT(log_, ElementsAre("5 1", "20a 2", "20b 3"));
}

TEST_F(ChannelTest, room_goes_to_the_most_urgent_sender) {
    Ints channel;
    EXPECT_TRUE(channel.try_send(1));
    EXPECT_TRUE(channel.try_send(2));
    cops::spawn(sends(channel, log_, 20), 20);
    runtime_.run();
    cops::spawn(sends(channel, log_, 5), 5);
    runtime_.run();
    EXPECT_TRUE(log_.empty());
    EXPECT_EQ(channel.try_receive(), 1);
    EXPECT_EQ(channel.try_send(9).error(), cops::Error(EAGAIN)) << "the waiting one has the room";
    runtime_.run();
    EXPECT_THAT(log_, ElementsAre("sent 5"));
    EXPECT_EQ(channel.try_receive(), 2);
    EXPECT_EQ(channel.try_receive(), 5);
    EXPECT_EQ(channel.try_receive(), 20);
    runtime_.run();
    EXPECT_THAT(log_, ElementsAre("sent 5", "sent 20"));
}

TEST_F(ChannelTest, without_capacity_sender_and_receiver_meet) {
    cops::Channel<int, 0> channel;
    EXPECT_EQ(channel.try_send(1).error(), cops::Error(EAGAIN));
    cops::spawn(sends(channel, log_, 7), 20);
    runtime_.run();
    EXPECT_TRUE(log_.empty());
    EXPECT_EQ(channel.try_receive(), 7);
    runtime_.run();
    cops::spawn(receives(channel, log_, "a"), 20);
    runtime_.run();
    EXPECT_TRUE(channel.try_send(8));
    runtime_.run();
    EXPECT_THAT(log_, ElementsAre("sent 7", "a 8"));
}

TEST_F(ChannelTest, closing_ends_waiting_senders_and_keeps_what_is_inside) {
    Ints channel;
    for (int value = 1; value <= 4; ++value) {
        cops::spawn(sends(channel, log_, value), 20);
    }
    runtime_.run();
    channel.close();
    channel.close();
    runtime_.run();
    EXPECT_THAT(log_, ElementsAre("sent 1", "sent 2", "sent 3 EPIPE", "sent 4 EPIPE"));
    EXPECT_EQ(channel.try_send(5).error(), cops::Error(EPIPE));
    EXPECT_EQ(channel.try_receive(), 1);
    EXPECT_EQ(channel.try_receive(), 2);
    EXPECT_EQ(channel.try_receive().error(), cops::Error(EPIPE));
}

TEST_F(ChannelTest, closing_ends_waiting_receivers) {
    Ints channel;
    cops::spawn(receives(channel, log_, "a"), 20);
    cops::spawn(receives_within(channel, log_, "b", 5us), 10);
    runtime_.run();
    channel.close();
    cops::spawn(receives(channel, log_, "late"), 30);
    cops::spawn(sends(channel, log_, 1), 31);
    runtime_.run();
    runtime_.advance(5'000);
    EXPECT_THAT(log_, ElementsAre("b EPIPE", "a EPIPE", "late EPIPE", "sent 1 EPIPE"));
}

TEST_F(ChannelTest, limits_take_waiters_out_of_the_middle) {
    Ints channel;
    cops::CancelSource source;
    cops::spawn(receives(channel, log_, "a"), 20);
    cops::spawn(receives_within(channel, log_, "b", source.token()), 20);
    cops::spawn(receives_within(channel, log_, "c", 5us), 20);
    cops::spawn(receives(channel, log_, "d"), 20);
    runtime_.run();
    source.cancel();
    runtime_.advance(5'000);
    runtime_.run();
    EXPECT_THAT(log_, ElementsAre("b ECANCELED", "c ETIMEDOUT"));
    log_.clear();
    for (int value = 1; value <= 4; ++value) {
        EXPECT_TRUE(channel.try_send(value + 0));
    }
    cops::spawn(sends_within(channel, log_, 5, 5us), 20);
    runtime_.run();
    runtime_.advance(5'000);
    EXPECT_THAT(log_, ElementsAre("a 1", "d 2", "sent 5 ETIMEDOUT"));
    EXPECT_EQ(channel.try_receive(), 3);
    EXPECT_EQ(channel.try_receive(), 4);
    EXPECT_EQ(channel.try_receive().error(), cops::Error(EAGAIN));
}

using Owned = cops::Channel<std::unique_ptr<int>, 1>;

cops::Task<> sends_owned(Owned& channel, int value, cops::Limit limit, int& kept) {
    auto owned = std::make_unique<int>(value);
    const cops::Result<void> result = co_await channel.send(std::move(owned), limit);
    kept = owned == nullptr ? 0 : *owned;
    EXPECT_EQ(owned == nullptr, result.has_value());
}

TEST_F(ChannelTest, value_that_was_not_sent_stays_with_its_owner) {
    int kept = 0;
    {
        Owned channel;
        cops::spawn(sends_owned(channel, 1, 5us, kept), 20);
        runtime_.run();
        EXPECT_EQ(kept, 0);
        cops::spawn(sends_owned(channel, 2, 5us, kept), 20);
        runtime_.run();
        runtime_.advance(5'000);
        EXPECT_EQ(kept, 2);
    }  // Destroys the value that is inside: the sanitizer would tell.
}

}  // namespace
