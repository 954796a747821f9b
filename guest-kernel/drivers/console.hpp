// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "drivers/device_tree.hpp"
#include "exec/wait.hpp"

#include <cstddef>

/// The machine's console: output by SBI DBCN where there is one, else by the UART; input by the
/// UART.
namespace kernel::console {

void init(const Platform& platform);

/// Whole before anything else is written. Memory of the kernel, anywhere.
void write(const char* text, std::size_t bytes);
/// The same for a hart that may hold any lock.
void write_in_panic(const char* text, std::size_t bytes);

/// Takes up to `size` bytes of input that are there; 0 = none.
std::size_t read_ready(char* out, std::size_t size);
/// Adds `waiter` to those that wait for input, unless there is some: false then.
bool wait_for_input(Waiter& waiter);
WaitList& readers();

}  // namespace kernel::console
