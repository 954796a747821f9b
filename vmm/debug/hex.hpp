// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// Numbers and bytes as the GDB remote protocol writes them.
namespace vmm::debug {

/// Value of a hexadecimal digit, -1 for anything else.
constexpr int hex_digit(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/// Takes a number (most significant digit first, 1 to 16 digits) from the front of `text`.
std::optional<std::uint64_t> take_hex(std::string_view& text);
/// Takes `c` from the front of `text`; false when something else is there.
bool take(std::string_view& text, char c);

std::string to_hex(std::span<const std::byte> bytes);
/// The 8 bytes of a register, least significant first.
std::string to_hex(std::uint64_t value);
/// Nothing when `text` is not a whole number of bytes.
std::optional<std::vector<std::byte>> from_hex(std::string_view text);
/// A register's value; nothing unless `text` has exactly 8 bytes.
std::optional<std::uint64_t> register_from_hex(std::string_view text);

}  // namespace vmm::debug
