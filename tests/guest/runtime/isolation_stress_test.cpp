// SPDX-License-Identifier: Apache-2.0
// A million completions for processes that take turns on the same harts: each gets its own and no
// other's, whether user interrupts, the ring or the kernel wake it.
#include "process.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

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
         "--json",
         (directory / "report.json").string(),
         "--cpus",
         "2",
         "--workers",
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
         "250016",  // A multiple of its 32 coroutines.
         "/host/f"},
        options
    );
    EXPECT_FALSE(result.timed_out);
    EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
    EXPECT_THAT(
        result.out, ::testing::HasSubstr("isolation processes=4 requests=1000064 failed=0")
    );
    // The host found processes running, asleep and away from their hart.
    std::uint64_t requests = 0;
    std::uint64_t completions = 0;
    std::uint64_t interrupts = 0;
    std::uint64_t ring = 0;
    std::uint64_t kernel = 0;
    const auto report = nlohmann::json::parse(test_support::read_file(directory / "report.json"));
    for (const auto& level : report["guests"][0]["levels"]) {
        requests += level["requests"].get<std::uint64_t>();
        completions += level["completions"].get<std::uint64_t>();
        interrupts += level["wakes_user_interrupt"].get<std::uint64_t>();
        ring += level["wakes_ring"].get<std::uint64_t>();
        kernel += level["wakes_kernel"].get<std::uint64_t>();
    }
    EXPECT_EQ(completions, requests);
    EXPECT_GT(interrupts, 0u);
    EXPECT_GT(ring, 0u);
    EXPECT_GT(kernel, 8u);  // more than the opening and closing of files
}

}  // namespace
