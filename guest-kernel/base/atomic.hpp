// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace kernel {

/// Fields that some read, or write, without the lock that guards the rest.
template <typename T>
T load_relaxed(const T& field) {
    T value;
    __atomic_load(&field, &value, __ATOMIC_RELAXED);
    return value;
}
template <typename T>
void store_relaxed(T& field, T value) {
    __atomic_store(&field, &value, __ATOMIC_RELAXED);
}
/// Returns the value before. Under the lock that all who write it hold.
template <typename T>
T replace_relaxed(T& field, T value) {
    const T before = load_relaxed(field);
    store_relaxed(field, value);
    return before;
}

}  // namespace kernel
