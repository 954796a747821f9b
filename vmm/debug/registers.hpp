// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "debug/target.hpp"

#include <cstdint>
#include <optional>
#include <string>

/// A hart's registers under the numbers that our target description gives them: x0 to x31, pc,
/// f0 to f31, the floating-point CSRs, the other CSRs, and the privilege.
namespace vmm::debug {

/// Those that a `g` packet carries: x0 to x31 and pc.
inline constexpr unsigned kGeneralRegisters = 33;

unsigned register_count();
/// The target description (org.gnu.gdb.riscv.cpu, .fpu, .csr and .virtual) as XML.
const std::string& target_description();

/// Nothing: there is no such register, or this hart lacks it.
std::optional<std::uint64_t> read_register(Target& target, unsigned hart, unsigned number);
/// False: no such register, read-only, or a value it can't take. WARL fields keep what they can.
bool write_register(Target& target, unsigned hart, unsigned number, std::uint64_t value);

}  // namespace vmm::debug
