// SPDX-License-Identifier: Apache-2.0
// The COPS calls of user_abi.h but SUBMIT.
#include "base/atomic.hpp"
#include "base/log.hpp"
#include "drivers/cops_device.hpp"
#include "exec/cores.hpp"
#include "mm/frames.hpp"
#include "mm/heap.hpp"
#include "mm/user_memory.hpp"
#include "proc/schedule.hpp"
#include "proc/user_interrupts.hpp"
#include "syscall/syscall.hpp"

#include <algorithm>
#include <utility>

namespace kernel {

namespace {

constexpr std::uint32_t kMaxSlots = Attachment::kMaxSlotPages * VIRTIO_COPS_SLOTS_PER_PAGE;

// Where there are no boards: a host that never wants anything.
PhysAddr quiet_host_page() {
    static constinit PhysAddr page = 0;
    PhysAddr found = __atomic_load_n(&page, __ATOMIC_ACQUIRE);
    if (found != 0) {
        return found;
    }
    const PhysAddr made = frames::allocate_zeroed();
    if (made == 0) {
        return 0;
    }
    for (unsigned hart = 0; hart < kMaxHarts; ++hart) {
        direct<virtio_cops_host_line>(made)[hart].yield_level = VIRTIO_COPS_LEVEL_NONE;
    }
    if (!__atomic_compare_exchange_n(
            &page, &found, made, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE
        )) {
        frames::release(made);
        return found;
    }
    return made;
}

bool allocate_pages(Attachment& attachment, std::uint32_t slots) {
    const auto take = [](PhysAddr& page) {
        page = frames::allocate_zeroed();
        return page != 0;
    };
    bool good = take(attachment.line_page);
    const unsigned heads =
        (hart_limit + VIRTIO_COPS_HEADS_PER_PAGE - 1) / VIRTIO_COPS_HEADS_PER_PAGE;
    for (; good && attachment.heads_count < heads; ++attachment.heads_count) {
        good = take(attachment.heads_pages[attachment.heads_count]);
        if (!good) {
            break;
        }
    }
    const unsigned pages = slots / VIRTIO_COPS_SLOTS_PER_PAGE;
    for (; good && attachment.slot_page_count < pages; ++attachment.slot_page_count) {
        good = take(attachment.slot_pages[attachment.slot_page_count]);
        if (!good) {
            break;
        }
    }
    if (!good) {
        return false;
    }
    attachment.slots = slots;
    attachment.lines = direct<virtio_cops_line>(attachment.line_page);
    for (unsigned hart = 0; hart < kMaxHarts; ++hart) {
        attachment.lines[hart].running_level = VIRTIO_COPS_LEVEL_NONE;
    }
    return true;
}

Result<void> map_pages(Process& process) {
    AddressSpace& space = process.space;
    const Attachment& attachment = process.attachment;
    const bool boards = cops_device::has_boards();
    const PhysAddr host = boards ? cops_device::host_page() : quiet_host_page();
    if (host == 0) {
        return std::unexpected(Errno::no_memory);
    }
    constexpr std::uint32_t kBoth = kRead | kWrite;
    Result<void> result = space.map_fixed(COPS_PROCESS_PAGE_ADDRESS, attachment.line_page, kBoth);
    if (result && boards) {
        result = space.map_fixed(COPS_DOORBELL_ADDRESS, cops_device::doorbell_page(), kBoth);
    } else if (result) {
        Area scratch;  // rung by nobody who knows that there is no host to hear
        scratch.start = COPS_DOORBELL_ADDRESS;
        scratch.end = scratch.start + kPageSize;
        scratch.rights = kBoth;
        result = space.map(scratch);
    }
    if (result) {
        result = space.map_fixed(COPS_HOST_PAGE_ADDRESS, host, kRead);
    }
    if (result) {
        result = space.map_fixed(COPS_KERNEL_PAGE_ADDRESS, kernel_page(), kRead);
    }
    for (unsigned i = 0; result && i < attachment.heads_count; ++i) {
        result =
            space.map_fixed(COPS_HEADS_ADDRESS + i * kPageSize, attachment.heads_pages[i], kBoth);
    }
    for (unsigned i = 0; result && i < attachment.slot_page_count; ++i) {
        result =
            space.map_fixed(COPS_SLOTS_ADDRESS + i * kPageSize, attachment.slot_pages[i], kBoth);
    }
    return result;
}

// The thread has its hart's line from here on, and its user interrupts.
void take_line(Thread& thread) {
    const Attachment& attachment = thread.process.attachment;
    thread.user_interrupts.utvec = attachment.handler;
    thread.upcalls.handler = attachment.handler;
    store_relaxed(thread.line, &attachment.lines[thread.home.hart]);
}

void attached(Thread& thread) {
    take_line(thread);
    const Guard guard(thread.process.lock);
    __atomic_store_n(&thread.process.attachment.done, true, __ATOMIC_RELEASE);
}

Async<std::uint32_t> register_process(Process* process) {
    const Attachment& attachment = process->attachment;
    Async<std::uint32_t> command = cops_device::attach({
        .process = process->id(),
        .page = attachment.line_page,
        .lines = hart_limit,
        .heads = std::span(attachment.heads_pages, attachment.heads_count),
        .slots = std::span(attachment.slot_pages, attachment.slot_page_count),
    });
    co_return command.valid() ? co_await command : static_cast<std::uint32_t>(Errno::no_memory);
}

Async<void> blocking_attach(Thread* thread) {
    Operation operation;
    Process& process = thread->process;
    const OperationScope scope(operation, process);
    Async<std::uint32_t> command = register_process(&process);
    const std::uint32_t status =
        command.valid() ? co_await command : static_cast<std::uint32_t>(Errno::no_memory);
    if (status == 0) {
        process.attachment.registered = true;
        attached(*thread);
    }
    finish_call(*thread, -static_cast<std::int64_t>(status));
}

cops_attach describe(const Thread& thread, std::uint32_t slots, UserAddr handler) {
    cops_attach attach{};
    attach.slots = slots;
    attach.lines = hart_limit;
    attach.hart = thread.home.hart;
    attach.user_interrupts = cpu_features.user_interrupts ? 1 : 0;
    attach.handler = handler;
    attach.process = thread.process.id();
    attach.timebase = cpu_features.timebase;
    return attach;
}

// Before it has its line: it comes back through switch_to(), which gives it its user interrupts and
// its board.
void come_back() {
    leave_thread(this_cpu());
    request_reschedule(this_cpu());
}

// Another thread of a process that has what is shared.
std::int64_t join_attachment(Thread& thread, UserAddr address) {
    const Attachment& attachment = thread.process.attachment;
    if (thread.line != nullptr) {
        return negative(Errno::busy);
    }
    const cops_attach attach = describe(thread, attachment.slots, attachment.handler);
    if (!copy_out(thread.process.space, address, attach)) {
        return negative(Errno::fault);
    }
    come_back();
    take_line(thread);
    return 0;
}

std::int64_t attach(Thread& thread, UserAddr address) {
    Process& process = thread.process;
    cops_attach request{};
    if (!copy_in(process.space, request, address)) {
        return negative(Errno::fault);
    }
    if (__atomic_load_n(&process.attachment.done, __ATOMIC_ACQUIRE)) {
        return join_attachment(thread, address);
    }
    std::uint32_t limit = kMaxSlots;
    if (cops_device::present()) {
        limit = std::min(limit, cops_device::config().max_slots);
    }
    limit -= limit % VIRTIO_COPS_SLOTS_PER_PAGE;
    const std::uint32_t wanted = static_cast<std::uint32_t>(
        std::clamp<std::uint64_t>(std::uint64_t{request.slots} * hart_limit, 1, limit)
    );
    const std::uint32_t slots = (wanted + VIRTIO_COPS_SLOTS_PER_PAGE - 1)
                                / VIRTIO_COPS_SLOTS_PER_PAGE * VIRTIO_COPS_SLOTS_PER_PAGE;
    if (!copy_out(process.space, address, describe(thread, slots, request.handler))) {
        return negative(Errno::fault);
    }
    {
        const Guard guard(process.lock);
        if (std::exchange(process.attachment.begun, true)) {
            return negative(Errno::busy);
        }
    }
    if (!allocate_pages(process.attachment, slots)) {
        return negative(Errno::no_memory);  // what there is goes with the process
    }
    if (const Result<void> mapped = map_pages(process); !mapped) {
        return negative(mapped.error());
    }
    process.attachment.handler = request.handler;
    come_back();
    if (cops_device::present()) {
        return start_blocking(thread, blocking_attach(&thread));
    }
    attached(thread);
    return 0;
}

Result<void> copy_strings(Process& process, UserAddr list, Strings& strings) {
    while (list != 0) {
        UserAddr text = 0;
        if (!copy_in(process.space, text, list + strings.count * sizeof text)) {
            return std::unexpected(Errno::fault);
        }
        if (text == 0) {
            break;
        }
        if (strings.count == Strings::kMax) {
            return std::unexpected(Errno::too_big);
        }
        const Result<std::size_t> length = copy_string(
            process.space,
            std::span(strings.text + strings.bytes, Strings::kBytes - strings.bytes),
            text
        );
        if (!length) {
            return std::unexpected(
                length.error() == Errno::name_too_long ? Errno::too_big : length.error()
            );
        }
        strings.bytes += *length + 1;
        ++strings.count;
    }
    return {};
}

// What the caller wants for its child; without a wish as much as it has itself, up to the default.
Result<Limits> child_limits(Process& process, UserAddr address) {
    const Limits& own = process.limits;
    const Limits usual;
    Limits limits{
        .ceiling = own.ceiling,
        .weight = std::min(own.weight, usual.weight),
        .share = std::min(own.share, usual.share),
    };
    if (address == 0) {
        return limits;
    }
    cops_process_limits wanted{};
    if (!copy_in(process.space, wanted, address)) {
        return std::unexpected(Errno::fault);
    }
    limits = {.ceiling = wanted.ceiling, .weight = wanted.weight, .share = wanted.share};
    if (limits.ceiling >= VIRTIO_COPS_LEVELS || limits.weight == 0
        || limits.weight > Limits::kMaxWeight || limits.share > Limits::kMaxShare) {
        return std::unexpected(Errno::invalid);
    }
    if (!own.allows(limits)) {
        return std::unexpected(Errno::not_permitted);
    }
    return limits;
}

std::int64_t spawn_process(Process& process, Arguments args) {
    char path[256];
    const Result<Limits> limits = child_limits(process, args[3]);
    if (!limits) {
        return negative(limits.error());
    }
    const Result<std::size_t> length = copy_string(process.space, path, args[0]);
    if (!length) {
        return negative(length.error());
    }
    Strings arguments;
    Strings environment;
    arguments.text = static_cast<char*>(heap::allocate(Strings::kBytes));
    environment.text = static_cast<char*>(heap::allocate(Strings::kBytes));
    std::int64_t result = negative(Errno::no_memory);
    if (arguments.text != nullptr && environment.text != nullptr) {
        Result<void> copied = copy_strings(process, args[1], arguments);
        if (copied) {
            copied = copy_strings(process, args[2], environment);
        }
        if (copied) {
            const Result<std::int32_t> pid = start_process(
                std::string_view(path, *length),
                arguments,
                environment,
                process.pid,
                *limits,
                next_home()
            );
            result = pid ? *pid : negative(pid.error());
        } else {
            result = negative(copied.error());
        }
    }
    heap::free(arguments.text);
    heap::free(environment.text);
    return result;
}

// The status of a child that has ended; kWouldWait while it lives.
std::int64_t take_status(const Process& process, std::int32_t pid) {
    const Result<std::uint32_t> status = reap_child(pid, process.pid);
    return status                           ? static_cast<std::int64_t>(*status)
           : status.error() == Errno::again ? kWouldWait
                                            : negative(status.error());
}

// It has not ended. The state comes before the pid: see make_fresh().
bool is_living(const Process& child, std::int32_t pid) {
    ProcessState state{};
    __atomic_load(&child.state, &state, __ATOMIC_ACQUIRE);
    return state != ProcessState::zombie && state != ProcessState::unused
           && __atomic_load_n(&child.pid, __ATOMIC_RELAXED) == pid;
}

Async<void> blocking_wait(Thread* thread, std::int32_t pid) {
    Operation operation;
    Process* const process = &thread->process;
    const OperationScope scope(operation, *process);
    std::int64_t result = kWouldWait;
    while (result == kWouldWait) {
        Waiter waiter;
        bool waits = false;
        Process* const child = find_process(pid);
        if (child != nullptr) {
            const Guard guard(process->lock);
            const Guard exits(child->exit_waiters.lock());
            if (operation.cancelled) {
                result = negative(Errno::canceled);
            } else if (is_living(*child, pid)) {
                child->exit_waiters.add_locked(waiter);
                operation.waiter = &waiter;
                waits = true;
            }
        }
        if (waits) {
            co_await Event{};
            const Guard guard(process->lock);
            operation.waiter = nullptr;
        }
        if (result == kWouldWait) {
            result = take_status(*process, pid);
        }
    }
    finish_call(*thread, result);
}

std::int64_t wait_process(Thread& thread, std::int32_t pid) {
    const std::int64_t status = take_status(thread.process, pid);
    return status == kWouldWait ? start_blocking(thread, blocking_wait(&thread, pid)) : status;
}

Async<void> blocking_alloc_cpu(Thread* thread, unsigned count) {
    Operation operation;
    Process& process = thread->process;
    const OperationScope scope(operation, process);
    Async<std::uint32_t> command = cops_device::alloc_cpu();
    if (command.valid()) {
        co_await command;  // whatever the answer, the host lines say what there is
    }
    finish_call(*thread, allocate_harts(process, count));
}

// The host is asked when that may change anything.
std::int64_t alloc_cpu(Thread& thread, unsigned count) {
    Process& process = thread.process;
    const unsigned before = replace_relaxed(process.harts_wanted, count);
    if (own_harts() == hart_limit || std::max(before, count) <= own_harts()) {
        return allocate_harts(process, count);
    }
    return start_blocking(thread, blocking_alloc_cpu(&thread, count));
}

// To all threads of that set of harts but the caller's own.
std::int64_t kick_threads(Thread& thread, std::uint64_t harts) {
    for (unsigned hart = 0; hart < hart_limit; ++hart) {
        Thread* const other = thread_on(thread.process, hart);
        if ((harts >> hart & 1) != 0 && other != nullptr && other != &thread) {
            kick(*other);
        }
    }
    return 0;
}

std::int64_t counters(Process& process, UserAddr address) {
    const ProcessCounters& from = process.counters;
    cops_kernel_counters out{};
    out.supervisor_traps = from.traps;
    out.submissions = from.submissions;
    out.completed_by_kernel = from.completed_by_kernel;
    out.process_switches = from.switches;
    out.kernel_wakes = from.kernel_wakes;
    return copy_out(process.space, address, out) ? 0 : negative(Errno::fault);
}

}  // namespace

std::int64_t cops_call(Thread& thread, std::uint64_t number, Arguments args) {
    Process& process = thread.process;
    const auto slot = static_cast<std::uint32_t>(args[0]);
    const auto generation = static_cast<std::uint32_t>(args[1]);
    switch (number) {
    case COPS_SYS_ATTACH:
        return attach(thread, args[0]);
    case COPS_SYS_SUBMIT:
        return submit(process, args[0], args[1]);
    case COPS_SYS_CANCEL:
        return cancel_submission(process, slot, generation);
    case COPS_SYS_SET_LEVEL: {
        if (args[2] >= VIRTIO_COPS_LEVELS) {
            return negative(Errno::invalid);
        }
        const auto level = std::max(static_cast<std::uint32_t>(args[2]), process.limits.ceiling);
        if (!cops_device::present()) {
            return negative(Errno::no_entry);
        }
        const Result<void> result = cops_device::set_slot_level(process, slot, generation, level);
        return result ? 0 : negative(result.error());
    }
    case COPS_SYS_PARK:
        cops_device::poll();
        return park(thread);
    case COPS_SYS_YIELD:
        cops_device::poll();
        end_turn(thread);
        request_reschedule(this_cpu());
        return 0;
    case COPS_SYS_SPAWN_PROCESS:
        return spawn_process(process, args);
    case COPS_SYS_WAIT_PROCESS:
        return wait_process(thread, static_cast<std::int32_t>(args[0]));
    case COPS_SYS_COUNTERS:
        return counters(process, args[0]);
    case COPS_SYS_UPCALL_TAKE:
        return take_upcall(thread);
    case COPS_SYS_UPCALL_GIVE:
        return give_upcall(thread, args[0]);
    case COPS_SYS_ALLOC_CPU:
        return alloc_cpu(
            thread, static_cast<unsigned>(std::min<std::uint64_t>(args[0], kMaxHarts))
        );
    case COPS_SYS_KICK:
        return kick_threads(thread, args[0]);
    default:
        return negative(Errno::no_call);
    }
}

}  // namespace kernel
