// SPDX-License-Identifier: Apache-2.0
#include "latencies.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace load {
namespace {

/// The smallest value that at least `permille` of the samples do not exceed. `sorted`: not empty.
std::uint64_t quantile(const std::vector<std::uint64_t>& sorted, std::size_t permille) {
    const std::size_t rank = (sorted.size() * permille + 999) / 1000;
    return sorted[rank - 1];
}

cops::Task<bool> write_all(int fd, std::string_view text, std::int64_t& offset) {
    while (!text.empty()) {
        const cops::Result<std::size_t> count =
            co_await cops::write(fd, std::as_bytes(std::span(text)), offset);
        if (!count || *count == 0) {
            co_return false;
        }
        offset += static_cast<std::int64_t>(*count);
        text.remove_prefix(*count);
    }
    co_return true;
}

cops::Task<bool> write_samples_to(int fd, const std::vector<const Latencies*>& all) {
    constexpr std::size_t kChunk = 64 * 1024;
    std::string text;
    std::int64_t offset = 0;
    for (const Latencies* one : all) {
        const std::string begin = one->name() + ',' + std::to_string(one->level()) + ',';
        for (const Sample& sample : one->samples()) {
            text += begin;
            text += std::to_string(sample.at);
            text += ',';
            text += std::to_string(sample.latency);
            text += '\n';
            if (text.size() >= kChunk) {
                if (!co_await write_all(fd, text, offset)) {
                    co_return false;
                }
                text.clear();
            }
        }
    }
    co_return co_await write_all(fd, text, offset);
}

}  // namespace

Latencies::Latencies(std::string name, unsigned level, std::size_t expected)
    : name_(std::move(name))
    , level_(level) {
    samples_.reserve(expected);
}

void Latencies::append(const Latencies& other) {
    samples_.insert(samples_.end(), other.samples_.begin(), other.samples_.end());
}

void Latencies::print() {
    if (samples_.empty()) {
        return;
    }
    std::ranges::sort(samples_, {}, &Sample::at);
    std::vector<std::uint64_t> sorted;
    sorted.reserve(samples_.size());
    for (const Sample& sample : samples_) {
        sorted.push_back(sample.latency);
    }
    std::ranges::sort(sorted);
    std::printf(
        "latency name=%s level=%u samples=%zu min_ns=%lu p50_ns=%lu p90_ns=%lu p99_ns=%lu "
        "p999_ns=%lu max_ns=%lu\n",
        name_.c_str(),
        level_,
        sorted.size(),
        sorted.front(),
        quantile(sorted, 500),
        quantile(sorted, 900),
        quantile(sorted, 990),
        quantile(sorted, 999),
        sorted.back()
    );
    std::fflush(stdout);
}

void print_work(const char* name, unsigned level, std::uint64_t units, std::uint64_t ns) {
    constexpr double kNanosecondsInASecond = 1e9;
    const double seconds =
        static_cast<double>(std::max<std::uint64_t>(ns, 1)) / kNanosecondsInASecond;
    std::printf(
        "work name=%s level=%u units=%lu ns=%lu per_second=%.0f\n",
        name,
        level,
        units,
        ns,
        static_cast<double>(units) / seconds
    );
    std::fflush(stdout);
}

cops::Task<bool> write_samples(std::vector<const Latencies*> all) {
    const char* path = std::getenv("COPS_SAMPLES");
    if (path == nullptr) {
        co_return true;
    }
    const cops::Result<int> fd = co_await cops::open(path, O_WRONLY);
    if (!fd) {
        std::fprintf(stderr, "load: %s: %s\n", path, fd.error().message());
        co_return false;
    }
    const bool written = co_await write_samples_to(*fd, all);
    const cops::Result<void> closed = co_await cops::close(*fd);
    if (!written || !closed) {
        std::fprintf(stderr, "load: %s: cannot write the samples\n", path);
        co_return false;
    }
    co_return true;
}

}  // namespace load
