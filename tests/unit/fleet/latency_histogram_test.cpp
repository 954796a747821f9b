// SPDX-License-Identifier: Apache-2.0
#include "devices/cops/latency_histogram.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace vmm {
namespace {

TEST(LatencyHistogram, empty_has_no_quantiles) {
    EXPECT_EQ(LatencyHistogram().quantile(0.5), 0U);
    EXPECT_EQ(LatencyHistogram().count(), 0U);
}

TEST(LatencyHistogram, small_values_are_exact) {
    LatencyHistogram histogram;
    for (Nanos value = 0; value < 32; ++value) {
        histogram.add(value);
    }
    EXPECT_EQ(histogram.quantile(0.5), 15U);
    EXPECT_EQ(histogram.quantile(1.0), 31U);
}

TEST(LatencyHistogram, the_extremes_have_a_bucket) {
    LatencyHistogram histogram;
    histogram.add(~Nanos{0});
    histogram.add(0);
    EXPECT_EQ(histogram.quantile(0.0), 0U);
    EXPECT_GT(histogram.quantile(1.0), ~Nanos{0} - (~Nanos{0} >> 5));
}

TEST(LatencyHistogram, quantiles_are_within_two_percent) {
    std::mt19937_64 random(7);
    std::lognormal_distribution<double> latency(10, 2);
    LatencyHistogram histogram;
    std::vector<Nanos> values;
    for (int i = 0; i < 100'000; ++i) {
        values.push_back(static_cast<Nanos>(latency(random)));
        histogram.add(values.back());
    }
    std::ranges::sort(values);
    for (const double fraction : {0.01, 0.5, 0.9, 0.99, 0.999}) {
        const auto exact = static_cast<double>(
            values[static_cast<std::size_t>(fraction * static_cast<double>(values.size())) - 1]
        );
        const auto estimate = static_cast<double>(histogram.quantile(fraction));
        EXPECT_NEAR(estimate / exact, 1, 0.02) << fraction;
    }
}

}  // namespace
}  // namespace vmm
