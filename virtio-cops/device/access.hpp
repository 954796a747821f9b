// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace virtio_cops {

// Access to memory that the guest may change at the same moment. Relaxed atomics of natural size:
// a torn or changing value is the guest's affair, a data race would be ours.

template <class T>
T load_word(const std::byte* at, int order = __ATOMIC_RELAXED) noexcept {
    return __atomic_load_n(reinterpret_cast<const T*>(at), order);
}
template <class T>
void store_word(std::byte* at, T value, int order = __ATOMIC_RELAXED) noexcept {
    __atomic_store_n(reinterpret_cast<T*>(at), value, order);
}

/// True when [at, at + bytes) can go in words of 8 bytes.
inline bool in_words(const void* at, std::size_t bytes) noexcept {
    return ((reinterpret_cast<std::uintptr_t>(at) | bytes) & 7) == 0;
}

inline void copy_from_guest(std::span<std::byte> to, const std::byte* from) noexcept {
    if (in_words(from, to.size())) {
        for (std::size_t i = 0; i < to.size(); i += 8) {
            const auto word = load_word<std::uint64_t>(from + i);
            std::memcpy(to.data() + i, &word, 8);
        }
        return;
    }
    for (std::size_t i = 0; i < to.size(); ++i) {
        to[i] = std::byte{load_word<std::uint8_t>(from + i)};
    }
}

inline void copy_to_guest(std::byte* to, std::span<const std::byte> from) noexcept {
    if (in_words(to, from.size())) {
        for (std::size_t i = 0; i < from.size(); i += 8) {
            std::uint64_t word;
            std::memcpy(&word, from.data() + i, 8);
            store_word(to + i, word);
        }
        return;
    }
    for (std::size_t i = 0; i < from.size(); ++i) {
        store_word(to + i, std::to_integer<std::uint8_t>(from[i]));
    }
}

template <class T>
std::span<std::byte> bytes_of(T& value) noexcept {
    return std::as_writable_bytes(std::span(&value, 1));
}
template <class T>
std::span<const std::byte> bytes_of(const T& value) noexcept {
    return std::as_bytes(std::span(&value, 1));
}

}  // namespace virtio_cops
