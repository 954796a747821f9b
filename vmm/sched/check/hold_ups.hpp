// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sched/record/record.hpp"

#include <vmm/types.hpp>

#include <algorithm>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

namespace vmm::sched {

/// When the host ran something else in the place of a worker that had a vCPU. Recorded looks tell
/// how long that was since the look before, and not when.
class HoldUps {
public:
    /// All records of the run, in order.
    void add(const Record& record) {
        if (const auto* pick = std::get_if<PickRecord>(&record)) {
            seen_[pick->worker] = pick->time_ns;
        } else if (const auto* look = std::get_if<LookRecord>(&record);
                   look != nullptr && look->worker != LookRecord::kNobody) {
            const Nanos from = std::exchange(seen_[look->worker], look->time_ns);
            std::vector<Span>& spans = workers_[look->worker];
            const Nanos before = spans.empty() ? 0 : spans.back().before + spans.back().off;
            spans.push_back({from, look->time_ns, look->off_ns, before});
        }
    }

    /// For how long the worker may have been held up from `from` to `to`, at most.
    double between(std::uint32_t worker, Nanos from, Nanos to) const {
        const auto found = workers_.find(worker);
        if (found == workers_.end() || from >= to) {
            return 0;
        }
        const std::vector<Span>& spans = found->second;
        const auto first = std::ranges::upper_bound(spans, from, {}, &Span::to);
        const auto end = std::ranges::lower_bound(first, spans.end(), to, {}, &Span::from);
        if (first == end) {
            return 0;
        }
        const auto last = end - 1;
        const auto part = [&](const Span& span) {
            return std::min(span.off, std::min(to, span.to) - std::max(from, span.from));
        };
        const Nanos whole = first == last ? 0 : last->before - first->before - first->off;
        return static_cast<double>(part(*first) + whole + (first == last ? 0 : part(*last)));
    }

private:
    struct Span {
        Nanos from;
        Nanos to;
        Nanos off;
        Nanos before;  ///< The sum of `off` of those before.
    };
    std::map<std::uint32_t, Nanos> seen_;  // time of the last pick or look
    std::map<std::uint32_t, std::vector<Span>> workers_;
};

}  // namespace vmm::sched
