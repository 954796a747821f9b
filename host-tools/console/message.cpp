// SPDX-License-Identifier: Apache-2.0
#include "console/message.hpp"

#include <limits.h>
#include <poll.h>
#include <unistd.h>

namespace tools {

void say(int fd, std::string_view line) {
    constexpr int kPatienceMilliseconds = 500;
    while (!line.empty()) {
        ::pollfd wait{fd, POLLOUT, 0};
        if (::poll(&wait, 1, kPatienceMilliseconds) <= 0 || (wait.revents & POLLOUT) == 0) {
            return;
        }
        // A pipe that can be written to at all takes this much at once.
        const auto piece = line.substr(0, PIPE_BUF);
        const ssize_t written = ::write(fd, piece.data(), piece.size());
        if (written < 0) {
            return;
        }
        line.remove_prefix(static_cast<std::size_t>(written));
    }
}

}  // namespace tools
