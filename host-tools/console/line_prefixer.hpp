// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace tools {

/// Turns one guest's console output into whole lines that begin with its name.
class LinePrefixer {
public:
    /// `width`: names are padded to it, so that the lines of a fleet stand under each other.
    LinePrefixer(std::string name, std::size_t width);

    /// The lines that are whole now, each with its prefix and a newline.
    std::string feed(std::span<const char> output);
    /// What is left without a newline, with its prefix and one; empty when there is nothing.
    std::string finish();

private:
    /// A line longer than this is cut, so that a guest can't fill our memory.
    static constexpr std::size_t kMaxLine = 8192;

    void emit(std::string& lines);

    std::string prefix_;
    std::string line_;
};

}  // namespace tools
