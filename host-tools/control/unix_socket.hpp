// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <string_view>

namespace tools {

/// Longest path that a Unix socket can have, in bytes.
inline constexpr std::size_t kMaxSocketPath = sizeof(::sockaddr_un::sun_path) - 1;

/// The address of a Unix socket; `path` has 1 to kMaxSocketPath bytes and no NUL.
class UnixAddress {
public:
    explicit UnixAddress(std::string_view path);

    const ::sockaddr* get() const { return reinterpret_cast<const ::sockaddr*>(&address_); }
    ::socklen_t size() const { return sizeof address_; }

private:
    ::sockaddr_un address_{};
};

/// A connection to the socket at `path`, close-on-exec; -1 with errno when there is none.
int connect_unix(std::string_view path);

}  // namespace tools
