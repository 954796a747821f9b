// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "proc/process.hpp"

namespace kernel {

/// The running thread needs a frame for the fault described and there is none. The process that
/// holds the most is ended: this one, or another, whose memory the thread waits for.
void out_of_memory(Thread& thread, const Fault& fault);

}  // namespace kernel
