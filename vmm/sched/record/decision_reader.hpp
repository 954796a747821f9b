// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sched/record/record.hpp"

#include <vmm/error.hpp>

#include <cstdint>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vmm::sched {

/// Reads recorded decisions, record by record.
class DecisionReader {
public:
    /// ErrorKind::configuration: the file cannot be read, or is none of recorded decisions.
    static Result<DecisionReader> open(const std::string& path);

    const RunFacts& facts() const noexcept { return facts_; }
    /// The next record; nothing: the file ends here. ErrorKind::configuration: a line that no run
    /// writes; file and line are named.
    Result<std::optional<Record>> next();

    /// Of the record that next() returned last; 1 is the header.
    std::uint64_t line() const noexcept { return line_; }
    /// Records that the run could not write, so far.
    std::uint64_t lost() const noexcept { return lost_; }
    /// The run's end has been read: nothing is missing behind.
    bool complete() const noexcept { return complete_; }

private:
    explicit DecisionReader(std::string path)
        : path_(std::move(path))
        , file_(path_, std::ios::binary) {}
    Result<void> read_header();
    Result<std::optional<std::string_view>> read_line();
    std::unexpected<Error> bad(std::string_view what) const;

    std::string path_;
    std::ifstream file_;
    std::vector<char> text_;  // of the line that was read last
    RunFacts facts_;
    std::uint64_t line_ = 0;
    std::uint64_t lost_ = 0;
    bool complete_ = false;
};

}  // namespace vmm::sched
