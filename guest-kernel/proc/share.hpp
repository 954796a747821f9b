// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace kernel {

/// What a process may have of its hart. Its own, or less than that, is what it can give to those it
/// starts.
struct Limits {
    static constexpr std::uint32_t kMaxWeight = 10'000;
    static constexpr std::uint32_t kMaxShare = 50;

    std::uint32_t ceiling = 0;   ///< Most urgent level that its claims and requests count as.
    std::uint32_t weight = 100;  ///< Its part of the hart among processes of one level.
    /// Percent of the hart that it gets whatever others claim. If the processes of a hart have more
    /// than kMaxShare together, each has proportionally less.
    std::uint32_t share = 5;

    bool allows(const Limits& other) const {
        return other.ceiling >= ceiling && other.weight <= weight && other.share <= share;
    }
};

/// What a process has had of its hart. Times in ticks of the time CSR.
class Account {
public:
    /// It has run for `time`. `shares` is what the runnable processes of the hart are guaranteed
    /// together.
    void ran(std::uint64_t time, const Limits& limits, std::uint32_t shares);
    /// It was runnable and did not run. Once it has saved up a `slice` it is due.
    void
    waited(std::uint64_t time, const Limits& limits, std::uint32_t shares, std::uint64_t slice);
    /// Its virtual time is no less than that.
    void raise(std::uint64_t floor);

    /// Comes before more urgent processes, until it has run for what it saved up.
    bool due() const { return due_; }
    /// Among equals the smallest comes first.
    std::uint64_t virtual_time() const { return virtual_time_; }

private:
    std::uint64_t virtual_time_ = 0;  // time it ran, by weight
    std::uint64_t credit_ = 0;
    bool due_ = false;
};

}  // namespace kernel
