// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <bit>
#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace vmm::sched {

inline constexpr std::uint32_t kMostWorkers = 256;

/// Some workers, by number. Those from kMostWorkers on are in no set.
class WorkerSet {
public:
    void insert(std::uint32_t worker) {
        if (worker < kMostWorkers) {
            words_[worker / 64] |= bit(worker);
        }
    }
    void erase(std::uint32_t worker) {
        if (worker < kMostWorkers) {
            words_[worker / 64] &= ~bit(worker);
        }
    }
    bool contains(std::uint32_t worker) const {
        return worker < kMostWorkers && (words_[worker / 64] & bit(worker)) != 0;
    }
    /// The least number; nullopt when there is none.
    std::optional<std::uint32_t> first() const {
        for (std::uint32_t i = 0; i < words_.size(); ++i) {
            if (words_[i] != 0) {
                return i * 64 + static_cast<std::uint32_t>(std::countr_zero(words_[i]));
            }
        }
        return std::nullopt;
    }
    bool is_within(const WorkerSet& other) const {
        for (std::size_t i = 0; i < words_.size(); ++i) {
            if ((words_[i] & ~other.words_[i]) != 0) {
                return false;
            }
        }
        return true;
    }
    friend WorkerSet operator&(WorkerSet a, const WorkerSet& b) {
        for (std::size_t i = 0; i < a.words_.size(); ++i) {
            a.words_[i] &= b.words_[i];
        }
        return a;
    }

private:
    static constexpr std::uint64_t bit(std::uint32_t worker) {
        return std::uint64_t{1} << (worker % 64);
    }

    std::array<std::uint64_t, kMostWorkers / 64> words_{};
};

/// Where a worker's CPU is in its machine. Equal numbers mean the same, all over the machine.
struct CpuPlace {
    std::uint32_t node = 0;   ///< NUMA node.
    std::uint32_t cache = 0;  ///< Last-level cache.
    std::uint32_t core = 0;   ///< Whose hardware threads share their pipeline (SMT).
    friend constexpr auto operator<=>(const CpuPlace&, const CpuPlace&) = default;
};

/// The machine as the workers have it. Pure: values in, values out.
class Topology {
public:
    /// Nothing is known: all workers are equally far from each other.
    Topology() = default;
    /// `places` by worker, at most kMostWorkers of them. A core is within one cache and a cache
    /// within one node; where they are not, the wider one counts.
    explicit Topology(std::span<const CpuPlace> places);

    /// Which of the workers that have nothing to do shall run what ran on `warm` last: that one if
    /// it is among them. Else, ever farther away: within the cache, within the node, anywhere; at
    /// each distance first a core that is idle altogether, for a hardware thread beside a busy one
    /// has half a core (as select_idle_sibling() of Linux has it); of several the least number.
    /// nullopt: `idle` is empty. Costs O(workers that are as near).
    std::optional<std::uint32_t> choose(std::uint32_t warm, const WorkerSet& idle) const;

private:
    /// Workers that share something with one of them, that one included.
    struct Near {
        WorkerSet core;
        WorkerSet cache;
        WorkerSet node;
    };

    std::optional<std::uint32_t> on_idle_core(WorkerSet candidates, const WorkerSet& idle) const;

    std::vector<Near> near_;  // by worker
};

}  // namespace vmm::sched
