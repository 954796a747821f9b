// SPDX-License-Identifier: Apache-2.0
#include "devices/plic/plic.hpp"

#include "memory/state.hpp"

#include <bit>

namespace vmm {
namespace {

// Register map, PLIC specification 1.0.0, "Memory Map".
constexpr std::uint64_t kPriorityBase = 0x0;
constexpr std::uint64_t kPendingBase = 0x1000;
constexpr std::uint64_t kEnableBase = 0x2000;
constexpr std::uint64_t kEnableStride = 0x80;
constexpr std::uint64_t kContextBase = 0x200000;
constexpr std::uint64_t kContextStride = 0x1000;
constexpr std::uint64_t kThreshold = 0x0;
constexpr std::uint64_t kClaimComplete = 0x4;

}  // namespace

Plic::Plic(unsigned harts, ExternalInterruptSink& sink)
    : sink_(sink)
    , contexts_(2 * harts) {}

void Plic::set_level(unsigned source, bool asserted) {
    if (source == 0 || source >= kSources) {
        return;
    }
    const std::lock_guard lock(mutex_);
    const std::uint32_t bit = std::uint32_t{1} << source;
    const std::uint32_t levels = asserted ? levels_ | bit : levels_ & ~bit;
    if (levels != levels_) {
        levels_ = levels;
        update();
    }
}

bool Plic::mmio_read(const MmioAccess& access, std::uint64_t* value) {
    if (access.size != 4) {
        return false;
    }
    const std::lock_guard lock(mutex_);
    *value = read_register(access.offset);
    return true;
}

bool Plic::mmio_write(const MmioAccess& access, std::uint64_t value) {
    if (access.size != 4) {
        return false;
    }
    const std::lock_guard lock(mutex_);
    write_register(access.offset, static_cast<std::uint32_t>(value));
    update();
    return true;
}

Plic::Context* Plic::context(std::uint64_t index) {
    return index < contexts_.size() ? &contexts_[index] : nullptr;
}

std::uint32_t Plic::read_register(std::uint64_t offset) {
    if (offset < kPriorityBase + 4 * kSources) {
        return priority_[offset / 4];
    }
    if (offset == kPendingBase) {
        return levels_ & ~in_service_;
    }
    if (offset >= kContextBase) {
        Context* const target = context((offset - kContextBase) / kContextStride);
        const std::uint64_t which = (offset - kContextBase) % kContextStride;
        if (target != nullptr && which == kThreshold) {
            return target->threshold;
        }
        if (target != nullptr && which == kClaimComplete) {
            return claim(*target);
        }
        return 0;
    }
    if (offset >= kEnableBase && (offset - kEnableBase) % kEnableStride == 0) {
        const Context* const target = context((offset - kEnableBase) / kEnableStride);
        return target != nullptr ? target->enabled : 0;
    }
    return 0;
}

void Plic::write_register(std::uint64_t offset, std::uint32_t value) {
    if (offset < kPriorityBase + 4 * kSources) {
        if (offset >= 4) {
            priority_[offset / 4] = value & kMaxPriority;
        }
        return;
    }
    if (offset >= kContextBase) {
        Context* const target = context((offset - kContextBase) / kContextStride);
        const std::uint64_t which = (offset - kContextBase) % kContextStride;
        if (target != nullptr && which == kThreshold) {
            target->threshold = value & kMaxPriority;
        } else if (target != nullptr && which == kClaimComplete) {
            complete(*target, value);
        }
        return;
    }
    if (offset >= kEnableBase && (offset - kEnableBase) % kEnableStride == 0) {
        if (Context* const target = context((offset - kEnableBase) / kEnableStride)) {
            target->enabled = value & ~std::uint32_t{1};
        }
    }
}

/// The pending, enabled source of the highest priority, the lowest number among equals; 0: none.
/// Priority 0 means "never interrupt".
unsigned Plic::best_source(const Context& context) const {
    unsigned best = 0;
    std::uint32_t best_priority = 0;
    for (std::uint32_t left = levels_ & ~in_service_ & context.enabled; left != 0;
         left &= left - 1) {
        const auto source = static_cast<unsigned>(std::countr_zero(left));
        if (priority_[source] > best_priority) {
            best = source;
            best_priority = priority_[source];
        }
    }
    return best;
}

/// Not affected by the threshold (PLIC specification, "Interrupt Claim Process").
std::uint32_t Plic::claim(Context& context) {
    const unsigned source = best_source(context);
    if (source != 0) {
        in_service_ |= std::uint32_t{1} << source;
        update();
    }
    return source;
}

/// Ignored unless the source is enabled for the context.
void Plic::complete(Context& context, std::uint32_t source) {
    if (source < kSources && ((context.enabled >> source) & 1) != 0) {
        in_service_ &= ~(std::uint32_t{1} << source);
    }
}

void Plic::repeat_lines() {
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 1; i < contexts_.size(); i += 2) {
        sink_.set_external_interrupt(static_cast<unsigned>(i / 2), contexts_[i].asserted);
    }
}

void Plic::update() {
    for (std::size_t i = 1; i < contexts_.size(); i += 2) {
        Context& context = contexts_[i];
        const unsigned source = best_source(context);
        const bool asserted = source != 0 && priority_[source] > context.threshold;
        if (asserted != context.asserted) {
            context.asserted = asserted;
            sink_.set_external_interrupt(static_cast<unsigned>(i / 2), asserted);
        }
    }
}

void Plic::reset() {
    const std::lock_guard lock(mutex_);
    for (Context& context : contexts_) {
        context.enabled = 0;
        context.threshold = 0;
    }
    for (std::uint32_t& priority : priority_) {
        priority = 0;
    }
    in_service_ = 0;
    update();
}

void Plic::save(StateWriter& out) const {
    const std::lock_guard lock(mutex_);
    for (const Context& context : contexts_) {
        out.put(context.enabled);
        out.put(context.threshold);
    }
    for (const std::uint32_t priority : priority_) {
        out.put(priority);
    }
    out.put(levels_);
    out.put(in_service_);
}

Result<void> Plic::load(StateReader& in) {
    const std::lock_guard lock(mutex_);
    for (Context& context : contexts_) {
        context.enabled = in.get<std::uint32_t>() & ~std::uint32_t{1};
        context.threshold = in.get_below(kMaxPriority + 1);
    }
    for (std::uint32_t& priority : priority_) {
        priority = in.get_below(kMaxPriority + 1);
    }
    levels_ = in.get<std::uint32_t>() & ~std::uint32_t{1};
    in_service_ = in.get<std::uint32_t>();
    if (!in.ok()) {
        return fail(ErrorKind::configuration, "saved interrupt controller state is damaged");
    }
    for (std::size_t i = 1; i < contexts_.size(); i += 2) {
        // The vCPU is as fresh as we are: tell it anew whatever it was told before.
        contexts_[i].asserted = false;
        sink_.set_external_interrupt(static_cast<unsigned>(i / 2), false);
    }
    update();
    return {};
}

}  // namespace vmm
