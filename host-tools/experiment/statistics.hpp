// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace tools {

/// Of one figure over several runs; nothing is filtered.
struct Spread {
    double median = 0;
    double low = 0;  ///< 95 % bootstrap interval of the median (percentile method). The same values
    double high = 0;  ///< always give the same interval.
    double least = 0;
    double most = 0;
};

/// `values`: at least one.
Spread spread_of(std::vector<double> values);

/// `median [low..high] (least..most)`, each multiplied by `scale`, with as many digits as tell
/// something.
std::string text_of(const Spread& spread, double scale);

}  // namespace tools
