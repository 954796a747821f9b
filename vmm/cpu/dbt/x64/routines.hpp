// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/dbt/runtime/hart_state.hpp"
#include "cpu/dbt/x64/site.hpp"
#include "cpu/dbt/x64/thunks.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <unordered_map>

namespace vmm::dbt {

/// Whether emitted code counts what it does (HartState::region_entries, accesses). Off costs
/// nothing: the counting instructions are not there.
enum class Counting : std::uint8_t { off, on };

/// The runtime's functions that generated code reaches through the shared routines.
struct RuntimeEntries {
    /// A memory access without an inline answer. `site` is the return address.
    Outcome (*memory)(
        HartState*,
        std::uint64_t address,
        std::uint64_t value,
        std::uint32_t info,
        std::uint64_t site
    );
    /// The budget ran out at a block's head. Not 0: leave.
    std::uint32_t (*poll)(HartState*, std::uint64_t site);
    /// A system instruction; see pack_system(). Not 0: leave.
    std::uint32_t (*system)(HartState*, std::uint64_t packed, std::uint32_t word);
};

/// Operands of Op::system for the runtime.
struct SystemInfo {
    std::uint8_t guest = 0;  ///< riscv::Op
    std::uint16_t give_back = 0;
    std::uint16_t offset = 0;
    std::uint16_t next_offset = 0;

    std::uint64_t pack() const {
        return std::uint64_t{offset} | std::uint64_t{next_offset} << 16 | std::uint64_t{guest} << 32
               | std::uint64_t{give_back} << 40;
    }
    static SystemInfo unpack(std::uint64_t packed) {
        return {
            .guest = static_cast<std::uint8_t>(packed >> 32),
            .give_back = static_cast<std::uint16_t>(packed >> 40),
            .offset = static_cast<std::uint16_t>(packed),
            .next_offset = static_cast<std::uint16_t>(packed >> 16),
        };
    }
};

/// Code that all regions share, at the start of the code memory. Addresses are where it runs.
class Routines final : public Thunks {
public:
    /// Emits them into `writable`, which is the memory that runs at `address`.
    Routines(std::span<std::byte> writable, std::uint64_t address, const RuntimeEntries& entries);

    std::uint64_t thunk(Helper function) override;

    /// A TlbSlot for one access; even numbers are for loads.
    std::size_t next_slot(bool is_store) {
        last_slot_ = (last_slot_ + 2) % kTlbSlots;
        return last_slot_ + (is_store ? 1 : 0);
    }

    /// void enter(HartState*, const void* code): runs generated code until it leaves.
    std::uint64_t enter = 0;
    // To be called; what they find on the stack is HartState::leave_site.
    std::uint64_t link = 0;
    std::uint64_t hot = 0;
    /// To be jumped to with the target in rax: LeaveReason::dispatch.
    std::uint64_t dispatch = 0;
    /// The same for LeaveReason::breakpoint.
    std::uint64_t breakpoint = 0;
    /// To be called: rax = address, rcx = value to store, edx = AccessInfo. Returns with carry
    /// clear and the host address in rax, or with carry set when it is done, rax = value loaded.
    /// Clobbers xmm0 and xmm1 besides.
    std::uint64_t load = 0;
    std::uint64_t store = 0;
    /// To be called at a block's head with a negative budget.
    std::uint64_t poll = 0;
    /// To be called with everything written back: rsi = SystemInfo, edx = the instruction.
    std::uint64_t system = 0;

private:
    class Builder;
    std::span<std::byte> writable_;
    std::uint64_t address_;
    std::size_t used_ = 0;
    std::size_t last_slot_ = 0;
    void make_entry();
    void make_leave();
    void make_memory(const RuntimeEntries& entries);
    std::uint64_t make_second_level(std::size_t tag);
    void make_poll(const RuntimeEntries& entries);
    void make_system(const RuntimeEntries& entries);
    void make_call();

    std::uint64_t leave_ = 0;   ///< Back to the runtime; HartState is right.
    std::uint64_t resume_ = 0;  ///< The same, unless the reason is resume and `pc` is known.
    std::uint64_t memory_ = 0;  ///< As load and store, without looking anywhere.
    std::uint64_t call_ = 0;
    std::unordered_map<std::uint64_t, std::uint64_t> thunks_;
};

}  // namespace vmm::dbt
