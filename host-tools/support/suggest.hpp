// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace tools {

/// The candidate that somebody who wrote `word` probably meant; nothing when none is close.
std::optional<std::string>
closest(std::string_view word, std::span<const std::string_view> candidates);

/// "; did you mean 'x'?" or nothing, to be put behind a message.
std::string did_you_mean(std::string_view word, std::span<const std::string_view> candidates);

/// "a, b or c".
std::string enumerate(std::span<const std::string_view> words);

}  // namespace tools
