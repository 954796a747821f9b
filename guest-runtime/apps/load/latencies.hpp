// SPDX-License-Identifier: Apache-2.0
// What loads tell of themselves. One format for all, for people and for `cops up --csv`
// (host-tools/experiments/README.md):
//   latency name=N level=L samples=C min_ns=T p50_ns=T p90_ns=T p99_ns=T p999_ns=T max_ns=T
//   work name=N level=L units=U ns=T per_second=R
#pragma once

#include <cops/cops.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace load {

/// One sample: when it was taken and how long it took, guest time in nanoseconds.
struct Sample {
    std::uint64_t at;
    std::uint64_t latency;
};

/// Samples of one kind of work at one level. A coroutine has its own, since others may run at the
/// same time; they are put together at the end.
class Latencies {
public:
    /// Memory for `expected` samples is taken now, so that add() needs none.
    Latencies(std::string name, unsigned level, std::size_t expected);

    /// What happened at `now` was due at `due`.
    void add(std::uint64_t due, std::uint64_t now) {
        samples_.push_back({now, now > due ? now - due : 0});
    }
    void append(const Latencies& other);

    /// Sorts by time; prints nothing when there are no samples.
    void print();

    [[nodiscard]] const std::string& name() const { return name_; }
    [[nodiscard]] unsigned level() const { return level_; }
    [[nodiscard]] std::span<const Sample> samples() const { return samples_; }

private:
    std::string name_;
    unsigned level_;
    std::vector<Sample> samples_;
};

/// Work that was done in `ns` nanoseconds of guest time.
void print_work(const char* name, unsigned level, std::uint64_t units, std::uint64_t ns);

/// Writes every sample, unfiltered, as lines `name,level,at_ns,latency_ns` to the file that the
/// environment names as COPS_SAMPLES; without that nothing is asked for. False: it cannot be
/// written, and why is on stderr.
cops::Task<bool> write_samples(std::vector<const Latencies*> all);

}  // namespace load
