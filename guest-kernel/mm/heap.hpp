// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <new>
#include <utility>

/// Kernel heap: size classes cut from single frames, whole blocks above. Failure is null, never a
/// crash. What it returns is physically contiguous (in the direct map).
namespace kernel::heap {

/// 16-byte aligned, or page aligned from a page on; null when memory is short or `bytes` above 4
/// MiB.
void* allocate(std::size_t bytes);
void free(void* memory);

/// Null when memory is short.
template <typename T, typename... Args>
T* make(Args&&... args) {
    static_assert(alignof(T) <= 64);
    void* const memory = allocate(sizeof(T));
    return memory == nullptr ? nullptr : new (memory) T(std::forward<Args>(args)...);
}
template <typename T>
void destroy(T* object) {
    if (object != nullptr) {
        object->~T();
        free(object);
    }
}

}  // namespace kernel::heap
