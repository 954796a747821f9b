// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cops/cops.hpp>

#include <algorithm>
#include <cstdio>
#include <vector>

/// Times batches of equal operations. Printed in nanoseconds an operation:
///   op NAME ops=IN_A_BATCH batches=N p50=T p99=T most=T
class Samples {
public:
    static constexpr int kBatches =
        2000;  // A tenth of a second or more: a bad moment does not make a median.
    static constexpr int kWarmUp = 20;  // Batches that are run and not counted.

    explicit Samples(int operations)
        : operations_(operations) {
        times_.reserve(kBatches);
    }

    int operations() const { return operations_; }
    bool complete() const { return times_.size() == kBatches; }

    /// Between two batches: ends one and begins the next.
    void mark() {
        const std::uint64_t now = cops::time_now();
        if (++marks_ > kWarmUp + 1 && !complete()) {
            times_.push_back(static_cast<double>(now - begun_) / operations_);
        }
        begun_ = cops::time_now();
    }

    void print(const char* name) {
        std::ranges::sort(times_);
        std::printf(
            "op %s ops=%d batches=%zu p50=%.2f p99=%.2f most=%.2f\n",
            name,
            operations_,
            times_.size(),
            times_[times_.size() / 2],
            times_[times_.size() * 99 / 100],
            times_.back()
        );
        std::fflush(stdout);
    }

private:
    int operations_;
    int marks_ = 0;
    std::uint64_t begun_ = 0;
    std::vector<double> times_;
};
