// SPDX-License-Identifier: Apache-2.0
#include "process.hpp"
#include "sched/record/trace_writer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace vmm::sched::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const VcpuId kId{.guest = 0, .vcpu = 1};

class Trace : public ::testing::Test {
protected:
    std::string write(const std::vector<Record>& records, bool finish = true) {
        RunFacts facts{.policy = "priority", .workers = 1};
        facts.guests.push_back({.id = {}, .name = "g", .vcpus = 2, .terms = {}});
        auto writer = make_trace_writer(path());
        EXPECT_TRUE(writer);
        (*writer)->begin(facts);
        for (const Record& record : records) {
            (*writer)->add(record);
        }
        (*writer)->flush();
        if (finish) {
            EXPECT_TRUE((*writer)->finish());
        }
        const auto checked = test_support::run_process(
            {"python3", std::string(COPS_SOURCE_DIR) + "/tests/support/check_trace.py", path()}
        );
        EXPECT_EQ(checked.exit_code, 0) << checked.err << test_support::read_file(path());
        return test_support::read_file(path());
    }
    std::string path() const { return directory_ / "trace"; }

    test_support::TemporaryDirectory directory_;
};

Record ready(Nanos now) {
    return Event{.kind = EventKind::ready, .time_ns = now, .id = kId, .level = 7};
}
Record pick(Nanos now) {
    const Decision decision{.id = kId, .level = 7, .slice_ns = 1'000'000};
    return PickRecord{.time_ns = now, .worker = 0, .decision = decision};
}
Record look(Nanos now, Level running) {
    return LookRecord{.time_ns = now, .id = kId, .worker = 0, .sample = {.running = running}};
}
Record ran(Nanos now) {
    return Event{.kind = EventKind::ran, .time_ns = now, .id = kId, .level = 7};
}

TEST_F(Trace, shows_a_turn_with_the_levels_that_ran_in_it) {
    const std::string text = write(
        {ready(1'000'000),
         pick(1'002'500),
         look(1'010'000, 3),
         look(1'020'000, 3),
         look(1'030'000, 9),
         ran(1'030'000)}
    );
    const std::string worker = "\"cat\":\"cops\",\"pid\":1,\"tid\":1,";
    EXPECT_THAT(text, HasSubstr("\"name\":\"g/1\"," + worker + "\"ts\":2.500,\"dur\":27.500"));
    EXPECT_THAT(text, HasSubstr("\"name\":\"level 3\"," + worker + "\"ts\":2.500,\"dur\":17.500"));
    EXPECT_THAT(text, HasSubstr("\"name\":\"level 9\"," + worker + "\"ts\":20.000,\"dur\":10.000"));
    EXPECT_THAT(
        text,
        HasSubstr("\"name\":\"ready\",\"cat\":\"cops\",\"pid\":100,\"tid\":2,\"ts\":0.000,"
                  "\"dur\":2.500")
    );
    EXPECT_THAT(text, HasSubstr("\"name\":\"on worker 0\",\"cat\":\"cops\",\"pid\":100,\"tid\":2"));
}

TEST_F(Trace, follows_a_request_to_the_turn_that_its_completion_wakes) {
    const RequestRecord request{
        .time_ns = 30,
        .guest = {},
        .token = 5,
        .worker = 0,
        .operation = "read",
        .level = 3,
        .bytes = 4096
    };
    const std::string text = write(
        {ready(10),
         pick(20),
         request,
         Event{.kind = EventKind::idle, .time_ns = 40, .id = kId},
         RestRecord{.time_ns = 90, .begin_ns = 50, .worker = 0, .asleep = true},
         DeliveryRecord{.time_ns = 95, .id = kId, .token = 5},
         WakeRecord{.time_ns = 95, .id = kId, .cause = WakeCause::completion, .level = 3},
         ready(95),
         CompletionRecord{
             .time_ns = 97, .begin_ns = 92, .guest = {}, .token = 5, .worker = 0, .result = 4096
         },
         pick(99),
         ran(120)}
    );
    for (const char* phase : {"s", "t", "f"}) {
        EXPECT_THAT(text, HasSubstr(std::string("{\"ph\":\"") + phase + "\",\"name\":\"request\""));
    }
    EXPECT_THAT(text, HasSubstr("{\"ph\":\"b\",\"name\":\"read\""));
    EXPECT_THAT(text, HasSubstr("\"args\":{\"level\":3,\"bytes\":4096}"));
    EXPECT_THAT(text, HasSubstr("\"name\":\"sleeps\""));
    EXPECT_THAT(text, HasSubstr("\"name\":\"wake: completion\""));
}

TEST_F(Trace, ends_what_is_open_and_pairs_every_flow) {
    // The vCPU that the completion reaches never runs again.
    write(
        {ready(10),
         pick(20),
         RequestRecord{
             .time_ns = 30, .guest = {}, .token = 5, .worker = 0, .operation = "read", .level = 3
         },
         Event{.kind = EventKind::idle, .time_ns = 40, .id = kId},
         DeliveryRecord{.time_ns = 95, .id = kId, .token = 5},
         CompletionRecord{.time_ns = 97, .begin_ns = 92, .guest = {}, .token = 5, .worker = 0},
         ready(97)}
    );
}

TEST_F(Trace, is_complete_after_every_write) {
    const std::string text = write({ready(10), pick(20), ran(30)}, false);
    EXPECT_THAT(text, ::testing::EndsWith("\n]}\n"));
    EXPECT_THAT(text, HasSubstr("on worker 0"));
}

TEST_F(Trace, tells_once_what_a_turn_was_told) {
    const Preemption asked{.worker = 0, .victim = kId, .level = 2, .ask = true};
    const std::string text = write(
        {ready(10),
         pick(20),
         PreemptRecord{.time_ns = 30, .preemption = asked},
         PreemptRecord{.time_ns = 35, .preemption = asked},
         DoorbellRecord{.time_ns = 36, .id = kId, .worker = 0, .yields = true},
         ran(40)}
    );
    const auto first = text.find("asked to yield");
    ASSERT_NE(first, std::string::npos);
    EXPECT_EQ(text.find("asked to yield", first + 1), std::string::npos);
    EXPECT_THAT(text, HasSubstr("doorbell: yield"));
    EXPECT_THAT(text, Not(HasSubstr("preempted")));
}

}  // namespace
}  // namespace vmm::sched::test
