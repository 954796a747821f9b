// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/vcpu.hpp"
#include "memory/state.hpp"

#include <vmm/error.hpp>
#include <vmm/types.hpp>

#include <atomic>
#include <cstdint>
#include <memory>

namespace vmm {

class Machine;

/// States of a hart, values of the SBI HSM extension.
enum class HsmState : std::uint8_t {
    started = 0,
    stopped = 1,
    start_pending = 2,
    stop_pending = 3,
    suspended = 4,
};

/// One hart of a machine: its vCPU, and the machine as that vCPU sees it.
class Hart final : public VcpuHost {
public:
    Hart(Machine& machine, unsigned index)
        : machine_(machine)
        , index_(index) {}

    unsigned index() const noexcept { return index_; }
    Vcpu& vcpu() const noexcept { return *vcpu_; }
    void adopt(std::unique_ptr<Vcpu> vcpu) { vcpu_ = std::move(vcpu); }

    /// Thread that owns the hart. Runs the vCPU and follows its HSM state.
    ExitKind run(const RunContext& context);
    /// Owner, outside run(). Starts the vCPU if request_start() asked for it.
    void serve_start();

    // ---- HSM: any thread ----

    HsmState hsm_state() const noexcept { return hsm_.load(std::memory_order_acquire); }
    /// False unless the hart was stopped.
    bool request_start(GuestPhys address, std::uint64_t opaque) noexcept;

    // ---- Thread inside run() ----

    void begin_stop() noexcept { hsm_.store(HsmState::stop_pending, std::memory_order_release); }
    void begin_suspend() noexcept { hsm_.store(HsmState::suspended, std::memory_order_release); }
    void request_yield() noexcept;

    /// SBI STA: where the guest wants its steal time, or nothing.
    void set_steal_record(GuestPhys address, bool enabled) noexcept;
    /// Owner, outside run().
    void set_steal_time(Nanos stolen) noexcept;

    // ---- VcpuHost ----

    bool mmio_read(GuestPhys address, unsigned size, std::uint64_t* value) override;
    bool mmio_write(GuestPhys address, unsigned size, std::uint64_t value) override;
    SbiReply sbi_call(unsigned hart, const SbiCall& call) override;
    std::uint64_t guest_time() override;
    std::uint64_t guest_time_at(std::uint64_t retired) override;
    Nanos host_deadline(std::uint64_t guest_ticks) override;

    // ---- While no vCPU runs ----

    /// As after power-on: stopped, no lines, no steal record.
    void reset();
    void save(StateWriter& out) const;
    Result<void> load(StateReader& in);

private:
    void write_steal_record(Nanos stolen) noexcept;

    Machine& machine_;
    const unsigned index_;
    std::unique_ptr<Vcpu> vcpu_;

    // stopped -> start_claimed by compare-exchange in request_start(), which owns the two start_
    // fields until it publishes start_pending (release); run() reads them after an acquire load of
    // that.
    std::atomic<HsmState> hsm_{HsmState::stopped};
    std::atomic<bool> start_claimed_{false};
    GuestPhys start_address_;
    std::uint64_t start_opaque_ = 0;

    // Set and read by the thread inside or around run() of this hart only.
    bool yield_requested_ = false;
    std::uint64_t retired_before_ = 0;  // the current run(); only in virtual time
    bool steal_enabled_ = false;
    GuestPhys steal_record_;
    std::uint32_t steal_sequence_ = 0;
};

}  // namespace vmm
