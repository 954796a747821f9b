// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "command.hpp"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <thread>

namespace command {

/// A `cops` that runs beside the test, its output in a file.
class RunningCommand {
public:
    RunningCommand(const Words& words, std::string output)
        : output_(std::move(output)) {
        test_support::write_file(output_, "");
        const Words all = cops(words);
        std::vector<char*> argv;
        for (const std::string& word : all) {
            argv.push_back(const_cast<char*>(word.c_str()));
        }
        argv.push_back(nullptr);
        child_ = ::fork();
        if (child_ == 0) {
            const int fd = ::open(output_.c_str(), O_WRONLY | O_TRUNC);
            const int null = ::open("/dev/null", O_RDONLY);
            ::dup2(null, 0);
            ::dup2(fd, 1);
            ::dup2(fd, 2);
            ::execv(argv[0], argv.data());
            ::_exit(125);
        }
    }
    ~RunningCommand() {
        if (child_ > 0) {
            ::kill(child_, SIGKILL);
            ::waitpid(child_, nullptr, 0);
        }
    }
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
            std::this_thread::yield();
        }
        return true;
    }
    bool says(const std::string& text) const {
        return eventually([&] { return output().find(text) != std::string::npos; });
    }
    /// Exit status, 128+n for signal n; -1 when it does not end.
    int wait() {
        int status = 0;
        if (!eventually([&] { return ::waitpid(child_, &status, WNOHANG) != 0; })) {
            ADD_FAILURE() << "the command hangs";
            return -1;
        }
        child_ = -1;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }

private:
    std::string output_;
    pid_t child_ = -1;
};

}  // namespace command
