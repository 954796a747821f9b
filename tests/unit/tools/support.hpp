// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "options/options.hpp"
#include "support/failure.hpp"

#include <gtest/gtest.h>

#include <string>

namespace tools::test {

inline const Catalogue kCatalogue{{"priority", "fair", "rr"}, {"auto", "interp"}};

/// Runs `action`, which must throw a Failure of `kind`; returns its message.
template <class Action>
std::string failure_of(vmm::ErrorKind kind, Action action) {
    try {
        action();
    } catch (const Failure& failure) {
        EXPECT_EQ(failure.kind(), kind) << failure.what();
        return failure.what();
    }
    ADD_FAILURE() << "no failure";
    return {};
}

}  // namespace tools::test
