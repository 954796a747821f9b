// SPDX-License-Identifier: Apache-2.0
// A thread of the process on each hart that it runs on, with an executor's context each. What the
// kernel shares with a hart is that hart's line; contexts are numbered as they came.
#include "interrupt.hpp"
#include "runtime.hpp"
#include "stacks.hpp"
#include "system_call.hpp"

#include <cops/cops.hpp>

#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <mutex>
#include <new>

extern "C" {
/// In interrupt.S.
void cops_interrupt_entry();
}

namespace cops::detail {

constinit Runtime runtime;

namespace {

constexpr unsigned kSlots = 1024;  // requests in flight of one hart

constinit thread_local cops_executor_context* hart_context = nullptr;

// Guards the number of contexts, and what follows. Never taken by a coroutine that can be
// preempted: it runs library code until it gives the lock back.
constinit std::mutex harts_mutex;
constinit unsigned harts_wanted = 1;
constinit unsigned threads_made = 1;

constinit Spinlock tasks_lock;                      // growth of the task table
constinit cops_executor_context* ending = nullptr;  // whose hart ends the process

template <typename T>
T* shared(unsigned long address) {
    return reinterpret_cast<T*>(address);
}

/// Zeroed memory for `count` structures of the executor (COPS_SIZE_*); null when there is none.
/// Each hart writes its own all the time: they share no cache line with anything else.
template <typename T>
T* allocate(std::uint32_t structure, std::size_t count = 1) {
    constexpr std::size_t kLine = 64;
    const std::size_t size = (count * cops_executor_size(structure) + kLine - 1) / kLine * kLine;
    void* const memory = std::aligned_alloc(kLine, size);
    return static_cast<T*>(memory == nullptr ? nullptr : std::memset(memory, 0, size));
}

long attach(cops_attach& attach) {
    attach.slots = kSlots;
    attach.handler = reinterpret_cast<std::uint64_t>(&cops_interrupt_entry);
    return system_call(COPS_SYS_ATTACH, reinterpret_cast<long>(&attach));
}

// Whoever holds the lock is on a hart whose vCPU does not run, and the host may prefer ours. If the
// host says that it waits, it may have our turn. Else, and now and then, since another one may be
// what waits there, we sleep: then we are in nobody's way.
void give_way() {
    constexpr unsigned kOften = 8;
    constinit static thread_local unsigned asked = 0;
    const cops_executor_context& context = *hart_context;
    if (__atomic_load_n(&context.host_line->siblings, __ATOMIC_RELAXED) != 0 && ++asked < kOften) {
        context.doorbells[VIRTIO_COPS_DOORBELL_SPIN / sizeof(std::uint32_t)] = VIRTIO_COPS_SPIN_ANY;
        return;
    }
    asked = 0;
    const timespec pause{.tv_sec = 0, .tv_nsec = 50'000};
    system_call(SYS_nanosleep, reinterpret_cast<long>(&pause));
}

// Has a new thread run coroutines, unless they have changed their mind meanwhile.
void* run_hart(void*) {
    cops_attach mine{};
    {
        const std::lock_guard guard(harts_mutex);
        if (attach(mine) < 0 || !add_context(mine)) {
            --threads_made;
            return nullptr;
        }
        cops_executor_close(
            hart_context, hart_context->index, hart_context->index >= harts_wanted ? 1 : 0
        );
    }
    allow_interrupts(mine);
    run_loop();
}

// On one of the harts that were granted and have no thread.
bool add_thread() {
    pthread_t thread;
    if (::pthread_create(&thread, nullptr, run_hart, nullptr) != 0) {
        return false;
    }
    ::pthread_detach(thread);
    ++threads_made;
    return true;
}

// Only a completion could wake a coroutine now, and none is on its way.
[[noreturn]] void fail_asleep() {
    std::fputs("cops: every coroutine sleeps and no request is in flight\n", stderr);
    std::exit(EXIT_FAILURE);
}

bool takes_from_others(const cops_executor_context& context) {
    const cops_executor_group& group = *runtime.group;
    return __atomic_load_n(&group.num_contexts, __ATOMIC_ACQUIRE) > 1
           && (__atomic_load_n(&group.closed, __ATOMIC_RELAXED) >> context.index & 1) == 0;
}

// Another hart keeps a lone task for its next turn, and that does not come.
bool take_lone(cops_executor_context& context) {
    const std::uint64_t long_enough = runtime.attach.timebase / 200'000;  // 5 us
    const unsigned contexts = __atomic_load_n(&runtime.group->num_contexts, __ATOMIC_ACQUIRE);
    unsigned index = 0;
    while (index < contexts - 1 && cops_executor_lone(&context, index) == 0) {
        ++index;
    }
    const std::uint64_t lone = cops_executor_lone(&context, index);
    const std::uint64_t begun = time_now();
    while (lone != 0 && cops_executor_lone(&context, index) == lone) {
        if (time_now() - begun >= long_enough) {
            return cops_executor_share_lone(&context, index, lone) != 0;
        }
    }
    return false;
}

// With UIE clear an interrupt that comes after the last look stays pending and ends the wfi.
void idle(cops_executor_context& context) {
    if (has_user_interrupts()) {
        clear_csr<COPS_CSR_USTATUS>(COPS_USTATUS_UIE);
        stop_timer();
    }
    bool slept = false;
    // A lone task is told to those that are parked: one from before that is looked at here.
    const bool asleep = cops_executor_park_begin(&context) != 0
                        && !(takes_from_others(context) && take_lone(context));
    send_kicks();  // completions found on the way here may be others' work
    if (asleep) {
        if (cops_executor_asleep(&context) != 0
            && __atomic_exchange_n(&ending, &context, __ATOMIC_RELAXED) == nullptr) {
            fail_asleep();
        }
        if (system_call(COPS_SYS_PARK) == COPS_PARK_WFI) {
            __asm__ volatile("wfi" : : : "memory");
            clear_csr<COPS_CSR_UIP>(kUserSoftware);
            slept = true;
        }
    }
    cops_executor_park_end(&context);
    if (slept) {
        cops_executor_drain(&context, COPS_DRAIN_INTERRUPT);
    }
    if (has_user_interrupts()) {
        start_timer();
        set_csr<COPS_CSR_USTATUS>(COPS_USTATUS_UIE);
    }
}

// Another hart may have given a coroutine another level while its request was in our batch: the
// kernel did not know the request then. Partner: move_request(), which stores the level, then asks
// the kernel, as we do here the other way round: one of us finds both.
void correct_levels(cops_executor_context& context, unsigned accepted) {
    for (unsigned i = 0; i < accepted; ++i) {
        const cops_submission& request = context.batch[i];
        int sent = static_cast<int>(request.level);
        for (;;) {  // until it stays as we told it
            const int level = cops_executor_level(&context, request.user_data);
            if (level < 0 || level == sent) {
                break;
            }
            system_call(
                COPS_SYS_SET_LEVEL,
                static_cast<long>(request.slot),
                static_cast<long>(request.slot_generation),
                level
            );
            sent = level;
        }
    }
}

void submit(cops_executor_context& context) {
    const long accepted = system_call(
        COPS_SYS_SUBMIT,
        reinterpret_cast<long>(context.batch),
        static_cast<long>(context.batch_count)
    );
    if (accepted < 0) {
        cops_executor_submitted(&context, 0, static_cast<int>(accepted));
        return;
    }
    correct_levels(context, static_cast<unsigned>(accepted));
    cops_executor_submitted(&context, static_cast<std::uint32_t>(accepted), 0);
    if (accepted == 0) {
        system_call(COPS_SYS_YIELD);  // The kernel is full: let it work.
    }
}

// One hart ends the process, and what runs elsewhere with it.
[[noreturn]] void stop(const cops_executor_context& context) {
    if (__atomic_load_n(&ending, __ATOMIC_RELAXED) == &context) {
        std::exit(runtime.status);
    }
    for (;;) {
        ::sleep(3600);
    }
}

// One turn of the loop of run_loop().
void run(cops_executor_context& context) {
    switch (cops_executor_run(&context, UINT32_MAX, VIRTIO_COPS_LEVELS - 1)) {
    case COPS_RUN_STOPPED:
        stop(context);
    case COPS_RUN_SUBMIT:
        submit(context);
        break;
    case COPS_RUN_YIELD_HOST:
        context.doorbells[VIRTIO_COPS_DOORBELL_YIELD / sizeof(std::uint32_t)] = 1;
        break;
    case COPS_RUN_YIELD_KERNEL:
        system_call(COPS_SYS_YIELD);
        break;
    case COPS_RUN_IDLE:
        idle(context);
        break;
    case COPS_RUN_RESUME:
        resume_on_its_stack();
        break;
    case COPS_RUN_KICK:
        send_kicks();
        break;
    default:
        break;
    }
}

}  // namespace

void fail(const char* what, long error) noexcept {
    std::fprintf(stderr, "cops: %s: %s\n", what, std::strerror(static_cast<int>(-error)));
    std::exit(EXIT_FAILURE);
}

// Not inlined: the compiler may keep the address of a thread-local over a suspension otherwise.
[[gnu::noinline]] cops_executor_context* context() noexcept {
    return hart_context;
}

bool add_tasks() noexcept {
    const SpinGuard guard(tasks_lock);
    const std::uint32_t segment = runtime.group->num_segments;
    if (segment >= COPS_EXECUTOR_SEGMENTS) {
        return false;
    }
    auto* tasks = allocate<cops_task>(COPS_SIZE_TASK, COPS_EXECUTOR_SEGMENT_TASKS);
    auto* records = new (std::nothrow) TaskRecord[COPS_EXECUTOR_SEGMENT_TASKS];
    if (tasks == nullptr || records == nullptr) {
        std::free(tasks);
        delete[] records;
        return false;
    }
    runtime.records[segment] = records;
    return cops_executor_add_tasks(runtime.group, tasks) == 0;
}

bool add_context(const cops_attach& attach) noexcept {
    auto* const context = allocate<cops_executor_context>(COPS_SIZE_CONTEXT);
    if (context == nullptr) {
        return false;
    }
    const unsigned hart = attach.hart;
    context->line = shared<virtio_cops_line>(COPS_PROCESS_PAGE_ADDRESS) + hart;
    context->heads = shared<virtio_cops_heads>(COPS_HEADS_ADDRESS) + hart;
    context->host_line = shared<const virtio_cops_host_line>(COPS_HOST_PAGE_ADDRESS) + hart;
    context->kernel_line = shared<const cops_kernel_line>(COPS_KERNEL_PAGE_ADDRESS) + hart;
    context->doorbells = shared<volatile std::uint32_t>(COPS_DOORBELL_ADDRESS);
    context->give_way = &give_way;
    context->keeps_lone = 1;
    // Completions name the line they go to.
    context->line_index = hart;
    const unsigned index = runtime.group->num_segments == 0 ? 0 : runtime.group->num_contexts;
    runtime.contexts[index] = context;
    const std::uint32_t slots = attach.slots / attach.lines;
    if (cops_executor_init_context(runtime.group, index, index * slots, slots) != 0) {
        std::free(context);
        return false;
    }
    hart_context = context;
    return true;
}

void make_executor() noexcept {
    if (const long status = attach(runtime.attach); status < 0) {
        fail("this program needs the COPS kernel: attach", status);
    }
    const std::uint32_t slots = runtime.attach.slots;
    runtime.group = allocate<cops_executor_group>(COPS_SIZE_GROUP);
    auto* slot_states = allocate<cops_slot_state>(COPS_SIZE_SLOT_STATE, slots);
    if (runtime.group == nullptr || slot_states == nullptr) {
        fail("executor", -ENOMEM);
    }
    cops_executor_group& group = *runtime.group;
    group.abi = COPS_EXECUTOR_ABI;
    group.num_contexts = 1;
    group.contexts = runtime.contexts;
    group.segments = runtime.segments;
    group.slots = shared<virtio_cops_slot>(COPS_SLOTS_ADDRESS);
    group.slot_states = slot_states;
    group.num_slots = slots;
    if (const int status = cops_executor_init_group(&group); status < 0) {
        fail("executor", status);
    }
    if (!add_context(runtime.attach) || !add_tasks()) {
        fail("executor", -ENOMEM);
    }
}

void send_kicks() noexcept {
    cops_executor_context& here = *context();
    if (here.kicks == 0) {
        return;
    }
    std::uint64_t harts = 0;
    for (std::uint64_t left = cops_executor_take_kicks(&here); left != 0; left &= left - 1) {
        harts |= std::uint64_t{1} << runtime.contexts[__builtin_ctzll(left)]->line_index;
    }
    system_call(COPS_SYS_KICK, static_cast<long>(harts));
}

void stop_harts() noexcept {
    cops_executor_context* none = nullptr;
    __atomic_compare_exchange_n(
        &ending, &none, context(), false, __ATOMIC_RELAXED, __ATOMIC_RELAXED
    );
    for (unsigned i = 0; i < runtime.group->num_contexts; ++i) {
        cops_executor_stop(runtime.contexts[i], 1);
    }
}

void run_loop() noexcept {
    for (;;) {
        run(*context());
    }
}

}  // namespace cops::detail

namespace cops {

using namespace detail;

Result<unsigned> alloc_cpu(unsigned count) noexcept {
    if (count == 0) {
        return std::unexpected(Error(EINVAL));
    }
    const std::lock_guard guard(harts_mutex);
    const long granted = system_call(COPS_SYS_ALLOC_CPU, static_cast<long>(count));
    if (granted < 0) {
        return std::unexpected(Error(static_cast<int>(-granted)));
    }
    harts_wanted = static_cast<unsigned>(granted);
    while (threads_made < harts_wanted && add_thread()) {
    }
    const unsigned contexts = runtime.group->num_contexts;
    for (unsigned i = 1; i < contexts; ++i) {
        cops_executor_close(context(), i, i >= harts_wanted ? 1 : 0);
    }
    send_kicks();
    return std::min(harts_wanted, threads_made);
}

}  // namespace cops
