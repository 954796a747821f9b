// SPDX-License-Identifier: Apache-2.0
#include "machine/hart.hpp"

#include "machine/machine.hpp"
#include "machine/sbi.hpp"
#include "machine/vcpu_state.hpp"

#include <bit>
#include <span>
#include <utility>

namespace vmm {

void Hart::serve_start() {
    if (hsm_state() == HsmState::start_pending) {
        vcpu_->start(start_address_, start_opaque_);
        hsm_.store(HsmState::started, std::memory_order_release);
        start_claimed_.store(false, std::memory_order_release);
    }
}

ExitKind Hart::run(const RunContext& context) {
    switch (hsm_state()) {
    case HsmState::stopped:
        return ExitKind::stopped;
    case HsmState::start_pending:
        serve_start();
        break;
    default:
        hsm_.store(HsmState::started, std::memory_order_release);
        break;
    }
    if (machine_.clock_.is_virtual()) {
        retired_before_ = vcpu_->counters().instructions;
    }
    const ExitKind exit = vcpu_->run(context);
    if (hsm_state() == HsmState::stop_pending) {
        hsm_.store(HsmState::stopped, std::memory_order_release);
        return ExitKind::stopped;
    }
    if (std::exchange(yield_requested_, false) && exit == ExitKind::interrupted) {
        return ExitKind::yielded;
    }
    return exit;
}

bool Hart::request_start(GuestPhys address, std::uint64_t opaque) noexcept {
    bool claimed = false;
    if (hsm_state() != HsmState::stopped
        || !start_claimed_.compare_exchange_strong(claimed, true, std::memory_order_acq_rel)) {
        return false;
    }
    // A start that was served between the two looks has left the state at started.
    if (hsm_state() != HsmState::stopped) {
        start_claimed_.store(false, std::memory_order_release);
        return false;
    }
    start_address_ = address;
    start_opaque_ = opaque;
    hsm_.store(HsmState::start_pending, std::memory_order_release);
    return true;
}

void Hart::request_yield() noexcept {
    yield_requested_ = true;
    vcpu_->request_exit();
}

void Hart::set_steal_record(GuestPhys address, bool enabled) noexcept {
    steal_record_ = address;
    steal_enabled_ = enabled;
    steal_sequence_ = 0;
}

void Hart::set_steal_time(Nanos stolen) noexcept {
    if (steal_enabled_) {
        write_steal_record(stolen);
    }
}

/// SBI 2.0, 16: {u32 sequence, u32 flags, u64 steal, u8 preempted}. The guest reads `sequence`, the
/// time, and `sequence` again; odd or changed means try again. This thread writes, the vCPU that
/// reads runs on it too or later, so program order does; a remote reader retries.
void Hart::write_steal_record(Nanos stolen) noexcept {
    GuestMemory& memory = machine_.memory();
    const auto put = [&memory](GuestPhys address, auto value) {
        // The range was checked when the guest gave it.
        (void)memory.write(address, std::as_bytes(std::span(&value, 1)));
    };
    put(steal_record_, ++steal_sequence_);
    std::atomic_thread_fence(std::memory_order_release);
    put(steal_record_ + 8, stolen);
    std::atomic_thread_fence(std::memory_order_release);
    put(steal_record_, ++steal_sequence_);
}

bool Hart::mmio_read(GuestPhys address, unsigned size, std::uint64_t* value) {
    return machine_.bus_.read(index_, address, size, value);
}

bool Hart::mmio_write(GuestPhys address, unsigned size, std::uint64_t value) {
    return machine_.bus_.write(index_, address, size, value);
}

SbiReply Hart::sbi_call(unsigned, const SbiCall& call) {
    return machine_.sbi_->call(*this, call);
}

std::uint64_t Hart::guest_time() {
    return machine_.clock_.guest_time();
}

std::uint64_t Hart::guest_time_at(std::uint64_t retired) {
    const Clock& clock = machine_.clock_;
    return clock.is_virtual()
               ? clock.guest_time_after((retired - retired_before_) * VirtualTime::kPerInstruction)
               : clock.guest_time();
}

Nanos Hart::host_deadline(std::uint64_t guest_ticks) {
    return machine_.clock_.host_deadline(guest_ticks);
}

void Hart::reset() {
    hsm_.store(HsmState::stopped, std::memory_order_release);
    start_claimed_.store(false, std::memory_order_release);
    yield_requested_ = false;
    set_steal_record({}, false);
    riscv::State off;
    off.stopped = 1;
    vcpu_->load(off);
    vcpu_->set_interrupt(InterruptLine::supervisor_software, false);
    vcpu_->set_interrupt(InterruptLine::supervisor_external, false);
}

void Hart::save(StateWriter& out) const {
    out.put(static_cast<std::uint8_t>(hsm_state()));
    out.put(start_address_.value);
    out.put(start_opaque_);
    out.put(steal_enabled_);
    out.put(steal_record_.value);
    out.put(steal_sequence_);
    put_vcpu_state(out, vcpu_->save());
}

Result<void> Hart::load(StateReader& in) {
    const auto hsm = static_cast<HsmState>(in.get_below<std::uint8_t>(5));
    start_address_ = {in.get<std::uint64_t>()};
    start_opaque_ = in.get<std::uint64_t>();
    const bool steal = in.get_bool();
    const GuestPhys record{in.get<std::uint64_t>()};
    const auto sequence = in.get<std::uint32_t>();
    const riscv::State state = get_vcpu_state(in);
    const bool record_sound = !steal || Sbi::valid_steal_record(machine_.memory(), record);
    // Between runs no hart is on its way to stop.
    if (!in.ok() || hsm == HsmState::stop_pending || !record_sound) {
        return fail(ErrorKind::configuration, "saved hart state is damaged");
    }
    set_steal_record(record, steal);
    steal_sequence_ = sequence;
    hsm_.store(hsm, std::memory_order_release);
    start_claimed_.store(hsm == HsmState::start_pending, std::memory_order_release);
    vcpu_->load(state);
    constexpr std::uint64_t kSoftware = std::uint64_t{1} << 1;
    vcpu_->set_interrupt(InterruptLine::supervisor_software, (state.sip & kSoftware) != 0);
    return {};
}

}  // namespace vmm
