// SPDX-License-Identifier: Apache-2.0
// SPEC.md section 9: completions. The executor here is as small as the text allows.
#include "rig.hpp"

namespace virtio_cops::test {
namespace {

constexpr std::uint64_t bit(unsigned level) {
    return std::uint64_t{1} << level;
}

struct CompletionRig : Rig {
    CompletionRig() {
        boot();
        board = &set_board();
        process = attach();
        board->process = process.id;
        line().running_level = 30;
        host.interrupts.clear();
    }
    virtio_cops_line& line() { return Rig::line(process); }
    /// One sleep in a slot at `level`, completed; the path that the device took.
    WakePath complete_one(std::uint32_t slot, std::uint32_t level) {
        submit(slot_request(process, VIRTIO_COPS_OP_NANOSLEEP, slot, level));
        complete_next(0);
        return host.events.back().path;
    }
    /// Takes the completions as VC-9.3 and VC-9.6 have it: slots in the order of the lists.
    std::vector<std::uint32_t> drain() {
        std::vector<std::uint32_t> found;
        std::uint64_t levels = __atomic_exchange_n(&line().wake_pending, 0, __ATOMIC_SEQ_CST);
        for (; levels != 0; levels &= levels - 1) {
            const auto level = static_cast<unsigned>(__builtin_ctzll(levels));
            std::uint32_t next =
                __atomic_exchange_n(&heads(process).head[level], 0, __ATOMIC_ACQUIRE);
            for (; next != 0; next = slot(process, next - 1).next) {
                found.push_back(next - 1);
            }
        }
        return found;
    }

