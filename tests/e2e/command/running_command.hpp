// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "command.hpp"

#include <sys/types.h>

#include <chrono>
#include <string>
#include <thread>

namespace command {

/// A `cops` that runs beside the test, both its outputs in one file, which may be a FIFO.
class RunningCommand {
public:
    RunningCommand(const Words& words, std::string output);
    /// Kills it, if wait() has not seen its end.
    ~RunningCommand();
    RunningCommand(const RunningCommand&) = delete;
    RunningCommand& operator=(const RunningCommand&) = delete;

    pid_t pid() const { return child_; }
    std::string output() const { return test_support::read_file(output_); }
    /// Asks again and again, for a minute at most. False: it never held.
    template <class Condition>
    static bool eventually(Condition condition) {
        const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(1);
        while (!condition()) {
            if (std::chrono::steady_clock::now() > end) {
                return false;
            }
            // Not to take the processor from what is waited for.
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        return true;
    }
    bool says(const std::string& text) const {
        return eventually([&] { return output().contains(text); });
    }
    /// Exit status; -n when signal n ended it; -1000 when it does not end, which is a failure.
    int wait();

private:
    std::string output_;
    pid_t child_ = -1;
};

}  // namespace command
