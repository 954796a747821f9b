// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace tools {

/// Help on "run" or "up"; anything else: on the command as a whole.
std::string help_text(std::string_view topic);

}  // namespace tools
