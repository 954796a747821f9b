// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cops/detail/hart.hpp>

namespace cops::detail {

/// Coroutines that suspend leave the stack on which the executor's loop runs. One that is preempted
/// keeps it, and the loop goes on on another: a process has one stack more than it has preempted
/// coroutines.
struct Stack;

/// For the loop at COPS_RUN_RESUME: goes on with a preempted coroutine on its own stack. Returns
/// when this stack is wanted for the loop again.
void resume_preempted() noexcept;

}  // namespace cops::detail
