// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vmm/error.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vmm {

/// A whole file. `what` names its role in messages ("kernel", "initrd").
Result<std::vector<std::byte>> read_whole_file(const std::string& path, std::string_view what);

/// Replaces a file's contents.
Result<void>
write_whole_file(const std::string& path, std::string_view what, std::span<const std::byte> bytes);

}  // namespace vmm
