// SPDX-License-Identifier: Apache-2.0
#include "debug/hex.hpp"

#include <array>

namespace vmm::debug {
namespace {

constexpr std::string_view kDigits = "0123456789abcdef";

}  // namespace

std::optional<std::uint64_t> take_hex(std::string_view& text) {
    std::uint64_t value = 0;
    std::size_t digits = 0;
    while (digits < text.size() && hex_digit(text[digits]) >= 0) {
        if (digits == 16) {
            return std::nullopt;
        }
        value = value << 4 | static_cast<std::uint64_t>(hex_digit(text[digits]));
        ++digits;
    }
    if (digits == 0) {
        return std::nullopt;
    }
    text.remove_prefix(digits);
    return value;
}

bool take(std::string_view& text, char c) {
    if (text.empty() || text.front() != c) {
        return false;
    }
    text.remove_prefix(1);
    return true;
}

std::string to_hex(std::span<const std::byte> bytes) {
    std::string text;
    text.reserve(bytes.size() * 2);
    for (const std::byte byte : bytes) {
        text += kDigits[static_cast<std::size_t>(byte) >> 4];
        text += kDigits[static_cast<std::size_t>(byte) & 15];
    }
    return text;
}

std::string to_hex(std::uint64_t value) {
    std::array<std::byte, 8> bytes{};
    for (std::size_t n = 0; n < bytes.size(); ++n) {
        bytes[n] = static_cast<std::byte>(value >> 8 * n);
    }
    return to_hex(bytes);
}

std::optional<std::vector<std::byte>> from_hex(std::string_view text) {
    if (text.size() % 2 != 0) {
        return std::nullopt;
    }
    std::vector<std::byte> bytes;
    bytes.reserve(text.size() / 2);
    for (std::size_t n = 0; n < text.size(); n += 2) {
        const int high = hex_digit(text[n]);
        const int low = hex_digit(text[n + 1]);
        if (high < 0 || low < 0) {
            return std::nullopt;
        }
        bytes.push_back(static_cast<std::byte>(high << 4 | low));
    }
    return bytes;
}

std::optional<std::uint64_t> register_from_hex(std::string_view text) {
    const auto bytes = from_hex(text);
    if (!bytes || bytes->size() != 8) {
        return std::nullopt;
    }
    std::uint64_t value = 0;
    for (std::size_t n = 8; n-- > 0;) {
        value = value << 8 | static_cast<std::uint64_t>((*bytes)[n]);
    }
    return value;
}

}  // namespace vmm::debug
