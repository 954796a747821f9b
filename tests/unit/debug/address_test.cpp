// SPDX-License-Identifier: Apache-2.0
#include "debug/address.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vmm::debug {
namespace {

using ::testing::HasSubstr;

TEST(DebugAddress, says_where_gdb_finds_it) {
    EXPECT_EQ(parse_address("unix:/run/a b")->for_gdb(), "/run/a b");
    EXPECT_EQ(parse_address("tcp:127.0.0.1:1234")->for_gdb(), "tcp:127.0.0.1:1234");
    EXPECT_EQ(parse_address("tcp::1234")->for_gdb(), "tcp:127.0.0.1:1234");
    EXPECT_EQ(parse_address("tcp:localhost:0")->for_gdb(), "tcp:127.0.0.1:0");
    EXPECT_EQ(parse_address("tcp:[::1]:9")->for_gdb(), "tcp:[::1]:9");
    EXPECT_EQ(parse_address("tcp-public:0.0.0.0:9")->for_gdb(), "tcp:0.0.0.0:9");
    EXPECT_EQ(parse_address("tcp-public:[::]:9")->for_gdb(), "tcp:[::]:9");
}

TEST(DebugAddress, other_hosts_come_in_only_when_that_is_said) {
    for (const char* text :
         {"tcp:0.0.0.0:1", "tcp:192.0.2.1:1", "tcp:[::]:1", "tcp:[2001:db8::1]:1"}) {
        const auto address = parse_address(text);
        ASSERT_FALSE(address) << text;
        EXPECT_EQ(address.error().kind, ErrorKind::usage);
        EXPECT_THAT(address.error().message, HasSubstr("tcp-public:"));
    }
}

TEST(DebugAddress, nonsense_is_refused_with_what_is_accepted) {
    for (const char* text :
         {"",
          "1234",
          "unix:",
          "udp:1:2",
          "tcp:",
          "tcp:127.0.0.1",
          "tcp:127.0.0.1:",
          "tcp:127.0.0.1:65536",
          "tcp:127.0.0.1:-1",
          "tcp:host.example:1",
          "tcp:::1:1",
          "tcp:[::1:1"}) {
        const auto address = parse_address(text);
        ASSERT_FALSE(address) << text;
        EXPECT_THAT(address.error().message, HasSubstr("accepted: unix:PATH")) << text;
    }
    EXPECT_FALSE(parse_address("unix:/" + std::string(108, 'a')));
}

}  // namespace
}  // namespace vmm::debug
