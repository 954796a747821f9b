// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace tools {

/// Logs of libvmm and ours go to stderr from now on, those of `level` and above.
void set_up_logging(const std::string& level);

}  // namespace tools
