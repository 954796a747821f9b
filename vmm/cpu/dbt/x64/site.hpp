// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/dbt/x64/allocation.hpp"

#include <cstdint>

namespace vmm::dbt {

/// What the runtime has to know where generated code calls it: found by the return address.
struct Site {
    enum class Kind : std::uint8_t {
        link,    ///< A direct jump to `offset` of the page; nothing is dirty.
        hot,     ///< The head of a region whose counter ran out.
        memory,  ///< A memory access of the instruction at `offset`.
        poll,    ///< The head of a block at `offset`, charged but not begun.
    };
    std::uint32_t position = 0;  ///< Of the return address, bytes from the region's start.
    Kind kind = Kind::link;
    std::uint16_t give_back = 0;    ///< Instructions charged but not executed, this one included.
    std::uint16_t offset = 0;       ///< Page offset.
    std::uint16_t next_offset = 0;  ///< Of the instruction behind it; may be 4096 or more.
    RegisterSet dirty = 0;          ///< Registers to write back before the hart's state is right.
    /// link: behind a call in the region that may go straight to the target as well; 0: none.
    std::uint32_t call_end = 0;
};

/// How a memory access that the inline lookup does not answer is described to the runtime.
struct AccessInfo {
    static constexpr std::uint32_t kSizeMask = 15;
    static constexpr std::uint32_t kStore = 16;
    static constexpr std::uint32_t kSign = 32;     ///< A load's value is to be sign-extended.
    static constexpr std::uint32_t kFloat = 64;    ///< dst is an f register.
    static constexpr std::uint32_t kAtomic = 128;  ///< Misaligned or a device: a fault.
    /// dst from here on (an ir::Var; kNoDst where there is none or it is a temporary).
    static constexpr unsigned kDstShift = 8;
    static constexpr std::uint32_t kNoDst = 255;
};

/// What the runtime's functions for generated code return.
enum class Outcome : std::uint32_t {
    address,  ///< The host address of the access is HartState::argument: go on inline.
    done,     ///< The access is done; a load's value is HartState::argument.
    leave,    ///< Back to the dispatcher; pc and registers are right.
};

}  // namespace vmm::dbt
