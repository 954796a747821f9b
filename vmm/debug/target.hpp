// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/riscv/state.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace vmm::debug {

/// Why the guest stands still.
enum class StopReason : std::uint8_t {
    breakpoint,   ///< A hart is at a breakpoint.
    step,         ///< A hart has made its step.
    interrupted,  ///< The debugger asked for it, or the guest has not begun.
};

struct Stop {
    unsigned hart = 0;
    StopReason reason = StopReason::interrupted;
};

/// What a hart does while the guest runs.
enum class HartAction : std::uint8_t { hold, step, go };

/// A guest as a debugger sees it. All harts stand still or none does ("held").
class Target {
public:
    virtual unsigned harts() const = 0;

    // ---- While the guest is held ----

    virtual riscv::State registers(unsigned hart) = 0;
    virtual void set_registers(unsigned hart, const riscv::State& state) = 0;
    virtual bool has_user_interrupts() const = 0;
    virtual std::uint64_t guest_time() = 0;
    /// Memory as the hart's current translation maps it, whatever the page permits. Device
    /// registers are no memory: reading some has effects. Returns how many bytes could be read.
    virtual std::size_t
    read_memory(unsigned hart, std::uint64_t address, std::span<std::byte> to) = 0;
    /// All or nothing, as far as one can tell beforehand.
    virtual bool
    write_memory(unsigned hart, std::uint64_t address, std::span<const std::byte> from) = 0;
    /// A few words about the hart, for people.
    virtual std::string describe(unsigned hart) = 0;
    /// Takes the place of the breakpoints before. Virtual addresses, for all harts.
    virtual void set_breakpoints(std::span<const std::uint64_t> addresses) = 0;
    /// One action for each hart; a step ends with the guest held again. The guest is not held any
    /// more when this returns.
    virtual void resume(std::span<const HartAction> actions) = 0;

    // ---- At any time ----

    /// Asks that the guest be held soon.
    virtual void interrupt() = 0;
    /// The debugger goes: no breakpoints, everything runs.
    virtual void release() = 0;
    /// Ends the guest.
    virtual void kill() = 0;

protected:
    ~Target() = default;
};

}  // namespace vmm::debug
