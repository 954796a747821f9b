// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cops/detail/hart.hpp>

namespace cops::detail {

/// Coroutines that suspend leave the stack on which the executor's loop runs. One that is
/// preempted, or waits in a plain function, keeps it, and the loop goes on on another.
struct Stack;

/// lose_hart() for who has just seen that something better is ready, and told other harts.
bool give_up_hart(bool slice_over) noexcept;

/// For the loop at COPS_RUN_RESUME: goes on with a coroutine on the stack that it kept. Returns
/// when this stack is wanted for the loop again.
void resume_on_its_stack() noexcept;

}  // namespace cops::detail
