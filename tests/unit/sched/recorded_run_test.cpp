// SPDX-License-Identifier: Apache-2.0
// Real workers with vCPUs of no guest: what they record is what happened, and replays.
#include "fake_vcpu.hpp"
#include "process.hpp"
#include "sched/check/replay.hpp"
#include "sched/record/decision_reader.hpp"
#include "sched/record/decision_writer.hpp"
#include "sched/workers/vcpu_scheduler.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace vmm::sched::test {
namespace {

class RecordedRun : public ::testing::TestWithParam<std::string_view> {
protected:
    /// Four vCPUs of two guests, of which two sleep and wake at several levels; on two workers.
    void run() {
        std::vector<std::unique_ptr<RecordSink>> sinks;
        auto writer = make_decision_writer(path());
        ASSERT_TRUE(writer);
        sinks.push_back(std::move(*writer));
        Recorder recorder(std::move(sinks));
        auto scheduler = VcpuScheduler::create(
            {.workers = 2, .policy = std::string(GetParam()), .recorder = &recorder}
        );
        ASSERT_TRUE(scheduler);
        std::vector<std::unique_ptr<FakeVcpu>> vcpus;
        std::vector<VcpuScheduler::Handle> handles;
        Latch turns;
        for (std::uint32_t i = 0; i < 4; ++i) {
            vcpus.push_back(std::make_unique<FakeVcpu>([&, i](FakeVcpu& self, const RunContext& c) {
                turns.count();
                self.claim = static_cast<Level>(self.runs.load() % 40);
                return i < 2 ? self.compute(c) : ExitKind::idle;
            }));
            const Tenant tenant{.ceiling = 3, .weight = 100 + i, .budget_rate = 500, .share = 200};
            handles.push_back((*scheduler)
                                  ->add(
                                      {.guest = i % 2, .vcpu = i / 2},
                                      *vcpus.back(),
                                      tenant,
                                      i % 2 == 0 ? "a" : "b"
                                  ));
        }
        ASSERT_TRUE((*scheduler)->start());
        for (const auto handle : handles) {
            (*scheduler)->revive(handle, true);
        }
        for (std::uint64_t round = 1; round <= 100; ++round) {
            (*scheduler)->wake(handles[2], WakeCause::completion, static_cast<Level>(round % 30));
            (*scheduler)->wake(handles[3], WakeCause::interrupt);
            (*scheduler)->claim(handles[0], {.level = static_cast<Level>(round % 64)});
            turns.wait_for(2 * round);
        }
        EXPECT_TRUE((*scheduler)->set_tenant({.guest = 1}, {.base_level = 30}));
        for (std::size_t i = 0; i < handles.size(); ++i) {
            (*scheduler)->remove(handles[i]);
            vcpus[i]->wait_until_gone();
        }
        (*scheduler)->stop();
        ASSERT_TRUE(recorder.finish());
        ASSERT_EQ(recorder.lost(), 0U);
    }
    std::string path() const { return directory_ / "decisions"; }

    test_support::TemporaryDirectory directory_;
};

TEST_P(RecordedRun, replays) {
    run();
    auto reader = DecisionReader::open(path());
    ASSERT_TRUE(reader) << reader.error().message;
    EXPECT_EQ(reader->facts().policy, GetParam());
    EXPECT_EQ(reader->facts().workers, 2U);
    ASSERT_EQ(reader->facts().guests.size(), 2U);
    EXPECT_EQ(reader->facts().guests[1].vcpus, 2U);
    auto replay = Replay::of(reader->facts());
    ASSERT_TRUE(replay);
    std::uint64_t decisions = 0;
    std::uint64_t last_time = 0;
    for (;;) {
        const auto record = reader->next();
        ASSERT_TRUE(record) << record.error().message;
        if (!*record) {
            break;
        }
        const Nanos time = std::visit([](const auto& one) { return one.time_ns; }, **record);
        EXPECT_GE(time, last_time) << "line " << reader->line();
        last_time = time;
        decisions += replay->step(**record) ? 1 : 0;
        ASSERT_EQ(replay->difference(), "") << "line " << reader->line();
    }
    EXPECT_TRUE(reader->complete());
    EXPECT_GE(decisions, 100U);
}

TEST_P(RecordedRun, does_not_replay_when_a_decision_is_another) {
    run();
    auto reader = DecisionReader::open(path());
    ASSERT_TRUE(reader);
    auto replay = Replay::of(reader->facts());
    ASSERT_TRUE(replay);
    for (auto record = reader->next(); record && *record; record = reader->next()) {
        if (auto* pick = std::get_if<PickRecord>(&**record); pick != nullptr && pick->decision) {
            ++pick->decision->slice_ns;
        }
        replay->step(**record);
    }
    EXPECT_NE(replay->difference(), "");
}

std::string name_of(const testing::TestParamInfo<std::string_view>& info) {
    return std::string(info.param);
}
INSTANTIATE_TEST_SUITE_P(Policies, RecordedRun, testing::ValuesIn(policy_names()), name_of);

}  // namespace
}  // namespace vmm::sched::test
