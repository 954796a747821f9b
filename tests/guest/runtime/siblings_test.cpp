// SPDX-License-Identifier: Apache-2.0
// vCPUs of one guest that wait for each other, beside another guest, on one worker.
#include "process.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <string>

namespace {

using test_support::read_file;
using test_support::write_file;
using Json = nlohmann::json;

/// On each engine.
class Siblings : public ::testing::TestWithParam<const char*> {
protected:
    Json run_fleet(const std::string& text) {
        write_file(directory_ / "fleet.toml", text);
        const auto result = test_support::run_process(std::vector<std::string>{
            COPS_COMMAND,
            "up",
            "--json",
            (directory_ / "report.json").string(),
            (directory_ / "fleet.toml").string(),
        });
        EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
        RecordProperty("output", result.out);
        return Json::parse(read_file(directory_ / "report.json"));
    }
    std::string guest(const std::string& name, const std::string& what) const {
        return "[[guest]]\nname = \"" + name + "\"\napp = \"test-give-way\"\nargs = [\"" + what
               + "\", \"/host/d/held\"]\nengine = \"" + GetParam()
               + "\"\ngrant = [\"d=dir:" + directory_.path().string() + ":rw\"]\n";
    }

    test_support::TemporaryDirectory directory_;
};

/// The bound is some milliseconds (docs/design/scheduling.md). What the spinner must not do is to
/// wait for the end of the other guest's work of four seconds.
TEST_P(Siblings, a_spin_on_a_lock_of_a_less_urgent_sibling_ends_while_other_guests_have_work) {
    // The other guest looks, at its end, whether the spinner has had its lock.
    const Json report = run_fleet(
        "workers = 1\n" + guest("spins", "hold") + "cpus = 2\n" + guest("works", "compute")
    );
    EXPECT_EQ(report.at("guests").at(1).at("exit_code"), 0);
}

INSTANTIATE_TEST_SUITE_P(
    Engines,
    Siblings,
    ::testing::Values("dbt", "interp"),
    [](const auto& info) { return std::string(info.param); }
);

}  // namespace
