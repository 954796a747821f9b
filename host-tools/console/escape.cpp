// SPDX-License-Identifier: Apache-2.0
#include "console/escape.hpp"

namespace tools {
namespace {

constexpr char kControlA = 0x01;

}  // namespace

EscapeFilter::Result EscapeFilter::feed(std::span<const char> typed) {
    Result result;
    for (const char c : typed) {
        if (!escaped_) {
            escaped_ = c == kControlA;
            if (!escaped_) {
                result.to_guest += c;
            }
            continue;
        }
        escaped_ = false;
        switch (c) {
        case 'x':
        case 'X':
            result.quit = true;
            return result;
        case kControlA:
        case 'a':
            result.to_guest += kControlA;
            break;
        case 'h':
        case '?':
            result.help = true;
            break;
        default:
            break;
        }
    }
    return result;
}

}  // namespace tools
