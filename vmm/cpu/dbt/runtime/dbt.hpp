// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/engine_options.hpp"
#include "cpu/vcpu.hpp"
#include "memory/guest_memory.hpp"

#include <vmm/error.hpp>

#include <memory>

namespace vmm {

/// Whether this host's processor has what the translator needs.
bool dbt_is_available() noexcept;

/// A vCPU that translates guest code to the host's. ErrorKind::unavailable when the host lacks
/// what that needs.
Result<std::unique_ptr<Vcpu>>
make_dbt_vcpu(GuestMemory& memory, VcpuHost& host, unsigned hart, const EngineOptions& options);

}  // namespace vmm
