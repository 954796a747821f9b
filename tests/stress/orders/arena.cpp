// SPDX-License-Identifier: Apache-2.0
// operator new of the test: while a scenario runs, memory that is given back all at once.
#include "memory.hpp"

#include <cstdlib>
#include <new>

namespace {

constexpr std::size_t kBytes = 1u << 20;
alignas(64) std::byte arena[kBytes];
std::size_t used = 0;
bool active = false;

void* take(std::size_t bytes, std::size_t alignment) {
    if (!active) {
        return std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
    }
    used = (used + alignment - 1) / alignment * alignment;
    if (kBytes - used < bytes) {
        std::abort();
    }
    void* const at = arena + used;
    used += bytes;
    return at;
}

void give(void* at) {
    if (explorer::Arena::offset(at) == ~std::size_t{0}) {
        std::free(at);
    }
}

}  // namespace

namespace explorer {

void Arena::begin() {
    active = true;
}
void Arena::end() {
    active = false;
}
void Arena::reset() {
    used = 0;
}
std::size_t Arena::bytes() {
    return kBytes;
}
std::size_t Arena::offset(const void* at) {
    const auto offset =
        reinterpret_cast<std::uintptr_t>(at) - reinterpret_cast<std::uintptr_t>(arena);
    return offset < kBytes ? offset : ~std::size_t{0};
}

}  // namespace explorer

void* operator new(std::size_t bytes) {
    return take(bytes, 16);
}
void* operator new(std::size_t bytes, std::align_val_t alignment) {
    return take(bytes, static_cast<std::size_t>(alignment));
}
void operator delete(void* at) noexcept {
    give(at);
}
void operator delete(void* at, std::size_t) noexcept {
    give(at);
}
void operator delete(void* at, std::align_val_t) noexcept {
    give(at);
}
void operator delete(void* at, std::size_t, std::align_val_t) noexcept {
    give(at);
}
