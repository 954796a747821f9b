// SPDX-License-Identifier: Apache-2.0
#include "terminal.hpp"

#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <stdexcept>

Terminal::Terminal(const std::string& script) {
    shell_ = ::forkpty(&master_, nullptr, nullptr, nullptr);
    if (shell_ < 0) {
        throw std::runtime_error("no pseudo-terminal");
    }
    if (shell_ == 0) {
        ::execl("/bin/sh", "sh", "-c", script.c_str(), nullptr);
        ::_exit(127);
    }
}

Terminal::~Terminal() {
    // Hangs up on whatever still runs there.
    ::close(master_);
    ::kill(-shell_, SIGKILL);
    ::waitpid(shell_, nullptr, 0);
}

void Terminal::type(const std::string& keys) const {
    (void)!::write(master_, keys.data(), keys.size());
}

bool Terminal::read_some() {
    ::pollfd wait{master_, POLLIN, 0};
    const auto limit = std::chrono::milliseconds(kTimeout).count();
    if (::poll(&wait, 1, static_cast<int>(limit)) <= 0) {
        return false;
    }
    std::array<char, 4096> buffer;
    const ssize_t count = ::read(master_, buffer.data(), buffer.size());
    if (count <= 0) {
        return false;
    }
    output_.append(buffer.data(), static_cast<std::size_t>(count));
    return true;
}

bool Terminal::wait_for(const std::string& text) {
    while (output().find(text) == std::string::npos) {
        if (!read_some()) {
            return false;
        }
    }
    return true;
}

bool Terminal::wait_for_end() {
    while (read_some()) {
    }
    ::pollfd wait{master_, POLLIN, 0};
    return ::poll(&wait, 1, 0) > 0 && (wait.revents & POLLHUP) != 0;
}

std::string Terminal::output() const {
    std::string text = output_;
    std::erase(text, '\r');
    return text;
}

pid_t Terminal::child() const {
    std::ifstream children(
        "/proc/" + std::to_string(shell_) + "/task/" + std::to_string(shell_) + "/children"
    );
    pid_t child = -1;
    children >> child;
    return child;
}
