// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "options/options.hpp"

#include <filesystem>
#include <string_view>

namespace tools {

/// Reads a fleet file. Relative paths in it count from its folder. Throws Failure (configuration)
/// that names file, line and key and says what would be accepted.
FleetOptions read_fleet_file(const std::filesystem::path& path, const Catalogue& catalogue);

/// The same for text; `path` is for messages and for relative paths.
FleetOptions
parse_fleet(std::string_view text, const std::filesystem::path& path, const Catalogue& catalogue);

/// A commented fleet of shipped applications, which runs as it is.
std::string_view example_fleet();

}  // namespace tools
