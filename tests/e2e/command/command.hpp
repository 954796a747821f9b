// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "process.hpp"

#include <string>
#include <vector>

/// The command under test and the guests that it runs.
namespace command {

using Words = std::vector<std::string>;

inline std::string guest(const std::string& name) {
    return std::string(COPS_GUEST_PROGRAM_DIR) + "/" + name;
}

/// `cops WORDS...`.
inline Words cops(const Words& words) {
    Words all{COPS_COMMAND};
    all.insert(all.end(), words.begin(), words.end());
    return all;
}

inline test_support::ProcessResult
run(const Words& words, const test_support::ProcessOptions& options = {}) {
    return test_support::run_process(cops(words), options);
}

/// How often `text` occurs in `in`.
inline std::size_t count(const std::string& in, const std::string& text) {
    std::size_t found = 0;
    for (std::size_t at = in.find(text); at != std::string::npos; at = in.find(text, at + 1)) {
        ++found;
    }
    return found;
}

}  // namespace command
