// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/common/breakpoints.hpp"
#include "cpu/common/guest_word.hpp"
#include "cpu/common/mailbox.hpp"
#include "cpu/common/pages.hpp"
#include "cpu/engine_options.hpp"
#include "cpu/riscv/hart.hpp"
#include "cpu/riscv/page_walk.hpp"
#include "cpu/vcpu.hpp"
#include "memory/guest_memory.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

namespace vmm {

/// The machine's clock, for a hart that may be in the middle of guest code.
class MachineClock final : public riscv::TimeSource {
public:
    explicit MachineClock(VcpuHost& host)
        : host_(host) {}
    std::uint64_t guest_time() override;
    std::uint64_t guest_time_at(std::uint64_t retired) override;

private:
    VcpuHost& host_;
};

/// Where a byte of guest memory is.
struct Located {
    std::byte* host = nullptr;  ///< Null: not memory.
    std::uint64_t physical = 0;
    bool walked = false;  ///< By the page tables: the cached translations did not know.
};

/// What the harts of all engines have around guest registers and caches, and do off their fast
/// paths. Engines derive from it; x, f, pc and the budget are where they like. Owned by the thread
/// inside run(); what other threads touch says so.
struct EngineHart {
    /// `polls_per_clock`: polls between two looks at the clocks.
    EngineHart(
        GuestMemory& guest_memory,
        VcpuHost& vcpu_host,
        unsigned hart_id,
        const EngineOptions& options,
        unsigned polls_per_clock
    );

    MachineClock clock;
    riscv::Hart hart;
    GuestMemory& memory;
    VcpuHost& host;
    const unsigned id;

    Mailbox mailbox;  ///< What other threads ask of this hart.

    RunContext context{};  ///< Of the call of run().
    ExitKind exit = ExitKind::interrupted;
    riscv::Cause fault_cause{};
    std::uint64_t fault_value = 0;
    /// A host call or a fence served by one wants the next instruction looked up anew.
    bool leave_block = false;
    /// Instructions retired = retired_base - budget.
    std::uint64_t retired_base = 0;

    // Exact stops (VcpuDebug).
    std::uint64_t limit = VcpuDebug::kNoLimit;  ///< How many instructions have retired then.
    Breakpoints breakpoints;

    std::uint64_t sbi_calls = 0;
    std::uint64_t mmio_exits = 0;

    void begin_turn(const RunContext& run_context);
    /// The part of a poll that looks outside and at the clocks, after fences were served. `asked`:
    /// of Mailbox::take_requests(). True: leave run(); `exit` says why.
    bool turn_ends(std::uint32_t asked);
    /// The next poll looks at the clocks: what was done since the last one took its time.
    void look_at_clocks() { polls_until_clock_ = 0; }
    /// Whether MXR changed since the last call: translations of data hold no longer.
    bool take_mxr_change() {
        const bool mxr = (hart.state.sstatus & riscv::sstatus::kMxr) != 0;
        return std::exchange(last_mxr_, mxr) != mxr;
    }
    /// An `ecall` from S-mode: a0..a7 are the call, a0 and a1 the answer. True: leave run(); `exit`
    /// says why.
    bool call_machine(std::uint64_t* x);

    // Memory (engine_memory.cpp). Where one of these says no, fault_cause and fault_value say why.

    void fault(riscv::Access access, bool page_fault, std::uint64_t address);
    /// Asks the page tables where a load or store at `address` goes, and keeps the answer.
    template <class Caches>
    bool walk_data(Caches& caches, std::uint64_t address, riscv::Access access, Located& located) {
        const auto page = data_page(address, access);
        located = {.physical = page ? page->physical : 0, .walked = true};
        if (page && page->is_memory) {
            caches.insert(access_mode(hart.state), page->entry, page->page_bytes);
            // Loads never write through this pointer, stores are allowed to.
            located.host = reinterpret_cast<std::byte*>(address + page->entry.addend);
        }
        return page.has_value();
    }
    /// The page of RAM or ROM that the instruction at `address` is in.
    struct CodeFrame {
        const std::byte* host;
        std::uint64_t page_bytes;  ///< Of the page that it is part of.
    };
    std::optional<CodeFrame> walk_code(std::uint64_t address);
    /// A load or store of what is not memory, all in one page.
    bool access_device(
        riscv::Access access,
        std::uint64_t address,
        std::uint64_t physical,
        unsigned size,
        std::uint64_t& value
    );

private:
    struct DataPage {
        bool is_memory = false;
        std::uint64_t physical = 0;    ///< Of the byte asked for.
        std::uint64_t page_bytes = 0;  ///< Of the page that `entry`'s is part of.
        TlbEntry entry;
    };
    std::optional<DataPage> data_page(std::uint64_t address, riscv::Access access);

    const unsigned polls_per_clock_;
    unsigned polls_until_clock_ = 0;
    bool last_mxr_ = false;
};

/// Does the fences that others posted. Cpu: what an engine made of EngineHart, with fence_i() and
/// forget_translations().
template <class Cpu>
void serve_fences(Cpu& cpu) {
    const Mailbox::Fences fences = cpu.mailbox.take_fences();
    if (fences.has(FenceKind::instruction)) {
        cpu.fence_i();
    }
    if (fences.has(FenceKind::address_translation)) {
        cpu.forget_translations();
    }
    cpu.leave_block = cpu.leave_block || fences.kinds != 0;
    cpu.mailbox.finish(fences);
}

/// A load or store that crosses into the next page. Nothing is stored unless both pages allow it,
/// and both have to be memory. Cpu: as above, with locate().
template <class Cpu>
bool access_split(
    Cpu& cpu, riscv::Access access, std::uint64_t address, unsigned size, std::uint64_t& value
) {
    const std::uint64_t next_page = (address | kPageOffsetMask) + 1;
    const auto first_bytes = static_cast<unsigned>(next_page - address);
    Located first;
    Located second;
    if (!cpu.locate(address, access, first) || !cpu.locate(next_page, access, second)) {
        return false;
    }
    if (first.host == nullptr || second.host == nullptr) {
        cpu.fault(access, false, first.host == nullptr ? address : next_page);
        return false;
    }
    if (access == riscv::Access::store) {
        store_bytes(first.host, first_bytes, value);
        store_bytes(second.host, size - first_bytes, value >> 8 * first_bytes);
    } else {
        value = load_bytes(first.host, first_bytes)
                | load_bytes(second.host, size - first_bytes) << 8 * first_bytes;
    }
    return true;
}

}  // namespace vmm
