// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "io/input_tape.hpp"
#include "sched/workers/input_source.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

namespace vmm {

/// Console input of a deterministic run: what comes is written to a tape as it is delivered, or the
/// tape says what is delivered, and when.
class ConsoleTape final : public sched::InputSource {
public:
    /// Gives bytes to a guest; returns how many it took.
    using Give = std::function<std::size_t(std::size_t guest, std::span<const char> bytes)>;

    ConsoleTape(io::InputTape& tape, Give give)
        : tape_(tape)
        , give_(std::move(give)) {}

    /// The worker. From now on the guests are there; how often it looked before means nothing.
    void begin() noexcept { begun_ = true; }
    /// Any thread. Returns how many bytes are taken: none when the tape replays. A guest that does
    /// not read stops the input of no other.
    std::size_t push(std::size_t guest, std::span<const char> bytes);

    bool waits() const override;
    bool deliver(std::uint64_t rounds, bool idle) override;

private:
    bool deliver_recorded(std::uint64_t rounds, bool idle);

    static constexpr std::size_t kCapacity = 65536;

    io::InputTape& tape_;
    const Give give_;
    // The worker's.
    bool begun_ = false;
    bool told_ = false;  // that the run is another one

    struct Pending {
        std::vector<char> bytes;
        bool full = false;  // the guest took nothing the last time
    };
    using PendingOf = std::map<std::size_t, Pending>;

    /// Of guests from `guest` on, the first that has some and may take it.
    PendingOf::const_iterator next_pending(std::size_t guest, bool idle) const;
    bool took(PendingOf::iterator of, std::size_t count);

    mutable std::mutex mutex_;  // of what follows; nothing is called with it held
    PendingOf pending_;         // by guest, where there is some; taken out by the worker alone
};

}  // namespace vmm
