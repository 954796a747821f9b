// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/engine_options.hpp"
#include "cpu/vcpu.hpp"
#include "memory/guest_memory.hpp"

#include <vmm/error.hpp>

#include <memory>
#include <string_view>

namespace vmm {

/// The names that make_vcpu() accepts, for messages: "auto, dbt, interp".
std::string_view engine_names() noexcept;

/// Makes a vCPU of the engine called `engine`; "auto" takes the best one that this host has.
/// ErrorKind::configuration for an unknown name, ErrorKind::unavailable when the host lacks what
/// the engine needs. `memory` and `host` outlive the vCPU; it starts out stopped.
Result<std::unique_ptr<Vcpu>> make_vcpu(
    std::string_view engine,
    GuestMemory& memory,
    VcpuHost& host,
    unsigned hart,
    const EngineOptions& options = {}
);

}  // namespace vmm
