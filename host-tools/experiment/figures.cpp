// SPDX-License-Identifier: Apache-2.0
#include "experiment/figures.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <optional>

namespace tools {
namespace {

constexpr std::size_t kLongestLine = 4096;
constexpr std::size_t kLongestName = 64;
constexpr std::size_t kMostFigures = 4096;  // of one guest in one run
constexpr std::size_t kKeptLines = 5;

/// Names go into CSV files and tables as they are.
bool is_name(std::string_view text) {
    return !text.empty() && text.size() <= kLongestName
           && std::ranges::all_of(text, [](unsigned char c) {
                  return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
              });
}

template <class Number>
std::optional<Number> number_of(std::string_view text) {
    Number value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) {
        return std::nullopt;
    }
    return value;
}

/// Takes what stands before the first `separator` off `text`; all of it when there is none.
std::string_view take(std::string_view& text, char separator) {
    const std::size_t at = text.find(separator);
    const std::string_view taken = text.substr(0, at);
    text.remove_prefix(at == std::string_view::npos ? text.size() : at + 1);
    return taken;
}

}  // namespace

std::vector<Figure> figures_of(std::string_view line) {
    const std::string_view kind = take(line, ' ');
    if (kind != "latency" && kind != "work") {
        return {};
    }
    std::vector<Figure> figures;
    std::string name;
    while (!line.empty()) {
        std::string_view value = take(line, ' ');
        const std::string_view key = take(value, '=');
        if (key == "name" && is_name(value)) {
            name = value;
        } else if (const auto number = number_of<double>(value);
                   number && std::isfinite(*number) && is_name(key)) {
            figures.push_back({std::string(kind), {}, std::string(key), *number});
        } else {
            return {};
        }
    }
    if (name.empty()) {
        return {};
    }
    for (Figure& figure : figures) {
        figure.name = name;
    }
    return figures;
}

bool parse_sample(std::string_view line, RawSample& sample) {
    sample.name = take(line, ',');
    const auto level = number_of<unsigned>(take(line, ','));
    const auto at = number_of<std::uint64_t>(take(line, ','));
    const auto latency = number_of<std::uint64_t>(line);
    if (!is_name(sample.name) || !level || !at || !latency) {
        return false;
    }
    sample.level = *level;
    sample.at_ns = *at;
    sample.latency_ns = *latency;
    return true;
}

void GuestOutput::feed(std::span<const char> bytes) {
    for (const char byte : bytes) {
        if (byte == '\n') {
            end_line();
        } else if (byte != '\r' && line_.size() < kLongestLine) {
            line_ += byte;
        }
    }
}

void GuestOutput::finish() {
    if (!line_.empty()) {
        end_line();
    }
}

void GuestOutput::end_line() {
    const std::vector<Figure> found = figures_of(line_);
    if (!found.empty() && figures_.size() + found.size() <= kMostFigures) {
        figures_.insert(figures_.end(), found.begin(), found.end());
    } else if (found.empty() && !line_.empty()) {
        if (last_lines_.size() == kKeptLines) {
            last_lines_.erase(last_lines_.begin());
        }
        last_lines_.push_back(line_);
    }
    line_.clear();
}

}  // namespace tools
