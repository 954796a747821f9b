// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/engine_options.hpp"
#include "cpu/vcpu.hpp"
#include "memory/guest_memory.hpp"

#include <memory>

namespace vmm {

/// Makes a vCPU of the interpreter: RV64IMAFDC, Zicsr, Zicntr, Zifencei, Sstc, Sv39, S and U mode.
/// `memory` and `host` outlive it. `hart` is its hart id. It starts out stopped: call start() or
/// load() before the first run(). It makes no host code, so it never calls options.observer.
std::unique_ptr<Vcpu>
make_interp_vcpu(GuestMemory& memory, VcpuHost& host, unsigned hart, const EngineOptions& options);

}  // namespace vmm
