// SPDX-License-Identifier: Apache-2.0
#include "machine/sbi.hpp"

#include "machine/hart.hpp"
#include "machine/machine.hpp"
#include "machine/platform.hpp"

#include <fmt/format.h>

#include <sched.h>

#include <algorithm>
#include <array>
#include <bit>
#include <span>
#include <tuple>

namespace vmm {
namespace {

// SBI 2.0, chapter 3: error codes.
enum : std::int64_t {
    kSuccess = 0,
    kNotSupported = -2,
    kInvalidParam = -3,
    kDenied = -4,
    kInvalidAddress = -5,
    kAlreadyAvailable = -6,
};

// Extension ids.
enum : std::uint64_t {
    kLegacySetTimer = 0x0,
    kLegacyPutchar = 0x1,
    kLegacyGetchar = 0x2,
    kLegacyClearIpi = 0x3,
    kLegacyShutdown = 0x8,
    kLegacyLast = 0xf,
    kBase = 0x10,
    kTime = 0x54494d45,
    kIpi = 0x735049,
    kRfence = 0x52464e43,
    kHsm = 0x48534d,
    kSrst = 0x53525354,
    kDbcn = 0x4442434e,
    kSta = 0x535441,
};

constexpr std::uint64_t kSpecVersion = std::uint64_t{2} << 24;  // 2.0
constexpr std::uint64_t kImplementationVersion = 1;
constexpr std::uint64_t kAllOnes = ~std::uint64_t{0};
/// The most that one console call moves; a guest calls again for the rest. Bounds the time in a
/// call.
constexpr std::uint64_t kConsoleBytes = 65536;
constexpr std::uint64_t kStealRecordBytes = 64;

SbiReply error(std::int64_t code) {
    return {.error = code};
}
SbiReply success(std::uint64_t value = 0) {
    return {.error = kSuccess, .value = value};
}
SbiReply leave(ExitKind kind) {
    return {.exit = true, .exit_kind = kind};
}

}  // namespace

SbiReply Sbi::call(Hart& caller, const SbiCall& call) {
    switch (call.extension) {
    case kBase:
        return base(call);
    case kTime:
        return time(caller, call);
    case kIpi:
        return ipi(caller, call);
    case kRfence:
        return remote_fence(caller, call);
    case kHsm:
        return hart_state(caller, call);
    case kSrst:
        return system_reset(call);
    case kDbcn:
        return debug_console(call);
    case kSta:
        return steal_time(caller, call);
    default:
        return call.extension <= kLegacyLast ? legacy(caller, call) : error(kNotSupported);
    }
}

SbiReply Sbi::base(const SbiCall& call) const {
    switch (call.function) {
    case 0:
        return success(kSpecVersion);
    case 1:
        return success(kImplementationId);
    case 2:
        return success(kImplementationVersion);
    case 3: {
        constexpr std::uint64_t kKnown[] = {
            kLegacySetTimer,
            kLegacyPutchar,
            kLegacyGetchar,
            kLegacyClearIpi,
            kLegacyShutdown,
            kBase,
            kTime,
            kIpi,
            kRfence,
            kHsm,
            kSrst,
            kDbcn,
            kSta,
        };
        return success(std::ranges::find(kKnown, call.args[0]) != std::end(kKnown) ? 1 : 0);
    }
    case 4:  // mvendorid
    case 5:  // marchid
    case 6:  // mimpid
        return success(0);
    default:
        return error(kNotSupported);
    }
}

SbiReply Sbi::time(Hart& caller, const SbiCall& call) {
    if (call.function != 0) {
        return error(kNotSupported);
    }
    set_timer(caller, call.args[0]);
    return success();
}

void Sbi::set_timer(Hart& caller, std::uint64_t ticks) const {
    caller.vcpu().set_timer(ticks);
    if (machine_.clock().is_virtual()) {
        // Whoever runs the vCPU decided where to stop by the timer that was set before.
        caller.vcpu().request_exit();
    }
}

bool Sbi::select_harts(std::uint64_t mask, std::uint64_t base, std::uint64_t* harts) const {
    const unsigned cpus = machine_.cpus();
    const std::uint64_t present = cpus == 64 ? kAllOnes : (std::uint64_t{1} << cpus) - 1;
    std::uint64_t wanted = present;
    if (base != kAllOnes) {
        if (base >= cpus ? mask != 0 : ((mask << base) >> base) != mask) {
            return false;
        }
        wanted = base >= cpus ? 0 : mask << base;
        if ((wanted & ~present) != 0) {
            return false;
        }
    }
    *harts = 0;
    for (std::uint64_t left = wanted; left != 0; left &= left - 1) {
        const auto hart = static_cast<unsigned>(std::countr_zero(left));
        const HsmState state = machine_.harts_[hart]->hsm_state();
        if (state == HsmState::started || state == HsmState::suspended) {
            *harts |= std::uint64_t{1} << hart;
        }
    }
    return true;
}

SbiReply Sbi::ipi(Hart& caller, const SbiCall& call) {
    std::uint64_t targets = 0;
    if (call.function != 0) {
        return error(kNotSupported);
    }
    if (!select_harts(call.args[0], call.args[1], &targets)) {
        return error(kInvalidParam);
    }
    for (; targets != 0; targets &= targets - 1) {
        const auto hart = static_cast<unsigned>(std::countr_zero(targets));
        machine_.vcpu(hart).set_interrupt(InterruptLine::supervisor_software, true);
        if (hart != caller.index() && machine_.listener_ != nullptr) {
            machine_.listener_->interrupt_raised(hart, WakeCause::ipi);
        }
    }
    return success();
}

SbiReply Sbi::remote_fence(Hart& caller, const SbiCall& call) {
    // 0: fence.i, 1: sfence.vma, 2: sfence.vma with ASID; 3..6 are for the hypervisor extension.
    if (call.function > 2) {
        return error(kNotSupported);
    }
    std::uint64_t targets = 0;
    if (!select_harts(call.args[0], call.args[1], &targets)) {
        return error(kInvalidParam);
    }
    // Address range and ASID only narrow the fence; all of it is always right.
    fence_harts(
        caller,
        targets,
        call.function == 0 ? FenceKind::instruction : FenceKind::address_translation
    );
    return success();
}

/// Synchronous: when it returns each target has done the fence or will before its next instruction.
/// Two harts that fence each other both wait here, each serving what the other posted to it.
void Sbi::fence_harts(Hart& caller, std::uint64_t targets, FenceKind kind) {
    std::array<std::uint64_t, Machine::kMaxCpus> tickets{};
    for (std::uint64_t left = targets; left != 0; left &= left - 1) {
        const auto hart = static_cast<unsigned>(std::countr_zero(left));
        tickets[hart] = machine_.vcpu(hart).post_fence(kind);
    }
    caller.vcpu().serve_fences();
    for (std::uint64_t left = targets; left != 0; left &= left - 1) {
        const auto hart = static_cast<unsigned>(std::countr_zero(left));
        // A short spin: the target polls at back edges. Then let it have this host CPU.
        for (unsigned spins = 0; !machine_.vcpu(hart).fence_done(tickets[hart]); ++spins) {
            if (machine_.ended()) {
                return;
            }
            caller.vcpu().serve_fences();
            if (spins >= 64) {
                ::sched_yield();
            }
        }
    }
}

SbiReply Sbi::hart_state(Hart& caller, const SbiCall& call) {
    switch (call.function) {
    case 0:
        return hart_start(call);
    case 1:
        caller.begin_stop();
        return leave(ExitKind::stopped);
    case 2:
        if (call.args[0] >= machine_.cpus()) {
            return error(kInvalidParam);
        }
        return success(static_cast<std::uint64_t>(machine_.harts_[call.args[0]]->hsm_state()));
    case 3:
        return hart_suspend(caller, call);
    default:
        return error(kNotSupported);
    }
}

SbiReply Sbi::hart_start(const SbiCall& call) {
    const auto [hart, address, opaque] = std::tuple(call.args[0], call.args[1], call.args[2]);
    if (hart >= machine_.cpus()) {
        return error(kInvalidParam);
    }
    if (address % 2 != 0 || machine_.memory_->writable_range({address}, 2) == nullptr) {
        return error(kInvalidAddress);
    }
    if (machine_.listener_ != nullptr
        && !machine_.listener_->may_start(static_cast<unsigned>(hart))) {
        return error(kDenied);
    }
    if (!machine_.harts_[hart]->request_start({address}, opaque)) {
        return error(kAlreadyAvailable);
    }
    if (machine_.listener_ != nullptr) {
        machine_.listener_->vcpu_started(static_cast<unsigned>(hart));
    }
    return success();
}

SbiReply Sbi::hart_suspend(Hart& caller, const SbiCall& call) {
    constexpr std::uint64_t kDefaultRetentive = 0;
    constexpr std::uint64_t kDefaultNonRetentive = 0x8000'0000;
    const auto type = static_cast<std::uint32_t>(call.args[0]);
    if (type == kDefaultNonRetentive) {
        return error(kNotSupported);
    }
    if (type != kDefaultRetentive) {
        return error(kInvalidParam);
    }
    caller.begin_suspend();
    return leave(ExitKind::idle);
}

SbiReply Sbi::system_reset(const SbiCall& call) {
    constexpr std::uint32_t kShutdown = 0;
    constexpr std::uint32_t kColdReboot = 1;
    constexpr std::uint32_t kWarmReboot = 2;
    constexpr std::uint32_t kSystemFailure = 1;
    constexpr std::uint32_t kVendorReasons = 0xe000'0000;
    constexpr std::uint32_t kLastVendorReason = 0xefff'ffff;
    if (call.function != 0) {
        return error(kNotSupported);
    }
    const auto type = static_cast<std::uint32_t>(call.args[0]);
    const auto reason = static_cast<std::uint32_t>(call.args[1]);
    const bool vendor = reason >= kVendorReasons && reason <= kLastVendorReason;
    if (type > kWarmReboot || (reason > kSystemFailure && !vendor)) {
        return error(kInvalidParam);
    }
    if (type == kColdReboot || type == kWarmReboot) {
        machine_.end({Ending::reset, 0, "the guest asked for a reset"});
    } else if (type == kShutdown && reason == kSystemFailure) {
        machine_.end({Ending::panicked, 0, "the guest shut down with reason \"system failure\""});
    } else {
        // Our kernel's exit status travels in the vendor's range of reasons.
        machine_.end({Ending::powered_off, vendor ? reason - kVendorReasons : 0, {}});
    }
    return leave(ExitKind::ended);
}

SbiReply Sbi::debug_console(const SbiCall& call) {
    switch (call.function) {
    case 0:
        return console_write(call);
    case 1:
        return console_read(call);
    case 2: {
        const char byte = static_cast<char>(call.args[0]);
        machine_.console_.write(std::span(&byte, 1));
        return success();
    }
    default:
        return error(kNotSupported);
    }
}

SbiReply Sbi::console_write(const SbiCall& call) {
    const std::uint64_t bytes = std::min(call.args[0], kConsoleBytes);
    const GuestPhys address{call.args[1]};
    if (call.args[2] != 0 || machine_.memory_->readable_range(address, call.args[0]) == nullptr) {
        return error(kInvalidParam);
    }
    std::array<char, 512> chunk;
    for (std::uint64_t done = 0; done < bytes;) {
        const auto part =
            std::span(chunk).first(std::min<std::uint64_t>(bytes - done, chunk.size()));
        if (!machine_.memory_->read(address + done, std::as_writable_bytes(part))) {
            return error(kInvalidParam);
        }
        machine_.console_.write(part);
        done += part.size();
    }
    return success(bytes);
}

SbiReply Sbi::console_read(const SbiCall& call) {
    const GuestPhys address{call.args[1]};
    if (call.args[2] != 0 || machine_.memory_->writable_range(address, call.args[0]) == nullptr) {
        return error(kInvalidParam);
    }
    std::array<char, 512> chunk;
    const auto wanted = std::min<std::uint64_t>(call.args[0], chunk.size());
    const std::size_t taken = machine_.platform_->uart.take_input(std::span(chunk).first(wanted));
    if (!machine_.memory_->write(address, std::as_bytes(std::span(chunk).first(taken)))) {
        return error(kInvalidParam);
    }
    return success(taken);
}

bool Sbi::valid_steal_record(const GuestMemory& memory, GuestPhys address) noexcept {
    return address.value % kStealRecordBytes == 0
           && memory.writable_range(address, kStealRecordBytes) != nullptr;
}

SbiReply Sbi::steal_time(Hart& caller, const SbiCall& call) {
    if (call.function != 0) {
        return error(kNotSupported);
    }
    const GuestPhys address{call.args[0]};
    const std::uint64_t high = call.args[1];
    if (call.args[2] != 0) {
        return error(kInvalidParam);
    }
    if (address.value == kAllOnes && high == kAllOnes) {
        caller.set_steal_record({}, false);
        return success();
    }
    if (address.value % kStealRecordBytes != 0) {
        return error(kInvalidParam);
    }
    if (high != 0 || !valid_steal_record(*machine_.memory_, address)) {
        return error(kInvalidAddress);
    }
    // SBI 2.0, 16.1: all of it is zero before the call returns.
    const std::array<std::byte, kStealRecordBytes> zeros{};
    if (!machine_.memory_->write(address, zeros)) {
        return error(kInvalidAddress);
    }
    caller.set_steal_record(address, true);
    return success();
}

/// SBI 0.1. Hart masks there are guest-virtual pointers, which only an engine could follow; kernels
/// use IPI and RFENCE when the base extension offers them, so those calls are not supported.
SbiReply Sbi::legacy(Hart& caller, const SbiCall& call) {
    SbiReply reply{.legacy = true};
    switch (call.extension) {
    case kLegacySetTimer:
        set_timer(caller, call.args[0]);
        return reply;
    case kLegacyPutchar: {
        const char byte = static_cast<char>(call.args[0]);
        machine_.console_.write(std::span(&byte, 1));
        return reply;
    }
    case kLegacyGetchar: {
        char byte = 0;
        const bool taken = machine_.platform_->uart.take_input(std::span(&byte, 1)) == 1;
        reply.error = taken ? static_cast<unsigned char>(byte) : -1;
        return reply;
    }
    case kLegacyClearIpi:
        caller.vcpu().set_interrupt(InterruptLine::supervisor_software, false);
        return reply;
    case kLegacyShutdown:
        machine_.end({Ending::powered_off, 0, {}});
        reply.exit = true;
        reply.exit_kind = ExitKind::ended;
        return reply;
    default:
        reply.error = kNotSupported;
        return reply;
    }
}

}  // namespace vmm
