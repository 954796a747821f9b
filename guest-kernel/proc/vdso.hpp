// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "mm/address_space.hpp"

namespace kernel {

/// Maps the executor's image, which all processes share, read-execute into `space`. Gives its
/// address, for AT_SYSINFO_EHDR. Error: no_memory.
Result<UserAddr> map_vdso(AddressSpace& space);

}  // namespace kernel
