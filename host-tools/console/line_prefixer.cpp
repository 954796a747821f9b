// SPDX-License-Identifier: Apache-2.0
#include "console/line_prefixer.hpp"

#include <algorithm>
#include <utility>

namespace tools {

LinePrefixer::LinePrefixer(std::string name, std::size_t width)
    : prefix_(std::move(name)) {
    prefix_.resize(std::max(width, prefix_.size()), ' ');
    prefix_ += " | ";
}

void LinePrefixer::emit(std::string& lines) {
    // Consoles end lines by CR LF; the CR would send the cursor over the prefix.
    if (line_.ends_with('\r')) {
        line_.pop_back();
    }
    lines += prefix_;
    lines += line_;
    lines += '\n';
    line_.clear();
}

std::string LinePrefixer::feed(std::span<const char> output) {
    std::string lines;
    for (const char c : output) {
        if (c == '\n') {
            emit(lines);
            continue;
        }
        if (line_.size() == kMaxLine) {
            emit(lines);
        }
        line_ += c;
    }
    return lines;
}

std::string LinePrefixer::finish() {
    std::string lines;
    if (!line_.empty()) {
        emit(lines);
    }
    return lines;
}

}  // namespace tools
