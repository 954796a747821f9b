// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "io/engine.hpp"
#include "io/file_facts.hpp"
#include "io/input_tape.hpp"

#include <vmm/types.hpp>

#include <compare>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <vector>

namespace vmm::io {

/// How long the `sequence`-th operation of `guest` takes in a deterministic run: uniform within the
/// limits of its kind, plus a nanosecond for four bytes (docs/design/deterministic.md). A sleep
/// takes what it says.
Nanos modelled_latency(
    std::uint64_t seed, std::uint32_t guest, std::uint64_t sequence, const Operation& operation
);

/// The operations of a deterministic run. Each is executed by the host when its modelled time has
/// come, all of it at that moment of virtual time, and completes then: what it reads appears in
/// guest memory at the same moment as its completion, in every run.
///
/// What blocks in the host (a pipe without data) takes no virtual time: everybody waits.
class LatencyQueue final : private CompletionSink {
public:
    /// `tape`: what is read from pipes and terminals goes there or comes from there; it outlives
    /// the queue. Null: there is none.
    LatencyQueue(std::uint64_t seed, std::uint64_t epoch_ns, InputTape* tape = nullptr)
        : seed_(seed)
        , tape_(tape)
        , facts_(epoch_ns) {}

    /// Any thread. Takes an operation of `guest`; its time counts from the next settle().
    void start(std::uint32_t guest, Operation operation);
    /// Any thread. It completes with -ECANCELED at the next deliver(), if it has not before.
    void cancel(CompletionSink& sink, std::uint64_t token);
    /// Any thread. From now on the guest's operations don't wait for the host any longer.
    void abandon(std::uint32_t guest);

    /// The worker, outside of guests. What was started since the last call starts at `now`.
    void settle(Nanos now);
    /// When the next of the operations that were settled is due; UINT64_MAX: there is none.
    Nanos next_due() const;
    /// The worker, no locks held. Executes on `engine` what is due at `now`, in order of time,
    /// guest and sequence.
    void deliver(Nanos now, Engine& engine);

private:
    struct Key {
        Nanos due;
        std::uint32_t guest;
        std::uint64_t sequence;
        auto operator<=>(const Key&) const = default;
    };
    struct Entry {
        std::uint32_t guest = 0;
        std::uint64_t sequence = 0;
        bool cancelled = false;
        Operation operation;
    };

    void execute(Entry& entry, Engine& engine);
    bool is_taped(const Operation& operation) const noexcept;
    bool abandoned(std::uint32_t guest) const;
    void io_completed(const Completion& completion) noexcept override;

    const std::uint64_t seed_;
    InputTape* const tape_;  // the worker's, as is the next
    FileFacts facts_;

    mutable std::mutex mutex_;  // of what follows; nothing is called with it held
    std::vector<Entry> fresh_;  // not yet settled
    std::map<Key, Entry> due_;
    std::map<std::uint32_t, std::uint64_t> sequences_;  // of the next operation, by guest
    std::set<std::uint32_t> abandoned_;

    // The worker's: the operation that the host executes.
    const Entry* executing_ = nullptr;
};

}  // namespace vmm::io
