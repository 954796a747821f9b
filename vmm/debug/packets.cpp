// SPDX-License-Identifier: Apache-2.0
#include "debug/packets.hpp"

#include "debug/hex.hpp"

namespace vmm::debug {
namespace {

constexpr char kInterrupt = 3;
constexpr char kEscape = '}';
constexpr char kEscapeMask = 0x20;

unsigned sum_of(std::string_view text) {
    unsigned sum = 0;
    for (const char c : text) {
        sum += static_cast<unsigned char>(c);
    }
    return sum & 0xff;
}

}  // namespace

PacketEvent PacketReader::feed(char byte) {
    switch (state_) {
    case State::idle:
        if (byte == '$') {
            state_ = State::body;
            payload_.clear();
            sum_ = 0;
            escaped_ = too_long_ = false;
            return PacketEvent::none;
        }
        if (byte == kInterrupt) {
            return PacketEvent::interrupt;
        }
        return byte == '-' ? PacketEvent::resend : PacketEvent::none;
    case State::body:
        if (byte == '#') {
            state_ = State::first_digit;
            return PacketEvent::none;
        }
        sum_ += static_cast<unsigned char>(byte);
        if (payload_.size() >= kMaxPayload) {
            too_long_ = true;
        } else if (!escaped_ && byte == kEscape) {
            escaped_ = true;
        } else {
            payload_ += static_cast<char>(escaped_ ? byte ^ kEscapeMask : byte);
            escaped_ = false;
        }
        return PacketEvent::none;
    case State::first_digit:
        high_digit_ = hex_digit(byte);
        state_ = State::second_digit;
        return PacketEvent::none;
    case State::second_digit:
        state_ = State::idle;
        return finish(byte);
    }
    return PacketEvent::none;
}

PacketEvent PacketReader::finish(char digit) {
    const int low = hex_digit(digit);
    const bool digits = high_digit_ >= 0 && low >= 0;
    if (!digits || too_long_ || static_cast<unsigned>(high_digit_ << 4 | low) != (sum_ & 0xff)) {
        return PacketEvent::bad;
    }
    return PacketEvent::packet;
}

std::string frame(std::string_view payload) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string body;
    for (const char c : payload) {
        if (c == '$' || c == '#' || c == kEscape || c == '*') {
            body += kEscape;
            body += static_cast<char>(c ^ kEscapeMask);
        } else {
            body += c;
        }
    }
    const unsigned sum = sum_of(body);
    std::string packet = "$" + body + "#";
    packet += kDigits[sum >> 4];
    packet += kDigits[sum & 15];
    return packet;
}

}  // namespace vmm::debug
