// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace tools {

/// Reads an application and checks that the guest kernel can run it: a whole, static, 64-bit
/// little-endian RISC-V executable. Throws Failure (configuration) that says what it is instead and
/// what would be accepted.
std::vector<std::uint8_t> read_application(const std::filesystem::path& path);

/// Why `image` is no such executable; empty when it is one.
std::string application_defect(std::span<const std::uint8_t> image);

}  // namespace tools
