// SPDX-License-Identifier: Apache-2.0
#include "cpu/dbt/x64/host_features.hpp"

namespace vmm::dbt {

HostFeatures host_features() noexcept {
    const bool avx = __builtin_cpu_supports("avx") != 0;
    return {.avx = avx, .fma = avx && __builtin_cpu_supports("fma") != 0};
}

}  // namespace vmm::dbt
