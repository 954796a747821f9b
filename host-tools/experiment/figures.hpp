// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tools {

/// One number that a guest told of itself on its console.
struct Figure {
    std::string kind;  ///< "latency" or "work".
    std::string name;  ///< What it is about: the line's name=.
    std::string key;   ///< "p99_ns", "per_second", ...
    double value = 0;
};

/// What a guest printed, as it comes: lines `latency name=N key=NUMBER ...` and
/// `work name=N key=NUMBER ...` are figures, of others the last ones are kept. The guest is not
/// trusted: lines, names, keys and their number are bounded, and what is not of the form is no
/// figure.
class GuestOutput {
public:
    void feed(std::span<const char> bytes);
    /// After the last byte.
    void finish();

    const std::vector<Figure>& figures() const noexcept { return figures_; }
    /// The last lines that were no figures, for the message about a run that failed.
    const std::vector<std::string>& last_lines() const noexcept { return last_lines_; }

private:
    void end_line();

    std::string line_;
    std::vector<Figure> figures_;
    std::vector<std::string> last_lines_;
};

/// Figures of one line; empty when it has none.
std::vector<Figure> figures_of(std::string_view line);

/// One raw sample, as a guest wrote it: `name,level,at_ns,latency_ns`.
struct RawSample {
    std::string_view name;
    unsigned level = 0;
    std::uint64_t at_ns = 0;
    std::uint64_t latency_ns = 0;
};

/// False: `line` is no sample.
bool parse_sample(std::string_view line, RawSample& sample);

}  // namespace tools
