// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vmm/error.hpp>
#include <vmm/types.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace vmm {

/// One promise of the scheduler, held against recorded decisions.
struct PropertyFinding {
    std::string property;
    std::uint64_t checked = 0;  ///< How often there was something to look at.
    bool is_time = false;       ///< `worst` and `bound` are nanoseconds, else they count decisions.
    double worst = 0;
    double bound = 0;
    std::string where;  ///< The line of `worst`, and what is there; empty: nothing was found.
    bool holds() const noexcept { return worst <= bound; }
};

struct DecisionFindings {
    std::string policy;
    unsigned workers = 0;
    std::uint64_t records = 0;
    Nanos span_ns = 0;      ///< From the first record to the last.
    bool complete = false;  ///< False: the run was cut off, and what was recorded last is missing.
    std::vector<PropertyFinding> properties;
};

struct DecisionCheckOptions {
    /// What a worker may need, in time that the host gives it, to get a vCPU out of its guest.
    Nanos obey_ns = 1'000'000;
};

/// Holds what FleetConfig::record_decisions wrote against what the policy promises
/// (docs/design/tracing.md). ErrorKind::configuration: the file cannot be read, is none of
/// recorded decisions, lacks records, or is of a policy that this libvmm does not have.
Result<DecisionFindings>
check_decisions(const std::string& path, const DecisionCheckOptions& options = {});

}  // namespace vmm
