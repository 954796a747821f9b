// SPDX-License-Identifier: Apache-2.0
// Every instruction that retires is in the trace, with what it changed, the same on every engine.
#include "cpu/trace.hpp"
#include "hart_fixture.hpp"

#include <gmock/gmock.h>

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

using namespace rv;
using cpu_test::EngineTest;
using cpu_test::kRam;
using ::testing::HasSubstr;
using vmm::ExitKind;

namespace {

class Trace : public EngineTest {
protected:
    Trace() {
        std::string path = std::filesystem::temp_directory_path() / "cops-trace-XXXXXX";
        ::close(::mkstemp(path.data()));
        path_ = path;
        log_ = std::move(vmm::TraceLog::open(path_).value());
        vcpu = vmm::make_traced_vcpu(std::move(vcpu), *memory, 0, log_);
    }
    ~Trace() override { std::filesystem::remove(path_); }

    std::string text() {
        EXPECT_TRUE(log_->flush());
        std::ifstream file(path_);
        return {std::istreambuf_iterator<char>(file), {}};
    }
    void begin(const Code& code) {
        put(state.pc, code);
        vcpu->load(state);
    }
    ExitKind go() {
        const ExitKind kind = vcpu->run({.deadline = ~vmm::Nanos{0}});
        state = vcpu->save();
        return kind;
    }

