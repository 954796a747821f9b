// SPDX-License-Identifier: Apache-2.0
// The device's half and the kernel's half of the shared words (virtio-cops/SPEC.md 7, 9, 10) with
// the executor as the third. One vCPU: thread 0. The device completes on thread 1.
#include "device/access.hpp"
#include "device/device.hpp"
#include "driver/control_queue.hpp"
#include "driver/request_queue.hpp"
#include "driver/shared_words.hpp"
#include "machine.hpp"
#include "scenarios.hpp"

using explorer::Event;
using explorer::Execution;

namespace {

using namespace virtio_cops;

constexpr std::uint64_t kBase = 0x8000'0000;
constexpr std::size_t kPage = 4096;
constexpr unsigned kPinned = COPS_SPAWN_PINNED;

class Ram final : public Memory {
public:
    std::byte* writable(std::uint64_t address, std::uint64_t) noexcept override {
        return bytes_ + (address - kBase);
    }
    const std::byte* readable(std::uint64_t address, std::uint64_t bytes) noexcept override {
        return writable(address, bytes);
    }
    void note_write(std::uint64_t, std::uint64_t) noexcept override {}

    std::uint64_t take(std::size_t bytes) {
        const std::uint64_t address = kBase + used_;
        used_ += (bytes + kPage - 1) / kPage * kPage;
        if (used_ > kBytes) {
            explorer::fail("guest memory is too small");
        }
        return address;
    }
    template <typename T>
    T& at(std::uint64_t address) {
        return *reinterpret_cast<T*>(bytes_ + (address - kBase));
    }

private:
    static constexpr std::size_t kBytes = 24 * kPage;
    alignas(kPage) std::byte bytes_[kBytes] = {};
    std::size_t used_ = 0;
};

/// A guest with one process that is current on the one vCPU, and its executor.
class Guest final : public Host {
public:
    explicit Guest(Execution& execution)
        : machine(execution, {.contexts = 1, .slots = 4, .segments = 1})
        , host_page(ram.take(kPage))
        , device(
              {.num_vcpus = 1, .max_processes = 1, .max_slots = 128, .max_in_flight = 8},
              ram,
              *this,
              {&ram.at<std::byte>(host_page), kPage}
          ) {
        const std::uint64_t queue = ram.take(RequestQueue::bytes(8, 1));
        requests.init(&ram.at<std::byte>(queue), queue, 8, 1);
        const std::uint64_t control_queue = ram.take(ControlQueue::bytes(8));
        control.init(&ram.at<std::byte>(control_queue), control_queue, 8);
        device.activate(
            device.features(), std::array{state(control.addresses()), state(requests.addresses())}
        );
        set_up_process();
        device.notify(VIRTIO_COPS_QUEUE_CONTROL);
        switch_process(*board, kProcess, line);
        used_interrupt.take();
    }

    void start(const IoOperation& operation) override { tokens.push_back(operation.token); }
    void cancel(std::uint64_t) override {}
    void close(HostHandle) override {}
    HostHandle reopen(const OpenDescription&) override { return -1; }
    void post_user_interrupt(unsigned vcpu, std::uint64_t, Level) override {
        machine.interrupt(vcpu);
    }
    void raise_used_interrupt(Level) override { used_interrupt.post(); }
    void raise_config_interrupt() override {}
    void set_needs_reset(const char* why) override { explorer::fail(why); }
    void reset_done() override {}
    std::uint64_t now_ns() override { return 0; }
    void completed(const CompletionEvent&) override {}

    /// As COPS_SYS_SUBMIT.
    void submit(const cops_submission& from) {
        offer(from);
        device.notify(VIRTIO_COPS_QUEUE_REQUEST);
    }
    void offer(const cops_submission& from) {
        virtio_cops_req header{};
        header.opcode = VIRTIO_COPS_OP_NANOSLEEP;
        header.flags = VIRTIO_COPS_REQ_F_SLOT;
        header.level = from.level;
        header.process = kProcess;
        header.slot = from.slot;
        header.slot_generation = from.slot_generation;
        header.user_data = from.user_data;
        std::uint64_t id = 0;
        requests.submit(header, {}, Direction::from_device, 0, &id);
    }
    void complete_all() {
        for (const std::uint64_t token : std::exchange(tokens, {})) {
            device.complete(token, 7);
        }
    }
    /// Runs what is ready on the vCPU and hands its requests over, before the threads begin.
    void prepare() {
        while (machine.side().run(0) == COPS_RUN_SUBMIT) {
            for (const cops_submission& submission : machine.side().take_batch(0)) {
                submit(submission);
            }
        }
    }

