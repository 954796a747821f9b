// SPDX-License-Identifier: Apache-2.0
#include "control/connection.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace tools {

Connection::Connection(int fd, std::size_t most_input)
    : fd_(fd)
    , most_input_(most_input) {}

Connection::~Connection() {
    ::close(fd_);
}

bool Connection::receive() {
    std::array<char, 4096> buffer;
    const ssize_t count = ::recv(fd_, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (count < 0) {
        return errno == EAGAIN || errno == EINTR;
    }
    input_ended_ = count == 0;
    if (!closing_) {
        input_.append(buffer.data(), static_cast<std::size_t>(count));
    }
    return true;
}

std::optional<std::string> Connection::take_message(std::string_view end) {
    const std::size_t at = input_.find(end);
    if (at == std::string::npos || at + end.size() > most_input_) {
        return std::nullopt;
    }
    std::string message = input_.substr(0, at);
    input_.erase(0, at + end.size());
    last_progress_ = Clock::now();
    return message;
}

bool Connection::is_overlong(std::string_view end) const {
    const std::size_t at = input_.find(end);
    return at == std::string::npos ? input_.size() >= most_input_ : at + end.size() > most_input_;
}

void Connection::send(std::string_view text) {
    output_ += text;
    flush();
}

void Connection::close_when_sent() {
    closing_ = true;
    input_.clear();
    flush();
}

bool Connection::flush() {
    while (!output_.empty()) {
        const ssize_t count =
            ::send(fd_, output_.data(), output_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return errno == EAGAIN;
        }
        output_.erase(0, static_cast<std::size_t>(count));
        last_progress_ = Clock::now();
    }
    if (closing_) {
        ::shutdown(fd_, SHUT_WR);
    }
    return true;
}

}  // namespace tools
