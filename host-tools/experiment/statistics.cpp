// SPDX-License-Identifier: Apache-2.0
#include "experiment/statistics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <random>

namespace tools {
namespace {

constexpr std::size_t kResamples = 2000;
constexpr double kOutside = 0.025;  // on each side of the interval

/// Sorts `values`.
double median_of(std::vector<double>& values) {
    std::ranges::sort(values);
    const std::size_t middle = values.size() / 2;
    return values.size() % 2 != 0 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

}  // namespace

Spread spread_of(std::vector<double> values) {
    Spread spread;
    spread.median = median_of(values);
    spread.least = values.front();
    spread.most = values.back();
    // NOLINTNEXTLINE(bugprone-random-generator-seed): the same values give the same interval.
    std::mt19937_64 random(1);
    std::vector<double> medians;
    std::vector<double> drawn(values.size());
    for (std::size_t i = 0; i < kResamples; ++i) {
        for (double& one : drawn) {
            one = values[random() % values.size()];
        }
        medians.push_back(median_of(drawn));
    }
    std::ranges::sort(medians);
    const auto cut = static_cast<std::size_t>(kOutside * kResamples);
    spread.low = medians[cut];
    spread.high = medians[kResamples - 1 - cut];
    return spread;
}

std::string text_of(const Spread& spread, double scale) {
    const double size = std::abs(spread.median * scale);
    const int digits = size >= 100 ? 0 : size >= 10 ? 1 : 2;
    const auto number = [&](double value) { return fmt::format("{:.{}f}", value * scale, digits); };
    return fmt::format(
        "{} [{}..{}] ({}..{})",
        number(spread.median),
        number(spread.low),
        number(spread.high),
        number(spread.least),
        number(spread.most)
    );
}

}  // namespace tools
