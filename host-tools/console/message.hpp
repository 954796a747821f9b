// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace tools {

/// Writes one line for people. A reader that doesn't read costs us the line, not our end.
void say(int fd, std::string_view line);

}  // namespace tools
