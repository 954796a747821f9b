// SPDX-License-Identifier: Apache-2.0
#include "fleet/console_tape.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace vmm {

std::size_t ConsoleTape::push(std::size_t guest, std::span<const char> bytes) {
    const std::lock_guard lock(mutex_);
    if (tape_.replays() || bytes.empty()) {
        return 0;
    }
    std::vector<char>& pending = pending_[guest].bytes;
    const std::size_t count = std::min(bytes.size(), kCapacity - pending.size());
    pending.insert(pending.end(), bytes.begin(), bytes.begin() + static_cast<long>(count));
    return count;
}

ConsoleTape::PendingOf::const_iterator
ConsoleTape::next_pending(std::size_t guest, bool idle) const {
    return std::find_if(pending_.lower_bound(guest), pending_.end(), [idle](const auto& one) {
        return !idle || !one.second.full;
    });
}

bool ConsoleTape::waits() const {
    const std::lock_guard lock(mutex_);
    return next_pending(0, true) != pending_.end();
}

bool ConsoleTape::deliver(std::uint64_t rounds, bool idle) {
    if (!begun_) {
        return false;
    }
    if (tape_.replays()) {
        return deliver_recorded(rounds, idle);
    }
    io::InputTape::Typed typed{.rounds = rounds, .idle = idle};
    for (std::size_t guest = 0;; ++guest) {
        {
            const std::lock_guard lock(mutex_);
            const auto next = next_pending(guest, idle);
            if (next == pending_.end()) {
                return false;
            }
            guest = next->first;
            typed.bytes = next->second.bytes;
        }
        typed.guest = static_cast<std::uint32_t>(guest);
        typed.bytes.resize(give_(guest, typed.bytes));
        const std::lock_guard lock(mutex_);
        if (took(pending_.find(guest), typed.bytes.size())) {
            tape_.note_typed(typed);
            return true;
        }
    }
}

/// Takes what was given out. True: there was something.
bool ConsoleTape::took(PendingOf::iterator of, std::size_t count) {
    Pending& pending = of->second;
    pending.full = count == 0;
    pending.bytes.erase(pending.bytes.begin(), pending.bytes.begin() + static_cast<long>(count));
    if (pending.bytes.empty()) {
        pending_.erase(of);
    }
    return count != 0;
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
