// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vmm/error.hpp>

#include <stdexcept>
#include <string>
#include <utility>

namespace tools {

/// Ends the command: one sentence for the person, and the exit code that goes with its kind.
class Failure : public std::runtime_error {
public:
    Failure(vmm::ErrorKind kind, const std::string& sentence)
        : std::runtime_error(sentence)
        , kind_(kind) {}
    explicit Failure(const vmm::Error& error)
        : Failure(error.kind, error.message) {}

    vmm::ErrorKind kind() const noexcept { return kind_; }

private:
    vmm::ErrorKind kind_;
};

inline Failure usage_failure(const std::string& sentence) {
    return {vmm::ErrorKind::usage, sentence};
}
inline Failure configuration_failure(const std::string& sentence) {
    return {vmm::ErrorKind::configuration, sentence};
}

/// The value of a result of libvmm, or its error as a Failure.
template <class T>
T value_or_failure(vmm::Result<T> result) {
    if (!result) {
        throw Failure(result.error());
    }
    if constexpr (!std::is_void_v<T>) {
        return std::move(*result);
    }
}

}  // namespace tools
