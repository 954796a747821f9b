// SPDX-License-Identifier: Apache-2.0
#include "control/unix_socket.hpp"

#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace tools {

UnixAddress::UnixAddress(std::string_view path) {
    address_.sun_family = AF_UNIX;
    std::ranges::copy(path.substr(0, kMaxSocketPath), address_.sun_path);
}

int connect_unix(std::string_view path) {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const UnixAddress to(path);
    const ::timeval patience{.tv_sec = 5, .tv_usec = 0};  // with somebody who accepts nobody
    if (fd >= 0) {
        ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    }
    if (fd >= 0 && ::connect(fd, to.get(), to.size()) != 0) {
        const int error = errno;
        ::close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

}  // namespace tools
