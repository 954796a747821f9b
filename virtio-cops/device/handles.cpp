// SPDX-License-Identifier: Apache-2.0
#include "device/device.hpp"

#include <fcntl.h>

#include <cerrno>

namespace virtio_cops {
namespace {

/// A host may keep one file for handles of different access; so it is the device that asks.
bool allows(const OpenDescription& description, std::uint16_t opcode) {
    const std::uint32_t access = description.open_flags & O_ACCMODE;
    return opcode == VIRTIO_COPS_OP_READ    ? access != O_WRONLY
           : opcode == VIRTIO_COPS_OP_WRITE ? access != O_RDONLY
                                            : true;
}

}  // namespace

Device::Errno Device::hold_handle(Request& request) {
    const auto index = find_handle(request.header.handle);
    if (!index || !allows(handles_[*index].description, request.header.opcode)) {
        return EBADF;
    }
    request.handle_index = *index;
    request.counts_handle = true;
    ++handles_[*index].requests;
    return 0;
}

std::optional<std::uint32_t> Device::find_handle(std::uint32_t handle) const noexcept {
    const std::uint32_t index = handle & 0xffff;
    if (index >= handles_.size() || handles_[index].state != Handle::State::open
        || handles_[index].generation != handle >> 16) {
        return std::nullopt;
    }
    return index;
}

std::optional<std::uint32_t> Device::new_handle() {
    if (free_handles_.empty()) {
        return std::nullopt;
    }
    const std::uint32_t index = free_handles_.front();
    free_handles_.pop_front();
    Handle& handle = handles_[index];
    // 15 bits that are never 0, so that a handle is a positive 31-bit number.
    handle.generation = handle.generation % 0x7fff + 1;
    handle.state = Handle::State::opening;
    handle.requests = 0;
    return index;
}

/// The handle is gone for the driver; the host's file goes with the last request that uses it.
void Device::close_handle(std::uint32_t index) {
    handles_[index].state = Handle::State::closing;
    ++handles_[index].requests;
    release_handle(index);
}

void Device::release_handle(std::uint32_t index) {
    Handle& handle = handles_[index];
    if (--handle.requests == 0 && handle.state == Handle::State::closing) {
        if (handle.host >= 0) {
            host_.close(handle.host);
        }
        free_handle(index);
    }
}

void Device::free_handle(std::uint32_t index) {
    const std::uint32_t generation = handles_[index].generation;
    handles_[index] = {};
    handles_[index].generation = generation;
    free_handles_.push_back(index);
}

/// The driver's handle for what the host opened, or the error.
std::int64_t Device::settle_open(Request& request, std::int64_t result) {
    Handle& handle = handles_[request.handle_index];
    if (result < 0) {
        free_handle(request.handle_index);
        return result;
    }
    handle.host = result;
    handle.state = Handle::State::open;
    if (resetting_) {
        close_handle(request.handle_index);
        return -ECANCELED;
    }
    return request.handle_index | std::int64_t{handle.generation} << 16;
}

}  // namespace virtio_cops
