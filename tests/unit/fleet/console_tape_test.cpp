// SPDX-License-Identifier: Apache-2.0
#include "fleet/console_tape.hpp"
#include "process.hpp"

#include <gtest/gtest.h>

#include <string>

namespace vmm {
namespace {

class ConsoleTapeTest : public ::testing::Test {
protected:
    std::unique_ptr<ConsoleTape> typed_of(io::InputTape& tape) {
        return std::make_unique<ConsoleTape>(
            tape,
            [this](std::size_t guest, std::span<const char> bytes) {
                if (guest == never_reads) {
                    return std::size_t{0};
                }
                const std::size_t count = std::min(bytes.size(), room);
                given.append(bytes.data(), count);
                return count;
            }
        );
    }

    test_support::TemporaryDirectory directory;
    const std::string path = directory / "tape";
    std::string given;
    std::size_t room = 100;
    std::size_t never_reads = ~std::size_t{0};
};

TEST_F(ConsoleTapeTest, what_comes_is_delivered_at_the_next_occasion_and_again_at_the_same_one) {
    {
        auto tape = *io::InputTape::record(path, 0);
        const auto typed = typed_of(*tape);
        EXPECT_EQ(typed->push(0, std::string("one")), 3U);
        EXPECT_FALSE(typed->deliver(1, true)) << "the guests are not there yet";
        typed->begin();
        EXPECT_TRUE(typed->waits());
        EXPECT_TRUE(typed->deliver(4, false));
        EXPECT_FALSE(typed->waits());
        EXPECT_FALSE(typed->deliver(0, false));
        typed->push(0, std::string("two"));
        EXPECT_TRUE(typed->deliver(9, true));
    }
    EXPECT_EQ(given, "onetwo");
    given.clear();
    auto tape = *io::InputTape::replay(path, 0);
    const auto typed = typed_of(*tape);
    typed->begin();
    EXPECT_EQ(typed->push(0, std::string("nobody reads this")), 0U);
    EXPECT_FALSE(typed->waits());
    EXPECT_FALSE(typed->deliver(3, false));
    EXPECT_TRUE(typed->deliver(4, false));
    EXPECT_EQ(given, "one");
    EXPECT_FALSE(typed->deliver(9, false)) << "it came when nobody had anything else to do";
    EXPECT_TRUE(typed->deliver(2, true));
    EXPECT_FALSE(typed->deliver(0, true));
    EXPECT_EQ(given, "onetwo");
}

TEST_F(ConsoleTapeTest, what_the_guest_has_no_room_for_comes_later) {
    auto tape = *io::InputTape::record(path, 0);
    const auto typed = typed_of(*tape);
    typed->begin();
    typed->push(0, std::string("abcd"));
    room = 3;
    EXPECT_TRUE(typed->deliver(1, false));
    room = 0;
    EXPECT_FALSE(typed->deliver(0, false));
    EXPECT_FALSE(typed->waits()) << "an idle worker would look for ever";
    EXPECT_FALSE(typed->deliver(0, true));
    room = 1;
    EXPECT_TRUE(typed->deliver(2, false));
    EXPECT_EQ(given, "abcd");
}

TEST_F(ConsoleTapeTest, a_guest_that_never_reads_stops_the_input_of_no_other) {
    never_reads = 1;
    {
        auto tape = *io::InputTape::record(path, 0);
        const auto typed = typed_of(*tape);
        typed->begin();
        EXPECT_EQ(typed->push(1, std::string("in vain")), 7U);
        EXPECT_FALSE(typed->deliver(1, false));
        EXPECT_EQ(typed->push(0, std::string("before ")), 7U);
        EXPECT_EQ(typed->push(2, std::string("behind")), 6U);
        EXPECT_TRUE(typed->waits());
        EXPECT_TRUE(typed->deliver(3, false));
        EXPECT_TRUE(typed->deliver(0, true));
        EXPECT_FALSE(typed->deliver(0, true));
        EXPECT_FALSE(typed->waits()) << "an idle worker would look for ever";
    }
    EXPECT_EQ(given, "before behind");
    given.clear();
    never_reads = ~std::size_t{0};
    auto tape = *io::InputTape::replay(path, 0);
    const auto typed = typed_of(*tape);
    typed->begin();
    EXPECT_TRUE(typed->deliver(3, false));
    EXPECT_TRUE(typed->deliver(0, true));
    EXPECT_FALSE(typed->deliver(0, true));
    EXPECT_EQ(given, "before behind");
}

}  // namespace
}  // namespace vmm
