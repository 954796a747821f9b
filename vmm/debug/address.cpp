// SPDX-License-Identifier: Apache-2.0
#include "debug/address.hpp"

#include <fmt/format.h>

#include <arpa/inet.h>
#include <sys/un.h>

#include <charconv>
#include <optional>

namespace vmm::debug {
namespace {

constexpr std::string_view kAccepted =
    "accepted: unix:PATH, tcp:ADDRESS:PORT on a loopback address, or tcp-public:ADDRESS:PORT";

std::unexpected<Error> refuse(std::string_view text, std::string_view why) {
    return fail(ErrorKind::usage, fmt::format("'{}' {}; {}", text, why, kAccepted));
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    const bool whole = error == std::errc{} && end == text.data() + text.size();
    return whole ? std::optional(port) : std::nullopt;
}

bool is_loopback(const Address& address) {
    if (address.kind == Address::Kind::tcp6) {
        ::in6_addr ip{};
        return ::inet_pton(AF_INET6, address.host.c_str(), &ip) == 1 && IN6_IS_ADDR_LOOPBACK(&ip);
    }
    ::in_addr ip{};
    return ::inet_pton(AF_INET, address.host.c_str(), &ip) == 1 && (ntohl(ip.s_addr) >> 24) == 127;
}

bool is_ip(const Address& address) {
    ::in6_addr ip{};  // large enough for both
    const int family = address.kind == Address::Kind::tcp6 ? AF_INET6 : AF_INET;
    return ::inet_pton(family, address.host.c_str(), &ip) == 1;
}

}  // namespace

std::string Address::text() const {
    switch (kind) {
    case Kind::unix_socket:
        return "unix:" + host;
    case Kind::tcp4:
        return fmt::format("tcp:{}:{}", host, port);
    case Kind::tcp6:
        return fmt::format("tcp:[{}]:{}", host, port);
    }
    return {};
}

std::string Address::for_gdb() const {
    return kind == Kind::unix_socket ? host : text();
}

Result<Address> parse_address(std::string_view text) {
    std::string_view rest = text;
    Address address;
    if (rest.starts_with("unix:")) {
        rest.remove_prefix(5);
        if (rest.empty() || rest.size() >= sizeof(::sockaddr_un::sun_path)
            || rest.find('\0') != std::string_view::npos) {
            return refuse(
                text,
                fmt::format("needs a path of 1 to {} bytes", sizeof(::sockaddr_un::sun_path) - 1)
            );
        }
        address.host = rest;
        return address;
    }
    const bool open = rest.starts_with("tcp-public:");
    if (!open && !rest.starts_with("tcp:")) {
        return refuse(text, "says neither unix: nor tcp:");
    }
    rest.remove_prefix(open ? 11 : 4);
    const std::size_t colon = rest.rfind(':');
    const auto port =
        colon == std::string_view::npos ? std::nullopt : parse_port(rest.substr(colon + 1));
    if (!port) {
        return refuse(text, "has no port from 0 to 65535 at its end");
    }
    address.port = *port;
    rest = rest.substr(0, colon);
    if (rest.size() >= 2 && rest.front() == '[' && rest.back() == ']') {
        address.kind = Address::Kind::tcp6;
        rest = rest.substr(1, rest.size() - 2);
    } else {
        address.kind = Address::Kind::tcp4;
    }
    address.host = rest.empty() || rest == "localhost" ? "127.0.0.1" : rest;
    if (!is_ip(address)) {
        return refuse(text, "has no IP address (an IPv6 one stands in brackets)");
    }
    if (!open && !is_loopback(address)) {
        return refuse(
            text,
            "can be reached from other hosts, and who reaches it controls the guest: say "
            "tcp-public: if you mean it"
        );
    }
    return address;
}

}  // namespace vmm::debug
