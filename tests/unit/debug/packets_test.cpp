// SPDX-License-Identifier: Apache-2.0
#include "debug/hex.hpp"
#include "debug/packets.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace vmm::debug {
namespace {

/// All that `bytes` completed.
std::vector<PacketEvent> feed(PacketReader& reader, std::string_view bytes) {
    std::vector<PacketEvent> events;
    for (const char byte : bytes) {
        if (const PacketEvent event = reader.feed(byte); event != PacketEvent::none) {
            events.push_back(event);
        }
    }
    return events;
}

TEST(PacketReader, takes_packets_interrupts_and_complaints_apart) {
    PacketReader reader;
    EXPECT_EQ(
        feed(reader, "+$g#67\x03-$#00"),
        (std::vector{
            PacketEvent::packet, PacketEvent::interrupt, PacketEvent::resend, PacketEvent::packet
        })
    );
    EXPECT_EQ(reader.payload(), "");
}

TEST(PacketReader, undoes_escapes) {
    PacketReader reader;
    // '}' 0x5d is an escaped '}' (0x7d); "$" and "#" are escaped likewise.
    const std::string packet = frame("a}b#c$d*");
    EXPECT_EQ(feed(reader, packet), std::vector{PacketEvent::packet});
    EXPECT_EQ(reader.payload(), "a}b#c$d*");
}

TEST(PacketReader, a_wrong_checksum_is_bad) {
    PacketReader reader;
    EXPECT_EQ(feed(reader, "$g#68$g#6x$g#67").size(), 3U);
    EXPECT_EQ(feed(reader, "$g#68"), std::vector{PacketEvent::bad});
    EXPECT_EQ(feed(reader, "$g#zz"), std::vector{PacketEvent::bad});
    EXPECT_EQ(feed(reader, "$g#67"), std::vector{PacketEvent::packet});
}

TEST(PacketReader, a_packet_that_is_too_long_is_bad_and_takes_no_memory) {
    PacketReader reader;
    const std::string packet = frame(std::string(kMaxPayload + 1, 'a'));
    EXPECT_EQ(feed(reader, packet), std::vector{PacketEvent::bad});
    EXPECT_LE(reader.payload().size(), kMaxPayload);
    EXPECT_EQ(feed(reader, "$g#67"), std::vector{PacketEvent::packet});
}

TEST(Hex, registers_are_little_endian) {
    EXPECT_EQ(to_hex(std::uint64_t{0x1122334455667788}), "8877665544332211");
    EXPECT_EQ(register_from_hex("8877665544332211"), 0x1122334455667788U);
    for (const char* text :
         {"", "88", "887766554433221", "88776655443322110", "8877665544332g11"}) {
        EXPECT_FALSE(register_from_hex(text)) << text;
    }
}

TEST(Hex, numbers_have_one_to_sixteen_digits) {
    std::string_view text = "ffffffffffffffff,";
    EXPECT_EQ(take_hex(text), ~std::uint64_t{0});
    EXPECT_EQ(text, ",");
    for (std::string_view bad : {"", ",", "10000000000000000", "g"}) {
        EXPECT_FALSE(take_hex(bad)) << bad;
    }
}

}  // namespace
}  // namespace vmm::debug
