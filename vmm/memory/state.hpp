// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vmm {

/// Collects the saved state of a machine: a flat little-endian byte stream without padding.
class StateWriter {
public:
    template <std::unsigned_integral T>
    void put(T value) {
        for (std::size_t i = 0; i < sizeof(T); ++i) {
            bytes_.push_back(static_cast<std::byte>(static_cast<std::uint64_t>(value) >> (8 * i)));
        }
    }
    void put(bool value) { put(static_cast<std::uint8_t>(value)); }
    /// Length-prefixed.
    void put_bytes(std::span<const std::byte> bytes) {
        put(std::uint64_t{bytes.size()});
        bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    }
    void put_text(std::string_view text) { put_bytes(std::as_bytes(std::span(text))); }

    std::span<const std::byte> bytes() const noexcept { return bytes_; }
    std::vector<std::byte> take() { return std::move(bytes_); }

private:
    std::vector<std::byte> bytes_;
};

/// Reads what a StateWriter wrote. The bytes come from outside: after the first read past the end
/// or of a value out of bounds every read gives zero and ok() is false, so that a loader can read a
/// whole section and check once.
class StateReader {
public:
    explicit StateReader(std::span<const std::byte> bytes)
        : rest_(bytes) {}

    template <std::unsigned_integral T>
    T get() {
        if (rest_.size() < sizeof(T)) {
            fail();
        }
        if (!ok_) {
            return 0;
        }
        std::uint64_t value = 0;
        for (std::size_t i = 0; i < sizeof(T); ++i) {
            value |= static_cast<std::uint64_t>(rest_[i]) << (8 * i);
        }
        rest_ = rest_.subspan(sizeof(T));
        return static_cast<T>(value);
    }
    /// A value that must be below `bound`.
    template <std::unsigned_integral T>
    T get_below(T bound) {
        const T value = get<T>();
        if (value >= bound) {
            fail();
            return 0;
        }
        return value;
    }
    bool get_bool() { return get_below<std::uint8_t>(2) != 0; }
    /// A view into the input; empty after a failure.
    std::span<const std::byte> get_bytes() {
        const auto length = get<std::uint64_t>();
        if (length > rest_.size()) {
            fail();
        }
        if (!ok_) {
            return {};
        }
        const auto bytes = rest_.first(static_cast<std::size_t>(length));
        rest_ = rest_.subspan(static_cast<std::size_t>(length));
        return bytes;
    }
    std::string get_text() {
        std::string text;
        for (const std::byte byte : get_bytes()) {
            text.push_back(static_cast<char>(byte));
        }
        return text;
    }

    void fail() noexcept { ok_ = false; }
    bool ok() const noexcept { return ok_; }
    bool at_end() const noexcept { return rest_.empty(); }

private:
    std::span<const std::byte> rest_;
    bool ok_ = true;
};

}  // namespace vmm
