// SPDX-License-Identifier: Apache-2.0
#include "drivers/cops_device.hpp"

#include "base/log.hpp"
#include "base/spinlock.hpp"
#include "driver/driver.hpp"
#include "drivers/mmio.hpp"
#include "drivers/plic.hpp"
#include "exec/cores.hpp"
#include "exec/timer.hpp"
#include "fs/file.hpp"
#include "mm/frames.hpp"
#include "mm/heap.hpp"
#include "mm/user_memory.hpp"
#include "proc/process.hpp"
#include "proc/schedule.hpp"
#include "proc/user_interrupts.hpp"

#include <bit>

namespace kernel::cops_device {

namespace {

using virtio_cops::CommandDone;
using virtio_cops::Direction;
using virtio_cops::RequestDone;
using virtio_cops::Segment;

struct Registers {
    PhysAddr base = 0;
    std::uint32_t read32(std::uint32_t offset) const {
        return mmio::read<std::uint32_t>(base + offset);
    }
    void write32(std::uint32_t offset, std::uint32_t value) const {
        mmio::write(base + offset, value);
    }
};

using Driver = virtio_cops::Driver<Registers>;

constexpr unsigned kOpenAttempts = 1'000'000;

// Guards the driver, the waiting requests and Process::requests.
constinit SpinLock lock{Rank::device};
constinit Driver* driver = nullptr;
constinit List<Request, &Request::link> waiting[VIRTIO_COPS_LEVELS];
constinit std::uint64_t waiting_levels = 0;
constinit bool offered = false;  // since the last notification

/// A control command's coroutine, by its cookie.
struct Command {
    cops_task_id task = 0;
    CommandDone done{};
};

void pump_locked() {
    while (waiting_levels != 0) {
        const unsigned level = static_cast<unsigned>(std::countr_zero(waiting_levels));
        if (driver->requests().in_flight() >= driver->config().max_in_flight) {
            return;
        }
        Request& request = *waiting[level].front();
        const int error = driver->requests().submit(
            request.header,
            std::span(request.segments, request.count),
            request.direction,
            reinterpret_cast<std::uint64_t>(&request),
            &request.request_id
        );
        if (error != 0) {
            return;  // the ring is full: a completion makes room
        }
        request.in_ring = true;
        offered = true;
        waiting[level].remove(request);
        if (waiting[level].empty()) {
            waiting_levels &= ~(std::uint64_t{1} << level);
        }
    }
}

void kick_locked() {
    pump_locked();
    if (offered) {
        offered = false;
        driver->notify_requests();
    }
}

void unqueue_locked(Request& request) {
    const unsigned level = request.header.level;
    waiting[level].remove(request);
    if (waiting[level].empty()) {
        waiting_levels &= ~(std::uint64_t{1} << level);
    }
}

// Forgets a completed request's ties; tells who waits for the owner's last one. Returns that task.
cops_task_id untie_locked(Request& request) {
    if (request.operation != nullptr) {
        request.operation->request = nullptr;
    }
    Process* const owner = request.owner;
    if (owner == nullptr) {
        return 0;
    }
    owner->requests.remove(request);
    if ((request.header.flags & VIRTIO_COPS_REQ_F_SLOT) != 0) {
        // Under the lock: once its last request is untied, the owner may become another process.
        __atomic_fetch_sub(&owner->outstanding, 1u, __ATOMIC_RELAXED);
    }
    return owner->requests.empty() ? std::exchange(owner->request_drain_task, 0) : 0;
}

// After the device (or a cancel) is done with it. No lock is held.
void finish(Request& request, std::int64_t result, cops_task_id drained) {
    if (request.pinned) {
        unpin(std::span(request.segments, request.count));
    }
    if (request.file != nullptr) {
        release_file(request.file);
    }
    if (request.task != 0) {
        signal_task(request.task, result);
    }
    if ((request.header.flags & VIRTIO_COPS_REQ_F_SLOT) != 0 && request.owner != nullptr) {
        completion_arrived(*request.owner, request.header.process, request.header.hart);
    }
    heap::free(&request);
    if (drained != 0) {
        signal_task(drained, 0);
    }
}

bool reap_request() {
    RequestDone done;
    cops_task_id drained = 0;
    Request* request = nullptr;
    {
        const Guard guard(lock);
        if (!driver->requests().reap(&done)) {
            return false;
        }
        request = reinterpret_cast<Request*>(done.cookie);
        drained = untie_locked(*request);
    }
    finish(*request, done.result, drained);
    return true;
}

bool reap_command() {
    CommandDone done;
    {
        const Guard guard(lock);
        if (!driver->control().reap(&done)) {
            return false;
        }
    }
    if (auto* const command = reinterpret_cast<Command*>(done.cookie)) {
        command->done = done;
        signal_task(command->task, 0);
    }
    return true;
}

void interrupt() {
    bool asked = false;
    bool changed = false;
    {
        const Guard guard(lock);
        const std::uint32_t causes = driver->mmio().take_interrupt();
        changed = (causes & VIRTIO_MMIO_INT_CONFIG) != 0;
        asked = (causes & VIRTIO_MMIO_INT_CONFIG) != 0 && driver->power_off_asked();
    }
    if (asked) {
        ask_power_off();
    }
    if (changed) {
        look_at_cores();
    }
    poll();
    const Guard guard(lock);
    if (driver->mmio().needs_reset()) {
        panic("virtio-cops: the device failed");
    }
}

template <typename Send>
int send_command(Command& command, Send&& send) {
    command.task = current_task();
    const Guard guard(lock);
    const int error = send(reinterpret_cast<std::uint64_t>(&command));
    if (error == 0) {
        driver->notify_control();
    }
    return error;
}

Request* find_slot_locked(Process& process, std::uint32_t slot, std::uint32_t generation) {
    for (Request* request = process.requests.front(); request != nullptr;
         request = process.requests.next(*request)) {
        if ((request->header.flags & VIRTIO_COPS_REQ_F_SLOT) != 0 && request->header.slot == slot
            && request->header.slot_generation == generation) {
            return request;
        }
    }
    return nullptr;
}

}  // namespace

bool init(const Platform& platform) {
    for (unsigned i = 0; i < platform.virtio_count; ++i) {
        const virtio_cops::DriverOptions options{.max_segments = kMaxSegments};
        auto* const candidate = heap::make<Driver>(Registers{platform.virtio[i].address}, options);
        if (candidate == nullptr || candidate->probe() != 0) {
            heap::destroy(candidate);
            continue;
        }
        int error = candidate->open();
        for (unsigned n = 0; error == -virtio_cops::kTryAgain && n < kOpenAttempts; ++n) {
            error = candidate->open();
        }
        const unsigned order = static_cast<unsigned>(
            std::bit_width((page_up(candidate->memory_bytes()) >> kPageShift) - 1)
        );
        const PhysAddr memory = error == 0 ? frames::allocate(order) : 0;
        if (error == 0) {
            error = memory == 0 ? -12 : candidate->start(direct(memory), memory);
        }
        if (error != 0) {
            say("cops-kernel: the virtio-cops device can't be used: error ", -error);
            return false;
        }
        driver = candidate;
        plic::connect(platform.virtio[i].irq, &interrupt);
        if (driver->power_off_asked()) {
            ask_power_off();  // before the machine was booted again
        }
        return true;
    }
    return false;
}

bool present() {
    return driver != nullptr;
}
const virtio_cops_config& config() {
    return driver->config();
}
bool has_boards() {
    return present() && driver->has_boards();
}
bool has_user_interrupts() {
    return present() && driver->has_user_interrupts();
}
bool has_siblings() {
    return present() && driver->has_siblings();
}
unsigned own_harts() {
    const std::uint32_t own = present() ? driver->own_vcpus() : 0;
    return own == 0 ? kMaxHarts : own;
}
PhysAddr host_page() {
    return driver->mmio().shared_region(VIRTIO_COPS_SHM_HOST_PAGE).address;
}
PhysAddr doorbell_page() {
    return driver->mmio().shared_region(VIRTIO_COPS_SHM_DOORBELL).address;
}
unsigned max_segments() {
    return driver->requests().max_segments();
}

Request* make_request(std::span<const Segment> segments) {
    void* const memory = heap::allocate(sizeof(Request) + segments.size_bytes());
    if (memory == nullptr) {
        return nullptr;
    }
    auto* const request = new (memory) Request();
    request->segments = reinterpret_cast<Segment*>(request + 1);
    request->count = static_cast<unsigned>(segments.size());
    for (unsigned i = 0; i < request->count; ++i) {
        request->segments[i] = segments[i];
    }
    return request;
}

void drop(Request* request) {
    if (request->pinned) {
        unpin(std::span(request->segments, request->count));
    }
    if (request->file != nullptr) {
        release_file(request->file);
    }
    heap::free(request);
}

namespace {

void submit_locked(Request& request) {
    const unsigned level = request.header.level;
    if (request.owner != nullptr) {
        request.owner->requests.push_back(request);
    }
    waiting[level].push_back(request);
    waiting_levels |= std::uint64_t{1} << level;
}

}  // namespace

void submit(Request& request) {
    const Guard guard(lock);
    submit_locked(request);
}

void kick() {
    const Guard guard(lock);
    kick_locked();
}

void poll() {
    if (!present()) {
        return;
    }
    while (reap_request()) {
    }
    while (reap_command()) {
    }
    const Guard guard(lock);
    if (driver->requests().broken() || driver->control().broken()) {
        panic("virtio-cops: the device failed");
    }
    kick_locked();
}

Async<std::int64_t> await_request(Operation* operation, Request* request) {
    request->task = current_task();
    request->operation = operation;
    if (operation != nullptr) {
        request->owner = operation->owner;
    }
    {
        // Who cancels the operation finds the request queued.
        const Guard guard(lock);
        if (operation != nullptr) {
            operation->request = request;
        }
        submit_locked(*request);
        kick_locked();
    }
    if (operation != nullptr && __atomic_load_n(&operation->cancelled, __ATOMIC_RELAXED)) {
        cancel_operation(*operation);
    }
    co_return co_await Event{};
}

Async<std::int64_t>
transfer(Operation* operation, virtio_cops_req header, Direction direction, Segment segment) {
    Request* const request =
        make_request(std::span(&segment, segment.bytes == 0 ? std::size_t{0} : std::size_t{1}));
    if (request == nullptr) {
        co_return negative(Errno::no_memory);
    }
    request->header = header;
    request->direction = direction;
    Async<std::int64_t> wait = await_request(operation, request);
    if (!wait.valid()) {
        drop(request);
        co_return negative(Errno::no_memory);
    }
    co_return co_await wait;
}

Result<void> cancel_slot(Process& process, std::uint32_t slot, std::uint32_t generation) {
    Request* request = nullptr;
    cops_task_id drained = 0;
    {
        const Guard guard(lock);
        request = find_slot_locked(process, slot, generation);
        if (request == nullptr) {
            return std::unexpected(Errno::no_entry);
        }
        if (request->in_ring) {
            if (driver->control().cancel(request->request_id, 0) != 0) {
                return std::unexpected(Errno::again);
            }
            driver->notify_control();
            return {};
        }
        unqueue_locked(*request);
        drained = untie_locked(*request);
    }
    complete_slot(process, request->header, negative(Errno::canceled));
    finish(*request, negative(Errno::canceled), drained);
    return {};
}

Result<void> set_slot_level(
    Process& process, std::uint32_t slot, std::uint32_t generation, std::uint32_t level
) {
    const Guard guard(lock);
    Request* const request = find_slot_locked(process, slot, generation);
    if (request == nullptr) {
        return std::unexpected(Errno::no_entry);
    }
    if (request->in_ring) {
        if (driver->control().set_level(request->request_id, level, 0) != 0) {
            return std::unexpected(Errno::again);
        }
        driver->notify_control();
        return {};
    }
    unqueue_locked(*request);
    request->header.level = level;
    waiting[level].push_back(*request);
    waiting_levels |= std::uint64_t{1} << level;
    return {};
}

bool cancel_operation(Operation& operation) {
    Request* unqueued = nullptr;
    cops_task_id drained = 0;
    {
        const Guard guard(lock);
        Request* const request = operation.request;
        if (request == nullptr || request->cancelled) {
            return true;
        }
        if (request->in_ring) {
            if (driver->control().cancel(request->request_id, 0) != 0) {
                return false;
            }
            request->cancelled = true;
            driver->notify_control();
            return true;
        }
        unqueue_locked(*request);
        drained = untie_locked(*request);
        unqueued = request;
    }
    finish(*unqueued, negative(Errno::canceled), drained);
    return true;
}

namespace {

enum class Step : std::uint8_t { done, again, full };

// Cancels one request of the process that was not asked yet. `full`: the control queue has no room
// before the device answers.
Step cancel_one(Process& process) {
    Request* request = nullptr;
    cops_task_id drained = 0;
    {
        const Guard guard(lock);
        request = process.requests.front();
        while (request != nullptr && request->cancelled) {
            request = process.requests.next(*request);
        }
        if (request == nullptr) {
            return Step::done;
        }
        if (request->in_ring) {
            if (driver->control().cancel(request->request_id, 0) != 0) {
                return Step::full;
            }
            request->cancelled = true;
            driver->notify_control();
            return Step::again;
        }
        unqueue_locked(*request);
        drained = untie_locked(*request);
    }
    finish(*request, negative(Errno::canceled), drained);
    return Step::again;
}

}  // namespace

Async<void> drain(Process& process) {
    for (Step step = Step::again; step != Step::done;) {
        step = cancel_one(process);
        if (step == Step::full) {
            co_await timer::Pause{};
        }
    }
    {
        const Guard guard(lock);
        if (process.requests.empty()) {
            co_return;
        }
        process.request_drain_task = current_task();
    }
    co_await Event{};
}

Async<std::uint32_t> attach(virtio_cops::ProcessPages pages) {
    Command command;
    while (send_command(
               command,
               [&pages](std::uint64_t cookie) { return driver->control().attach(pages, cookie); }
           )
           != 0) {
        co_await timer::Pause{};
    }
    co_await Event{};
    co_return command.done.status;
}

Async<std::uint32_t> detach(std::uint64_t process) {
    Command command;
    while (send_command(
               command,
               [process](std::uint64_t cookie) { return driver->control().detach(process, cookie); }
           )
           != 0) {
        co_await timer::Pause{};
    }
    co_await Event{};
    co_return command.done.status;
}

Async<std::uint32_t> set_board(std::uint32_t hart, PhysAddr board) {
    Command command;
    while (send_command(
               command,
               [hart, board](std::uint64_t cookie) {
                   return driver->control().set_board(hart, board, cookie);
               }
           )
           != 0) {
        co_await timer::Pause{};
    }
    co_await Event{};
    co_return command.done.status;
}

// The wishes are looked at under the lock: of two that ask, the later one asks for both.
Async<std::uint32_t> alloc_cpu() {
    Command command;
    while (send_command(
               command,
               [](std::uint64_t cookie) {
                   return driver->control().alloc_cpu(harts_wanted(), cookie);
               }
           )
           != 0) {
        co_await timer::Pause{};
    }
    co_await Event{};
    look_at_cores();
    co_return command.done.status;
}

Async<std::uint32_t> get_grant(std::uint32_t index, virtio_cops_ctrl_grant* grant) {
    Command command;
    while (send_command(
               command,
               [index](std::uint64_t cookie) { return driver->control().get_grant(index, cookie); }
           )
           != 0) {
        co_await timer::Pause{};
    }
    co_await Event{};
    *grant = command.done.grant;
    co_return command.done.status;
}

std::uint32_t in_flight() {
    if (!present()) {
        return 0;
    }
    const Guard guard(lock);
    return driver->requests().in_flight();
}

}  // namespace kernel::cops_device
