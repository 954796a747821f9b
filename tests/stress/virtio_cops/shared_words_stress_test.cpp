// SPDX-License-Identifier: Apache-2.0
// The words that guest and host share, under threads: the device completes on host threads (under
// its lock, as SPEC.md and device.hpp have it) while a vCPU thread plays kernel and executor
// without any lock. A lost wake leaves the vCPU thread waiting for ever and the test times out.
#include "rig.hpp"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <random>
#include <thread>

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define COPS_SLOW 1
#endif
#endif

namespace virtio_cops::test {
namespace {

#ifdef COPS_SLOW
constexpr std::uint32_t kCompletions = 30'000;
constexpr int kLitmusRounds = 500;
#else
constexpr std::uint32_t kCompletions = 300'000;
constexpr int kLitmusRounds = 4'000;
#endif

constexpr std::uint64_t bit(unsigned level) {
    return std::uint64_t{1} << level;
}

/// Mailbox and interrupt line of the one vCPU.
class VcpuHost final : public Host {
public:
    struct Signal {
        std::optional<std::uint64_t> post;  ///< Process of the last user interrupt post.
        bool used_interrupt = false;
    };

    void start(const IoOperation& operation) override {
        started.push_back(operation.token);
        work.notify_one();
    }
    void cancel(std::uint64_t) override {}
    void close(HostHandle) override {}
    HostHandle reopen(const OpenDescription&) override { return -ENOENT; }
    void post_user_interrupt(unsigned, std::uint64_t process, Level) override {
        const std::lock_guard lock(mailbox_);
        signal_.post = process;
        bell_.notify_one();
    }
    void raise_used_interrupt(Level) override {
        const std::lock_guard lock(mailbox_);
        signal_.used_interrupt = true;
        bell_.notify_one();
    }
    void raise_config_interrupt() override {}
    void set_needs_reset(const char* why) override { ADD_FAILURE() << why; }
    void reset_done() override {}
    std::uint64_t now_ns() override { return ++clock_; }
    void completed(const CompletionEvent& event) override {
        ++paths[static_cast<std::size_t>(event.path)];
    }

    /// What has come since the last call; `wait`: as `wfi` does, until something has.
    Signal take(bool wait) {
        std::unique_lock lock(mailbox_);
        if (wait) {
            bell_.wait(lock, [this] { return signal_.post.has_value() || signal_.used_interrupt; });
        }
        return std::exchange(signal_, {});
    }

    std::vector<std::uint64_t> started;  // under the device's lock
    std::condition_variable_any work;    // with the device's lock
    std::array<std::uint64_t, 3> paths{};

private:
    std::mutex mailbox_;
    std::condition_variable bell_;
    Signal signal_;
    std::uint64_t clock_ = 0;
};

/// Two processes on one vCPU against a device whose operations complete on two host threads.
class Machine {
public:
    Machine()
        : ram_(8u << 20)
        , device_(options(), ram_, host_, ram_.host_page()) {
        memory_ = ram_.allocate(RequestQueue::bytes(1024, 1));
        requests_.init(&ram_.at<std::byte>(memory_), memory_, 1024, 1);
        control_memory_ = ram_.allocate(ControlQueue::bytes(8));
        control_.init(&ram_.at<std::byte>(control_memory_), control_memory_, 8);
        device_.activate(
            device_.features(),
            std::array{state(control_.addresses()), state(requests_.addresses())}
        );
        const std::uint64_t board = ram_.allocate(64, 64);
        board_ = &ram_.at<virtio_cops_board>(board);
        EXPECT_EQ(control_.set_board(0, board, 0), 0);
        for (std::uint32_t i = 0; i < processes_.size(); ++i) {
            attach(i);
        }
        device_.notify(VIRTIO_COPS_QUEUE_CONTROL);
        CommandDone done;
        while (control_.reap(&done)) {
            EXPECT_EQ(done.status, 0u);
        }
    }

    void run() {
        std::vector<std::jthread> hosts;
        for (unsigned seed = 1; seed <= 2; ++seed) {
            hosts.emplace_back([this, seed](const std::stop_token& stop) {
                complete_all(stop, seed);
            });
        }
        run_vcpu();
    }

    const VcpuHost& host() const { return host_; }
    std::uint64_t received() const { return received_; }
    std::uint64_t user_interrupts() const { return user_interrupts_; }

private:
    static constexpr std::uint32_t kSlots = 256;
    struct Process {
        std::uint64_t id = 0;
        virtio_cops_line* line = nullptr;
        virtio_cops_heads* heads = nullptr;
        std::array<virtio_cops_slot*, kSlots> slots{};
        std::array<std::uint32_t, kSlots> generations{};
        std::array<bool, kSlots> busy{};
        std::uint32_t in_flight = 0;
    };

