// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

/// Accesses to guest memory by host address: relaxed atomics of natural size (D18), single bytes
/// where the address is misaligned.
namespace vmm {

template <class T>
T load_guest_word(const std::byte* at) {
    return __atomic_load_n(reinterpret_cast<const T*>(at), __ATOMIC_RELAXED);
}

template <class T>
void store_guest_word(std::byte* at, T value) {
    __atomic_store_n(reinterpret_cast<T*>(at), value, __ATOMIC_RELAXED);
}

inline std::uint64_t load_bytes(const std::byte* at, unsigned size) {
    std::uint64_t value = 0;
    for (unsigned n = 0; n < size; ++n) {
        value |= std::uint64_t{load_guest_word<std::uint8_t>(at + n)} << 8 * n;
    }
    return value;
}

inline void store_bytes(std::byte* at, unsigned size, std::uint64_t value) {
    for (unsigned n = 0; n < size; ++n) {
        store_guest_word(at + n, static_cast<std::uint8_t>(value >> 8 * n));
    }
}

inline std::uint64_t load_guest(const std::byte* at, unsigned size) {
    if ((reinterpret_cast<std::uintptr_t>(at) & (size - 1)) != 0) {
        return load_bytes(at, size);
    }
    switch (size) {
    case 1:
        return load_guest_word<std::uint8_t>(at);
    case 2:
        return load_guest_word<std::uint16_t>(at);
    case 4:
        return load_guest_word<std::uint32_t>(at);
    default:
        return load_guest_word<std::uint64_t>(at);
    }
}

inline void store_guest(std::byte* at, unsigned size, std::uint64_t value) {
    if ((reinterpret_cast<std::uintptr_t>(at) & (size - 1)) != 0) {
        store_bytes(at, size, value);
        return;
    }
    switch (size) {
    case 1:
        store_guest_word(at, static_cast<std::uint8_t>(value));
        break;
    case 2:
        store_guest_word(at, static_cast<std::uint16_t>(value));
        break;
    case 4:
        store_guest_word(at, static_cast<std::uint32_t>(value));
        break;
    default:
        store_guest_word(at, value);
        break;
    }
}

}  // namespace vmm
