// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cerrno>
#include <cstring>
#include <expected>
#include <type_traits>

namespace cops {

/// Why a call failed: a Linux errno value.
class Error {
public:
    constexpr explicit Error(int number)
        : number_(number) {}

    /// The errno value, positive.
    [[nodiscard]] constexpr int number() const { return number_; }
    /// Text of the value, as strerror() has it.
    [[nodiscard]] const char* message() const { return std::strerror(number_); }

    friend constexpr bool operator==(Error, Error) = default;

private:
    int number_;
};

/// What every call of this library returns: the full result, or the error.
template <typename T>
using Result = std::expected<T, Error>;

/// From the convention of system calls and completion slots: a value, or -errno when negative.
template <typename T>
Result<T> to_result(long value) {
    if (value < 0) {
        return std::unexpected(Error(static_cast<int>(-value)));
    }
    if constexpr (std::is_void_v<T>) {
        return {};
    } else {
        return static_cast<T>(value);
    }
}

}  // namespace cops
