// SPDX-License-Identifier: Apache-2.0
#include "fleet/console_tape.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace vmm {

std::size_t ConsoleTape::push(std::size_t guest, std::span<const char> bytes) {
    const std::lock_guard lock(mutex_);
    if (tape_.replays() || (!pending_.empty() && guest_ != guest)) {
        return 0;
    }
    const std::size_t count = std::min(bytes.size(), kCapacity - pending_.size());
    guest_ = guest;
    pending_.insert(pending_.end(), bytes.begin(), bytes.begin() + static_cast<long>(count));
    return count;
}

bool ConsoleTape::waits() const {
    const std::lock_guard lock(mutex_);
    return !pending_.empty() && !full_;
}

bool ConsoleTape::deliver(std::uint64_t rounds, bool idle) {
    if (!begun_) {
        return false;
    }
    if (tape_.replays()) {
        return deliver_recorded(rounds, idle);
    }
    io::InputTape::Typed typed{.rounds = rounds, .idle = idle};
    {
        const std::lock_guard lock(mutex_);
        if (pending_.empty() || (idle && full_)) {
            return false;
        }
        typed.guest = static_cast<std::uint32_t>(guest_);
        typed.bytes = pending_;
    }
    typed.bytes.resize(give_(typed.guest, typed.bytes));
    const std::lock_guard lock(mutex_);
    full_ = typed.bytes.empty();
    if (full_) {
        return false;
    }
    pending_.erase(pending_.begin(), pending_.begin() + static_cast<long>(typed.bytes.size()));
    tape_.note_typed(typed);
    return true;
}

bool ConsoleTape::deliver_recorded(std::uint64_t rounds, bool idle) {
    const io::InputTape::Typed* next = tape_.next_typed();
    if (next == nullptr || (!idle && (next->idle || next->rounds != rounds))) {
        return false;
    }
    if (idle && !next->idle && !std::exchange(told_, true)) {
        spdlog::error(
            "the replayed run is not the one that was recorded: it waits for what was typed while "
            "that one was busy"
        );
    }
    give_(next->guest, next->bytes);
    tape_.take_typed();
    return true;
}

}  // namespace vmm
