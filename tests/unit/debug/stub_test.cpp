// SPDX-License-Identifier: Apache-2.0
#include "cpu/riscv/encoding.hpp"
#include "debug/hex.hpp"
#include "debug/registers.hpp"
#include "debug/stub.hpp"
#include "fake_target.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace vmm::debug {
namespace {

using debug_test::FakeTarget;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class StubTest : public ::testing::Test {
protected:
    /// What the stub answers to one packet, without framing; "" also when it answers nothing.
    std::string ask(std::string_view payload) {
        const std::string answer = stub.feed(frame(payload));
        EXPECT_EQ(answer.substr(0, 1), "+") << payload;
        return unframed(answer.substr(1));
    }
    static std::string unframed(std::string_view answer) {
        PacketReader reader;
        std::string payload;
        for (const char byte : answer) {
            if (reader.feed(byte) == PacketEvent::packet) {
                payload = reader.payload();
            }
        }
        return payload;
    }
    /// The number of a register, by name, as the description has it.
    static std::string number_of(const std::string& name) {
        const std::string& text = target_description();
        const std::size_t at = text.find("name=\"" + name + "\"");
        EXPECT_NE(at, std::string::npos) << name;
        const std::size_t number = text.find("regnum=\"", at) + 8;
        return to_number(std::stoul(text.substr(number)));
    }
    static std::string to_number(std::uint64_t value) {
        char text[32];
        std::snprintf(text, sizeof text, "%lx", value);
        return text;
    }
    std::string read(const std::string& name) { return ask("p" + number_of(name)); }
    std::string write(const std::string& name, std::uint64_t value) {
        return ask("P" + number_of(name) + "=" + to_hex(value));
    }

    FakeTarget target{2};
    Stub stub{target, Stop{.hart = 0}};
};

TEST_F(StubTest, unknown_packets_get_the_empty_answer) {
    for (const char* packet : {"", "!", "vMustReplyEmpty", "qFoo", "QFoo", "x0,1", "Z2,0,4", "~"}) {
        EXPECT_EQ(stub.feed(frame(packet)), "+$#00") << packet;
    }
}

TEST_F(StubTest, acknowledgements_end_on_demand) {
    EXPECT_THAT(ask("qSupported:swbreak+"), HasSubstr("QStartNoAckMode+"));
    EXPECT_EQ(ask("QStartNoAckMode"), "OK");
    EXPECT_EQ(stub.feed(frame("qC")), frame("QC1"));
}

TEST_F(StubTest, a_broken_packet_is_asked_for_again_and_a_lost_answer_repeated) {
    EXPECT_EQ(stub.feed("$qC#00"), "-");
    EXPECT_EQ(stub.feed(frame("qC")), "+" + frame("QC1"));
    EXPECT_EQ(stub.feed("-"), frame("QC1"));
}

TEST_F(StubTest, the_description_comes_in_parts) {
    std::string text;
    for (;;) {
        const std::string part =
            ask("qXfer:features:read:target.xml:" + to_number(text.size()) + ",100");
        ASSERT_FALSE(part.empty());
        text += part.substr(1);
        if (part.front() == 'l') {
            break;
        }
        ASSERT_EQ(part.front(), 'm');
    }
    EXPECT_EQ(text, target_description());
    EXPECT_EQ(ask("qXfer:features:read:target.xml:ffffffffffffffff,10"), "l");
    EXPECT_EQ(ask("qXfer:features:read:other.xml:0,10"), "E00");
    EXPECT_EQ(ask("qXfer:features:read:target.xml:0"), "E00");
}

TEST_F(StubTest, general_registers_are_read_and_written_together) {
    target.states[0].x[1] = 0x11;
    target.states[0].pc = 0x80000000;
    const std::string all = ask("g");
    ASSERT_EQ(all.size(), 33U * 16);
    EXPECT_EQ(all.substr(16, 16), to_hex(std::uint64_t{0x11}));
    EXPECT_EQ(all.substr(32 * 16), to_hex(std::uint64_t{0x80000000}));
    std::string changed = all;
    changed.replace(0, 16, to_hex(std::uint64_t{5}));  // x0 stays 0
    changed.replace(2 * 16, 16, to_hex(std::uint64_t{0x22}));
    EXPECT_EQ(ask("G" + changed), "OK");
    EXPECT_EQ(target.states[0].x[0], 0U);
    EXPECT_EQ(target.states[0].x[2], 0x22U);
    EXPECT_EQ(ask("G" + changed.substr(1)), "E01");
    EXPECT_EQ(ask("G" + std::string(33 * 16, 'z')), "E01");
}

TEST_F(StubTest, single_registers_go_by_the_numbers_of_the_description) {
    EXPECT_EQ(write("a0", 7), "OK");
    EXPECT_EQ(target.states[0].x[10], 7U);
    EXPECT_EQ(write("pc", 0x1001), "OK");
    EXPECT_EQ(target.states[0].pc, 0x1000U);
    EXPECT_EQ(write("fa0", 0x3ff0000000000000), "OK");
    EXPECT_EQ(target.states[0].f[10], 0x3ff0000000000000U);
    EXPECT_EQ(read("fa0"), to_hex(std::uint64_t{0x3ff0000000000000}));
    EXPECT_EQ(write("zero", 9), "OK");
    EXPECT_EQ(read("zero"), to_hex(std::uint64_t{0}));
}

TEST_F(StubTest, csrs_obey_their_own_rules) {
    EXPECT_EQ(write("stvec", 0x80000003), "OK");
    EXPECT_EQ(read("stvec"), to_hex(std::uint64_t{0x80000001}));
    EXPECT_EQ(read("time"), to_hex(std::uint64_t{0x1234}));
    EXPECT_EQ(write("time", 1), "E01");
    EXPECT_EQ(write("satp", std::uint64_t{5} << 60), "OK");  // no such mode: no effect
    EXPECT_EQ(read("satp"), to_hex(std::uint64_t{0}));
    EXPECT_EQ(write("sip", 2), "OK");
    EXPECT_EQ(target.states[0].sip & 2, 2U);
}

TEST_F(StubTest, floating_point_csrs_show_whatever_fs_says) {
    target.states[0].fcsr = 0x21;
    EXPECT_EQ(read("frm"), to_hex(std::uint64_t{1}));
    EXPECT_EQ(read("fflags"), to_hex(std::uint64_t{1}));
    EXPECT_EQ(write("fcsr", 0x40), "OK");
    EXPECT_EQ(target.states[0].fcsr, 0x40U);
    EXPECT_EQ(target.states[0].sstatus & riscv::sstatus::kFs, 0U);
}

TEST_F(StubTest, csrs_are_shown_to_user_mode_too_and_the_privilege_stays) {
    target.states[0].privilege = riscv::Privilege::user;
    target.states[0].sscratch = 3;
    EXPECT_EQ(read("sscratch"), to_hex(std::uint64_t{3}));
    EXPECT_EQ(write("sscratch", 4), "OK");
    EXPECT_EQ(target.states[0].privilege, riscv::Privilege::user);
    EXPECT_EQ(read("priv"), to_hex(std::uint64_t{0}));
    EXPECT_EQ(write("priv", 1), "OK");
    EXPECT_EQ(target.states[0].privilege, riscv::Privilege::supervisor);
    EXPECT_EQ(write("priv", 3), "E01");
}

TEST_F(StubTest, registers_that_a_hart_lacks_are_unavailable) {
    target.user_interrupts = false;
    EXPECT_EQ(read("utvec"), std::string(16, 'x'));
    EXPECT_EQ(write("utvec", 4), "E01");
    EXPECT_EQ(ask("p" + to_number(register_count())), "E01");
    EXPECT_EQ(ask("pffffffffffffffff"), "E01");
}

TEST_F(StubTest, memory_is_read_as_far_as_it_goes) {
    EXPECT_EQ(ask("M80000ffe,2:abcd"), "OK");
    EXPECT_EQ(ask("m80000ffe,10"), "abcd");
    EXPECT_EQ(ask("m80001000,1"), "E01");
    EXPECT_EQ(ask("M80000fff,2:abcd"), "E01");
    EXPECT_EQ(ask("M80000000,2:ab"), "E01");
    EXPECT_EQ(ask("M80000000,2:abcg"), "E01");
    EXPECT_EQ(ask("m80000000"), "E01");
    EXPECT_EQ(ask("m80000000,ffffffffffffffff").size(), std::size_t{FakeTarget::kBytes} * 2);
}

TEST_F(StubTest, threads_are_harts_from_one) {
    EXPECT_EQ(ask("qfThreadInfo"), "m1,2");
    EXPECT_EQ(ask("qsThreadInfo"), "l");
    EXPECT_EQ(ask("T2"), "OK");
    EXPECT_EQ(ask("T3"), "E01");
    target.states[1].x[10] = 0x99;
    EXPECT_EQ(ask("Hg2"), "OK");
    EXPECT_EQ(read("a0"), to_hex(std::uint64_t{0x99}));
    EXPECT_EQ(ask("Hg3"), "E01");
    EXPECT_EQ(ask("Hg"), "E01");
    EXPECT_EQ(ask("Hx1"), "E01");
    EXPECT_EQ(ask("qThreadExtraInfo,2"), "686172742031");  // "hart 1"
}

TEST_F(StubTest, breakpoints_of_both_kinds_make_one_set) {
    EXPECT_EQ(ask("Z0,100,4"), "OK");
    EXPECT_EQ(ask("Z1,100,4"), "OK");
    EXPECT_EQ(ask("Z1,50,2"), "OK");
    EXPECT_THAT(target.breakpoints, ElementsAre(0x50, 0x100));
    EXPECT_EQ(ask("z0,100,4"), "OK");
    EXPECT_THAT(target.breakpoints, ElementsAre(0x50, 0x100));
    EXPECT_EQ(ask("z1,100,4"), "OK");
    EXPECT_THAT(target.breakpoints, ElementsAre(0x50));
    EXPECT_EQ(ask("Z0,100"), "E01");
    EXPECT_EQ(ask("Zx,100,4"), "E01");
}

TEST_F(StubTest, breakpoints_have_a_bound) {
    for (unsigned n = 0; n < 4096; ++n) {
        ASSERT_EQ(ask("Z0," + to_number(n * 4) + ",4"), "OK");
    }
    EXPECT_EQ(ask("Z0,99999,4"), "E01");
}

TEST_F(StubTest, continuing_answers_when_it_stops) {
    EXPECT_EQ(ask("?"), "T02thread:1;");
    EXPECT_EQ(ask("qSupported:swbreak+;hwbreak+").substr(0, 10), "PacketSize");
    EXPECT_EQ(ask("Z1,500,4"), "OK");
    EXPECT_EQ(ask("vCont;c"), "");
    EXPECT_THAT(target.actions, ElementsAre(HartAction::go, HartAction::go));
    target.states[1].pc = 0x500;
    EXPECT_EQ(
        unframed(stub.stopped({.hart = 1, .reason = StopReason::breakpoint})),
        "T05thread:2;hwbreak:;"
    );
    EXPECT_EQ(ask("qC"), "QC2");
    EXPECT_EQ(ask("?"), "T05thread:2;hwbreak:;");
}

TEST_F(StubTest, actions_are_given_to_threads_in_order) {
    EXPECT_EQ(ask("vCont;s:2"), "");
    EXPECT_THAT(target.actions, ElementsAre(HartAction::hold, HartAction::step));
    stub.stopped({.hart = 1, .reason = StopReason::step});
    EXPECT_EQ(ask("vCont;S05:1;c"), "");
    EXPECT_THAT(target.actions, ElementsAre(HartAction::step, HartAction::go));
    stub.stopped({.hart = 0, .reason = StopReason::step});
    EXPECT_EQ(ask("vCont;c:-1"), "");
    EXPECT_THAT(target.actions, ElementsAre(HartAction::go, HartAction::go));
    stub.stopped({});
    EXPECT_EQ(ask("s80000040"), "");
    EXPECT_THAT(target.actions, ElementsAre(HartAction::step, HartAction::go));
    EXPECT_EQ(target.states[0].pc, 0x80000040U);
    stub.stopped({});
    const int before = target.resumes;
    for (const char* bad :
         {"vCont;", "vCont;t", "vCont;c:3", "vCont;cx", "vCont;C", "C", "cx", "S;"}) {
        EXPECT_EQ(ask(bad), "E01") << bad;
    }
    EXPECT_EQ(target.resumes, before);
}

TEST_F(StubTest, only_an_interrupt_is_heard_while_it_runs) {
    ask("c");
    EXPECT_EQ(stub.feed("\x03"), "");
    EXPECT_EQ(target.interrupts, 1);
    EXPECT_EQ(stub.feed(frame("qC")), "+");  // waits
    const std::string answers = stub.stopped({.hart = 1, .reason = StopReason::interrupted});
    EXPECT_EQ(answers, frame("T02thread:2;") + frame("QC2"));
    EXPECT_EQ(stub.feed("\x03"), "");
    EXPECT_EQ(target.interrupts, 1);
}

TEST_F(StubTest, who_joins_a_running_guest_is_served_once_it_is_held) {
    Stub late(target, std::nullopt);
    EXPECT_EQ(late.feed(frame("?")), "+");
    EXPECT_EQ(late.stopped({.hart = 1}), frame("T02thread:2;"));
}

TEST_F(StubTest, floods_while_it_runs_end_the_session) {
    ask("c");
    for (int n = 0; n < 1000 && !stub.finished(); ++n) {
        stub.feed(frame("g"));
    }
    EXPECT_TRUE(stub.finished());
}

TEST_F(StubTest, detach_kill_and_the_end_finish_the_session) {
    EXPECT_EQ(ask("D"), "OK");
    EXPECT_TRUE(stub.finished());
    EXPECT_EQ(target.releases, 1);
    Stub killer(target, Stop{});
    EXPECT_EQ(killer.feed(frame("vKill;1")), "+" + frame("OK"));
    EXPECT_EQ(target.kills, 1);
    Stub witness(target, Stop{});
    witness.feed(frame("c"));
    EXPECT_EQ(witness.ended({.by_itself = true, .code = 0x12a}), frame("W2a"));
    EXPECT_TRUE(witness.finished());
}

TEST_F(StubTest, anything_may_come) {
    std::mt19937_64 random(7);
    constexpr std::string_view kLetters = "$#}?gGpPmMHTZzcCsSvqQDk0123456789abcdef,;:=-+\x03";
    for (int round = 0; round < 2000; ++round) {
        Stub victim(target, random() % 2 == 0 ? std::optional(Stop{}) : std::nullopt);
        std::string payload;
        for (std::uint64_t n = random() % 40; n > 0; --n) {
            payload += kLetters[random() % kLetters.size()];
        }
        victim.feed(random() % 4 == 0 ? payload : frame(payload));
        victim.stopped({.hart = static_cast<unsigned>(random() % 2)});
        victim.feed(frame(payload));
    }
}

}  // namespace
}  // namespace vmm::debug
