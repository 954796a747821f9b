// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <virtio_cops/virtio_cops.h>

#include <cstdint>

/// The virtio-cops device, driven by a kernel that does not wish it well.
namespace attack {

/// Finds the device and takes it through its start with boards, a control queue and a request
/// queue. False: there is none.
bool open_device(std::uint32_t device_id);

/// The doorbell page; open_device() has found it.
volatile std::uint32_t* doorbells();

/// Puts a control command up and tells the device. Does not wait for the answer, and takes no care
/// of how many are on their way.
void command(const void* message, std::uint32_t bytes);

/// Tells the device that `board` is the board of `vcpu`.
void set_board(std::uint32_t vcpu, std::uint64_t board);

}  // namespace attack
