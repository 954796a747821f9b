// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace kernel::random {

/// Mixes seed material in (rng-seed of the device tree, the clock).
void seed(std::span<const std::byte> material);
/// Fills `out` from a ChaCha20 stream that rekeys itself after each call.
void fill(std::span<std::byte> out);

}  // namespace kernel::random
