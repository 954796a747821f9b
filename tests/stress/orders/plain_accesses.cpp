// SPDX-License-Identifier: Apache-2.0
// What the compiler's -fsanitize=thread calls for each plain access: the explorer's race detector
// instead of ThreadSanitizer's.
#include "explorer.hpp"

extern "C" {
// NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming)
#define COPS_ACCESS(bytes)                                                                         \
    void __tsan_read##bytes(void* at);                                                             \
    void __tsan_read##bytes(void* at) {                                                            \
        explorer::plain_access(at, bytes, false);                                                  \
    }                                                                                              \
    void __tsan_write##bytes(void* at);                                                            \
    void __tsan_write##bytes(void* at) {                                                           \
        explorer::plain_access(at, bytes, true);                                                   \
    }                                                                                              \
    void __tsan_unaligned_read##bytes(void* at);                                                   \
    void __tsan_unaligned_read##bytes(void* at) {                                                  \
        explorer::plain_access(at, bytes, false);                                                  \
    }                                                                                              \
    void __tsan_unaligned_write##bytes(void* at);                                                  \
    void __tsan_unaligned_write##bytes(void* at) {                                                 \
        explorer::plain_access(at, bytes, true);                                                   \
    }
COPS_ACCESS(1)
COPS_ACCESS(2)
COPS_ACCESS(4)
COPS_ACCESS(8)
COPS_ACCESS(16)
#undef COPS_ACCESS

void __tsan_atomic_signal_fence(int order);
void __tsan_atomic_signal_fence(int) {}
void __tsan_init();
void __tsan_init() {}
void __tsan_func_entry(void* caller);
void __tsan_func_entry(void*) {}
void __tsan_func_exit();
void __tsan_func_exit() {}
void __tsan_vptr_update(void** at, void* value);
void __tsan_vptr_update(void**, void*) {}
void __tsan_vptr_read(void** at);
void __tsan_vptr_read(void**) {}
void* __tsan_memcpy(void* to, const void* from, std::size_t bytes);
void* __tsan_memcpy(void* to, const void* from, std::size_t bytes) {
    explorer::plain_access(from, bytes, false);
    explorer::plain_access(to, bytes, true);
    return __builtin_memcpy(to, from, bytes);
}
void* __tsan_memmove(void* to, const void* from, std::size_t bytes);
void* __tsan_memmove(void* to, const void* from, std::size_t bytes) {
    explorer::plain_access(from, bytes, false);
    explorer::plain_access(to, bytes, true);
    return __builtin_memmove(to, from, bytes);
}
void* __tsan_memset(void* at, int value, std::size_t bytes);
void* __tsan_memset(void* at, int value, std::size_t bytes) {
    explorer::plain_access(at, bytes, true);
    return __builtin_memset(at, value, bytes);
}
// NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming)
}
