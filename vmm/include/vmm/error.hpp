// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <utility>

namespace vmm {

/// What kind of thing went wrong; the values are the exit codes that the `cops` command documents.
enum class ErrorKind : std::uint8_t {
    internal = 1,       ///< A broken promise of our own.
    usage = 2,          ///< The caller asked for something that no configuration could satisfy.
    configuration = 3,  ///< A file, image or value of the configuration is bad.
    unavailable = 4,    ///< The host lacks an engine or a facility (io_uring, memory, ...).
};

/// An error on its way to the person who can mend it: one sentence that says what failed, on what,
/// why (errno text where there is one) and, where it helps, what would be accepted.
struct Error {
    ErrorKind kind;
    std::string message;
};

template <class T>
using Result = std::expected<T, Error>;

/// Shorthand for returning an Error: `return fail(ErrorKind::configuration, "...");`
[[nodiscard]] inline std::unexpected<Error> fail(ErrorKind kind, std::string message) {
    return std::unexpected(Error{kind, std::move(message)});
}

}  // namespace vmm
