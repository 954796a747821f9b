// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

namespace kernel {

/// A number printed in hexadecimal.
struct Hex {
    std::uint64_t value;
};

/// One argument of a message. Made from its value without being asked: calls name the values only.
class Piece {
public:
    explicit(false) Piece(std::string_view text)
        : text_(text)
        , kind_(Kind::text) {}
    explicit(false) Piece(const char* text)
        : Piece(std::string_view(text)) {}
    explicit(false) Piece(Hex hex)
        : value_(hex.value)
        , kind_(Kind::hexadecimal) {}
    template <typename T>
        requires std::is_integral_v<T>
    explicit(false) Piece(T value)
        : value_(static_cast<std::uint64_t>(value))
        , kind_(std::is_signed_v<T> ? Kind::integer : Kind::natural) {}

    /// Appends to out[0..size); returns bytes written.
    std::size_t write(char* out, std::size_t size) const;

private:
    enum class Kind : std::uint8_t { text, natural, integer, hexadecimal };
    std::string_view text_;
    std::uint64_t value_ = 0;
    Kind kind_;
};

enum class LogLevel : std::uint8_t { none, info, debug };
extern LogLevel log_level;  ///< cmdline loglevel=; written at boot only.

/// One line on the console, whole even when harts print at once.
void print_line(std::string_view prefix, const Piece* pieces, std::size_t count);
/// Says "panic: ..." and ends the machine with reason "system failure".
[[noreturn]] void panic_line(const Piece* pieces, std::size_t count);

template <typename... Pieces>
void say(const Pieces&... pieces) {
    const Piece list[] = {Piece(pieces)...};
    print_line("", list, sizeof...(pieces));
}
template <typename... Pieces>
void info(const Pieces&... pieces) {
    if (log_level >= LogLevel::info) {
        say("kernel: ", pieces...);
    }
}
template <typename... Pieces>
void debug(const Pieces&... pieces) {
    if (log_level >= LogLevel::debug) {
        say("kernel: ", pieces...);
    }
}
template <typename... Pieces>
[[noreturn]] void panic(const Pieces&... pieces) {
    const Piece list[] = {Piece(pieces)...};
    panic_line(list, sizeof...(pieces));
}

/// Our own broken invariant; never on input.
inline void check(bool claim, const char* what) {
    if (!claim) [[unlikely]] {
        panic(what);
    }
}

}  // namespace kernel
