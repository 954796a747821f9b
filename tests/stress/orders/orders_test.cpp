// SPDX-License-Identifier: Apache-2.0
// Wake paths in all interleavings up to a few departures from the obvious one: none loses anything,
// and each ordering in their sources is noticed when it is broken.
#include "guards.hpp"
#include "scenarios.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <ostream>
#include <regex>
#include <string>

// Names, where GoogleTest would print bytes that differ from run to run.
static void PrintTo(const NamedScenario& scenario, std::ostream* to) {
    *to << scenario.name;
}
static void PrintTo(const Guard& guard, std::ostream* to) {
    *to << guard.name;
}

namespace {

using explorer::Ordering;
using explorer::Part;

std::vector<NamedScenario> scenarios() {
    std::vector<NamedScenario> all;
    for (const auto some :
         {executor_scenarios(),
          device_scenarios(),
          mailbox_scenarios(),
          sync_scenarios(),
          kernel_scenarios(),
          worker_scenarios()}) {
        all.insert(all.end(), some.begin(), some.end());
    }
    return all;
}

NamedScenario scenario(std::string_view name) {
    const auto all = scenarios();
    const auto found = std::ranges::find(all, name, &NamedScenario::name);
    EXPECT_NE(found, all.end()) << name;
    return found == all.end() ? all.front() : *found;
}

explorer::Outcome explore(const NamedScenario& one, std::span<const Ordering> weakened = {}) {
    return explorer::explore(one.set_up, {.departures = one.departures}, weakened);
}

/// By name; two of a function are numbered in the order of their lines.
std::map<std::string, Ordering, std::less<>> by_name(std::vector<Ordering> met) {
    constexpr const char* kParts[] = {"fence", "acquire", "release", "total"};
    std::ranges::sort(met, {}, &Ordering::line);
    std::map<std::string, Ordering, std::less<>> named;
    for (const Ordering& one : met) {
        const std::string name =
            one.file + " " + one.function + " " + kParts[static_cast<unsigned>(one.part)];
        std::string numbered = name;
        for (unsigned n = 2; named.contains(numbered); ++n) {
            numbered = name + " #" + std::to_string(n);
        }
        named.emplace(numbered, one);
    }
    return named;
}

/// All that the scenarios meet: few departures show each.
std::map<std::string, Ordering, std::less<>> all_orderings() {
    explorer::forget_orderings();
    for (const NamedScenario& one : scenarios()) {
        EXPECT_EQ(explorer::explore(one.set_up, {.departures = 1}).failure, "") << one.name;
    }
    return by_name(explorer::orderings_met());
}

// ---- The sources as they are

class WakePath : public testing::TestWithParam<NamedScenario> {};

TEST_P(WakePath, loses_nothing) {
    const explorer::Outcome outcome = explore(GetParam());
    EXPECT_EQ(outcome.failure, "");
    EXPECT_TRUE(outcome.complete) << outcome.executions;
}

INSTANTIATE_TEST_SUITE_P(Orders, WakePath, testing::ValuesIn(scenarios()), [](const auto& info) {
    return std::string(info.param.name);
});

// ---- The sources broken

class Broken : public testing::TestWithParam<Guard> {};

TEST_P(Broken, is_noticed) {
    const NamedScenario where = scenario(GetParam().scenario);
    const auto all = all_orderings();
    std::vector<Ordering> weakened;
    for (const std::string_view name : GetParam().orderings) {
        const auto found = all.find(name);
        ASSERT_NE(found, all.end()) << "no ordering " << name;
        weakened.push_back(found->second);
    }
    const explorer::Outcome outcome = explore(where, weakened);
    EXPECT_NE(outcome.failure, "");
    std::printf("execution %u: %s\n", outcome.executions, outcome.failure.c_str());
}

INSTANTIATE_TEST_SUITE_P(Orders, Broken, testing::ValuesIn(guards()), [](const auto& info) {
    return std::string(info.param.name);
});

// ---- Nothing is left out

/// For the message: what a guard of it could name.
std::string who_notices(const Ordering& ordering) {
    for (const NamedScenario& one : scenarios()) {
        if (!explore(one, std::span(&ordering, 1)).failure.empty()) {
            return std::string("noticed by ") + one.name;
        }
    }
    return "noticed by no scenario alone";
}

TEST(Orders, every_ordering_is_guarded_or_spare) {
    for (const auto& [name, ordering] : all_orderings()) {
        const bool guarded = std::ranges::any_of(guards(), [&](const Guard& guard) {
            return std::ranges::find(guard.orderings, name) != guard.orderings.end();
        });
        const bool spare = std::ranges::find(spares(), name, &Spare::ordering) != spares().end();
        EXPECT_NE(guarded, spare) << name << ", line " << ordering.line << ": "
                                  << who_notices(ordering);
    }
}

/// Where sources ask for an ordering.
struct Folder {
    std::string path;
    std::regex ordered;
    std::vector<std::string> files;
};

const std::regex& of_library() {
    static const std::regex ordered(R"(memory_order_(acquire|release|acq_rel|seq_cst))");
    return ordered;
}

const std::vector<Folder>& explored_folders() {
    static const std::regex executor(
        R"(\b(fence|load_acquire|store_release|exchange|compare_exchange)\(|__ATOMIC_(ACQ|REL|SEQ))"
    );
    static const std::regex kernel(R"(__ATOMIC_(ACQ|RELEASE|SEQ))");
    const std::regex& library = of_library();
    static const std::vector<Folder> all = {
        {"guest-runtime/executor/",
         executor,
         {"queues.cpp", "requests.cpp", "run.cpp", "sleep.cpp", "tasks.cpp"}},
        {"guest-kernel/base/", kernel, {"spinlock.hpp"}},
        {"guest-kernel/exec/", kernel, {"coroutine.cpp", "hart.cpp"}},
        {"guest-kernel/proc/",
         kernel,
         {"moves.cpp",
          "run_queue.cpp",
          "schedule.cpp",
          "thread.cpp",
          "user_interrupts.cpp",
          "wakes.cpp"}},
        {"guest-kernel/arch/riscv64/", kernel, {"cpu.hpp"}},
        {"guest-runtime/library/",
         library,
         {"cancellation.cpp", "groups.cpp", "inheritance.cpp", "sync.cpp", "timers.cpp"}},
        {"guest-runtime/include/cops/", library, {"schedule.hpp", "task.hpp"}},
        {"guest-runtime/include/cops/sync/",
         library,
         {"cancellation.hpp", "event.hpp", "mutex.hpp", "semaphore.hpp", "channel.hpp"}},
        {"guest-runtime/include/cops/sync/detail/", library, {"lock.hpp", "waiter.hpp"}},
    };
    return all;
}

void expect_all_met(const Folder& folder, const std::string& file) {
    // A call that goes over several lines is met at its first one.
    constexpr unsigned kLinesOfCall = 3;
    const auto met = explorer::orderings_met();
    std::ifstream source(COPS_SOURCE_DIR "/" + folder.path + file);
    ASSERT_TRUE(source) << folder.path << file;
    std::string text;
    for (unsigned line = 1; std::getline(source, text); ++line) {
        const bool is_comment = text.find("//") < text.find_first_of("(");
        if (is_comment || !std::regex_search(text, folder.ordered)) {
            continue;
        }
        EXPECT_TRUE(std::ranges::any_of(
            met,
            [&](const Ordering& one) {
                return one.file == file && one.line <= line && line < one.line + kLinesOfCall;
            }
        )) << folder.path
           << file << ":" << line << text;
    }
}

// Whoever adds one finds that no scenario comes by.
TEST(Orders, every_ordering_of_executor_library_and_kernel_is_met) {
    all_orderings();
    for (const Folder& folder : explored_folders()) {
        for (const std::string& file : folder.files) {
            expect_all_met(folder, file);
        }
    }
}

// The workers' own sources have the pool's lock; what does without it is in record_queue.hpp.
TEST(Orders, every_ordering_of_the_scheduler_is_met) {
    namespace fs = std::filesystem;
    all_orderings();
    unsigned files = 0;
    for (const auto& entry : fs::recursive_directory_iterator(COPS_SOURCE_DIR "/vmm/sched")) {
        if (entry.is_regular_file() && entry.path().extension() != ".txt") {
            const fs::path folder = fs::relative(entry.path().parent_path(), COPS_SOURCE_DIR);
            expect_all_met({folder.string() + "/", of_library(), {}}, entry.path().filename());
            ++files;
        }
    }
    EXPECT_GT(files, 0u);
}

/// The guards that the table of partners in a document names.
void expect_guards_exist(const std::string& path) {
    std::ifstream document(COPS_SOURCE_DIR "/docs/design/" + path);
    ASSERT_TRUE(document) << path;
    const std::regex name("`([a-z_]+)`");
    std::string line;
    while (std::getline(document, line) && !line.starts_with("| Here | There |")) {
    }
    std::getline(document, line);  // the rule below the heads
    unsigned rows = 0;
    for (; std::getline(document, line) && line.starts_with("|"); ++rows) {
        const std::string cell = line.substr(line.rfind('|', line.size() - 2));
        std::sregex_iterator one(cell.begin(), cell.end(), name);
        EXPECT_NE(one, std::sregex_iterator()) << path << ": no guard: " << line;
        for (; one != std::sregex_iterator(); ++one) {
            EXPECT_NE(std::ranges::find(guards(), (*one)[1].str(), &Guard::name), guards().end())
                << path << ": " << (*one)[1];
        }
    }
    EXPECT_GT(rows, 0u) << path;
}

TEST(Orders, documented_guards_exist) {
    expect_guards_exist("executor.md");
    expect_guards_exist("synchronisation.md");
    expect_guards_exist("scheduling.md");
}

}  // namespace
