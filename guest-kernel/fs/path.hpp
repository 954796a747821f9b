// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace kernel {

struct Path {
    static constexpr std::size_t kMax = 4096;
};

/// `path` without empty and "." parts, ".." resolved by name, no slash at either end. Paths are
/// absolute: the working directory is "/". The result lies in `buffer`, of at least path.size()
/// bytes.
inline std::string_view normalise(std::string_view path, std::span<char> buffer) {
    std::size_t used = 0;
    while (!path.empty()) {
        const std::size_t end = path.find('/');
        const std::string_view part = path.substr(0, end);
        path = end == std::string_view::npos ? std::string_view() : path.substr(end + 1);
        if (part.empty() || part == ".") {
            continue;
        }
        if (part == "..") {
            while (used > 0 && buffer[--used] != '/') {
            }
            continue;
        }
        if (used + part.size() + 1 > buffer.size()) {
            return {};
        }
        if (used != 0) {
            buffer[used++] = '/';
        }
        for (const char c : part) {
            buffer[used++] = c;
        }
    }
    return {buffer.data(), used};
}

}  // namespace kernel
