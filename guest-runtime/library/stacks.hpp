// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cops/detail/hart.hpp>

namespace cops::detail {

/// Coroutines that suspend leave the stack on which the executor's loop runs. One that is
/// preempted, or waits in a plain function, keeps it, and the loop goes on on another.
struct Stack;

/// For the loop at COPS_RUN_RESUME: goes on with a coroutine on the stack that it kept. Returns
/// when this stack is wanted for the loop again.
void resume_on_its_stack() noexcept;

}  // namespace cops::detail
