// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string_view>

namespace tools {

/// A file descriptor that threads write to without waiting for its reader: a thread of its own does
/// the writing. A writer that is far ahead waits, until abandon().
class Output {
public:
    /// `failed` is called once, with errno, from the writing thread, when nothing more can be
    /// written (EPIPE: the reader is gone). What comes later is dropped. It must not call back.
    Output(int fd, std::function<void(int)> failed);
    /// abandon()s what is left.
    ~Output();
    Output(const Output&) = delete;
    Output& operator=(const Output&) = delete;

    /// Any thread. Keeps each call's bytes together.
    void write(std::string_view bytes);
    /// Any thread. Nothing waits to be written.
    bool drained() const;
    /// Waits until all is written, the descriptor failed or abandon() was called.
    void flush();
    /// The same, at most `timeout`. True when nothing is left.
    bool flush_for(std::chrono::milliseconds timeout);
    /// Any thread. From now on a writer that is far ahead loses its bytes and doesn't wait.
    void stop_waiting();
    /// Any thread. Writers that wait at this moment lose their bytes and go on. False: none does.
    bool release_waiting();
    /// Any thread. Lets every waiting writer go and drops what isn't written.
    void abandon();

private:
    struct State;
    std::shared_ptr<State> state_;  // shared with the thread, which may be stuck in write()
};

}  // namespace tools
