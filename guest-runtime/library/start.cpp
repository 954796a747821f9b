// SPDX-License-Identifier: Apache-2.0
// main(): attaches to the kernel, makes the application's first coroutine, runs the executor,
// sleeps when there is nothing to do.
#include "system_call.hpp"

#include <cops/cops.hpp>
#include <virtio_cops/user_interrupts.h>

#include <cstdio>
#include <cstdlib>
#include <new>

extern "C" {
/// In interrupt.S.
void cops_interrupt_entry();
/// Called by it.
void cops_handle_interrupt();
}

namespace cops {

namespace {

using detail::system_call;

constexpr unsigned kSlots = 1024;  // Requests a process may have in flight.

// One executor per process: that of the hart the process lives on.
struct Runtime {
    cops_attach attach{};
    cops_executor_group group{};
    cops_executor_context context{};
    cops_executor_context* contexts[1] = {&context};
    cops_task* segments[COPS_EXECUTOR_SEGMENTS] = {};
    cops_slot_state* slot_states = nullptr;
};

Runtime runtime;
thread_local cops_executor_context* hart_context = nullptr;

template <typename T>
T* shared(unsigned long address) {
    return reinterpret_cast<T*>(address);
}

[[noreturn]] void fail(const char* what, long error) {
    std::fprintf(stderr, "cops: %s: %s\n", what, std::strerror(static_cast<int>(-error)));
    std::exit(EXIT_FAILURE);
}

bool add_tasks() {
    void* memory = std::calloc(COPS_EXECUTOR_SEGMENT_TASKS, sizeof(cops_task));
    return memory != nullptr
           && cops_executor_add_tasks(&runtime.group, static_cast<cops_task*>(memory)) == 0;
}

void attach() {
    cops_attach& attach = runtime.attach;
    attach.slots = kSlots;
    attach.handler = reinterpret_cast<std::uint64_t>(&cops_interrupt_entry);
    const long status = system_call(COPS_SYS_ATTACH, reinterpret_cast<long>(&attach));
    if (status < 0) {
        fail("this program needs the COPS kernel: attach", status);
    }
}

void make_executor() {
    const cops_attach& attach = runtime.attach;
    cops_executor_group& group = runtime.group;
    runtime.slot_states =
        static_cast<cops_slot_state*>(std::calloc(attach.slots, sizeof(cops_slot_state)));
    if (runtime.slot_states == nullptr) {
        fail("completion slots", -ENOMEM);
    }
    group.abi = COPS_EXECUTOR_ABI;
    group.num_contexts = 1;
    group.contexts = runtime.contexts;
    group.segments = runtime.segments;
    group.slots = shared<virtio_cops_slot>(COPS_SLOTS_ADDRESS);
    group.slot_states = runtime.slot_states;
    group.num_slots = attach.slots;

    cops_executor_context& context = runtime.context;
    const unsigned hart = attach.hart;
    context.line = shared<virtio_cops_line>(COPS_PROCESS_PAGE_ADDRESS) + hart;
    context.heads = shared<virtio_cops_heads>(COPS_HEADS_ADDRESS) + hart;
    context.host_line = shared<const virtio_cops_host_line>(COPS_HOST_PAGE_ADDRESS) + hart;
    context.kernel_line = shared<const cops_kernel_line>(COPS_KERNEL_PAGE_ADDRESS) + hart;
    context.doorbells = shared<volatile std::uint32_t>(COPS_DOORBELL_ADDRESS);
    // Completions name the line they go to; ours is that of our hart, whatever our index in the
    // group.
    context.line_index = hart;

    int status = cops_executor_init_group(&group);
    if (status == 0) {
        status = cops_executor_init_context(&group, 0, 0, attach.slots);
    }
    if (status == 0 && !add_tasks()) {
        status = -ENOMEM;
    }
    if (status < 0) {
        fail("executor", status);
    }
    hart_context = &context;
}

template <unsigned Csr>
void set_bits(unsigned long bits) {
    __asm__ volatile("csrs %0, %1" : : "i"(Csr), "r"(bits) : "memory");
}

template <unsigned Csr>
void clear_bits(unsigned long bits) {
    __asm__ volatile("csrc %0, %1" : : "i"(Csr), "r"(bits) : "memory");
}

constexpr unsigned long kSoftware = 1UL << COPS_IRQ_USER_SOFTWARE;

void allow_interrupts() {
    if (has_user_interrupts()) {
        set_bits<COPS_CSR_UIE>(kSoftware);
        set_bits<COPS_CSR_USTATUS>(COPS_USTATUS_UIE);
    }
}

// Only a completion could wake a coroutine now, and none is on its way.
[[noreturn]] void fail_asleep() {
    std::fputs("cops: every coroutine sleeps and no request is in flight\n", stderr);
    std::exit(EXIT_FAILURE);
}

// With UIE clear an interrupt that comes after the last look stays pending and ends the wfi.
void idle(cops_executor_context& context) {
    if (has_user_interrupts()) {
        clear_bits<COPS_CSR_USTATUS>(COPS_USTATUS_UIE);
    }
    bool slept = false;
    const bool asleep = cops_executor_park_begin(&context) != 0;
    if (asleep && context.in_flight == 0) {
        fail_asleep();
    }
    if (asleep && system_call(COPS_SYS_PARK) == COPS_PARK_WFI) {
        __asm__ volatile("wfi" : : : "memory");
        clear_bits<COPS_CSR_UIP>(kSoftware);
        slept = true;
    }
    cops_executor_park_end(&context);
    if (slept) {
        cops_executor_drain(&context, COPS_DRAIN_INTERRUPT);
    }
    if (has_user_interrupts()) {
        set_bits<COPS_CSR_USTATUS>(COPS_USTATUS_UIE);
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
    cops_executor_submitted(&context, static_cast<std::uint32_t>(accepted), 0);
    if (accepted == 0) {
        system_call(COPS_SYS_YIELD);  // The kernel is full: let it work.
    }
}

void run(cops_executor_context& context) {
    for (;;) {
        switch (cops_executor_run(&context, UINT32_MAX, VIRTIO_COPS_LEVELS - 1)) {
        case COPS_RUN_STOPPED:
            return;
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
        default:
            break;
        }
    }
}

Task<> first_task(int argc, char** argv, int& status) {
    status = co_await cops_main(argc, argv);
    cops_executor_stop(detail::context(), 1);
}

}  // namespace

namespace detail {

// Not inlined: the compiler may keep the address of a thread-local over a suspension otherwise.
[[gnu::noinline]] cops_executor_context* context() noexcept {
    return hart_context;
}

cops_task_id spawn_frame(void* frame, unsigned level) noexcept {
    cops_task_id id = cops_executor_spawn(context(), frame, level, 0);
    if (id == 0 && add_tasks()) {
        id = cops_executor_spawn(context(), frame, level, 0);
    }
    return id;
}

void finish_root(void* frame) noexcept {
    cops_executor_exit(context(), frame);
}

void no_frame() {
    std::fputs("cops: awaited a coroutine whose frame could not be allocated\n", stderr);
    std::abort();
}

}  // namespace detail

bool has_user_interrupts() noexcept {
    return runtime.attach.user_interrupts != 0;
}

unsigned harts() noexcept {
    return runtime.attach.lines;
}

unsigned hart() noexcept {
    return runtime.attach.hart;
}

}  // namespace cops

void cops_handle_interrupt() {
    // First: an interrupt posted from here on comes again after we have looked.
    if (cops::has_user_interrupts()) {
        cops::clear_bits<COPS_CSR_UIP>(cops::kSoftware);
    }
    if (cops::hart_context != nullptr) {
        cops_executor_interrupt(cops::hart_context);
    }
}

int main(int argc, char** argv) {
    cops::attach();
    cops::make_executor();
    int status = EXIT_FAILURE;
    if (!cops::spawn(cops::first_task(argc, argv, status), cops::kMainLevel)) {
        cops::fail("first coroutine", -ENOMEM);
    }
    cops::allow_interrupts();
    cops::run(*cops::detail::context());
    return status;
}
