// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <string>

/// What the environment asks of differential tests:
///   COPS_DIFFERENTIAL_SEED=n       the program of seed n alone
///   COPS_DIFFERENTIAL_PROGRAMS=n   seeds first .. first+n-1
///   COPS_DIFFERENTIAL_FIRST=n      the first seed; 1 if not given
///   COPS_DIFFERENTIAL_SECONDS=n    as many seeds as fit into n seconds
namespace differential {

inline std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
    const char* text = std::getenv(name);
    return text != nullptr ? std::strtoull(text, nullptr, 0) : otherwise;
}

/// After how many instructions a hart of `seed` changes from interpreter to translator, where both
/// take turns: anywhere in a program of so many.
inline std::uint64_t interpret_first(std::uint64_t seed, std::uint64_t instructions) {
    return seed * 0x9e37'79b9'7f4a'7c15 % instructions;
}

/// The seeds to run, in a row.
class Seeds {
public:
    explicit Seeds(std::uint64_t programs)
        : replay_(from_environment("COPS_DIFFERENTIAL_SEED", 0))
        , first_(replay_ != 0 ? replay_ : from_environment("COPS_DIFFERENTIAL_FIRST", 1))
        , count_(replay_ != 0 ? 1 : from_environment("COPS_DIFFERENTIAL_PROGRAMS", programs))
        , limit_(from_environment("COPS_DIFFERENTIAL_SECONDS", 0)) {}

    /// The next seed in `seed`; false when there is none any more.
    bool next(std::uint64_t& seed) {
        const bool more =
            replay_ == 0 && limit_.count() != 0 ? Clock::now() - start_ < limit_ : done_ < count_;
        seed = first_ + done_;
        done_ += more ? 1 : 0;
        return more;
    }
    std::uint64_t done() const { return done_; }
    bool replaying() const { return replay_ != 0; }
    static std::string again(std::uint64_t seed) {
        return " (replay: COPS_DIFFERENTIAL_SEED=" + std::to_string(seed) + ")";
    }

private:
    using Clock = std::chrono::steady_clock;
    std::uint64_t replay_;
    std::uint64_t first_;
    std::uint64_t count_;
    std::chrono::seconds limit_;
    std::uint64_t done_ = 0;
    Clock::time_point start_ = Clock::now();
};

}  // namespace differential
