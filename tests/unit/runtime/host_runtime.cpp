// SPDX-License-Identifier: Apache-2.0
#include "host_runtime.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <utility>

namespace {

std::atomic<std::uint64_t> virtual_now = 0;
std::atomic<bool> is_clock_real = false;
std::atomic<bool> are_tasks_refused = false;
std::atomic<std::uint64_t> allocation_count = 0;

std::atomic<unsigned> overtaken_count = 0;
thread_local std::function<void()> interleaved_work;
thread_local unsigned interleaved_after = 0;

std::unique_ptr<cops::detail::TaskRecord[]> records;
std::unique_ptr<cops::detail::Timers> timers_of_now;

}  // namespace

namespace cops::detail {

cops_executor_context* context() noexcept {
    if (interleaved_work && here()->kept == 0 && interleaved_after-- == 0) {
        std::exchange(interleaved_work, nullptr)();
    }
    return here();
}

cops_task_id spawn_frame(void* frame, unsigned level) noexcept {
    return are_tasks_refused ? 0 : cops_executor_spawn(here(), frame, level, 0);
}

// There is one stack: coroutines lose the hart where they suspend.
bool lose_hart(bool) noexcept {
    ++overtaken_count;
    return false;
}

void finish_root(void* frame) noexcept {
    cops_executor_exit(here(), frame);
}

void no_frame() {
    std::abort();
}

void move_request(cops_task_id, unsigned) noexcept {}

TaskRecord& task_record(std::uint32_t index) noexcept {
    return records[index];
}

Timers& timers() noexcept {
    return *timers_of_now;
}

std::uint64_t monotonic_ns() noexcept {
    if (is_clock_real) {
        return static_cast<std::uint64_t>(
            std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1)
        );
    }
    return virtual_now;
}

}  // namespace cops::detail

// The linker sends this program's own calls of malloc and of operator new here (--wrap).
extern "C" {
void* __real_malloc(std::size_t size);
void* __wrap_malloc(std::size_t size);
void* __real__Znwm(std::size_t size);
void* __wrap__Znwm(std::size_t size);

void* __wrap_malloc(std::size_t size) {
    allocation_count.fetch_add(1, std::memory_order_relaxed);
    return __real_malloc(size);
}
void* __wrap__Znwm(std::size_t size) {
    allocation_count.fetch_add(1, std::memory_order_relaxed);
    return __real__Znwm(size);
}
}

std::uint64_t allocations() {
    return allocation_count;
}

HostRuntime::HostRuntime(Side::Options options)
    : side_(options) {
    records = std::make_unique<cops::detail::TaskRecord[]>(
        std::size_t{options.segments} * COPS_EXECUTOR_SEGMENT_TASKS
    );
    timers_of_now = std::make_unique<cops::detail::Timers>();
    virtual_now = 1'000'000;
    is_clock_real = false;
    are_tasks_refused = false;
    overtaken_count = 0;
    this_context = &side_.context();
}

HostRuntime::~HostRuntime() {
    while (!sleeps_.empty()) {
        advance(std::uint64_t{1} << 62);
    }
}

void HostRuntime::use_real_clock() {
    is_clock_real = true;
}

void HostRuntime::refuse_tasks(bool refuse) {
    are_tasks_refused = refuse;
}

void HostRuntime::interleave(unsigned nth, std::function<void()> other) {
    interleaved_after = nth;
    interleaved_work = std::move(other);
}

bool HostRuntime::interleaved() {
    return std::exchange(interleaved_work, nullptr) == nullptr;
}

unsigned HostRuntime::overtaken() {
    return overtaken_count;
}

void HostRuntime::take_sleeps(unsigned index) {
    const std::uint64_t before = allocations();
    for (const cops_submission& request : side_.take_batch(index)) {
        if (request.opcode != VIRTIO_COPS_OP_NANOSLEEP) {
            std::abort();
        }
        sleeps_.push_back({virtual_now + static_cast<std::uint64_t>(request.offset), request});
        ++requests_;
    }
    allocation_count = before;  // Ours do not count.
}

void HostRuntime::run(unsigned index) {
    while (side_.run(index) == COPS_RUN_SUBMIT) {
        take_sleeps(index);
    }
}

bool HostRuntime::step(unsigned index) {
    const std::uint64_t before = side_.context(index).counters.switches;
    while (side_.run(index, 1) == COPS_RUN_SUBMIT) {
        take_sleeps(index);
    }
    return side_.context(index).counters.switches != before;
}

void HostRuntime::advance(std::uint64_t nanoseconds) {
    const std::uint64_t until = virtual_now + nanoseconds;
    for (;;) {
        const auto first = std::ranges::min_element(sleeps_, {}, &Sleep::until);
        if (first == sleeps_.end() || first->until > until) {
            break;
        }
        const Sleep sleep = *first;
        sleeps_.erase(first);
        virtual_now = std::max(virtual_now.load(), sleep.until);
        side_.complete(sleep.request, 0);
        run(sleep.request.hart);
    }
    virtual_now = until;
}

std::uint64_t HostRuntime::alive() {
    std::uint64_t alive = 0;
    for (unsigned i = 0; i < side_.group().num_contexts; ++i) {
        alive += side_.context(i).counters.spawned - side_.context(i).counters.exited;
    }
    return alive;
}
