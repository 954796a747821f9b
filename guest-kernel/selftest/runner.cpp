// SPDX-License-Identifier: Apache-2.0
#include "arch/riscv64/sbi.hpp"
#include "base/log.hpp"
#include "selftest/selftest.hpp"

namespace kernel::selftest {

namespace {

constexpr std::uint32_t kFailed = 1;
constexpr std::uint32_t kNoSuchTest = 2;

using List = std::span<const Test> (*)();
constexpr List kLists[] = {
    &base_tests,
    &frame_tests,
    &heap_tests,
    &page_table_tests,
    &address_space_tests,
    &device_tree_tests,
    &coroutine_tests,
    &timer_tests,
    &hart_tests,
};

std::string_view file_of(const std::source_location& where) {
    const std::string_view path = where.file_name();
    const std::size_t slash = path.rfind('/');
    return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

const Test* find(std::string_view name) {
    for (const List list : kLists) {
        for (const Test& test : list()) {
            if (name == test.name) {
                return &test;
            }
        }
    }
    for (const Test& test : tests_to_the_death()) {
        if (name == test.name) {
            return &test;
        }
    }
    return nullptr;
}

/// The tests chosen, one after the other.
class Choice {
public:
    explicit Choice(std::string_view names)
        : names_(names)
        , all_(names == "all" || names == "selftest") {}

    /// Null after the last one, and for a name that is none: then wrong() says which.
    const Test* next() {
        if (all_) {
            for (; list_ < std::size(kLists); ++list_, index_ = 0) {
                if (index_ < kLists[list_]().size()) {
                    return &kLists[list_]()[index_++];
                }
            }
            return nullptr;
        }
        if (names_.empty()) {
            return nullptr;
        }
        const std::size_t end = names_.find(',');
        const std::string_view name = names_.substr(0, end);
        names_ = end == std::string_view::npos ? std::string_view() : names_.substr(end + 1);
        const Test* const test = find(name);
        wrong_ = test == nullptr ? name : wrong_;
        return test;
    }
    std::string_view wrong() const { return wrong_; }

private:
    std::string_view names_;
    bool all_;
    std::size_t list_ = 0;
    std::size_t index_ = 0;
    std::string_view wrong_;
};

Async<void> run_one(const Test& test, Outcome& outcome) {
    if (test.run != nullptr) {
        test.run(outcome);
        co_return;
    }
    Async<void> body = test.coroutine(outcome);
    if (outcome.holds(body.valid(), "no memory for the test")) {
        co_await body;
    }
}

[[noreturn]] void end(std::uint32_t status) {
    sbi::shutdown(status == 0 ? sbi::kNoReason : sbi::kStatusReason | status);
}

}  // namespace

bool Outcome::holds(bool claim, const char* what, Where where) {
    if (!claim && good()) {
        first_.what = what;
        first_.where = where;
    }
    return claim;
}

void Outcome::explain() const {
    say("  ---");
    say("  message: \"", first_.what, "\"");
    say("  at: ", file_of(first_.where), ":", first_.where.line());
    if (first_.compared) {
        say("  got: ", first_.got);
        say("  wanted: ", first_.wanted);
    }
    say("  ...");
}

Async<void> run(std::string_view names) {
    unsigned count = 0;
    Choice counted(names);
    while (counted.next() != nullptr) {
        ++count;
    }
    say("TAP version 14");
    if (count == 0 || !counted.wrong().empty()) {
        say("Bail out! no test is named \"", counted.wrong(), "\"");
        end(kNoSuchTest);
    }
    say("1..", count);
    unsigned number = 0;
    std::uint32_t status = 0;
    Choice choice(names);
    while (const Test* const test = choice.next()) {
        Outcome outcome;
        Async<void> body = run_one(*test, outcome);
        if (outcome.holds(body.valid(), "no memory for the test")) {
            co_await body;
        }
        say(outcome.good() ? "ok " : "not ok ", ++number, " - ", test->name);
        if (!outcome.good()) {
            outcome.explain();
            status = kFailed;
        }
    }
    end(status);
}

}  // namespace kernel::selftest
