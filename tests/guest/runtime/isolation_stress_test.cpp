// SPDX-License-Identifier: Apache-2.0
// A million completions for processes that take turns on the same harts: each gets its own and no
// other's.
#include "process.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace {

TEST(IsolationStress, a_million_completions_reach_their_own_process_once) {
    const test_support::TemporaryDirectory directory;
    std::string bytes(1000, '\0');
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        bytes[i] = static_cast<char>(i);
    }
    test_support::write_file(directory / "input", bytes);
    test_support::ProcessOptions options;
    options.timeout = std::chrono::minutes(9);
    const test_support::ProcessResult result = test_support::run_process(
        {COPS_COMMAND,
         "run",
         "--cpus",
         "2",
         "--cmdline",
         "tick_us=200",
         "--grant",
         "f=file:" + (directory / "input").string() + ":ro",
         "--",
         "test-isolation",
         "--processes",
         "4",
         "--requests",
         "250048",  // A multiple of its 64 coroutines.
         "/host/f"},
        options
    );
    EXPECT_FALSE(result.timed_out);
    EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
    EXPECT_THAT(
        result.out, ::testing::HasSubstr("isolation processes=4 requests=1000192 failed=0")
    );
}

}  // namespace
