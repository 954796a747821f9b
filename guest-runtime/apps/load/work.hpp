// SPDX-License-Identifier: Apache-2.0
// What loads compute: steps of a linear congruence, whose result after any number of steps is known
// in closed form. So a load knows that all its work was done, and rightly.
#pragma once

#include <cops/cops.hpp>

#include <algorithm>
#include <cstdint>

namespace load {

/// Lets the program run on `most` virtual CPUs, or on as many as the guest has. Gives how many.
inline unsigned use_harts(std::uint64_t most) {
    const auto wanted = static_cast<unsigned>(std::min<std::uint64_t>(most, cops::harts()));
    return cops::alloc_cpu(wanted).value_or(1);
}

/// Steps of a unit: about a microsecond of translated code.
inline constexpr std::uint64_t kStepsOfUnit = 512;

inline constexpr std::uint64_t kFactor = 6364136223846793005u;
inline constexpr std::uint64_t kSummand = 1442695040888963407u;

/// A value that work is done on.
class Work {
public:
    explicit Work(std::uint64_t seed)
        : seed_(seed)
        , value_(seed) {}

    /// One unit.
    [[gnu::noinline]] void run() {
        std::uint64_t value = value_;
        for (std::uint64_t step = 0; step < kStepsOfUnit; ++step) {
            value = value * kFactor + kSummand;
            __asm__ volatile("" : "+r"(value));
        }
        value_ = value;
        ++units_;
    }

    [[nodiscard]] std::uint64_t units() const { return units_; }

    /// Whether the value is what so many units make of the seed.
    [[nodiscard]] bool is_right() const {
        // x -> f x + s, applied n times, by squaring.
        std::uint64_t factor = 1;
        std::uint64_t summand = 0;
        std::uint64_t power_factor = kFactor;
        std::uint64_t power_summand = kSummand;
        for (std::uint64_t rest = units_ * kStepsOfUnit; rest != 0; rest /= 2) {
            if (rest % 2 != 0) {
                factor = factor * power_factor;
                summand = summand * power_factor + power_summand;
            }
            power_summand = power_summand * (power_factor + 1);
            power_factor = power_factor * power_factor;
        }
        return value_ == seed_ * factor + summand;
    }

private:
    std::uint64_t seed_;
    std::uint64_t value_;
    std::uint64_t units_ = 0;
};

}  // namespace load
