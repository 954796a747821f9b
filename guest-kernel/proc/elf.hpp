// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "mm/address_space.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace kernel {

/// What a loaded program's start needs to know.
struct LoadedProgram {
    UserAddr entry = 0;
    UserAddr headers = 0;  ///< AT_PHDR
    std::uint64_t header_bytes = 0;
    std::uint64_t header_count = 0;
    UserAddr end = 0;  ///< Of the highest segment: where the break starts.
};

/// Maps a static RISC-V executable (fixed, or position independent without interpreter) from its
/// file, which stays where it is. bad_executable when it is none, damaged or not of this machine;
/// no_memory.
Result<LoadedProgram> load_program(AddressSpace& space, std::span<const std::byte> file);

}  // namespace kernel
