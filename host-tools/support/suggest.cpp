// SPDX-License-Identifier: Apache-2.0
#include "support/suggest.hpp"

#include <algorithm>
#include <cstddef>
#include <vector>

namespace tools {
namespace {

/// Insertions, deletions, replacements and swaps of neighbours that make `b` of `a`.
std::size_t edit_distance(std::string_view a, std::string_view b) {
    // Row i holds the distances of a's first i characters; a swap looks two rows back.
    std::vector<std::vector<std::size_t>> rows(
        a.size() + 1, std::vector<std::size_t>(b.size() + 1, 0)
    );
    for (std::size_t i = 0; i <= a.size(); ++i) {
        rows[i][0] = i;
    }
    for (std::size_t j = 0; j <= b.size(); ++j) {
        rows[0][j] = j;
    }
    for (std::size_t i = 1; i <= a.size(); ++i) {
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t replaced = rows[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            rows[i][j] = std::min({rows[i - 1][j] + 1, rows[i][j - 1] + 1, replaced});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                rows[i][j] = std::min(rows[i][j], rows[i - 2][j - 2] + 1);
            }
        }
    }
    return rows[a.size()][b.size()];
}

}  // namespace

std::optional<std::string>
closest(std::string_view word, std::span<const std::string_view> candidates) {
    std::optional<std::string> best;
    // A third of the letters may be wrong, one always; words beyond any option's length are not
    // worth the comparison.
    std::size_t limit = std::max<std::size_t>(1, word.size() / 3) + 1;
    if (word.empty() || word.size() > 64) {
        return best;
    }
    for (const std::string_view candidate : candidates) {
        const std::size_t distance = edit_distance(word, candidate);
        if (distance < limit) {
            limit = distance;
            best = candidate;
        }
    }
    return best;
}

std::string did_you_mean(std::string_view word, std::span<const std::string_view> candidates) {
    const auto candidate = closest(word, candidates);
    return candidate ? "; did you mean '" + *candidate + "'?" : std::string{};
}

std::string enumerate(std::span<const std::string_view> words) {
    std::string text;
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (i > 0) {
            text += i + 1 == words.size() ? " or " : ", ";
        }
        text += words[i];
    }
    return text;
}

}  // namespace tools