    std::string path_;
    std::shared_ptr<vmm::TraceLog> log_;
};

TEST_P(Trace, lines_have_the_documented_fields) {
    put_value<std::uint16_t>(kRam + 4, 0x0505);  // c.addi a0, 1
    put_value<Word>(kRam + 6, sd(a0, s0, 8));
    put_value<Word>(kRam + 10, kEcall);
    put_value<Word>(kRam, li(a0, 41));
    state.x[s0] = kRam + 0x4000;
    vcpu->load(state);
    EXPECT_EQ(go(), ExitKind::ended);
    EXPECT_EQ(
        text(),
        "0\tS\t0000000080000000\t02900513\taddi a0, zero, 41\ta0=0x29\n"
        "0\tS\t0000000080000004\t0505\taddi a0, a0, 1\ta0=0x2a\n"
        "0\tS\t0000000080000006\t00a43423\tsd a0, 8(s0)\t\n"
        "0\tS\t000000008000000a\t00000073\tecall\t\n"
    );
}

TEST_P(Trace, traps_are_lines_of_their_own_and_handlers_are_whole) {
    put(state.stvec, {csrr(t0, 0x141), addi(t0, t0, 4), csrw(0x141, t0), kSret});
    begin({kEbreak, kEcall});
    EXPECT_EQ(go(), ExitKind::ended);
    const std::string trace = text();
    EXPECT_THAT(trace, HasSubstr("0\tS\t0000000080000000\t-\ttrap\tsstatus="));
    EXPECT_THAT(trace, HasSubstr("sepc=0x80000000 scause=0x3 stval=0x80000000\n"));
    EXPECT_THAT(
        trace, HasSubstr("0\tS\t0000000080010000\t141022f3\tcsrrs t0, sepc, zero\tt0=0x80000000\n")
    );
    EXPECT_THAT(trace, HasSubstr("0\tS\t000000008001000c\t10200073\tsret\t"));
    EXPECT_THAT(trace, HasSubstr("0\tS\t0000000080000004\t00000073\tecall\t\n"));
    EXPECT_EQ(std::ranges::count(trace, '\n'), 6);
}

TEST_P(Trace, an_interrupt_is_a_trap) {
    state.sie = 2;
    put(state.stvec, {csrrci(x0, 0x144, 2), kSret});
    begin({csrrsi(x0, 0x100, 2), nop(), kEcall});
    vcpu->set_interrupt(vmm::InterruptLine::supervisor_software, true);
    EXPECT_EQ(go(), ExitKind::ended);
    const std::string trace = text();
    EXPECT_THAT(trace, HasSubstr("0\tS\t0000000080000004\t-\ttrap\t"));
    EXPECT_THAT(trace, HasSubstr("scause=0x8000000000000001"));
    EXPECT_THAT(trace, HasSubstr("0\tS\t0000000080000004\t00000013\taddi zero, zero, 0\t\n"));
}

TEST_P(Trace, is_the_same_on_every_engine) {
    Code code;
    code.load(s0, kRam + 0x4000);
    code << li(t0, 12) << sd(t0, s0, 0) << ld(t1, s0, 0) << add(a0, a0, t1) << amo(0, 3, t2, s0, t0)
         << csrrs(t3, 0xc02, x0) << kEbreak << jal(ra, 16) << addi(t0, t0, -1) << bne(t0, x0, -32)
         << kEcall << addi(a1, a1, 3) << jalr(x0, ra, 0);
    put(state.stvec, {csrr(t4, 0x141), addi(t4, t4, 4), csrw(0x141, t4), kSret});
    put(state.pc, code);
    std::string first;
    for (const std::string& engine : test_support::test_vcpus()) {
        const std::string path = path_ + "." + engine;
        auto log = std::move(vmm::TraceLog::open(path).value());
        auto traced = vmm::make_traced_vcpu(
            std::move(test_support::make_vcpu(engine, *memory, host, 0).value()), *memory, 0, log
        );
        traced->load(state);
        EXPECT_EQ(traced->run({.deadline = ~vmm::Nanos{0}}), ExitKind::ended);
        ASSERT_TRUE(log->flush());
        std::ifstream file(path);
        const std::string trace{std::istreambuf_iterator<char>(file), {}};
        std::filesystem::remove(path);
        EXPECT_GT(std::ranges::count(trace, '\n'), 150);
        if (first.empty()) {
            first = trace;
        }
        EXPECT_EQ(trace, first) << engine;
    }
}

TEST_P(Trace, limits_and_breakpoints_work_through_it) {
    begin({addi(a0, a0, 1), addi(a0, a0, 1), addi(a0, a0, 1), kEcall});
    vmm::VcpuDebug* debug = vcpu->debug();
    ASSERT_NE(debug, nullptr);
    debug->set_instruction_limit(1);
    EXPECT_EQ(go(), ExitKind::counted);
    EXPECT_EQ(state.pc, kRam + 4);
    EXPECT_EQ(go(), ExitKind::counted);
    debug->set_instruction_limit(vmm::VcpuDebug::kNoLimit);
    const std::uint64_t at = kRam + 8;
    debug->set_breakpoints({&at, 1});
    EXPECT_EQ(go(), ExitKind::breakpoint);
    EXPECT_EQ(state.pc, at);
    EXPECT_EQ(x(a0), 2U);
    debug->set_breakpoints({});
    EXPECT_EQ(go(), ExitKind::ended);
    EXPECT_EQ(x(a0), 3U);
}

TEST_P(Trace, deadlines_and_requests_end_a_run) {
    begin({jal(x0, 0)});
    EXPECT_EQ(vcpu->run({.deadline = 0}), ExitKind::interrupted);
    vcpu->request_exit();
    EXPECT_EQ(go(), ExitKind::interrupted);
}

TEST_P(Trace, a_wait_is_written_and_left) {
    begin({kWfi, kEcall});
    EXPECT_EQ(go(), ExitKind::idle);
    EXPECT_EQ(text(), "0\tS\t0000000080000000\t10500073\twfi\t\n");
    EXPECT_EQ(go(), ExitKind::ended);
}

COPS_ON_EVERY_ENGINE(Trace);

TEST(TraceLog, a_file_that_cannot_be_written_is_an_error) {
    const auto log = vmm::TraceLog::open("/nonexistent/trace");
    ASSERT_FALSE(log);
    EXPECT_THAT(log.error().message, HasSubstr("/nonexistent/trace"));
    const auto full = vmm::TraceLog::open("/dev/full");
    ASSERT_TRUE(full);
    (*full)->write("line\n");
    EXPECT_FALSE((*full)->flush());
}

}  // namespace
