// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "exec/coroutine.hpp"
#include "fs/file.hpp"

#include <virtio_cops/virtio_cops.h>

#include <cstdint>
#include <string_view>

namespace kernel {

struct Operation;

/// Files of the host, under /host/NAME, by grants of the virtio-cops device.
namespace host {

/// Asks the device for its grants. Once, at boot.
Async<void> list_grants();

/// True for /host and what lies below.
bool is_host_path(std::string_view path);
/// True for /host itself, which is a directory and nothing of the host's.
bool is_host_root(std::string_view path);

/// Opens an absolute path below /host. A file, or a negative errno. `path` is copied.
struct Opened {
    File* file = nullptr;
    std::int64_t error = 0;
};
Async<Opened> open(
    Operation* operation,
    std::string_view path,
    std::uint32_t flags,
    std::uint32_t mode,
    std::uint32_t level
);
/// As the device answers; 0 or a negative errno.
Async<std::int64_t>
stat(Operation* operation, std::uint32_t handle, std::uint32_t level, virtio_cops_stat* out);
Async<std::int64_t> close(Operation* operation, std::uint32_t handle, std::uint32_t level);
/// Closes without anybody waiting.
void close_behind(std::uint32_t handle);

}  // namespace host
}  // namespace kernel
