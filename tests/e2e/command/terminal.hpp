// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>

/// A shell script on a pseudo-terminal, as somebody at a keyboard would run it.
class Terminal {
public:
    explicit Terminal(const std::string& script);
    ~Terminal();
    Terminal(const Terminal&) = delete;
    Terminal& operator=(const Terminal&) = delete;

    void type(const std::string& keys) const;
    /// Reads until the output so far contains `text`. False at a timeout or the end.
    bool wait_for(const std::string& text);
    /// Reads to the end. False at a timeout.
    bool wait_for_end();
    /// All output so far, without carriage returns.
    std::string output() const;
    /// The process that the shell waits for.
    pid_t child() const;

private:
    static constexpr std::chrono::seconds kTimeout{120};

    /// One read. False at the end or after the timeout.
    bool read_some();

    int master_ = -1;
    pid_t shell_ = -1;
    std::string output_;
};