    static DeviceOptions options() {
        return {.num_vcpus = 1, .max_processes = 2, .max_slots = kSlots, .max_in_flight = 64};
    }
    static QueueState state(const QueueAddresses& at) {
        return {at.size, at.desc, at.avail, at.used, 0, 0};
    }

    void attach(std::uint32_t index) {
        Process& process = processes_[index];
        process.id = VIRTIO_COPS_PROCESS(index, 1u);
        const std::uint64_t page = ram_.allocate(kPageBytes);
        const std::array heads{ram_.allocate(kPageBytes)};
        const std::array slots{ram_.allocate(kPageBytes), ram_.allocate(kPageBytes)};
        process.line = &ram_.at<virtio_cops_line>(page);
        process.line->running_level = VIRTIO_COPS_LEVEL_NONE;
        process.heads = &ram_.at<virtio_cops_heads>(heads[0]);
        for (std::uint32_t slot = 0; slot < kSlots; ++slot) {
            process.slots[slot] = &ram_.at<virtio_cops_slot>(
                slots[slot / 128] + slot % 128 * sizeof(virtio_cops_slot)
            );
        }
        EXPECT_EQ(control_.attach({process.id, page, 1, heads, slots}, 0), 0);
    }

    void complete_all(const std::stop_token& stop, unsigned seed) {
        std::minstd_rand random(seed);
        std::unique_lock lock(device_lock_);
        while (host_.work.wait(lock, stop, [this] { return !host_.started.empty(); })) {
            const std::size_t index = random() % host_.started.size();
            const std::uint64_t token = host_.started[index];
            host_.started[index] = host_.started.back();
            host_.started.pop_back();
            device_.complete(token, static_cast<std::int64_t>(token >> 16));
            lock.unlock();  // Let the other threads in.
            lock.lock();
        }
    }

    /// Kernel: switches processes at every turn, and waits when neither has anything to do.
    void run_vcpu() {
        while (received_ < kCompletions && !testing::Test::HasFailure()) {
            Process& process = processes_[random_() % 2];
            const std::uint64_t pending = switch_process(*board_, process.id, process.line);
            if (pending != 0) {
                drain(process);
            }
            execute(process);
            __atomic_store_n(&process.line->running_level, std::uint32_t{64}, __ATOMIC_RELAXED);
            if (random_() % 4 == 0) {
                sleep(process);
            }
        }
        switch_process(*board_, 0, nullptr);
    }

    /// Executor: a few coroutines, each of which makes a request, with a look at its interrupts as
    /// an engine has at block boundaries.
    void execute(Process& process) {
        for (int turn = 0; turn < 4; ++turn) {
            const auto level = static_cast<std::uint32_t>(random_() % 64);
            store_level(process, level);
            if (random_() % 8 == 0) {
                run_masked(process);
            }
            submit(process);
            serve_interrupts(process, false);
            drain_if_pending(process);
        }
    }

    /// VC-9.5: the store, a full fence, and another look.
    void store_level(Process& process, std::uint32_t level) {
        __atomic_store_n(&process.line->running_level, level, __ATOMIC_RELAXED);
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        drain_if_pending(process);
    }

    void run_masked(Process& process) {
        __atomic_store_n(
            &process.line->flags, std::uint32_t{VIRTIO_COPS_LINE_F_MASKED}, __ATOMIC_RELAXED
        );
        submit(process);
        __atomic_store_n(&process.line->flags, std::uint32_t{0}, __ATOMIC_RELAXED);
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        drain_if_pending(process);
    }

    void submit(Process& process) {
        const auto slot = static_cast<std::uint32_t>(random_() % kSlots);
        if (process.busy[slot]) {
            return;
        }
        process.busy[slot] = true;
        ++process.in_flight;
        virtio_cops_req header{};
        header.opcode = VIRTIO_COPS_OP_NANOSLEEP;
        header.flags = VIRTIO_COPS_REQ_F_SLOT;
        header.level = static_cast<std::uint32_t>(random_() % 64);
        header.process = process.id;
        header.slot = slot;
        header.slot_generation = ++process.generations[slot];
        header.user_data = process.id ^ slot;
        std::uint64_t id = 0;
        ASSERT_EQ(requests_.submit(header, {}, Direction::from_device, 0, &id), 0);
        const std::lock_guard lock(device_lock_);
        device_.notify(VIRTIO_COPS_QUEUE_REQUEST);
    }

    /// The engine's and the kernel's part between two instructions of the executor.
    void serve_interrupts(Process& process, bool wait) {
        const VcpuHost::Signal signal = host_.take(wait);
        if (signal.post) {
            const std::unique_lock lock(device_lock_);
            const bool raise = device_.take_user_interrupt(0, *signal.post);
            if (raise) {
                ASSERT_EQ(*signal.post, process.id) << "misdelivered";
                ++user_interrupts_;
            }
        }
        RequestDone done;
        while (requests_.reap(&done)) {
        }
        drain_if_pending(process);
    }

