// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tools {

/// Where to listen: a Unix socket, or a TCP port of one IP address.
struct ListenAddress {
    std::string path;  ///< Of the Unix socket; empty: TCP.
    std::string host;  ///< Numeric, IPv6 without brackets.
    std::uint16_t port = 0;

    /// As it is written on the command line.
    std::string text() const;
};

/// A listening socket, non-blocking. A Unix socket is a file of mode 0600 that goes with the object
/// (also when the process ends on the spot, see remove_leftovers()); one that nobody listens on any
/// more is replaced, one that somebody listens on and any other file are not.
class Listener {
public:
    /// Throws Failure (configuration). `what` names it in errors: "the control socket".
    Listener(const ListenAddress& address, std::string_view what);
    ~Listener();
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;

    int fd() const noexcept { return fd_; }
    /// With the port that the host chose when 0 was asked for.
    const ListenAddress& address() const noexcept { return address_; }

private:
    void open_unix(std::string_view what);
    void open_tcp(std::string_view what);

    ListenAddress address_;
    int fd_ = -1;
    std::uint64_t device_ = 0;  // which file is ours
    std::uint64_t inode_ = 0;
};

}  // namespace tools
