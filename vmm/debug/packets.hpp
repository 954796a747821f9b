// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace vmm::debug {

/// Longest payload either side sends ("PacketSize" of the protocol).
inline constexpr std::size_t kMaxPayload = 16384;

/// What a byte completed.
enum class PacketEvent : std::uint8_t {
    none,
    packet,     ///< payload() is a whole packet.
    bad,        ///< A packet with a wrong checksum or too long; ask for it again.
    interrupt,  ///< Ctrl-C.
    resend,     ///< The other side did not understand our last packet.
};

/// Takes the GDB remote protocol's framing apart, byte by byte: `$payload#checksum`, with `}` as
/// escape; acknowledgements and Ctrl-C between packets.
class PacketReader {
public:
    PacketEvent feed(char byte);
    const std::string& payload() const { return payload_; }

private:
    enum class State : std::uint8_t { idle, body, first_digit, second_digit };

    PacketEvent finish(char digit);

    State state_ = State::idle;
    std::string payload_;
    unsigned sum_ = 0;
    int high_digit_ = 0;
    bool escaped_ = false;
    bool too_long_ = false;
};

/// The packet that carries `payload`.
std::string frame(std::string_view payload);

}  // namespace vmm::debug
