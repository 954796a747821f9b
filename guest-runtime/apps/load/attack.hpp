// SPDX-License-Identifier: Apache-2.0
// What a hostile application can do to get more than its part, or to keep others from theirs. None
// of these ends by itself.
#pragma once

#include <cops/cops.hpp>

#include <span>

namespace load {

struct Attack {
    const char* name;
    const char* what;
    cops::Task<int> (*run)();
    bool ends = false;  ///< By itself, and is quiet.
};

/// Lies about levels and critical sections, doorbells, requests, spinning.
std::span<const Attack> claim_attacks();
/// Against translations, and on what it shares with kernel and host.
std::span<const Attack> memory_attacks();

/// Uses time as load-compute does, so that instructions tell who had the CPU.
void burn();

}  // namespace load
