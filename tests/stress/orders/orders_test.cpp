// SPDX-License-Identifier: Apache-2.0
#include "scenarios.hpp"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

using explorer::Ordering;
using explorer::Part;

static std::vector<NamedScenario> all() {
    std::vector<NamedScenario> v;
    for (auto s : {executor_scenarios(), device_scenarios(), mailbox_scenarios()}) v.insert(v.end(), s.begin(), s.end());
    return v;
}
TEST(Orders, explore) {
    for (const NamedScenario& s : all()) {
        const auto o = explorer::explore(s.set_up, {.departures = s.departures});
        std::printf("%-28s %s %u %d\n", s.name, o.failure.c_str(), o.executions, o.complete);
    }
    if (getenv("TRUE_ONLY")) return;
    const auto met = explorer::orderings_met();
    std::vector<Ordering> rest;
    for (const Ordering& w : met) {
        std::printf("%s:%u %s %d:", w.file.c_str(), w.line, w.function.c_str(), static_cast<int>(w.part));
        bool noticed = false;
        for (const NamedScenario& s : all()) {
            const auto o = explorer::explore(s.set_up, {.departures = s.departures, .executions = 20000}, std::span(&w, 1));
            if (!o.failure.empty()) {
                noticed = true;
                std::printf("  %s %u %s;", s.name, o.executions, o.failure.c_str());
                break;
            }
        }
        if (!noticed) rest.push_back(w);
        std::printf("\n");
        std::fflush(stdout);
    }
    for (const char* f : {"run.cpp", "queues.cpp", "tasks.cpp", "requests.cpp", "completion.cpp", "mailbox.hpp", ""}) {
        std::vector<Ordering> some;
        for (auto& w : rest) if (!*f || w.file == f) some.push_back(w);
        if (some.empty()) continue;
        std::printf("all of %s (%zu):\n", f, some.size());
        for (const NamedScenario& s : all()) {
            const auto o = explorer::explore(s.set_up, {.departures = s.departures, .executions = 20000}, some);
            if (!o.failure.empty()) std::printf("    %s %u %s;\n", s.name, o.executions, o.failure.c_str());
        }
        std::fflush(stdout);
    }
}
