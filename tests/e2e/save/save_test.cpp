// SPDX-License-Identifier: Apache-2.0
// A COPS guest in the middle of its work, with its device attached, files open and requests coming
// and going, is saved, and the work ends in another fleet with the right result.
#include "boot/images.hpp"
#include "options/options.hpp"
#include "process.hpp"
#include "run/prepare.hpp"

#include <vmm/fleet.hpp>

#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <random>
#include <string>

namespace vmm {
namespace {

/// Console text that a test can wait for.
class Console {
public:
    ConsoleSink sink() {
        return [this](std::size_t, std::span<const char> bytes) {
            const std::lock_guard lock(mutex_);
            text_.append(bytes.data(), bytes.size());
            signal_.notify_all();
        };
    }
    void wait_for(const std::string& text) {
        std::unique_lock lock(mutex_);
        signal_.wait(lock, [&] { return text_.find(text) != std::string::npos; });
    }
    std::string text() {
        const std::lock_guard lock(mutex_);
        return text_;
    }

private:
    std::mutex mutex_;
    std::condition_variable signal_;
    std::string text_;
};

class SavedGuest : public testing::TestWithParam<unsigned> {
protected:
    SavedGuest() {
        std::minstd_rand random(1);
        std::string bytes(std::size_t{6} << 20, '\0');
        for (char& byte : bytes) {
            byte = static_cast<char>(random());
        }
        for (const char* name : {"urgent-0", "patient-0"}) {
            test_support::write_file(directory / name, bytes);
        }
        const auto host =
            test_support::run_process({"sha256sum", (directory / "urgent-0").string()});
        digest = host.out.substr(0, 64);
    }
    FleetConfig config() const {
        tools::FleetOptions options;
        options.workers = GetParam();
        tools::GuestOptions guest;
        guest.app = "digest";
        guest.arguments = {"--urgent", "1", "--patient", "1", "/host/in"};
        guest.config.cpus = GetParam();
        guest.config.grants = {
            {.name = "in", .kind = Grant::Kind::directory, .path = directory.path().string()}
        };
        options.guests.push_back(guest);
        return tools::prepare(options, tools::Images(COPS_IMAGE_DIR));
    }
    static std::unique_ptr<Fleet> start(const FleetConfig& fleet_config, Console& console) {
        auto fleet = Fleet::create(fleet_config, console.sink());
        EXPECT_TRUE(fleet) << (fleet ? "" : fleet.error().message);
        const auto started = (*fleet)->start();
        EXPECT_TRUE(started) << (started ? "" : started.error().message);
        return std::move(*fleet);
    }

    test_support::TemporaryDirectory directory;
    std::string digest;
};

TEST_P(SavedGuest, ends_its_work_in_another_fleet) {
    Console before;
    auto fleet = start(config(), before);
    before.wait_for("progress level=2 percent=30");
    auto saved = fleet->save(0);
    ASSERT_TRUE(saved) << saved.error().message;
    fleet.reset();  // the first is gone before the second begins
    ASSERT_EQ(before.text().find("sha256="), std::string::npos);

    FleetConfig again = config();
    again.guests[0].saved_state = std::move(*saved);
    Console after;
    auto second = start(again, after);
    second->wait();
    const GuestReport report = second->report().guests.at(0);
    EXPECT_EQ(report.outcome.ending, Ending::powered_off) << report.outcome.message;
    EXPECT_EQ(report.outcome.status, 0U) << after.text();
    EXPECT_NE(after.text().find("urgent-0 sha256=" + digest), std::string::npos) << after.text();
    EXPECT_NE(after.text().find("patient-0 sha256=" + digest), std::string::npos) << after.text();
    EXPECT_EQ(report.bad_requests, 0U);
    EXPECT_GT(report.levels[20].completions, 0U);
}

TEST_P(SavedGuest, goes_on_undisturbed_after_many_saves) {
    Console console;
    auto fleet = start(config(), console);
    unsigned saves = 0;
    while (!fleet->wait_for(20'000'000)) {
        saves += fleet->save(0) ? 1 : 0;
    }
    EXPECT_GT(saves, 0U);
    EXPECT_EQ(fleet->report().guests.at(0).outcome.status, 0U) << console.text();
    EXPECT_NE(console.text().find("patient-0 sha256=" + digest), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Cpus, SavedGuest, testing::Values(1U, 2U));

}  // namespace
}  // namespace vmm
