// SPDX-License-Identifier: Apache-2.0
#pragma once

// Included ahead of the sources that are explored (-include): their atomic builtins become calls of
// the explorer, each with its place in the sources.

// A small table: setting it up is part of each execution.
#include <executor/executor.h>
#undef COPS_EXECUTOR_SEGMENT_TASKS
#define COPS_EXECUTOR_SEGMENT_TASKS 8

// What the sources include of the standard library comes first, as it is.
#include "explorer.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cerrno>
#include <chrono>
#include <concepts>
#include <coroutine>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <exception>
#include <expected>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace explorer {

struct Unnamed {};
constexpr Site pick(Unnamed, Site here) {
    return here;
}
constexpr Site pick(Site named, Site) {
    return named;
}

template <typename T>
std::uint64_t to_word(T value) {
    static_assert(sizeof(T) <= 8);
    if constexpr (std::is_pointer_v<T>) {
        return reinterpret_cast<std::uint64_t>(value);
    } else {
        return static_cast<std::uint64_t>(value);
    }
}

template <typename T>
T from_word(std::uint64_t word) {
    if constexpr (std::is_pointer_v<T>) {
        return reinterpret_cast<T>(word);
    } else {
        return static_cast<T>(word);
    }
}

template <typename T>
auto load_as(const T* word, int order, Site site) {
    return from_word<std::remove_cv_t<T>>(load(word, sizeof(T), order, site));
}
template <typename T>
void store_as(T* word, std::type_identity_t<T> value, int order, Site site) {
    store(word, sizeof(T), to_word(value), order, site);
}
template <typename T>
T change_as(T* word, Change how, std::type_identity_t<T> operand, int order, Site site) {
    return from_word<T>(change(word, sizeof(T), how, to_word(operand), order, site));
}
template <typename T>
bool compare_exchange_as(
    T* word, T* expected, std::type_identity_t<T> desired, int order, Site site
) {
    std::uint64_t found = to_word(*expected);
    const bool done = compare_exchange(word, sizeof(T), found, to_word(desired), order, site);
    *expected = from_word<T>(found);
    return done;
}

inline std::uint64_t exchanged(std::uint64_t, std::uint64_t operand) {
    return operand;
}
inline std::uint64_t with_bits(std::uint64_t old, std::uint64_t operand) {
    return old | operand;
}
inline std::uint64_t masked(std::uint64_t old, std::uint64_t operand) {
    return old & operand;
}
inline std::uint64_t sum(std::uint64_t old, std::uint64_t operand) {
    return old + operand;
}
inline std::uint64_t difference(std::uint64_t old, std::uint64_t operand) {
    return old - operand;
}

/// std::atomic, explored.
template <typename T>
class Atomic {
public:
    constexpr Atomic() = default;
    constexpr Atomic(T value)  // NOLINT(google-explicit-constructor): as std::atomic
        : value_(value) {}

    T load(std::memory_order order = std::memory_order_seq_cst, Site site = Site::here()) const {
        return from_word<T>(explorer::load(&value_, sizeof(T), number(order), site));
    }
    void
    store(T value, std::memory_order order = std::memory_order_seq_cst, Site site = Site::here()) {
        explorer::store(&value_, sizeof(T), to_word(value), number(order), site);
    }
    T exchange(T value, std::memory_order order, Site site = Site::here()) {
        return change_as(&value_, &exchanged, value, number(order), site);
    }
    T fetch_or(T value, std::memory_order order, Site site = Site::here()) {
        return change_as(&value_, &with_bits, value, number(order), site);
    }
    T fetch_and(T value, std::memory_order order, Site site = Site::here()) {
        return change_as(&value_, &masked, value, number(order), site);
    }
    T fetch_add(T value, std::memory_order order, Site site = Site::here()) {
        return change_as(&value_, &sum, value, number(order), site);
    }
    T fetch_sub(T value, std::memory_order order, Site site = Site::here()) {
        return change_as(&value_, &difference, value, number(order), site);
    }
    // What fails orders nothing in any of our sources.
    bool compare_exchange_weak(
        T& expected,
        T desired,
        std::memory_order order,
        std::memory_order /*failed*/,
        Site site = Site::here()
    ) {
        return compare_exchange_as(&value_, &expected, desired, number(order), site);
    }
    bool compare_exchange_weak(
        T& expected, T desired, std::memory_order order, Site site = Site::here()
    ) {
        return compare_exchange_as(&value_, &expected, desired, number(order), site);
    }
    bool compare_exchange_strong(
        T& expected,
        T desired,
        std::memory_order order,
        std::memory_order /*failed*/,
        Site site = Site::here()
    ) {
        return compare_exchange_as(&value_, &expected, desired, number(order), site);
    }

private:
    // Values of std::memory_order are those of the builtins' constants.
    static int number(std::memory_order order) { return static_cast<int>(order); }

    T value_{};
};

inline void thread_fence(std::memory_order order, Site site = Site::here()) {
    fence(static_cast<int>(order), site);
}

// Frames are the scenario's, too.
inline void* allocate(std::size_t bytes) {
    return ::operator new(bytes);
}
inline void release(void* memory) {
    ::operator delete(memory);
}

}  // namespace explorer

// A wrapper of a builtin takes its caller's place as a parameter of this name.
inline constexpr explorer::Unnamed cops_site{};
#define COPS_SITE ::explorer::Site cops_site = ::explorer::Site::here()
#define COPS_COMMA_SITE , COPS_SITE
#define COPS_HERE ::explorer::pick(cops_site, ::explorer::Site::here())

// NOLINTBEGIN(bugprone-reserved-identifier)
#define __atomic_load_n(word, order) ::explorer::load_as((word), (order), COPS_HERE)
#define __atomic_load(word, to, order) (*(to) = ::explorer::load_as((word), (order), COPS_HERE))
#define __atomic_store(word, from, order) ::explorer::store_as((word), *(from), (order), COPS_HERE)
#define __atomic_store_n(word, value, order)                                                       \
    ::explorer::store_as((word), (value), (order), COPS_HERE)
#define __atomic_exchange_n(word, value, order)                                                    \
    ::explorer::change_as((word), &::explorer::exchanged, (value), (order), COPS_HERE)
#define __atomic_fetch_or(word, value, order)                                                      \
    ::explorer::change_as((word), &::explorer::with_bits, (value), (order), COPS_HERE)
#define __atomic_fetch_and(word, value, order)                                                     \
    ::explorer::change_as((word), &::explorer::masked, (value), (order), COPS_HERE)
#define __atomic_fetch_add(word, value, order)                                                     \
    ::explorer::change_as((word), &::explorer::sum, (value), (order), COPS_HERE)
#define __atomic_fetch_sub(word, value, order)                                                     \
    ::explorer::change_as((word), &::explorer::difference, (value), (order), COPS_HERE)
#define __atomic_compare_exchange_n(word, expected, desired, weak, order, failed)                  \
    ::explorer::compare_exchange_as((word), (expected), (desired), (order), COPS_HERE)
#define __atomic_thread_fence(order) ::explorer::fence((order), COPS_HERE)
// NOLINTEND(bugprone-reserved-identifier)

namespace std {
using explorer::allocate;
using explorer::Atomic;
using explorer::release;
using explorer::thread_fence;
}  // namespace std
#define atomic Atomic
#define atomic_thread_fence thread_fence
#define malloc(bytes) allocate(bytes)
#define free(memory) release(memory)
