// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vmm/error.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace vmm::debug {

/// Where a debugger finds a guest.
struct Address {
    enum class Kind : std::uint8_t { unix_socket, tcp4, tcp6 };
    Kind kind = Kind::unix_socket;
    std::string host;  ///< Path of the socket, or the IP address.
    std::uint16_t port = 0;

    /// As a person writes it, and as gdb wants it after `target remote`.
    std::string text() const;
    std::string for_gdb() const;
};

/// `unix:PATH`, `tcp:ADDR:PORT` with an address of this host only (loopback; empty is 127.0.0.1),
/// or `tcp-public:ADDR:PORT` with any address. IPv6 addresses stand in brackets; port 0 lets the
/// host choose one. ErrorKind::usage with a sentence that says what is accepted.
Result<Address> parse_address(std::string_view text);

}  // namespace vmm::debug
