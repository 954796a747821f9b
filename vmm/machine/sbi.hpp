// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/vcpu.hpp"
#include "memory/guest_memory.hpp"

#include <cstdint>

namespace vmm {

class Hart;
class Machine;

/// The supervisor execution environment below the guest: SBI 2.0 with base, TIME, IPI, RFENCE, HSM,
/// SRST, DBCN, STA and the legacy console, timer and shutdown. Every argument is hostile.
///
/// Holds no state: harts and machine do. Calls come from several vCPUs' threads at once.
class Sbi {
public:
    /// Not in the SBI's list of implementations: "COPS".
    static constexpr std::uint64_t kImplementationId = 0x434f5053;

    explicit Sbi(Machine& machine)
        : machine_(machine) {}

    /// Thread inside run() of `caller`.
    SbiReply call(Hart& caller, const SbiCall& call);

    static bool valid_steal_record(const GuestMemory& memory, GuestPhys address) noexcept;

private:
    SbiReply base(const SbiCall& call) const;
    SbiReply time(Hart& caller, const SbiCall& call);
    void set_timer(Hart& caller, std::uint64_t ticks) const;
    SbiReply ipi(Hart& caller, const SbiCall& call);
    SbiReply remote_fence(Hart& caller, const SbiCall& call);
    SbiReply hart_state(Hart& caller, const SbiCall& call);
    SbiReply hart_start(const SbiCall& call);
    SbiReply hart_suspend(Hart& caller, const SbiCall& call);
    SbiReply system_reset(const SbiCall& call);
    SbiReply debug_console(const SbiCall& call);
    SbiReply console_write(const SbiCall& call);
    SbiReply console_read(const SbiCall& call);
    SbiReply steal_time(Hart& caller, const SbiCall& call);
    SbiReply legacy(Hart& caller, const SbiCall& call);

    void fence_harts(Hart& caller, std::uint64_t targets, FenceKind kind);
    /// The started harts of an SBI hart mask as a bitmap; false: the mask names a hart that isn't
    /// there.
    bool select_harts(std::uint64_t mask, std::uint64_t base, std::uint64_t* harts) const;

    Machine& machine_;
};

}  // namespace vmm
