// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "boot/images.hpp"
#include "options/options.hpp"

#include <vmm/config.hpp>

namespace tools {

/// What libvmm is to run: applications read, checked and packed into boot archives, the kernel
/// found. Throws Failure (configuration).
vmm::FleetConfig prepare(const FleetOptions& options, const Images& images);

}  // namespace tools
