// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace vmm::dbt {

/// Extensions of the host's instruction set that generated code uses when they are there.
struct HostFeatures {
    bool avx = false;
    bool fma = false;  ///< FMA3; then there is AVX as well.
};

/// What this host has (and its operating system saves).
HostFeatures host_features() noexcept;

}  // namespace vmm::dbt
