// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "exec/coroutine.hpp"

#include <concepts>
#include <cstdint>
#include <source_location>
#include <span>
#include <string_view>
#include <utility>

/// Tests of the kernel inside the kernel: the image kernel-selftest has them, cops-kernel has not.
/// Command line `selftest=all` or `selftest=NAME,NAME`; TAP version 14 on the console.
namespace kernel::selftest {

/// What a test has found; its first failure is kept. Checks return what they were told, so that a
/// test can stop where going on makes no sense.
class Outcome {
public:
    using Where = std::source_location;

    bool holds(bool claim, const char* what, Where where = Where::current());
    bool equal(
        std::integral auto got,
        std::integral auto wanted,
        const char* what,
        Where where = Where::current()
    ) {
        const bool first = good();
        const bool same = std::cmp_equal(got, wanted);
        if (!holds(same, what, where) && first) {
            first_.compared = true;
            first_.got = static_cast<std::int64_t>(got);
            first_.wanted = static_cast<std::int64_t>(wanted);
        }
        return same;
    }

    bool good() const { return first_.what == nullptr; }
    /// The YAML block of a test that is not ok.
    void explain() const;

private:
    struct Failure {
        const char* what = nullptr;
        Where where;
        bool compared = false;
        std::int64_t got = 0;
        std::int64_t wanted = 0;
    };
    Failure first_;
};

/// A test runs to its end at once, or as a coroutine.
struct Test {
    const char* name;
    void (*run)(Outcome&) = nullptr;
    Async<void> (*coroutine)(Outcome&) = nullptr;

    constexpr Test(const char* of, void (*function)(Outcome&))
        : name(of)
        , run(function) {}
    constexpr Test(const char* of, Async<void> (*function)(Outcome&))
        : name(of)
        , coroutine(function) {}
};

// One list for each file, in the order in which they run.
std::span<const Test> base_tests();
std::span<const Test> frame_tests();
std::span<const Test> heap_tests();
std::span<const Test> page_table_tests();
std::span<const Test> address_space_tests();
std::span<const Test> device_tree_tests();
std::span<const Test> coroutine_tests();
std::span<const Test> timer_tests();
std::span<const Test> hart_tests();
/// Not part of `all`: a test that fails, and misdeeds of the kernel that must end the machine.
std::span<const Test> tests_to_the_death();

/// Makes what tests need on each hart; before the harts start.
Result<void> prepare();
/// Runs the tests named and ends the machine: status 0, or 1 when one is not ok, 2 when the names
/// are wrong.
Async<void> run(std::string_view names);

/// A coroutine on each hart that does what it is told, for tests that need them all.
/// Runs `job(hart, argument)` on every hart at once; ends when all have ended.
Async<void> on_every_hart(void (*job)(unsigned hart, void* argument), void* argument);
unsigned count_harts();

}  // namespace kernel::selftest