    virtio_cops_board* board = nullptr;
    TestProcess process;
};

TEST(VC_9_1, every_request_completes_once_whatever_the_order) {
    CompletionRig rig;
    std::set<std::uint64_t> ids;
    for (std::uint32_t slot = 0; slot < 500; ++slot) {
        ids.insert(
            rig.submit(Rig::slot_request(rig.process, VIRTIO_COPS_OP_NANOSLEEP, slot, slot % 64))
        );
    }
    while (!rig.host.started.empty()) {
        const std::size_t index = rig.host.started.size() * 7 / 11;
        rig.device.complete(rig.take_started(index).token, 0);
    }
    for (const RequestDone& done : rig.reap()) {
        EXPECT_EQ(ids.erase(done.request_id), 1u);
    }
    EXPECT_TRUE(ids.empty());
    std::vector<std::uint32_t> slots = rig.drain();
    std::ranges::sort(slots);
    ASSERT_EQ(slots.size(), 500u);
    EXPECT_EQ(std::ranges::adjacent_find(slots), slots.end());
}

TEST(VC_9_2, a_completion_is_published_in_the_stated_order) {
    CompletionRig rig;
    virtio_cops_req header = Rig::slot_request(rig.process, VIRTIO_COPS_OP_READ, 130, 12);
    header.handle = rig.open_handle();
    rig.reap();
    const std::array data{rig.buffer(64)};
    rig.submit(header, data);
    const std::uint16_t used_before = rig.raw_requests().used();
    const std::uint64_t slot_at = rig.process.slots[1] + 2 * sizeof(virtio_cops_slot);
    const std::uint64_t head_at = rig.process.heads[0] + 12 * 4;
    const std::uint64_t used_at = rig.driver.requests().addresses().used;

    rig.ram.writes.clear();
    rig.ram.on_write = [&](std::uint64_t address) {
        // At each step everything before it is in place and nothing after it.
        const virtio_cops_slot& slot = rig.slot(rig.process, 130);
        const bool listed = rig.heads(rig.process).head[12] == 131;
        const bool pending = (rig.line().wake_pending & bit(12)) != 0;
        const bool used = rig.raw_requests().used() != used_before;
        EXPECT_EQ(listed, address == head_at || pending) << std::hex << address;
        EXPECT_LE(pending, listed);
        EXPECT_LE(used, pending);
        if (address == slot_at) {
            EXPECT_EQ(slot.result, 64u);
            EXPECT_EQ(slot.user_data, header.user_data);
            EXPECT_EQ(slot.generation, header.slot_generation);
            EXPECT_EQ(slot.level, 12u);
            EXPECT_EQ(slot.path, unsigned{VIRTIO_COPS_PATH_HOST});
        }
        EXPECT_TRUE(rig.host.posts.empty());
    };
    rig.complete_next(64);
    rig.ram.on_write = nullptr;
    std::vector<std::uint64_t> order;
    for (const GuestRam::Write& write : rig.ram.writes) {
        order.push_back(write.address);
    }
    const auto place = [&](std::uint64_t address) {
        return std::ranges::find(order, address) - order.begin();
    };
    EXPECT_EQ(place(data[0].address), 0);
    EXPECT_LT(place(data[0].address), place(slot_at));
    EXPECT_LT(place(slot_at), place(head_at));
    EXPECT_LT(place(head_at), place(rig.process.page));
    EXPECT_LT(place(rig.process.page), place(used_at));
    EXPECT_EQ(place(used_at), static_cast<std::ptrdiff_t>(order.size()) - 1);
    EXPECT_EQ(rig.host.posts.size(), 1u);
}

TEST(VC_9_3, a_slot_of_another_generation_can_be_told) {
    CompletionRig rig;
    rig.complete_one(4, 12);
    ASSERT_EQ(rig.drain(), (std::vector<std::uint32_t>{4}));
    // The executor waits for generation 1005 in the same slot: what it finds is the old one.
    EXPECT_EQ(rig.slot(rig.process, 4).generation, 1004u);
    virtio_cops_req again = Rig::slot_request(rig.process, VIRTIO_COPS_OP_NANOSLEEP, 4, 12);
    again.slot_generation = 1005;
    rig.submit(again);
    rig.complete_next(0);
    EXPECT_EQ(rig.slot(rig.process, 4).generation, 1005u);
}

TEST(VC_9_3, a_list_is_taken_whole_newest_first) {
    CompletionRig rig;
    for (std::uint32_t slot = 0; slot < 3; ++slot) {
        rig.complete_one(slot, 12);
    }
    EXPECT_EQ(rig.drain(), (std::vector<std::uint32_t>{2, 1, 0}));
    EXPECT_EQ(rig.heads(rig.process).head[12], 0u);
}

TEST(VC_9_4, an_executor_that_runs_as_urgent_work_is_left_alone) {
    CompletionRig rig;
    EXPECT_EQ(rig.complete_one(0, 30), WakePath::ring);
    EXPECT_EQ(rig.complete_one(1, 31), WakePath::ring);
    EXPECT_EQ(rig.complete_one(2, 63), WakePath::ring);
    EXPECT_TRUE(rig.host.posts.empty());
    EXPECT_TRUE(rig.host.interrupts.empty());
    EXPECT_EQ(rig.device.counters(31).wakes_ring, 1u);
}

TEST(VC_9_4, a_masked_executor_is_left_alone) {
    CompletionRig rig;
    rig.line().flags = VIRTIO_COPS_LINE_F_MASKED;
    EXPECT_EQ(rig.complete_one(0, 1), WakePath::ring);
    EXPECT_TRUE(rig.host.posts.empty());
}

TEST(VC_9_4, less_urgent_work_is_interrupted) {
    CompletionRig rig;
    EXPECT_EQ(rig.complete_one(0, 29), WakePath::user_interrupt);
    ASSERT_EQ(rig.host.posts.size(), 1u);
    EXPECT_EQ(rig.host.posts[0].vcpu, 0u);
    EXPECT_EQ(rig.host.posts[0].process, rig.process.id);
    EXPECT_EQ(rig.host.posts[0].level, 29);
    EXPECT_TRUE(rig.host.interrupts.empty());
    EXPECT_EQ(rig.device.counters(29).wakes_user_interrupt, 1u);
}

TEST(VC_9_4, an_idle_executor_is_interrupted_masked_or_not) {
    CompletionRig rig;
    rig.line().running_level = VIRTIO_COPS_LEVEL_NONE;
    EXPECT_EQ(rig.complete_one(0, 63), WakePath::user_interrupt);
    rig.line().flags = VIRTIO_COPS_LINE_F_MASKED;
    EXPECT_EQ(rig.complete_one(1, 63), WakePath::user_interrupt);
    rig.line().running_level = 0xffff'ffff;
    EXPECT_EQ(rig.complete_one(2, 63), WakePath::user_interrupt);
}

TEST(VC_9_4, a_process_that_is_not_current_goes_through_the_kernel) {
    CompletionRig rig;
    for (const std::uint64_t other :
         {std::uint64_t{0}, VIRTIO_COPS_PROCESS(1u, 1u), rig.process.id + (std::uint64_t{1} << 32)
         }) {
        rig.board->process = other;
        rig.host.interrupts.clear();
        EXPECT_EQ(rig.complete_one(0, 3), WakePath::kernel);
        EXPECT_EQ(rig.host.interrupts, (std::vector<Level>{3}));
    }
    EXPECT_TRUE(rig.host.posts.empty());
    EXPECT_EQ(rig.device.counters(3).wakes_kernel, 3u);
}

TEST(VC_9_4, a_request_for_another_hart_is_judged_by_that_hart) {
    CompletionRig rig;
    virtio_cops_req header = Rig::slot_request(rig.process, VIRTIO_COPS_OP_NANOSLEEP, 0, 3);
    header.hart = 1;
    rig.submit(header);
    rig.complete_next(0);
    EXPECT_EQ(rig.host.events.back().path, WakePath::kernel) << "hart 1 has no board";
    EXPECT_EQ(rig.Rig::line(rig.process, 1).wake_pending, bit(3));
    EXPECT_EQ(rig.heads(rig.process, 1).head[3], 1u);
    EXPECT_EQ(rig.line().wake_pending, 0u);
}

TEST(VC_9_4, a_request_without_a_slot_goes_through_the_kernel) {
    CompletionRig rig;
    virtio_cops_req header = Rig::request(VIRTIO_COPS_OP_NANOSLEEP, 8);
    header.process = rig.process.id;
    rig.submit(header);
    rig.complete_next(0);
    EXPECT_EQ(rig.host.events.back().path, WakePath::kernel);
    EXPECT_EQ(rig.line().wake_pending, 0u);
}

TEST(VC_9_5, whoever_comes_second_sees_the_other) {
    // Every interleaving of {store running_level; load wake_pending} with {set wake_pending; load
    // running_level}: the wake is lost only if the executor reads before it stores.
    for (const bool store_first : {true, false}) {
        for (int device_at = 0; device_at <= 2; ++device_at) {
            CompletionRig rig;
            bool seen = false;
            const auto store = [&] { rig.line().running_level = VIRTIO_COPS_LEVEL_NONE; };
            const auto look = [&] { seen = rig.line().wake_pending != 0; };
            rig.line().running_level = 0;
            for (int step = 0; step <= 2; ++step) {
                if (step == device_at) {
                    rig.complete_one(0, 20);
                }
                if (step < 2) {
                    (step == 0) == store_first ? store() : look();
                }
            }
            const bool told = seen || !rig.host.posts.empty();
            const bool may_be_lost = !store_first && device_at == 1;
            EXPECT_EQ(told, !may_be_lost) << store_first << device_at;
        }
    }
}

TEST(VC_9_6, a_completion_between_exchange_and_list_sets_its_bit_again) {
    CompletionRig rig;
    rig.complete_one(0, 12);
    EXPECT_EQ(__atomic_exchange_n(&rig.line().wake_pending, 0, __ATOMIC_SEQ_CST), bit(12));
    rig.complete_one(1, 12);
    EXPECT_EQ(rig.line().wake_pending, bit(12));
    EXPECT_EQ(__atomic_exchange_n(&rig.heads(rig.process).head[12], 0, __ATOMIC_ACQUIRE), 2u);
    EXPECT_EQ(rig.slot(rig.process, 1).next, 1u);
    // The second look finds an empty list: a wake too many, none too few.
    EXPECT_TRUE(rig.drain().empty());
}

TEST(VC_9_7, what_took_the_kernel_path_makes_its_process_runnable) {
    CompletionRig rig;
    rig.board->process = 0;
    rig.line().running_level = VIRTIO_COPS_LEVEL_NONE;
    EXPECT_EQ(runnable_level(rig.line(), 0), unsigned{VIRTIO_COPS_LEVEL_NONE});
    rig.complete_one(0, 12);
    EXPECT_EQ(runnable_level(rig.line(), 0), 12u);
    EXPECT_EQ(runnable_level(rig.line(), 16), 16u);
    rig.line().ready = bit(4);
    EXPECT_EQ(runnable_level(rig.line(), 0), 4u);
}

TEST(VC_9_8, interrupts_carry_the_level_of_the_request) {
    CompletionRig rig;
    rig.complete_one(0, 7);
    ASSERT_EQ(rig.host.posts.size(), 1u);
    EXPECT_EQ(rig.host.posts[0].level, 7);
    rig.board->process = 0;
    rig.complete_one(1, 9);
    EXPECT_EQ(rig.host.interrupts, (std::vector<Level>{9}));
    EXPECT_EQ(rig.host.events.back().level, 9);
}

TEST(VC_9_9, kernel_and_device_share_a_list) {
    CompletionRig rig;
    rig.complete_one(0, 12);
    list_slot(rig.line(), rig.heads(rig.process), rig.slot(rig.process, 1), 1, 12);
    rig.complete_one(2, 12);
    EXPECT_EQ(rig.slot(rig.process, 1).path, unsigned{VIRTIO_COPS_PATH_KERNEL});
    EXPECT_EQ(rig.slot(rig.process, 1).level, 12u);
    EXPECT_EQ(rig.drain(), (std::vector<std::uint32_t>{2, 1, 0}));
}

TEST(VC_9_10, wild_list_heads_and_links_are_not_followed) {
    CompletionRig rig;
    rig.heads(rig.process).head[12] = 0xffff'ffff;
    rig.slot(rig.process, 0).next = 0x1234'5678;
    EXPECT_EQ(rig.complete_one(0, 12), WakePath::user_interrupt);
    EXPECT_EQ(rig.slot(rig.process, 0).next, 0xffff'ffffu);
    EXPECT_EQ(rig.heads(rig.process).head[12], 1u);
}

TEST(VC_9_10, a_slot_listed_twice_harms_nobody_else) {
    CompletionRig rig;
    const TestProcess other = rig.attach(1);
    rig.complete_one(0, 12);
    rig.complete_one(0, 12);
    EXPECT_EQ(rig.slot(rig.process, 0).next, 1u) << "the guest made itself a loop";
    rig.submit(Rig::slot_request(other, VIRTIO_COPS_OP_NANOSLEEP, 0, 12));
    rig.complete_next(0);
    EXPECT_EQ(rig.heads(other).head[12], 1u);
    EXPECT_FALSE(rig.needs_reset());
}

}  // namespace
}  // namespace virtio_cops::test