    /// VC-9.5 before sleep; then `wfi`, if the kernel finds nothing for the other process either.
    void sleep(Process& process) {
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        drain_if_pending(process);
        Process& other = &process == &processes_[0] ? processes_[1] : processes_[0];
        // Interrupts that came before are looked at first, as a hart does not sleep over them.
        serve_interrupts(process, false);
        const bool nothing = runnable_level(*process.line, 0) == VIRTIO_COPS_LEVEL_NONE
                             && runnable_level(*other.line, 0) == VIRTIO_COPS_LEVEL_NONE;
        if (nothing && process.in_flight + other.in_flight != 0) {
            ++sleeps_;
            serve_interrupts(process, true);
        }
    }

    void drain_if_pending(Process& process) {
        if (__atomic_load_n(&process.line->wake_pending, __ATOMIC_RELAXED) != 0) {
            drain(process);
        }
    }

    void drain(Process& process) {
        std::uint64_t levels =
            __atomic_exchange_n(&process.line->wake_pending, 0, __ATOMIC_SEQ_CST);
        for (; levels != 0; levels &= levels - 1) {
            const auto level = static_cast<unsigned>(__builtin_ctzll(levels));
            std::uint32_t next =
                __atomic_exchange_n(&process.heads->head[level], 0, __ATOMIC_ACQUIRE);
            while (next != 0) {
                const std::uint32_t slot = next - 1;
                const virtio_cops_slot& done = *process.slots[slot];
                next = done.next;
                ASSERT_TRUE(process.busy[slot]) << "completed twice";
                ASSERT_EQ(done.generation, process.generations[slot]);
                ASSERT_EQ(done.user_data, process.id ^ slot) << "misdelivered";
                ASSERT_EQ(done.level, level);
                process.busy[slot] = false;
                --process.in_flight;
                ++received_;
            }
        }
    }

    GuestRam ram_;
    VcpuHost host_;
    Device device_;
    std::mutex device_lock_;
    RequestQueue requests_;
    ControlQueue control_;
    std::uint64_t memory_ = 0;
    std::uint64_t control_memory_ = 0;
    virtio_cops_board* board_ = nullptr;
    std::array<Process, 2> processes_;
    std::minstd_rand random_{7};
    std::uint64_t received_ = 0;
    std::uint64_t user_interrupts_ = 0;
    std::uint64_t sleeps_ = 0;
};

TEST(SharedWordsStress, no_completion_is_lost_doubled_or_misdelivered) {
    Machine machine;
    machine.run();
    EXPECT_GE(machine.received(), kCompletions);
    const auto& paths = machine.host().paths;
    RecordProperty("ring", static_cast<int>(paths[0]));
    RecordProperty("user_interrupt", static_cast<int>(paths[1]));
    RecordProperty("kernel", static_cast<int>(paths[2]));
    for (const std::uint64_t count : paths) {
        EXPECT_GT(count, 0u);
    }
    EXPECT_GT(machine.user_interrupts(), 0u);
}

/// 64 harts, each with a word pair of its own, so that two threads race 64 times between two
/// meetings: `first(hart)` on this thread against `second(hart)` on another one, which runs a
/// distance behind that differs from round to round.
class Races {
public:
    static constexpr unsigned kHarts = 64;

    template <class Prepare, class First, class Second, class Check>
    void run(Prepare prepare, First first, Second second, Check check) {
        std::jthread other([&] {
            for (int round = 0; round < kLitmusRounds; ++round) {
                wait_for(round * kStride);
                for (unsigned hart = 0; hart < kHarts; ++hart) {
                    wait_for(round * kStride + 1 + static_cast<int>(hart));
                    drift(round % 97);
                    second(hart);
                }
                done_.store(round + 1);
            }
        });
        for (int round = 0; round < kLitmusRounds; ++round) {
            for (unsigned hart = 0; hart < kHarts; ++hart) {
                prepare(hart);
            }
            for (unsigned hart = 0; hart < kHarts; ++hart) {
                progress_.store(round * kStride + 1 + static_cast<int>(hart));
                first(hart);
            }
            while (done_.load() != round + 1) {
                std::this_thread::yield();
            }
            for (unsigned hart = 0; hart < kHarts; ++hart) {
                check(hart);
            }
        }
    }

private:
    static constexpr int kStride = 1000;

    void wait_for(int point) const {
        for (int spins = 0; progress_.load() < point; ++spins) {
            if (spins > 2000) {
                std::this_thread::yield();
            }
        }
    }
    static void drift(int steps) {
        for (int i = 0; i < steps; ++i) {
            asm volatile("");
        }
    }

