// SPDX-License-Identifier: Apache-2.0
// Programs that misbehave, on every engine: the console says which process did what and where, the
// exit code tells, and a process beside it does not notice.
#include "engines.hpp"
#include "process.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <tuple>
#include <vector>

namespace {

using test_support::ProcessResult;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::StartsWith;

struct Case {
    const char* name;
    int status;         // of the process, as the kernel has it
    const char* cause;  // regular expression of the line on the console; null: there is none
};

// gtest would print its bytes.
void PrintTo(const Case& one, std::ostream* out) {
    *out << one.name;
}

ProcessResult run(const std::string& engine, const std::vector<std::string>& words) {
    std::vector<std::string> command = {
        COPS_COMMAND, "run", "--engine", engine, "--", "test-hostile"
    };
    command.insert(command.end(), words.begin(), words.end());
    return test_support::run_process(command);
}

// The command's exit code for an application's status.
int exit_code(int status) {
    return status == 0 ? 0 : 64 + std::min(status, 63);
}

std::string case_name(std::string name, const std::string& engine) {
    std::replace(name.begin(), name.end(), '-', '_');
    return name + "_" + engine;
}

class Hostile : public ::testing::TestWithParam<std::tuple<Case, std::string>> {
protected:
    [[nodiscard]] static const Case& what() { return std::get<0>(GetParam()); }
    [[nodiscard]] static const std::string& engine() { return std::get<1>(GetParam()); }
};

TEST_P(Hostile, process_ends_with_its_cause_and_exit_code) {
    const ProcessResult result = run(engine(), {what().name});
    EXPECT_FALSE(result.timed_out);
    EXPECT_EQ(result.exit_code, exit_code(what().status)) << result.out << result.err;
    if (what().cause == nullptr) {
        EXPECT_EQ(result.out, "");
        return;
    }
    EXPECT_THAT(result.err, HasSubstr("status " + std::to_string(what().status)));
    EXPECT_THAT(result.out, StartsWith("process 1 (test-hostile): "));
    EXPECT_THAT(result.out, ContainsRegex(what().cause));
    EXPECT_THAT(
        result.out, HasSubstr("; ended by signal " + std::to_string(what().status - 128) + "\n")
    );
    EXPECT_EQ(std::count(result.out.begin(), result.out.end(), '\n'), 1) << result.out;
}

TEST_P(Hostile, process_beside_it_goes_on) {
    const ProcessResult result = run(engine(), {"beside", what().name});
    EXPECT_FALSE(result.timed_out);
    EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
    const std::string name = what().name;
    const std::string said =
        name + " ended with status " + std::to_string(what().status) + "; beside it 0, after it 0";
    const std::size_t first = result.out.find(said);
    ASSERT_NE(first, std::string::npos) << result.out;
    EXPECT_NE(result.out.find(said, first + 1), std::string::npos) << result.out;
    if (what().cause != nullptr) {
        EXPECT_THAT(result.out, ContainsRegex("process 3 \\(" + name + "\\): " + what().cause));
    }
}

#define TEXT "0x[0-9a-f]+"  // an address inside of the program
constexpr int kSegv = 128 + 11;
constexpr int kIll = 128 + 4;

INSTANTIATE_TEST_SUITE_P(
    Faults,
    Hostile,
    ::testing::Combine(
        ::testing::Values(
            Case{
                "load-null",
                kSegv,
                "load from 0x10: page fault at pc " TEXT ": nothing is mapped there"
            },
            Case{
                "load-kernel",
                kSegv,
                "load from 0xffffffc080200000: page fault at pc " TEXT ": the kernel's memory"
            },
            Case{
                "load-kernel-stack",
                kSegv,
                "load from 0xffffffffc000f000: page fault at pc " TEXT ": the kernel's memory"
            },
            Case{
                "store-kernel",
                kSegv,
                "store to 0xffffffc080200000: page fault at pc " TEXT ": the kernel's memory"
            },
            Case{
                "store-device",
                kSegv,
                "store to 0xffffffc010000000: page fault at pc " TEXT ": the kernel's memory"
            },
            Case{
                "store-between",
                kSegv,
                "store to 0x8000000000000000: page fault at pc " TEXT ": no user address"
            },
            Case{
                "store-text",
                kSegv,
                "store to " TEXT ": page fault at pc " TEXT ": the memory is read-only"
            },
            Case{
                "store-constant",
                kSegv,
                "store to " TEXT ": page fault at pc " TEXT ": the memory is read-only"
            },
            Case{
                "store-vdso",
                kSegv,
                "store to 0x3fdff00000: page fault at pc " TEXT ": the memory is read-only"
            },
            Case{
                "store-host-page",
                kSegv,
                "store to 0x3fe0002000: page fault at pc " TEXT ": the memory is read-only"
            },
            Case{
                "store-kernel-page",
                kSegv,
                "store to 0x3fe0003000: page fault at pc " TEXT ": the memory is read-only"
            },
            Case{
                "jump-nowhere",
                kSegv,
                "jump to 0x1234560: page fault at pc 0x1234560: nothing is mapped there \\(ra " TEXT
            },
            Case{
                "jump-kernel",
                kSegv,
                "jump to 0xffffffc080200000: page fault at pc 0xffffffc080200000: the kernel's "
                "memory"
            },
            Case{
                "jump-shared",
                kSegv,
                "jump to 0x3fe0000000: page fault at pc 0x3fe0000000: the memory is not executable"
            },
            Case{
                "jump-data",
                kSegv,
                "jump to " TEXT ": page fault at pc " TEXT ": the memory is not executable"
            },
            Case{
                "jump-stack",
                kSegv,
                "jump to 0x3fcf[0-9a-f]+: page fault at pc 0x3fcf[0-9a-f]+: the memory is not "
                "executable"
            },
            Case{
                "jump-mapping",
                kSegv,
                "jump to 0x3e[0-9a-f]+: page fault at pc 0x3e[0-9a-f]+: the memory is not "
                "executable"
            },
            Case{
                "overflow-stack",
                kSegv,
                "store to 0x3fcf7ff[0-9a-f]+: page fault at pc " TEXT ": stack overflow"
            },
            Case{
                "unmap-code",
                kSegv,
                "jump to " TEXT ": page fault at pc " TEXT ": nothing is mapped there"
            },
            Case{
                "interrupt-to-kernel",
                kSegv,
                "jump to 0xffffffc080200000: page fault at pc 0xffffffc080200000: the kernel's "
                "memory"
            },
            Case{"wreck-executor", kSegv, "load from " TEXT ": page fault at pc " TEXT},
            Case{"read-satp", kIll, "illegal instruction at pc " TEXT},
            Case{"write-satp", kIll, "illegal instruction at pc " TEXT},
            Case{"sret", kIll, "illegal instruction at pc " TEXT},
            Case{"ebreak", 128 + 5, "breakpoint at pc " TEXT},
            Case{"misaligned-atomic", 128 + 7, "store to " TEXT ": misaligned address at pc " TEXT}
        ),
        ::testing::ValuesIn(test_support::test_engines())
    ),
    [](const auto& info) {
        return case_name(std::get<0>(info.param).name, std::get<1>(info.param));
    }
);

// A process that uses everything up: what is promised fails with an error; the rest ends it.
INSTANTIATE_TEST_SUITE_P(
    Exhaustion,
    Hostile,
    ::testing::Combine(
        ::testing::Values(
            Case{"exhaust-mmap", 0, nullptr},
            Case{"exhaust-brk", 0, nullptr},
            Case{"exhaust-areas", 0, nullptr},
            Case{"exhaust-coroutines", 0, nullptr},
            Case{"exhaust-processes", 0, nullptr},
            Case{"vast-mapping", 0, nullptr},
            Case{
                "exhaust-unpromised",
                128 + 9,
                "store to " TEXT ": page fault at pc " TEXT ": out of memory"
            },
            Case{
                "exhaust-tables",
                128 + 9,
                "store to " TEXT ": page fault at pc " TEXT ": out of memory"
            }
        ),
        ::testing::ValuesIn(test_support::test_engines())
    ),
    [](const auto& info) {
        return case_name(std::get<0>(info.param).name, std::get<1>(info.param));
    }
);

INSTANTIATE_TEST_SUITE_P(
    Calls,
    Hostile,
    ::testing::Combine(
        ::testing::Values(
            Case{"kernel-pointers", 0, nullptr},
            Case{"unmap-shared", 0, nullptr},
            Case{"ring-everything", 0, nullptr},
            Case{"wake-stale", 0, nullptr}
        ),
        ::testing::ValuesIn(test_support::test_engines())
    ),
    [](const auto& info) {
        return case_name(std::get<0>(info.param).name, std::get<1>(info.param));
    }
);

class OnEngine : public ::testing::TestWithParam<std::string> {};

TEST_P(OnEngine, page_tables_cannot_be_used_up_by_system_calls) {
    const ProcessResult result = run(GetParam(), {"exhaust-tables-by-calls"});
    EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
    // The other may need a page just then, and find this one to be at fault.
    const ProcessResult beside = run(GetParam(), {"beside", "exhaust-tables-by-calls"});
    EXPECT_EQ(beside.exit_code, 0) << beside.out << beside.err;
    EXPECT_THAT(beside.out, ContainsRegex("status (0|137); beside it 0, after it 0"));
}

TEST_P(OnEngine, process_that_holds_all_memory_is_ended_and_not_the_one_that_needs_a_page) {
    const ProcessResult result = run(GetParam(), {"beside", "hoard"});
    EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
    EXPECT_THAT(result.out, HasSubstr("latecomer: written\n"));
    EXPECT_THAT(
        result.out,
        ContainsRegex("process 3 \\(hoard\\): out of memory: it holds the most, [0-9]+ pages; ended"
        )
    );
    EXPECT_THAT(result.out, HasSubstr("hoard ended with status 137; beside it 0, after it 0\n"));
}

INSTANTIATE_TEST_SUITE_P(
    Hostile,
    OnEngine,
    ::testing::ValuesIn(test_support::test_engines()),
    [](const auto& info) { return info.param; }
);

// Nothing ends these: they are scheduled against.
class Endless : public ::testing::TestWithParam<std::tuple<const char*, std::string>> {};

TEST_P(Endless, process_is_scheduled_against) {
    const auto& [name, engine] = GetParam();
    const ProcessResult result = run(engine, {"against", name});
    EXPECT_FALSE(result.timed_out);
    EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
    EXPECT_EQ(result.out, std::string(name) + " goes on; beside it 0 and 0\n");
}

INSTANTIATE_TEST_SUITE_P(
    Hostile,
    Endless,
    ::testing::Combine(
        ::testing::Values("loop-masked", "loop-without-claim", "sleep-for-ever", "call-for-ever"),
        ::testing::ValuesIn(test_support::test_engines())
    ),
    [](const auto& info) { return case_name(std::get<0>(info.param), std::get<1>(info.param)); }
);

}  // namespace
