// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "page.hpp"

#include <cstdint>
#include <random>

/// Random guest code for tests of the translator: dense in what its passes look for.
namespace dbt_test {

/// Registers that mostly hold addresses of data.
inline constexpr unsigned kPointers[] = {8, 9};

class RandomCode {
public:
    explicit RandomCode(std::uint64_t seed)
        : random_(seed) {}

    Page page();
    std::uint64_t below(std::uint64_t bound) { return random_() % bound; }
    bool chance(unsigned percent) { return below(100) < percent; }
    /// A value for a register: often one where arithmetic has its corners.
    std::uint64_t value();

private:
    void one();
    void pattern();
    void emit(rv::Word word);
    rv::Word fill(const vmm::riscv::InstructionInfo& info);
    unsigned any_x() { return static_cast<unsigned>(below(8)); }
    unsigned destination() {
        return chance(4) ? kPointers[below(2)] : static_cast<unsigned>(below(8));
    }
    unsigned pointer() { return chance(92) ? kPointers[below(2)] : any_x(); }

    std::mt19937_64 random_;
    Page page_;
    std::size_t at_ = 0;
};

}  // namespace dbt_test