    std::atomic<int> progress_{-1};
    std::atomic<int> done_{0};
};

/// A device with a board and a line for each hart, and a request under way for each.
struct RaceRig : Rig {
    RaceRig()
        : Rig(options()) {
        boot();
        process = attach(0, 1, Races::kHarts);
        for (unsigned hart = 0; hart < Races::kHarts; ++hart) {
            boards[hart] = &set_board(hart);
            lines[hart] = &line(process, hart);
        }
    }
    static RigOptions options() {
        RigOptions options;
        options.device.num_vcpus = Races::kHarts;
        options.device.max_slots = 128;
        return options;
    }
    /// Everything as before the race, with a sleep at level 20 in slot `hart` under way.
    void prepare(unsigned hart, std::uint64_t current) {
        if (hart == 0) {
            reap();
            host.posts.clear();
            host.events.clear();
            host.interrupts.clear();
            ram.writes.clear();
            posted.fill(false);
        }
        boards[hart]->process = current;
        lines[hart]->running_level = 0;
        lines[hart]->wake_pending = 0;
        heads(process, hart).head[20] = 0;
        virtio_cops_req header = slot_request(process, VIRTIO_COPS_OP_NANOSLEEP, hart, 20);
        header.hart = hart;
        submit(header);
        tokens[hart] = take_started().token;
    }
    void complete(unsigned hart) {
        const std::size_t before = host.posts.size();
        device.complete(tokens[hart], 0);
        posted[hart] = host.posts.size() != before;
    }

    TestProcess process;
    std::array<virtio_cops_board*, Races::kHarts> boards{};
    std::array<virtio_cops_line*, Races::kHarts> lines{};
    std::array<std::uint64_t, Races::kHarts> tokens{};
    std::array<bool, Races::kHarts> posted{};
    std::array<std::uint64_t, Races::kHarts> seen{};
};

// In each of these, x86 loses wakes when a fence of the guest's side is taken out (on two CPUs that
// are free to run both threads at once); weaker machines lose them on either side.

TEST(SharedWordsStress, an_executor_that_stops_running_and_the_device_see_each_other) {
    for (const std::uint32_t next : {30u, 64u}) {
        RaceRig rig;
        int lost = 0;
        Races().run(
            [&](unsigned hart) { rig.prepare(hart, rig.process.id); },
            [&](unsigned hart) { rig.complete(hart); },
            [&](unsigned hart) {
                virtio_cops_line& line = *rig.lines[hart];
                __atomic_store_n(&line.running_level, next, __ATOMIC_RELAXED);
                __atomic_thread_fence(__ATOMIC_SEQ_CST);
                rig.seen[hart] = __atomic_load_n(&line.wake_pending, __ATOMIC_RELAXED);
            },
            [&](unsigned hart) { lost += rig.seen[hart] == 0 && !rig.posted[hart]; }
        );
        EXPECT_EQ(lost, 0) << "wakes lost on the way to level " << next;
    }
}

TEST(SharedWordsStress, a_process_switch_and_the_device_see_each_other) {
    RaceRig rig;
    int lost = 0;
    Races().run(
        [&](unsigned hart) { rig.prepare(hart, 0); },
        [&](unsigned hart) { rig.complete(hart); },
        [&](unsigned hart) {
            // Level 30 runs there, so that a device that sees the switch posts.
            __atomic_store_n(&rig.lines[hart]->running_level, 30u, __ATOMIC_RELAXED);
            rig.seen[hart] = switch_process(*rig.boards[hart], rig.process.id, rig.lines[hart]);
        },
        [&](unsigned hart) { lost += rig.seen[hart] == 0 && !rig.posted[hart]; }
    );
    EXPECT_EQ(lost, 0) << "switches that neither side noticed";
}

TEST(SharedWordsStress, a_claim_and_the_hosts_ring_level_see_each_other) {
    RaceRig rig;
    int lost = 0;
    std::array<Level, Races::kHarts> sampled{};
    Races().run(
        [&](unsigned hart) {
            rig.device.publish(hart, 0, kNoLevel, 0);
            rig.boards[hart]->ready = 0;
        },
        [&](unsigned hart) {
            rig.device.publish(hart, 20, kNoLevel, 0);
            sampled[hart] = rig.device.sample(hart).level;
        },
        [&](unsigned hart) {
            rig.seen[hart] = publish_ready(*rig.boards[hart], bit(5), rig.host_line(hart)) ? 1 : 0;
        },
        [&](unsigned hart) { lost += rig.seen[hart] == 0 && sampled[hart] != 5; }
    );
    EXPECT_EQ(lost, 0) << "claims that the host neither saw nor heard";
}

}  // namespace
}  // namespace virtio_cops::test
