// SPDX-License-Identifier: Apache-2.0
// Random interleavings of everything that a driver and a host can do to requests: none is lost,
// none completes twice, none is written after its end. The seed is in the failure message.
#include "rig.hpp"

#include <random>

namespace virtio_cops::test {
namespace {

/// A driver with up to two processes that does random but honest things, and knows what must hold.
class RandomDriver {
public:
    explicit RandomDriver(std::uint32_t seed)
        : rig_(options())
        , random_(seed) {
        rig_.boot();
        board_ = &rig_.set_board();
        for (std::uint32_t i = 0; i < 2; ++i) {
            processes_[i].pages = rig_.attach(i, 1);
        }
        handle_ = rig_.open_handle();
        buffer_ = rig_.buffer(4096);
    }

    void run(int steps) {
        for (int i = 0; i < steps && !testing::Test::HasFailure(); ++i) {
            step();
            reap();
            ASSERT_LE(rig_.device.in_flight(), 300u);
            ASSERT_EQ(rig_.device.in_flight(), rig_.host.started.size());
        }
        finish();
    }

private:
    struct Sent {
        std::uint32_t process = 0;
        std::uint32_t slot = 0;
    };
    struct OneProcess {
        TestProcess pages;
        std::uint32_t generation = 1;
        bool leaving = false;
        std::set<std::uint32_t> busy;  ///< Slots in flight.
    };

    static RigOptions options() {
        RigOptions options;
        options.device.max_in_flight = 300;
        options.ram_bytes = 16u << 20;
        return options;
    }
    std::uint32_t below(std::uint32_t bound) { return random_() % bound; }

    void step() {
        const std::uint32_t what = below(100);
        if (what < 50) {
            submit();
        } else if (what < 85) {
            complete();
        } else if (what < 92) {
            cancel_or_move();
        } else if (what < 96) {
            show(processes_[below(2)]);
        } else if (what < 98) {
            detach(below(2));
        } else if (below(20) == 0) {
            reset();
        }
    }

    /// What kernel and executor write; nobody writes for a process that leaves.
    void show(const OneProcess& process) {
        if (process.leaving) {
            board_->process = 0;
            return;
        }
        board_->process = process.pages.id;
        rig_.line(process.pages).running_level = below(65);
    }

    void submit() {
        const std::uint32_t index = below(2);
        OneProcess& process = processes_[index];
        const std::uint32_t slot = below(2048);
        if (process.leaving || sent_.size() >= 1000 || process.busy.contains(slot)) {
            return;
        }
        virtio_cops_req header =
            Rig::slot_request(process.pages, VIRTIO_COPS_OP_READ, slot, below(64));
        header.handle = handle_;
        header.hart = below(2);
        const std::array data{buffer_};
        const std::uint64_t id = rig_.submit(header, data);
        process.busy.insert(slot);
        ASSERT_TRUE(sent_.emplace(id, Sent{index, slot}).second);
    }

    void complete() {
        if (rig_.host.started.empty()) {
            return;
        }
        const std::size_t index = below(static_cast<std::uint32_t>(rig_.host.started.size()));
        const FakeHost::Operation operation = rig_.take_started(index);
        const bool cancelled = rig_.host.was_cancelled(operation.token) && below(2) == 0;
        rig_.device.complete(operation.token, cancelled ? -ECANCELED : 4096);
    }

    void cancel_or_move() {
        if (sent_.empty()) {
            return;
        }
        auto some = sent_.lower_bound(rig_.host.clock % 5000 << 16);
        const std::uint64_t id = some == sent_.end() ? sent_.begin()->first : some->first;
        ControlQueue& control = rig_.driver.control();
        send(below(2) == 0 ? control.cancel(id, 0) : control.set_level(id, below(64), 0));
    }

    void detach(std::uint32_t index) {
        OneProcess& process = processes_[index];
        if (!process.leaving) {
            process.leaving = true;
            send(rig_.driver.control().detach(process.pages.id, 1 + index));
        }
    }

    void send(int sent) {
        ASSERT_TRUE(sent == 0 || sent == -kTryAgain);
        rig_.driver.notify_control();
    }

    void reap() {
        for (const RequestDone& done : rig_.reap()) {
            const auto found = sent_.find(done.request_id);
            ASSERT_NE(found, sent_.end()) << "completed twice, or never sent";
            ASSERT_TRUE(done.result == 4096 || done.result == -ECANCELED) << done.result;
            processes_[found->second.process].busy.erase(found->second.slot);
            sent_.erase(found);
        }
        while (const auto done = rig_.reap_command()) {
            if (done->command == VIRTIO_COPS_CTRL_DETACH_PROCESS) {
                ASSERT_EQ(done->status, 0u);
                reuse_frames(static_cast<std::uint32_t>(done->cookie - 1));
            }
        }
        check_poison();
    }