    static constexpr std::uint64_t kProcess = VIRTIO_COPS_PROCESS(0, std::uint64_t{1});

    Ram ram;
    Machine machine;
    std::uint64_t host_page;
    Device device;
    RequestQueue requests;
    ControlQueue control;
    virtio_cops_board* board = nullptr;
    virtio_cops_line* line = nullptr;
    std::vector<std::uint64_t> tokens;
    Event used_interrupt;
    unsigned awaited = 0;  // coroutines whose requests are not answered; the vCPU's

private:
    static QueueState state(const QueueAddresses& at) {
        return {at.size, at.desc, at.avail, at.used, 0, 0};
    }

    void set_up_process() {
        const std::uint64_t board_at = ram.take(kPage);
        board = &ram.at<virtio_cops_board>(board_at);
        control.set_board(0, board_at, 0);
        const std::uint64_t page = ram.take(kPage);
        const std::array heads{ram.take(kPage)};
        const std::array slots{ram.take(kPage)};
        line = &ram.at<virtio_cops_line>(page);
        line->running_level = VIRTIO_COPS_LEVEL_NONE;
        control.attach({kProcess, page, 1, heads, slots}, 0);
        cops_executor_context& context = machine.side().context(0);
        context.line = line;
        context.published = &line->ready;
        context.heads = &ram.at<virtio_cops_heads>(heads[0]);
        context.host_line = &ram.at<virtio_cops_host_line>(host_page);
        machine.side().group().slots = &ram.at<virtio_cops_slot>(slots[0]);
    }
};

Guest& make(Execution& execution) {
    return *new Guest(execution);
}

Routine asks(Guest& guest) {
    ++guest.awaited;
    Submit submit;
    if (co_await submit != 7) {
        explorer::fail("not its result");
    }
    if (--guest.awaited == 0) {
        guest.machine.stop();
    }
}

Routine asks_twice(Guest& guest) {
    ++guest.awaited;
    Submit first;
    co_await first;
    Submit second;
    co_await second;
}

// A loop that computes: only an interrupt, or what it finds when it was away, makes it yield.
Routine computes(Guest& guest, bool masks) {
    if (masks) {
        cops_executor_enter(here());
        cops_executor_leave(here());
    }
    while (guest.awaited != 0) {
        if ((load_word<std::uint64_t>(reinterpret_cast<std::byte*>(&guest.line->ready)) & 0xff)
            == 0) {
            guest.machine.spin_until_interrupt();
        }
        co_await Yield();
    }
}

Routine ends() {
    co_return;
}

void completion_against_switch(Execution& execution) {
    Guest& guest = make(execution);
    auto& context = guest.machine.side().context(0);
    start(context, asks(guest), 3, kPinned);
    guest.prepare();
    start(context, ends(), 2, kPinned);
    start(context, computes(guest, false), 40, kPinned);
    execution.threads = {[&] { guest.machine.run_once(); }, [&] { guest.complete_all(); }};
}

// The same with one that does not even look when it begins.
Routine computes_blindly(Guest& guest) {
    while (guest.awaited != 0) {
        guest.machine.spin_until_interrupt();
        co_await Yield();
    }
}

void completion_against_start(Execution& execution) {
    Guest& guest = make(execution);
    auto& context = guest.machine.side().context(0);
    start(context, asks(guest), 3, kPinned);
    guest.prepare();
    start(context, ends(), 2, kPinned);
    start(context, computes_blindly(guest), 40, kPinned);
    execution.threads = {[&] { guest.machine.run_once(); }, [&] { guest.complete_all(); }};
}

void completion_against_mask(Execution& execution) {
    Guest& guest = make(execution);
    auto& context = guest.machine.side().context(0);
    start(context, asks(guest), 3, kPinned);
    guest.prepare();
    start(context, computes(guest, true), 40, kPinned);
    execution.threads = {[&] { guest.machine.run_once(); }, [&] { guest.complete_all(); }};
}

void completion_against_sleep(Execution& execution) {
    Guest& guest = make(execution);
    auto& context = guest.machine.side().context(0);
    start(context, asks(guest), 3, kPinned);
    guest.prepare();
    start(context, ends(), 2, kPinned);
    execution.threads = {[&] { guest.machine.run_hart(); }, [&] { guest.complete_all(); }};
}

// Two of one level: one is listed while the other one is drained.
void completion_against_drain(Execution& execution) {
    Guest& guest = make(execution);
    auto& context = guest.machine.side().context(0);
    start(context, asks(guest), 3, kPinned);
    start(context, asks(guest), 3, kPinned);
    guest.prepare();
    execution.threads = {[&] { guest.machine.run_hart(); }, [&] { guest.complete_all(); }};
}

// One slot for two: the second request leaves when the first one's completion is drained.
void completion_against_wait_for_slot(Execution& execution) {
    Guest& guest = make(execution);
    auto& context = guest.machine.side().context(0);
    context.free_slots = 1;
    guest.machine.side().group().slot_states[0].next = 0;
    start(context, asks(guest), 3, kPinned);
    start(context, asks(guest), 3, kPinned);
    execution.threads = {
        [&] { guest.machine.run_hart(); },
        [&] {
            while (!guest.machine.stopped()) {
                guest.machine.submitted().wait();
                for (const cops_submission& one : guest.machine.take_submissions()) {
                    guest.submit(one);
                }
                guest.complete_all();
            }
        }
    };
}

// What the driver makes available is whole when the device comes by.
void available_ring(Execution& execution) {
    Guest& guest = make(execution);
    start(guest.machine.side().context(0), asks(guest), 3, kPinned);
    guest.machine.side().run(0);
    const cops_submission request = guest.machine.side().take_batch(0).front();
    execution.threads = {
        [&, request] { guest.offer(request); },
        [&] {
            guest.device.notify(VIRTIO_COPS_QUEUE_REQUEST);
            guest.complete_all();
        }
    };
}

// The kernel lists it, on another hart.
void kernel_completion_against_sleep(Execution& execution) {
    Guest& guest = make(execution);
    auto& context = guest.machine.side().context(0);
    start(context, asks(guest), 3, kPinned);
    guest.machine.side().run(0);
    const cops_submission request = guest.machine.side().take_batch(0).front();
    execution.threads = {
        [&] { guest.machine.run_hart(); },
        [&, request] {
            virtio_cops_slot& slot = guest.machine.side().group().slots[request.slot];
            auto* const bytes = reinterpret_cast<std::byte*>(&slot);
            store_word<std::uint64_t>(bytes + offsetof(virtio_cops_slot, result), 7);
            store_word(bytes + offsetof(virtio_cops_slot, generation), request.slot_generation);
            list_slot(*guest.line, *guest.machine.side().context(0).heads, slot, request.slot, 3);
            guest.machine.interrupt(0);  // as completion_arrived(), whatever the executor does
        }
    };
}

// The kernel takes the hart from the process while its coroutine of level 2 runs: the host leaves
// a completion to that one, or the kernel sees it.
void completion_against_leaving(Execution& execution) {
    Guest& guest = make(execution);
    start(guest.machine.side().context(0), asks(guest), 3, kPinned);
    guest.prepare();
    guest.line->running_level = 2;
    execution.threads = {
        [&] {
            switch_process(*guest.board, 0, nullptr);
            if (runnable_level(*guest.line, 0) == VIRTIO_COPS_LEVEL_NONE) {
                guest.used_interrupt.wait();
            }
        },
        [&] { guest.complete_all(); }
    };
}

// The kernel gives the hart to the process: the host posts to a process that it sees there, or the
// kernel sees what has come. (What takes the kernel's path shows by an interrupt in any case.)
void completion_against_entering(Execution& execution) {
    Guest& guest = make(execution);
    start(guest.machine.side().context(0), asks(guest), 3, kPinned);
    guest.prepare();
    switch_process(*guest.board, 0, nullptr);
    execution.threads = {
        [&] {
            if (switch_process(*guest.board, Guest::kProcess, guest.line) != 0) {
                guest.machine.interrupt(0);
            }
            guest.machine.run_hart();
        },
        [&] { guest.complete_all(); }
    };
    // Nobody listens to interrupts of the used ring in this one.
}

// A claim becomes more urgent while the host publishes when it wants to hear of that.
struct Claims {
    explicit Claims(Execution& execution)
        : guest(execution) {}
    Guest guest;
    std::uint32_t doorbell[2] = {};
    Level sampled = kNoLevel;
};

void publish_and_sample(Claims& claims) {
    claims.guest.device.publish(0, 20, kNoLevel, 0);
    claims.sampled = claims.guest.device.sample(0).level;
}

std::string rung_or_seen(const Claims& claims) {
    return claims.sampled == 3 || claims.doorbell[0] != 0 ? "" : "a claim is lost";
}

void claim_of_process(Execution& execution) {
    Claims& claims = *new Claims(execution);
    cops_executor_context& context = claims.guest.machine.side().context(0);
    context.doorbells = claims.doorbell;
    execution.threads = {
        [&] { start(context, ends(), 3, kPinned); }, [&] { publish_and_sample(claims); }
    };
    execution.check = [&] { return rung_or_seen(claims); };
}

void claim_of_kernel(Execution& execution) {
    Claims& claims = *new Claims(execution);
    execution.threads = {
        [&] {
            const auto& host_line = claims.guest.machine.side().context(0).host_line;
            if (publish_ready(*claims.guest.board, std::uint64_t{1} << 3, *host_line)) {
                claims.doorbell[0] = 1;
            }
        },
        [&] { publish_and_sample(claims); }
    };
    execution.check = [&] { return rung_or_seen(claims); };
}

// The used ring: what it names is there, and its interrupt comes.
void used_ring(Execution& execution) {
    Guest& guest = make(execution);
    start(guest.machine.side().context(0), asks(guest), 3, kPinned);
    guest.prepare();
    switch_process(*guest.board, 0, nullptr);
    execution.threads = {
        [&] {
            RequestDone done;
            if (!guest.requests.reap(&done)) {
                guest.used_interrupt.wait();
                if (!guest.requests.reap(&done)) {
                    explorer::fail("interrupted for nothing");
                }
            }
            if (done.result != 7) {
                explorer::fail("not its result");
            }
        },
        [&] { guest.complete_all(); }
    };
}

// "All sleep and nothing is in flight" is never said of a hart that wakes, makes its next request
// and sleeps again.
void request_against_verdict(Execution& execution) {
    Guest& guest = make(execution);
    auto& context = guest.machine.side().context(0);
    start(context, asks_twice(guest), 3, kPinned);
    guest.prepare();
    cops_executor_park_begin(&context);
    guest.complete_all();
    execution.threads = {
        [&] {
            cops_executor_park_end(here());
            guest.machine.run_once();
            (void)cops_executor_run(here(), 64, 63);
            cops_executor_park_begin(here());
        },
        [&] {
            if (cops_executor_asleep(&context) != 0) {
                explorer::fail("called asleep while a request is in flight");
            }
        }
    };
}

constexpr NamedScenario kScenarios[] = {
    {"completion_against_switch", completion_against_switch},
    {"completion_against_start", completion_against_start},
    {"completion_against_mask", completion_against_mask},
    {"completion_against_sleep", completion_against_sleep},
    {"completion_against_drain", completion_against_drain},
    {"completion_against_wait_for_slot", completion_against_wait_for_slot},
    {"kernel_completion_against_sleep", kernel_completion_against_sleep},
    {"completion_against_leaving", completion_against_leaving},
    {"completion_against_entering", completion_against_entering},
    {"request_against_verdict", request_against_verdict, 4},
    {"claim_of_process", claim_of_process},
    {"claim_of_kernel", claim_of_kernel},
    {"available_ring", available_ring},
    {"used_ring", used_ring},
};

}  // namespace

std::span<const NamedScenario> device_scenarios() {
    return kScenarios;
}
