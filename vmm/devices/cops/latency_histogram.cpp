// SPDX-License-Identifier: Apache-2.0
#include "devices/cops/latency_histogram.hpp"

#include <algorithm>
#include <bit>

namespace vmm {
namespace {

// Values below 32 have a bucket each; above, each power of two has 32.
constexpr unsigned kBits = 5;
constexpr std::uint64_t kSteps = std::uint64_t{1} << kBits;
constexpr std::size_t kBuckets = (64 - kBits + 1) * kSteps;

std::size_t bucket_of(Nanos value) {
    if (value < kSteps) {
        return static_cast<std::size_t>(value);
    }
    const auto shift = static_cast<unsigned>(std::bit_width(value)) - kBits - 1;
    return static_cast<std::size_t>((shift + 1) * kSteps + ((value >> shift) - kSteps));
}

/// Middle of a bucket.
Nanos value_of(std::size_t bucket) {
    if (bucket < kSteps) {
        return bucket;
    }
    const std::uint64_t shift = bucket / kSteps - 1;
    const std::uint64_t low = (kSteps + bucket % kSteps) << shift;
    return low + ((std::uint64_t{1} << shift) >> 1);
}

}  // namespace

void LatencyHistogram::add(Nanos value) {
    if (buckets_.empty()) {
        buckets_.resize(kBuckets);
    }
    ++buckets_[bucket_of(value)];
    ++count_;
}

Nanos LatencyHistogram::quantile(double fraction) const noexcept {
    if (count_ == 0) {
        return 0;
    }
    const auto wanted = std::clamp<std::uint64_t>(
        static_cast<std::uint64_t>(fraction * static_cast<double>(count_) + 0.5), 1, count_
    );
    std::uint64_t seen = 0;
    for (std::size_t bucket = 0; bucket < buckets_.size(); ++bucket) {
        seen += buckets_[bucket];
        if (seen >= wanted) {
            return value_of(bucket);
        }
    }
    return 0;
}

}  // namespace vmm
