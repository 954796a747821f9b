// SPDX-License-Identifier: Apache-2.0
#include "sched/policy/topology.hpp"

#include <algorithm>

namespace vmm::sched {

Topology::Topology(std::span<const CpuPlace> places)
    : near_(std::min<std::size_t>(places.size(), kMostWorkers)) {
    for (std::uint32_t a = 0; a < near_.size(); ++a) {
        for (std::uint32_t b = 0; b < near_.size(); ++b) {
            if (places[a].core == places[b].core) {
                near_[a].core.insert(b);
            }
            if (places[a].cache == places[b].cache) {
                near_[a].cache.insert(b);
            }
            if (places[a].node == places[b].node) {
                near_[a].node.insert(b);
            }
        }
    }
}

std::optional<std::uint32_t> Topology::choose(std::uint32_t warm, const WorkerSet& idle) const {
    if (idle.contains(warm)) {
        return warm;
    }
    if (warm >= near_.size()) {
        return idle.first();
    }
    const Near& near = near_[warm];
    for (const WorkerSet& candidates : {idle & near.cache, idle & near.node, idle}) {
        if (const auto whole = on_idle_core(candidates, idle)) {
            return whole;
        }
        if (const auto any = candidates.first()) {
            return any;
        }
    }
    return std::nullopt;
}

std::optional<std::uint32_t>
Topology::on_idle_core(WorkerSet candidates, const WorkerSet& idle) const {
    for (auto one = candidates.first(); one; one = candidates.first()) {
        if (*one >= near_.size() || near_[*one].core.is_within(idle)) {
            return one;
        }
        candidates.erase(*one);
    }
    return std::nullopt;
}

}  // namespace vmm::sched
