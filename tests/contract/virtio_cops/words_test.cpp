// SPDX-License-Identifier: Apache-2.0
// SPEC.md sections 7, 10 and 12: shared words, doorbells, user interrupts.
#include "rig.hpp"

namespace virtio_cops::test {
namespace {

constexpr std::uint64_t bit(unsigned level) {
    return std::uint64_t{1} << level;
}

struct WordsRig : Rig {
    WordsRig() {
        boot();
        board = &set_board();
        process = attach();
        board->process = process.id;
    }
    virtio_cops_line& line() { return Rig::line(process); }
    Level claim() { return device.sample(0).level; }

    virtio_cops_board* board = nullptr;
    TestProcess process;
};

TEST(VC_7_1, the_claim_is_the_most_urgent_of_board_line_and_wakes) {
    WordsRig rig;
    EXPECT_EQ(rig.claim(), kNoLevel);
    rig.line().ready = bit(30) | bit(40);
    EXPECT_EQ(rig.claim(), 30);
    rig.line().wake_pending = bit(20);
    EXPECT_EQ(rig.claim(), 20);
    rig.board->ready = bit(25);
    EXPECT_EQ(rig.claim(), 20);
    rig.board->ready = bit(5) | bit(63);
    EXPECT_EQ(rig.claim(), 5);
    rig.board->process = 0;
    rig.board->ready = 0;
    EXPECT_EQ(rig.claim(), kNoLevel);
}

TEST(VC_7_1, the_ceiling_cuts_the_process_and_not_the_kernel) {
    WordsRig rig;
    rig.board->ceiling = 15;
    rig.line().ready = bit(2);
    EXPECT_EQ(rig.claim(), 15);
    rig.line().ready = bit(40);
    EXPECT_EQ(rig.claim(), 40);
    rig.board->ready = bit(1);
    EXPECT_EQ(rig.claim(), 1);
}

TEST(VC_7_1, the_line_is_that_of_the_boards_hart) {
    WordsRig rig;
    virtio_cops_board& second = rig.set_board(1);
    second.process = rig.process.id;
    rig.Rig::line(rig.process, 1).ready = bit(7);
    EXPECT_EQ(rig.device.sample(1).level, 7);
    EXPECT_EQ(rig.device.sample(0).level, kNoLevel);
}

TEST(VC_7_1, a_process_without_a_line_there_claims_nothing) {
    WordsRig rig;
    virtio_cops_board& second = rig.set_board(1);
    const TestProcess narrow = rig.attach(1, 1, 1);
    second.process = narrow.id;
    rig.Rig::line(narrow, 0).ready = bit(1);
    EXPECT_EQ(rig.device.sample(1).level, kNoLevel);
}

TEST(VC_7_1, timers_interrupts_and_flags_come_with_the_claim) {
    WordsRig rig;
    rig.board->timer_level = 12;
    rig.board->irq_level = 13;
    rig.board->flags = VIRTIO_COPS_BOARD_F_IDLE;
    rig.line().running_level = 44;
    Claim claim = rig.device.sample(0);
    EXPECT_EQ(claim.timer_level, 12);
    EXPECT_EQ(claim.irq_level, 13);
    EXPECT_EQ(claim.running, 44);
    EXPECT_TRUE(claim.idle);
    EXPECT_FALSE(claim.critical);
    rig.line().flags = VIRTIO_COPS_LINE_F_CRITICAL;
    EXPECT_TRUE(rig.device.sample(0).critical);
    rig.line().flags = 0;
    rig.board->flags = VIRTIO_COPS_BOARD_F_CRITICAL;
    EXPECT_TRUE(rig.device.sample(0).critical);
}

TEST(VC_7_2, wild_words_stay_within_bounds) {
    WordsRig rig;
    std::memset(rig.board, 0xff, sizeof *rig.board);
    std::memset(&rig.line(), 0xff, sizeof(virtio_cops_line));
    Claim claim = rig.device.sample(0);
    EXPECT_EQ(claim.level, 0);
    EXPECT_EQ(claim.timer_level, kNoLevel);
    EXPECT_EQ(claim.irq_level, kNoLevel);
    EXPECT_EQ(claim.process, 0u);
    rig.board->ready = 0;
    rig.board->process = rig.process.id;
    claim = rig.device.sample(0);
    EXPECT_EQ(claim.level, kNoLevel) << "a ceiling above 63 leaves nothing to claim";
    EXPECT_EQ(claim.running, kNoLevel);
}

TEST(VC_7_2, vcpus_that_do_not_exist_claim_nothing) {
    WordsRig rig;
    EXPECT_FALSE(rig.device.sample(2).present);
    EXPECT_FALSE(rig.device.sample(~0u).present);
}

TEST(VC_7_3, a_vcpu_without_a_board_has_no_claim) {
    WordsRig rig;
    rig.Rig::line(rig.process, 1).ready = bit(0);
    EXPECT_FALSE(rig.device.sample(1).present);
    EXPECT_EQ(rig.device.sample(1).level, kNoLevel);
}

TEST(VC_7_4, host_lines_ask_for_nothing_from_power_on_and_after_a_reset) {
    Rig rig;
    const auto expect_quiet = [&] {
        for (unsigned vcpu = 0; vcpu < 2; ++vcpu) {
            EXPECT_EQ(rig.host_line(vcpu).ring_level, 0u);
            EXPECT_EQ(rig.host_line(vcpu).yield_level, 64u);
            EXPECT_EQ(rig.host_line(vcpu).waiting, 0u);
            EXPECT_EQ(rig.host_line(vcpu).siblings, 0u);
        }
    };
    expect_quiet();
    rig.boot();
    expect_quiet();
    rig.device.publish(1, 30, 10, bit(10), bit(12));
    EXPECT_EQ(rig.host_line(1).ring_level, 30u);
    EXPECT_EQ(rig.host_line(1).yield_level, 10u);
    EXPECT_EQ(rig.host_line(1).waiting, bit(10));
    EXPECT_EQ(rig.host_line(0).yield_level, 64u);
    rig.driver.begin_reset();
    expect_quiet();
}

TEST(VC_7_5, a_switch_reports_what_waits_for_the_new_process) {
    WordsRig rig;
    EXPECT_EQ(switch_process(*rig.board, 0, nullptr), 0u);
    EXPECT_EQ(rig.board->process, 0u);
    // A completion that came while the process was not current took the kernel path.
    rig.submit(Rig::slot_request(rig.process, VIRTIO_COPS_OP_NANOSLEEP, 0));
    rig.complete_next(0);
    EXPECT_TRUE(rig.host.posts.empty());
    EXPECT_EQ(switch_process(*rig.board, rig.process.id, &rig.line()), bit(10));
    EXPECT_EQ(rig.board->process, rig.process.id);
    // One that comes from here on is posted: one of the two saw the other.
    rig.submit(Rig::slot_request(rig.process, VIRTIO_COPS_OP_NANOSLEEP, 1));
    rig.complete_next(0);
    EXPECT_EQ(rig.host.posts.size(), 1u);
}

TEST(VC_7_6, siblings_are_shown_to_those_who_asked_for_it) {
    Rig rig;
    rig.boot();
    rig.device.publish(1, 30, 10, bit(10), bit(12) | bit(3));
    EXPECT_EQ(rig.host_line(1).siblings, bit(12) | bit(3));
    EXPECT_EQ(rig.host_line(0).siblings, 0u);
    rig.device.publish(1, 30, 10, bit(10), 0);
    EXPECT_EQ(rig.host_line(1).siblings, 0u);
}

TEST(VC_7_6, without_the_feature_siblings_reads_0) {
    Rig without({.driver = {.siblings = false}});
    without.boot();
    without.device.publish(1, 30, 10, bit(10), bit(12));
    EXPECT_EQ(without.host_line(1).siblings, 0u);
}

TEST(VC_10_5, a_spin_counts_from_when_it_was_negotiated_to_the_reset) {
    Rig rig;
    EXPECT_FALSE(rig.device.has_siblings());
    rig.boot();
    EXPECT_TRUE(rig.device.has_siblings());
    EXPECT_EQ(Device::doorbell(8, 4), Doorbell::spin);
    rig.driver.begin_reset();
    EXPECT_FALSE(rig.device.has_siblings());
}

TEST(VC_10_5, a_spin_without_the_feature_does_not_count) {
    Rig without({.driver = {.siblings = false}});
    without.boot();
    EXPECT_FALSE(without.device.has_siblings());
}

TEST(VC_10_1, only_aligned_words_at_0_4_and_8_are_doorbells) {
    EXPECT_EQ(Device::doorbell(0, 4), Doorbell::claim);
    EXPECT_EQ(Device::doorbell(4, 4), Doorbell::yield);
    EXPECT_EQ(Device::doorbell(8, 4), Doorbell::spin);
    for (const unsigned size : {1u, 2u, 8u}) {
        EXPECT_EQ(Device::doorbell(0, size), Doorbell::none);
        EXPECT_EQ(Device::doorbell(4, size), Doorbell::none);
        EXPECT_EQ(Device::doorbell(8, size), Doorbell::none);
    }
    for (const std::uint64_t offset : {1u, 2u, 6u, 9u, 10u, 12u, 4092u}) {
        EXPECT_EQ(Device::doorbell(offset, 4), Doorbell::none);
    }
}

TEST(VC_10_3, the_kernel_rings_only_for_a_claim_that_the_host_waits_for) {
    WordsRig rig;
    const virtio_cops_host_line& host = rig.host_line(0);
    EXPECT_FALSE(publish_ready(*rig.board, bit(3), host)) << "ring_level 0: never";
    rig.device.publish(0, 20, kNoLevel, 0);
    EXPECT_FALSE(publish_ready(*rig.board, bit(3), host)) << "not more urgent than before";
    EXPECT_TRUE(publish_ready(*rig.board, bit(3) | bit(2), host));
    EXPECT_FALSE(publish_ready(*rig.board, 0, host));
    EXPECT_FALSE(publish_ready(*rig.board, bit(20), host)) << "not more urgent than ring_level";
    EXPECT_TRUE(publish_ready(*rig.board, bit(20) | bit(19), host));
    EXPECT_EQ(rig.board->ready, bit(20) | bit(19));
}

TEST(VC_10_4, what_is_published_before_the_sample_is_seen_and_what_comes_later_rings) {
    WordsRig rig;
    // Order 1: the guest publishes between the host's two steps. It rings.
    rig.device.publish(0, 20, kNoLevel, 0);
    EXPECT_TRUE(publish_ready(*rig.board, bit(5), rig.host_line(0)));
    EXPECT_EQ(rig.claim(), 5);
    // Order 2: it publishes before. It need not ring, and the sample sees it.
    publish_ready(*rig.board, 0, rig.host_line(0));
    rig.device.publish(0, 0, kNoLevel, 0);
    EXPECT_FALSE(publish_ready(*rig.board, bit(5), rig.host_line(0)));
    rig.device.publish(0, 20, kNoLevel, 0);
    EXPECT_EQ(rig.claim(), 5);
}

TEST(VC_12_1, a_post_is_raised_only_for_the_process_that_is_current) {
    WordsRig rig;
    const TestProcess other = rig.attach(1);
    rig.submit(Rig::slot_request(rig.process, VIRTIO_COPS_OP_NANOSLEEP, 0));
    rig.complete_next(0);
    ASSERT_EQ(rig.host.posts.size(), 1u);
    EXPECT_EQ(rig.host.posts[0].vcpu, 0u);
    EXPECT_EQ(rig.host.posts[0].process, rig.process.id);
    EXPECT_TRUE(rig.device.take_user_interrupt(0, rig.process.id));
    rig.board->process = other.id;
    EXPECT_FALSE(rig.device.take_user_interrupt(0, rig.process.id));
    EXPECT_FALSE(rig.device.take_user_interrupt(0, other.id)) << "nothing is pending there";
    rig.board->process = rig.process.id;
    EXPECT_FALSE(rig.device.take_user_interrupt(1, rig.process.id)) << "another vCPU";
}

TEST(VC_12_1, a_post_that_was_drained_before_is_dropped) {
    WordsRig rig;
    rig.submit(Rig::slot_request(rig.process, VIRTIO_COPS_OP_NANOSLEEP, 0));
    rig.complete_next(0);
    rig.line().wake_pending = 0;
    rig.host.interrupts.clear();
    EXPECT_FALSE(rig.device.take_user_interrupt(0, rig.process.id));
    EXPECT_TRUE(rig.host.interrupts.empty());
}

TEST(VC_12_2, a_post_that_comes_too_late_becomes_a_used_interrupt) {
    WordsRig rig;
    rig.submit(Rig::slot_request(rig.process, VIRTIO_COPS_OP_NANOSLEEP, 0, 17));
    rig.complete_next(0);
    rig.host.interrupts.clear();
    switch_process(*rig.board, 0, nullptr);
    EXPECT_FALSE(rig.device.take_user_interrupt(0, rig.process.id));
    EXPECT_EQ(rig.host.interrupts, (std::vector<Level>{17}));
    EXPECT_EQ(switch_process(*rig.board, rig.process.id, &rig.line()), bit(17));
}

TEST(VC_12_2, a_post_for_a_process_that_is_gone_is_nothing) {
    WordsRig rig;
    rig.submit(Rig::slot_request(rig.process, VIRTIO_COPS_OP_NANOSLEEP, 0));
    rig.complete_next(0);
    ASSERT_EQ(rig.command(rig.driver.control().detach(rig.process.id, 0)), 0u);
    rig.host.interrupts.clear();
    EXPECT_FALSE(rig.device.take_user_interrupt(0, rig.process.id));
    EXPECT_FALSE(rig.device.take_user_interrupt(0, ~std::uint64_t{0}));
    EXPECT_FALSE(rig.device.take_user_interrupt(99, rig.process.id));
    EXPECT_TRUE(rig.host.interrupts.empty());
}

}  // namespace
}  // namespace virtio_cops::test
