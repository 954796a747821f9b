// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace tools {

/// One client on a non-blocking socket, which it owns. Nothing here waits; who polls the descriptor
/// says what may be read or written. What it keeps is bounded: a message and what is read at a
/// time, and what its owner sends while has_output() is false.
class Connection {
public:
    using Clock = std::chrono::steady_clock;

    /// `most_input`: bytes that a message may have, its end included.
    Connection(int fd, std::size_t most_input);
    ~Connection();
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    int fd() const noexcept { return fd_; }
    /// False: the client is gone.
    bool receive();
    /// Whether receive() is of use: the client may send more, and there is room for it.
    bool wants_input() const noexcept { return !input_ended_ && input_.size() < most_input_; }
    /// A message is there, or the client has sent more than one may have.
    bool has_message(std::string_view end) const {
        return input_.find(end) != std::string::npos || is_overlong(end);
    }
    /// The next message that ends with `end`, without it; nothing: it has not all come.
    std::optional<std::string> take_message(std::string_view end);
    /// What came so far is longer than a message may be.
    bool is_overlong(std::string_view end) const;

    /// Sends what can be sent now and keeps the rest for flush().
    void send(std::string_view text);
    /// False: the client is gone.
    bool flush();
    bool has_output() const noexcept { return !output_.empty(); }
    /// Sends what is to be sent and then the end; what comes in from now on is read and dropped,
    /// since an answer could be lost to a client whose words were not all read.
    void close_when_sent();
    /// It has served its purpose: nothing can come in, and nothing is to go out.
    bool is_done() const noexcept { return input_ended_ && output_.empty(); }

    /// When a whole message was last taken from it, or it took something of an answer. Parts of a
    /// message do not count, so that nobody keeps a connection by sending a byte now and then.
    Clock::time_point last_progress() const noexcept { return last_progress_; }

private:
    int fd_;
    std::size_t most_input_;
    std::string input_;
    std::string output_;
    bool input_ended_ = false;
    bool closing_ = false;
    Clock::time_point last_progress_ = Clock::now();
};

}  // namespace tools
