// SPDX-License-Identifier: Apache-2.0
#include "process.hpp"
#include "sched/record/decision_reader.hpp"
#include "sched/record/decision_writer.hpp"
#include "sched/record/recorder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace vmm::sched::test {
namespace {

using ::testing::HasSubstr;

Record numbered(std::uint64_t number) {
    return WakeRecord{.time_ns = number, .id = {}, .cause = WakeCause::completion, .level = 3};
}
std::uint64_t number_of(const Record& record) {
    return std::get<WakeRecord>(record).time_ns;
}

/// What a sink was given. Read after finish(), or with the lock.
struct Taken {
    std::mutex gate;  // held: the sink takes nothing
    std::vector<std::uint64_t> numbers;
    std::uint64_t lost = 0;
    bool finished = false;
};

class CollectingSink final : public RecordSink {
public:
    explicit CollectingSink(Taken& taken)
        : taken_(taken) {}
    void begin(const RunFacts&) override {}
    void add(const Record& record) override {
        const std::lock_guard lock(taken_.gate);
        taken_.numbers.push_back(number_of(record));
    }
    void lost(std::uint64_t count) override { taken_.lost += count; }
    void flush() override {}
    Result<void> finish() override {
        taken_.finished = true;
        return {};
    }

private:
    Taken& taken_;
};

std::unique_ptr<Recorder> recorder(Taken& taken, const RecorderOptions& options = {}) {
    std::vector<std::unique_ptr<RecordSink>> sinks;
    sinks.push_back(std::make_unique<CollectingSink>(taken));
    auto made = std::make_unique<Recorder>(std::move(sinks), options);
    made->start({});
    return made;
}

TEST(RecordQueue, keeps_the_order_and_has_bounds) {
    RecordQueue<int> queue(4);
    EXPECT_FALSE(queue.pop());
    for (int round = 0; round < 3; ++round) {
        for (int i = 0; i < 4; ++i) {
            EXPECT_TRUE(queue.push(i));
        }
        EXPECT_FALSE(queue.push(4));
        for (int i = 0; i < 4; ++i) {
            EXPECT_EQ(queue.pop(), i);
        }
        EXPECT_FALSE(queue.pop());
    }
}

TEST(Recorder, keeps_every_threads_order_and_loses_nothing_while_there_is_room) {
    constexpr std::uint64_t kThreads = 3;
    constexpr std::uint64_t kEach = 1000;
    Taken taken;
    const auto to = recorder(taken, {.places = 4096});
    std::vector<std::thread> threads;
    for (std::uint64_t thread = 0; thread < kThreads; ++thread) {
        threads.emplace_back([&to, thread] {
            for (std::uint64_t i = 0; i < kEach; ++i) {
                to->push(numbered(thread * kEach + i));
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    ASSERT_TRUE(to->finish());
    EXPECT_TRUE(taken.finished);
    EXPECT_EQ(taken.lost, 0U);
    ASSERT_EQ(taken.numbers.size(), kThreads * kEach);
    std::vector<std::uint64_t> next(kThreads);
    for (const std::uint64_t number : taken.numbers) {
        EXPECT_EQ(number % kEach, next[number / kEach]++);
    }
}

TEST(Recorder, who_finds_no_room_goes_on_and_the_loss_is_told) {
    Taken taken;
    const auto to = recorder(taken, {.places = 8});
    {
        const std::lock_guard closed(taken.gate);
        for (std::uint64_t i = 0; i < 100; ++i) {
            to->push(numbered(i));
        }
    }
    ASSERT_TRUE(to->finish());
    // One record may be in the sink's hands.
    EXPECT_GE(to->lost(), 100U - 9U);
    EXPECT_EQ(taken.lost, to->lost());
    EXPECT_EQ(taken.numbers.size() + taken.lost, 100U);
}

TEST(Recorder, where_time_may_wait_nothing_is_lost) {
    Taken taken;
    const auto to = recorder(taken, {.places = 8, .wait_for_room = true});
    for (std::uint64_t i = 0; i < 300; ++i) {
        to->push(numbered(i));
    }
    ASSERT_TRUE(to->finish());
    EXPECT_EQ(to->lost(), 0U);
    EXPECT_EQ(taken.numbers.size(), 300U);
}

class DecisionFile : public ::testing::Test {
protected:
    static RunFacts facts() {
        RunFacts facts{.policy = "rr", .of_policy = {.quantum_ns = 500'000}, .workers = 2};
        facts.grace_ns = 50'000;
        facts.section_ns = 100'000;
        facts.tick_ns = 1'000'000;
        facts.guests.push_back(
            {.id = {.guest = 1},
             .name = "a \"b\"",
             .vcpus = 2,
             .terms =
                 {.base_level = 20,
                  .ceiling = 3,
                  .weight = 7,
                  .budget_rate = 500,
                  .budget_burst_ns = 10'000'000,
                  .share = 250}}
        );
        return facts;
    }
    std::string write(const std::vector<Record>& records, std::uint64_t lost = 0) {
        auto writer = make_decision_writer(path());
        EXPECT_TRUE(writer);
        (*writer)->begin(facts());
        for (const Record& record : records) {
            (*writer)->add(record);
        }
        if (lost != 0) {
            (*writer)->lost(lost);
        }
        EXPECT_TRUE((*writer)->finish());
        return test_support::read_file(path());
    }
    std::string path() const { return directory_ / "decisions"; }
    std::string error_of(const std::string& text) {
        test_support::write_file(path(), text);
        auto reader = DecisionReader::open(path());
        if (!reader) {
            return reader.error().message;
        }
        for (;;) {
            const auto record = reader->next();
            if (!record) {
                return record.error().message;
            }
            if (!*record) {
                return "";
            }
        }
    }

    test_support::TemporaryDirectory directory_;
};

const VcpuId kId{.domain = 0, .guest = 1, .vcpu = 1};

TEST_F(DecisionFile, each_record_names_the_words_that_it_follows_from) {
    const ClaimSample sample{
        .level = 4, .running = 16, .board = 0x10000, .line = 0x30, .wake_pending = 0x10
    };
    const std::string text = write({
        WakeRecord{.time_ns = 1, .id = kId, .cause = WakeCause::completion, .level = 4},
        Event{.kind = EventKind::ready, .time_ns = 1, .id = kId, .level = 4},
        LookRecord{
            .time_ns = 2,
            .id = kId,
            .worker = 0,
            .exit = ExitKind::interrupted,
            .off_ns = 9,
            .sample = sample
        },
        Event{.kind = EventKind::claim, .time_ns = 2, .id = kId, .level = 4},
        PickRecord{
            .time_ns = 3,
            .worker = 1,
            .decision = Decision{.id = kId, .level = 4, .slice_ns = 500'000}
        },
    });
    EXPECT_THAT(
        text, HasSubstr("{\"t\":1,\"wake\":[0,1,1],\"cause\":\"completion\",\"level\":4}\n")
    );
    EXPECT_THAT(
        text,
        HasSubstr("{\"t\":1,\"event\":\"ready\",\"vcpu\":[0,1,1],\"level\":4,\"awaited\":false}\n")
    );
    const std::string words =
        "\"board\":\"0x10000\",\"line\":\"0x30\",\"wake_pending\":\"0x10\",\"running\":16}\n";
    EXPECT_THAT(
        text,
        HasSubstr(
            "{\"t\":2,\"look\":[0,1,1],\"worker\":0,\"exit\":\"interrupted\",\"off_ns\":9,"
            "\"level\":4,\"critical\":false,"
            + words
        )
    );
    EXPECT_THAT(
        text,
        HasSubstr("\"event\":\"claim\",\"vcpu\":[0,1,1],\"level\":4,\"awaited\":false," + words)
    );
    EXPECT_THAT(
        text,
        HasSubstr(
            "{\"t\":3,\"worker\":1,\"pick\":[0,1,1],\"level\":4,\"slice_ns\":500000,\"due\":false,"
            + words
        )
    );
    EXPECT_THAT(text, ::testing::EndsWith("{\"end\":true}\n"));
}

TEST_F(DecisionFile, what_is_written_is_read_again) {
    const TenantTerms terms{
        .base_level = 9,
        .ceiling = 1,
        .weight = 2,
        .budget_rate = 3,
        .budget_burst_ns = 4'000'000'000,
        .share = 5
    };
    const std::vector<Record> records{
        Event{.kind = EventKind::add, .time_ns = 1, .id = kId, .terms = terms},
        Event{
            .kind = EventKind::ran,
            .time_ns = ~std::uint64_t{0},
            .id = kId,
            .level = 64,
            .worker = 3,
            .ran_ns = 77
        },
        PickRecord{.time_ns = 5, .worker = 2, .decision = {}},
        PreemptRecord{.time_ns = 6, .preemption = {}},
        PreemptRecord{
            .time_ns = 7,
            .preemption = Preemption{.worker = 1, .victim = kId, .level = 2, .ask = true}
        },
        LookRecord{
            .time_ns = 8,
            .id = kId,
            .sample = {.level = 64, .critical = true, .line = ~std::uint64_t{0}}
        },
        WakeRecord{.time_ns = 9, .id = kId, .cause = WakeCause::timer, .level = 64},
    };
    write(records, 12);
    auto reader = DecisionReader::open(path());
    ASSERT_TRUE(reader) << reader.error().message;
    EXPECT_EQ(reader->facts().policy, "rr");
    EXPECT_EQ(reader->facts().of_policy.quantum_ns, 500'000U);
    EXPECT_EQ(reader->facts().guests.at(0).name, "a \"b\"");
    EXPECT_EQ(reader->facts().guests.at(0).terms, facts().guests.at(0).terms);
    std::vector<Record> read;
    for (auto record = reader->next(); record && *record; record = reader->next()) {
        read.push_back(**record);
    }
    EXPECT_TRUE(reader->complete());
    EXPECT_EQ(reader->lost(), 12U);
    ASSERT_EQ(read.size(), records.size());
    EXPECT_EQ(std::get<Event>(read[0]).terms, terms);
    EXPECT_EQ(std::get<Event>(read[1]).time_ns, ~std::uint64_t{0});
    EXPECT_EQ(std::get<Event>(read[1]).ran_ns, 77U);
    EXPECT_EQ(std::get<PickRecord>(read[2]).worker, 2U);
    EXPECT_FALSE(std::get<PickRecord>(read[2]).decision);
    EXPECT_FALSE(std::get<PreemptRecord>(read[3]).preemption);
    EXPECT_EQ(
        std::get<PreemptRecord>(read[4]).preemption, std::get<PreemptRecord>(records[4]).preemption
    );
    const auto& look = std::get<LookRecord>(read[5]);
    EXPECT_EQ(look.worker, LookRecord::kNobody);
    EXPECT_EQ(look.sample.line, ~std::uint64_t{0});
    EXPECT_TRUE(look.sample.critical);
    EXPECT_EQ(std::get<WakeRecord>(read[6]).cause, WakeCause::timer);
}

TEST_F(DecisionFile, what_no_run_writes_is_named_with_its_line) {
    const std::string header = write({}).substr(0, write({}).find('\n') + 1);
    EXPECT_THAT(error_of(""), HasSubstr(":1: no decisions"));
    EXPECT_THAT(error_of("{\"cops_decisions\":99}\n"), HasSubstr("format 99"));
    EXPECT_THAT(error_of(header + "{\"t\":1,\n"), HasSubstr(":2: no line of recorded decisions"));
    const std::string endless(std::size_t{2} << 20, '9');
    EXPECT_THAT(error_of(endless), HasSubstr(":1: a line of more than 1048575 bytes"));
    EXPECT_THAT(error_of(header + endless), HasSubstr(":2: a line of more than 1048575 bytes"));
    EXPECT_EQ(error_of(header + "{\"end\":1}"), "");
    EXPECT_THAT(error_of(header + "{\"t\":1}\n"), HasSubstr(":2: a line of no known kind"));
    EXPECT_THAT(error_of(header + "{\"t\":1,\"pick\":null}\n"), HasSubstr("'worker' is missing"));
    EXPECT_THAT(
        error_of(header + "{\"t\":1,\"event\":\"dance\",\"vcpu\":[0,0,0]}\n"),
        HasSubstr("'event' is missing or out of range")
    );
    EXPECT_THAT(
        error_of(header + "{\"t\":1,\"wake\":[0,0],\"cause\":\"timer\",\"level\":3}\n"),
        HasSubstr("'wake'")
    );
    EXPECT_THAT(
        error_of(header + "{\"t\":1,\"wake\":[0,0,0],\"cause\":\"timer\",\"level\":300}\n"),
        HasSubstr("'level'")
    );
    EXPECT_EQ(error_of(header), "");
}

TEST_F(DecisionFile, a_file_that_cannot_be_written_is_an_error) {
    const auto none = make_decision_writer(directory_ / "no" / "where");
    ASSERT_FALSE(none);
    EXPECT_THAT(none.error().message, HasSubstr("cannot write the decisions"));
    const auto full = make_decision_writer("/dev/full");
    ASSERT_TRUE(full);
    (*full)->begin(facts());
    const auto finished = (*full)->finish();
    ASSERT_FALSE(finished);
    EXPECT_THAT(finished.error().message, HasSubstr("is not whole"));
}

}  // namespace
}  // namespace vmm::sched::test
