// SPDX-License-Identifier: Apache-2.0
// Options of loads: `--name NUMBER`, each with a default and bounds.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string_view>

namespace load {

/// One option; `value` is where its number goes and has the default to begin with.
struct NumberOption {
    std::string_view name;  ///< With its dashes.
    const char* help;
    std::uint64_t low;
    std::uint64_t high;
    std::uint64_t& value;
};

inline void print_usage(const char* program, std::span<const NumberOption> options) {
    std::fprintf(stderr, "usage: %s [OPTION NUMBER]...\n", program);
    for (const NumberOption& option : options) {
        std::fprintf(
            stderr,
            "  %.*s  %s, %lu to %lu [%lu]\n",
            static_cast<int>(option.name.size()),
            option.name.data(),
            option.help,
            option.low,
            option.high,
            option.value
        );
    }
}

inline bool set_number(const NumberOption& option, const char* text) {
    char* end = nullptr;
    const std::uint64_t number = std::strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || number < option.low || number > option.high) {
        std::fprintf(
            stderr,
            "%.*s: '%s' is no number from %lu to %lu\n",
            static_cast<int>(option.name.size()),
            option.name.data(),
            text,
            option.low,
            option.high
        );
        return false;
    }
    option.value = number;
    return true;
}

/// Sets what `words` say. False: they say something else, and the usage is on stderr.
inline bool
parse(const char* program, std::span<char* const> words, std::span<const NumberOption> options) {
    for (std::size_t i = 0; i < words.size(); i += 2) {
        const NumberOption* found = nullptr;
        for (const NumberOption& option : options) {
            found = option.name == words[i] ? &option : found;
        }
        if (found == nullptr || i + 1 == words.size()) {
            const char* what = found == nullptr ? "is no option of this" : "lacks its number";
            std::fprintf(stderr, "%s: '%s' %s\n", program, words[i], what);
            print_usage(program, options);
            return false;
        }
        if (!set_number(*found, words[i + 1])) {
            return false;
        }
    }
    return true;
}

}  // namespace load