    /// The process has left: nobody may write its pages now. They are poisoned, checked from here
    /// on, and become those of a new process later.
    void reuse_frames(std::uint32_t index) {
        OneProcess& process = processes_[index];
        ASSERT_TRUE(process.busy.empty()) << "detached with requests in flight";
        for (const std::uint64_t page : all_pages(process)) {
            std::memset(&rig_.ram.at<std::byte>(page), 0xa5, kPageBytes);
        }
        poisoned_[index] = true;
        poison_age_[index] = 0;
    }

    void check_poison() {
        for (std::uint32_t index = 0; index < 2; ++index) {
            if (!poisoned_[index] || ++poison_age_[index] < 20) {
                continue;
            }
            OneProcess& process = processes_[index];
            for (const std::uint64_t page : all_pages(process)) {
                const auto* const bytes = &rig_.ram.at<std::uint8_t>(page);
                ASSERT_TRUE(std::all_of(bytes, bytes + kPageBytes, [](std::uint8_t byte) {
                    return byte == 0xa5;
                })) << "a frame was written after its process had left";
                std::memset(&rig_.ram.at<std::byte>(page), 0, kPageBytes);
            }
            poisoned_[index] = false;
            attach(index);
        }
    }

    void attach(std::uint32_t index) {
        OneProcess& process = processes_[index];
        process.leaving = false;
        process.pages.id = VIRTIO_COPS_PROCESS(index, ++process.generation);
        ASSERT_EQ(rig_.driver.control().attach(Rig::pages(process.pages), 0), 0);
        rig_.driver.notify_control();
    }

    static std::vector<std::uint64_t> all_pages(const OneProcess& process) {
        std::vector<std::uint64_t> pages{process.pages.page};
        pages.insert(pages.end(), process.pages.heads.begin(), process.pages.heads.end());
        pages.insert(pages.end(), process.pages.slots.begin(), process.pages.slots.end());
        return pages;
    }

    void reset() {
        rig_.driver.begin_reset();
        const std::vector<std::byte> before = rig_.ram.snapshot();
        while (!rig_.driver.reset_done()) {
            complete();
        }
        ASSERT_EQ(rig_.ram.snapshot(), before);
        ASSERT_TRUE(rig_.device.idle());
        sent_.clear();
        rig_.host.cancelled.clear();
        ASSERT_EQ(rig_.driver.open(), 0);
        const QueueAddresses old = rig_.driver.control().addresses();
        ASSERT_EQ(rig_.driver.start(&rig_.ram.at<std::byte>(old.desc), old.desc), 0);
        handle_ = rig_.open_handle();
        for (std::uint32_t index = 0; index < 2; ++index) {
            processes_[index].busy.clear();
            poisoned_[index] = false;
            for (const std::uint64_t page : all_pages(processes_[index])) {
                std::memset(&rig_.ram.at<std::byte>(page), 0, kPageBytes);
            }
            attach(index);
        }
    }

    void finish() {
        while (!rig_.host.started.empty()) {
            complete();
            reap();
        }
        EXPECT_TRUE(sent_.empty()) << sent_.size() << " requests were lost";
        EXPECT_TRUE(rig_.device.idle());
        EXPECT_FALSE(rig_.needs_reset()) << rig_.registers.why_needs_reset;
        EXPECT_EQ(rig_.device.misuse().bad_requests, 0u);
        EXPECT_EQ(rig_.device.misuse().stale_tokens, 0u);
    }

    Rig rig_;
    std::mt19937 random_;
    virtio_cops_board* board_ = nullptr;
    std::array<OneProcess, 2> processes_;
    std::array<bool, 2> poisoned_{};
    std::array<int, 2> poison_age_{};
    std::map<std::uint64_t, Sent> sent_;
    std::uint32_t handle_ = 0;
    Segment buffer_;
};

TEST(RandomInterleavings, lose_nothing_and_repeat_nothing) {
    for (std::uint32_t seed = 1; seed <= 8; ++seed) {
        SCOPED_TRACE(testing::Message() << "seed " << seed);
        RandomDriver(seed).run(3000);
        if (HasFailure()) {
            break;
        }
    }
}

}  // namespace
}  // namespace virtio_cops::test
