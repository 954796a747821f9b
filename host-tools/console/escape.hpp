// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>

namespace tools {

/// What somebody typed at a raw terminal, parted into what goes to the guest and what is for us.
/// Ctrl-A x: quit; Ctrl-A Ctrl-A (or a): Ctrl-A itself; Ctrl-A h or ?: help; others: nothing.
class EscapeFilter {
public:
    struct Result {
        std::string to_guest;
        bool quit = false;  ///< What was typed after it is dropped.
        bool help = false;
    };

    Result feed(std::span<const char> typed);

private:
    bool escaped_ = false;  // the last character was Ctrl-A
};

}  // namespace tools
