// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>

namespace tools {

/// Files that must not outlive the process: whoever makes one notes it here and forgets it when it
/// is gone or meant to stay. Any thread.
void note_leftover(const std::filesystem::path& path);
void forget_leftover(const std::filesystem::path& path);

/// Removes what is noted, before the process ends on the spot.
void remove_leftovers() noexcept;

}  // namespace tools
