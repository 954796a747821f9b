// SPDX-License-Identifier: Apache-2.0
#include "control/listener.hpp"

#include "control/unix_socket.hpp"
#include "support/failure.hpp"
#include "support/leftovers.hpp"

#include <fmt/format.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace tools {
namespace {

constexpr int kBacklog = 16;

/// Closes `fd` and says why nothing can listen there.
[[noreturn]] void
refuse(int fd, std::string_view what, const ListenAddress& address, std::string_view why) {
    if (fd >= 0) {
        ::close(fd);
    }
    throw configuration_failure(fmt::format("cannot open {} at {}: {}", what, address.text(), why));
}

std::string last_error() {
    return std::strerror(errno);
}

/// Makes room at `path`: what is left of somebody who could not clean up goes.
void remove_stale(std::string_view what, const ListenAddress& address) {
    struct ::stat status{};
    if (::lstat(address.path.c_str(), &status) != 0) {
        return;
    }
    if (!S_ISSOCK(status.st_mode)) {
        refuse(-1, what, address, "there is a file of another kind; choose another path");
    }
    const int probe = connect_unix(address.path);
    const int error = errno;
    if (probe >= 0) {
        refuse(probe, what, address, "another process listens there; choose another path");
    }
    if (error != ECONNREFUSED) {
        refuse(-1, what, address, std::strerror(error));
    }
    ::unlink(address.path.c_str());
}

}  // namespace

std::string ListenAddress::text() const {
    if (!path.empty()) {
        return "unix:" + path;
    }
    return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port)
                                               : fmt::format("[{}]:{}", host, port);
}

Listener::Listener(const ListenAddress& address, std::string_view what)
    : address_(address) {
    if (address_.path.empty()) {
        open_tcp(what);
    } else {
        open_unix(what);
    }
}

Listener::~Listener() {
    if (!address_.path.empty()) {
        struct ::stat status{};
        const bool ours = ::lstat(address_.path.c_str(), &status) == 0 && status.st_dev == device_
                          && status.st_ino == inode_;
        if (ours) {
            ::unlink(address_.path.c_str());
        }
        forget_leftover(address_.path);
    }
    ::close(fd_);
}

void Listener::open_unix(std::string_view what) {
    remove_stale(what, address_);
    fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const UnixAddress to(address_.path);
    // The mode of an unbound socket becomes that of its file, so nobody else ever reaches it.
    if (fd_ < 0 || ::fchmod(fd_, S_IRUSR | S_IWUSR) != 0 || ::bind(fd_, to.get(), to.size()) != 0) {
        refuse(fd_, what, address_, last_error());
    }
    note_leftover(address_.path);
    struct ::stat status{};
    if (::listen(fd_, kBacklog) != 0 || ::lstat(address_.path.c_str(), &status) != 0) {
        const std::string why = last_error();
        ::unlink(address_.path.c_str());
        forget_leftover(address_.path);
        refuse(fd_, what, address_, why);
    }
    device_ = status.st_dev;
    inode_ = status.st_ino;
}

void Listener::open_tcp(std::string_view what) {
    ::sockaddr_storage storage{};
    ::socklen_t size = 0;
    auto* const v4 = reinterpret_cast<::sockaddr_in*>(&storage);
    auto* const v6 = reinterpret_cast<::sockaddr_in6*>(&storage);
    if (::inet_pton(AF_INET, address_.host.c_str(), &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(address_.port);
        size = sizeof *v4;
    } else if (::inet_pton(AF_INET6, address_.host.c_str(), &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(address_.port);
        size = sizeof *v6;
    } else {
        refuse(-1, what, address_, "that is no IP address");
    }
    auto* const to = reinterpret_cast<::sockaddr*>(&storage);
    const int on = 1;
    fd_ = ::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd_ < 0 || ::setsockopt(fd_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0
        || ::bind(fd_, to, size) != 0 || ::listen(fd_, kBacklog) != 0
        || ::getsockname(fd_, to, &size) != 0) {
        refuse(fd_, what, address_, last_error());
    }
    address_.port = ntohs(storage.ss_family == AF_INET ? v4->sin_port : v6->sin6_port);
}

}  // namespace tools
