// SPDX-License-Identifier: Apache-2.0
// The part of Machine that saves and loads all of it (D3). The format is this version's own: a file
// is good for the same machine shape and the same version.
#include "machine/hart.hpp"
#include "machine/machine.hpp"
#include "machine/platform.hpp"
#include "memory/state.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace vmm {
namespace {

constexpr std::uint64_t kMagic = 0x3048'4341'4d53'504f;  // "OPSMACH0"
constexpr std::uint32_t kFormat = 1;
constexpr std::uint64_t kEndOfRam = ~std::uint64_t{0};

bool all_zero(std::span<const std::byte> bytes) {
    return std::ranges::all_of(bytes, [](std::byte byte) { return byte == std::byte{0}; });
}

std::unexpected<Error> damaged(std::string_view what) {
    return fail(ErrorKind::configuration, fmt::format("the saved machine is damaged ({})", what));
}

}  // namespace

Result<std::vector<std::byte>> Machine::save() const {
    if (harts_.empty() || !reset_finished()) {
        return fail(
            ErrorKind::internal, "a machine is saved between runs, with its devices drained"
        );
    }
    StateWriter out;
    out.put(kMagic);
    out.put(kFormat);
    out.put(std::uint32_t{config_.cpus});
    out.put(config_.memory_bytes);
    out.put(config_.timebase_hz);
    std::uint8_t slots = 0;
    for (unsigned slot = 0; slot < kVirtioSlots; ++slot) {
        slots |= static_cast<std::uint8_t>((platform_->virtio[slot] != nullptr ? 1 : 0) << slot);
    }
    out.put(slots);
    out.put(clock_.guest_time());
    const Outcome how = outcome();
    out.put(static_cast<std::uint8_t>(how.ending));
    out.put(how.status);
    out.put_text(how.message);
    save_ram(out);
    for (const auto& hart : harts_) {
        hart->save(out);
    }
    platform_->plic.save(out);
    platform_->uart.save(out);
    for (const auto& transport : platform_->virtio) {
        if (transport != nullptr) {
            transport->save(out);
        }
    }
    return out.take();
}

/// Pages that are not all zero, as (offset, bytes) runs.
void Machine::save_ram(StateWriter& out) const {
    const MemoryRegion& ram = memory_->ram();
    const auto page_at = [&ram](std::uint64_t offset) {
        return std::span<const std::byte>(ram.host + offset, kPageSize);
    };
    for (auto used = memory_->next_used(0); used.bytes != 0;
         used = memory_->next_used(used.offset + used.bytes)) {
        const std::uint64_t end = used.offset + used.bytes;
        for (std::uint64_t start = used.offset; start < end;) {
            if (all_zero(page_at(start))) {
                start += kPageSize;
                continue;
            }
            std::uint64_t stop = start + kPageSize;
            while (stop < end && !all_zero(page_at(stop))) {
                stop += kPageSize;
            }
            out.put(start);
            out.put_bytes({ram.host + start, stop - start});
            start = stop;
        }
    }
    out.put(kEndOfRam);
}

Result<void> Machine::load_ram(StateReader& in) {
    const MemoryRegion& ram = memory_->ram();
    for (;;) {
        const auto offset = in.get<std::uint64_t>();
        if (in.ok() && offset == kEndOfRam) {
            return {};
        }
        const auto bytes = in.get_bytes();
        // write() checks the range; offset is checked first so that the sum can't wrap.
        if (!in.ok() || bytes.empty() || offset >= ram.size
            || !memory_->write(ram.base + offset, bytes)) {
            return damaged("memory");
        }
    }
}

Result<void> Machine::check_shape(StateReader& in) const {
    if (in.get<std::uint64_t>() != kMagic || in.get<std::uint32_t>() != kFormat) {
        return fail(
            ErrorKind::configuration, "this is not a machine saved by this version of cops"
        );
    }
    const auto cpus = in.get<std::uint32_t>();
    const auto memory_bytes = in.get<std::uint64_t>();
    const auto timebase_hz = in.get<std::uint64_t>();
    const auto slots = in.get<std::uint8_t>();
    std::uint8_t ours = 0;
    for (unsigned slot = 0; slot < kVirtioSlots; ++slot) {
        ours |= static_cast<std::uint8_t>((platform_->virtio[slot] != nullptr ? 1 : 0) << slot);
    }
    if (!in.ok()) {
        return damaged("header");
    }
    if (cpus != config_.cpus || memory_bytes != config_.memory_bytes
        || timebase_hz != config_.timebase_hz || slots != ours) {
        return fail(
            ErrorKind::configuration,
            fmt::format(
                "the saved machine has {} CPUs, {} bytes of memory, a timebase of {} Hz and virtio "
                "slots {:#x}; this one has {}, {}, {} and {:#x}",
                cpus,
                memory_bytes,
                timebase_hz,
                slots,
                config_.cpus,
                config_.memory_bytes,
                config_.timebase_hz,
                ours
            )
        );
    }
    return {};
}

Result<void> Machine::load_outcome(StateReader& in) {
    clock_.set_guest_time(in.get<std::uint64_t>());
    const auto ending = static_cast<Ending>(
        in.get_below<std::uint8_t>(static_cast<std::uint8_t>(Ending::failed) + 1)
    );
    const auto status = in.get<std::uint32_t>();
    std::string message = in.get_text();
    if (!in.ok()) {
        return damaged("outcome");
    }
    const std::lock_guard lock(outcome_mutex_);
    outcome_ = {ending, status, std::move(message)};
    ended_.store(ending != Ending::running, std::memory_order_release);
    return {};
}

Result<void> Machine::load(std::span<const std::byte> saved) {
    StateReader in(saved);
    auto done = check_shape(in);
    if (done) {
        done = assemble();
    }
    if (done) {
        done = load_outcome(in);
    }
    if (done) {
        done = load_ram(in);
    }
    for (std::size_t i = 0; done && i < harts_.size(); ++i) {
        done = harts_[i]->load(in);
    }
    // The controller before the devices that drive its lines.
    if (done) {
        done = platform_->plic.load(in);
    }
    if (done) {
        done = platform_->uart.load(in);
    }
    for (std::size_t i = 0; done && i < platform_->virtio.size(); ++i) {
        if (platform_->virtio[i] != nullptr) {
            done = platform_->virtio[i]->load(in);
        }
    }
    if (done && (!in.ok() || !in.at_end())) {
        return damaged("its end");
    }
    return done;
}

}  // namespace vmm
