// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "experiment/figures.hpp"

#include <vmm/fleet.hpp>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace tools {

/// One run of an experiment: a fresh fleet under one policy, from its start to its end.
struct Run {
    unsigned number = 0;  ///< From 1, in order of time.
    unsigned round = 0;   ///< From 1; in a round each policy has one run.
    std::string policy;
    int exit_code = 0;
    bool cut_short = false;  ///< By a signal: it says nothing.
    std::string message;     ///< Why it failed; empty when it did not.
    vmm::FleetReport report;
    std::vector<std::vector<Figure>> figures;  ///< By guest.

    bool failed() const noexcept { return exit_code != 0; }
};

/// The folder that keeps everything of an experiment: runs.csv, guests.csv, figures.csv and
/// samples.csv, whose columns host-tools/experiments/README.md explains. Each run is there, whole,
/// when its add() has returned.
class ResultFolder {
public:
    /// Makes `folder` if it is not there. Throws Failure (configuration): it is not empty, or
    /// cannot be written.
    explicit ResultFolder(std::filesystem::path folder);

    /// Where guest `guest` may put its raw samples in the next run: an empty file. Throws Failure
    /// (internal).
    std::string samples_file(const std::string& guest);
    /// Keeps a run, with what is in the files of samples, which go. Throws Failure (internal): the
    /// folder cannot be written any more. Returns what is wrong with a guest's samples; empty:
    /// nothing.
    std::string add(const Run& run);

private:
    std::ofstream open(const char* name, const char* header);
    std::string add_samples(const Run& run, const std::string& guest);
    void check_written();

    std::filesystem::path folder_;
    std::vector<std::string> writers_;  // guests that have a file for their samples
    std::ofstream runs_;
    std::ofstream guests_;
    std::ofstream figures_;
    std::ofstream samples_;
};

/// For people: how many runs there were, and per guest and figure a row for each policy.
std::string summary_of(const std::vector<std::string>& policies, const std::vector<Run>& runs);

}  // namespace tools
