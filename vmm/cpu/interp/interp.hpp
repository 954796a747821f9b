// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/vcpu.hpp"
#include "memory/guest_memory.hpp"

#include <memory>

namespace vmm {

/// Makes a vCPU of the interpreter: RV64IMAFDC, Zicsr, Zicntr, Zifencei, Sstc, Sv39, S and U mode.
/// `memory` and `host` outlive it. `hart` is its hart id. With `user_interrupts` it has the N
/// extension as virtio_cops/user_interrupts.h numbers it. It starts out stopped: call start() or
/// load() before the first run().
std::unique_ptr<Vcpu>
make_interp_vcpu(GuestMemory& memory, VcpuHost& host, unsigned hart, bool user_interrupts);

}  // namespace vmm
