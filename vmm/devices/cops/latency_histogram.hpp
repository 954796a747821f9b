// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vmm/types.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace vmm {

/// Counts durations in buckets whose width is a 32nd of their value, so that a quantile is off by
/// 2 % at most. Bounded memory, taken with the first value.
class LatencyHistogram {
public:
    void add(Nanos value);
    std::uint64_t count() const noexcept { return count_; }
    /// The value that `fraction` (0..1) of the values don't exceed; 0 when there are none.
    Nanos quantile(double fraction) const noexcept;

private:
    std::uint64_t count_ = 0;
    std::vector<std::uint64_t> buckets_;
};

}  // namespace vmm
