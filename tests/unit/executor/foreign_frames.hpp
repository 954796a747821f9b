// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

/// Coroutines compiled by g++, in foreign_frames.cpp. Plain functions only: frames cross as
/// addresses.
namespace foreign {

/// What a coroutine there calls to sleep: `frame` is its own.
using SleepFunction = void (*)(void* frame);
using ExitFunction = void (*)(void* frame);

/// A coroutine, suspended at its start, that sleeps `times` and notes 1, 2, ... in `log`.
void* make(std::vector<int>& log, int times, SleepFunction sleep, ExitFunction exit);

/// Frames that exist.
int alive();

}  // namespace foreign
