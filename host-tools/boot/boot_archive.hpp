// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace tools {

/// What the COPS kernel reads at boot (docs/adr/0007): a newc cpio archive with `app`, the ELF
/// file; `argv` and `env`, NUL-terminated strings one after the other. The strings hold no NUL.
std::vector<std::uint8_t> make_boot_archive(
    std::span<const std::uint8_t> application,
    std::span<const std::string> arguments,
    std::span<const std::string> environment
);

}  // namespace tools
