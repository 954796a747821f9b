// SPDX-License-Identifier: Apache-2.0
#include "stacks.hpp"

#include "runtime.hpp"

#include <cops/block_on.hpp>
#include <cops/sync/detail/lock.hpp>

#include <cxxabi.h>
#include <sys/mman.h>

#include <cerrno>
#include <utility>

extern "C" void cops_switch_stack(void** from, void* to);

namespace cops::detail {

struct Stack {
    void* pointer = nullptr;   // while another one runs
    Stack* next = nullptr;     // of those without a coroutine
    Stack* reserve = nullptr;  // while its coroutine is in block_on(): for others when it waits
};

namespace {

// As large as the process's first one, and no more promised: memory comes when it is touched.
constexpr std::size_t kGuardBytes = std::size_t{1} << 20;
constexpr std::size_t kStackBytes = std::size_t{8} << 20;
// So many coroutines of a hart may keep a stack at once. Then those that run go on until they
// suspend, and block_on() fails.
constexpr unsigned kMaxStacks = 1024;
constexpr std::size_t kFrameBytes = 26 * 8;  // what cops_switch_stack() leaves; ra comes first

// Of one hart: who keeps a stack goes on where it was, on its hart's thread.
struct Stacks {
    Stack first;               // the thread's own
    Stack* running = nullptr;  // null: the first
    Stack* spare = nullptr;
    unsigned made = 0;
    unsigned kept = 0;  // by coroutines that do not run
};
constinit thread_local Stacks stacks;

Stack* running_stack() noexcept {
    return stacks.running == nullptr ? &stacks.first : stacks.running;
}

// What there is once for each thread of control, and a coroutine may not find changed from one
// instruction to the next: errno, the exceptions it has caught, rounding mode and accrued flags.
class ThreadState {
public:
    ThreadState() noexcept { __asm__ volatile("frcsr %0" : "=r"(float_control_) : : "memory"); }
    /// What a coroutine begins with.
    void clear() noexcept {
        *now_ = {};
        __asm__ volatile("fscsr zero" : : : "memory");
    }
    ThreadState(const ThreadState&) = delete;
    ThreadState& operator=(const ThreadState&) = delete;
    ~ThreadState() {
        __asm__ volatile("fscsr %0" : : "r"(float_control_) : "memory");
        *now_ = globals_;
        errno = error_;
    }

private:
    // The caught exceptions and the number of uncaught ones (Itanium C++ ABI, exception handling,
    // 2.2.2).
    struct Globals {
        void* caught = nullptr;
        unsigned uncaught = 0;
    };

    int error_ = errno;
    unsigned long float_control_ = 0;
    Globals* now_ = reinterpret_cast<Globals*>(abi::__cxa_get_globals());
    Globals globals_ = *now_;
};

// The running coroutine, which keeps its stack, or the loop, which leaves it to a coroutine.
void switch_to(Stack& to) noexcept {
    ThreadState state;
    state.clear();  // who goes on over there has its own, or begins
    Stack& from = *running_stack();
    stacks.running = &to;
    cops_switch_stack(&from.pointer, to.pointer);
}

void give_back(Stack& stack) noexcept {
    stack.next = stacks.spare;
    stacks.spare = &stack;
}

// Without malloc(): the coroutine may have been interrupted anywhere outside of the C library.
Stack* make_stack() noexcept {
    if (stacks.made == kMaxStacks) {
        return nullptr;
    }
    constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    void* const memory =
        ::mmap(nullptr, kGuardBytes + kStackBytes, PROT_READ | PROT_WRITE, kFlags, -1, 0);
    if (memory == MAP_FAILED) {
        return nullptr;
    }
    if (::mprotect(memory, kGuardBytes, PROT_NONE) != 0) {
        ::munmap(memory, kGuardBytes + kStackBytes);
        return nullptr;
    }
    ++stacks.made;
    auto* const bottom = static_cast<std::byte*>(memory) + kGuardBytes;
    constexpr std::size_t kTop = kStackBytes - (sizeof(Stack) + 15) / 16 * 16;
    auto* const stack = new (bottom + kTop) Stack;
    stack->pointer = bottom + kTop - kFrameBytes;
    *static_cast<std::uintptr_t*>(stack->pointer) = reinterpret_cast<std::uintptr_t>(&run_loop);
    return stack;
}

Stack* take_stack() noexcept {
    return stacks.spare == nullptr ? make_stack() : std::exchange(stacks.spare, stacks.spare->next);
}

}  // namespace

bool lose_hart(bool slice_over) noexcept {
    send_kicks();
    return cops_executor_should_preempt(context(), slice_over ? 1 : 0) != 0
           && give_up_hart(slice_over);
}

bool give_up_hart(bool slice_over) noexcept {
    const int error = errno;
    Stack* const other = take_stack();
    errno = error;
    if (other == nullptr) {
        return false;
    }
    if (cops_executor_preempt(context(), running_stack(), slice_over ? 1 : 0) == 0) {
        give_back(*other);
        return false;
    }
    ++stacks.kept;
    switch_to(*other);
    return true;
}

void resume_on_its_stack() noexcept {
    send_kicks();
    auto& stack = *static_cast<Stack*>(cops_executor_resumed(context()));
    // What was drained on the way out of the executor may be more urgent than it.
    if (cops_executor_preempt(context(), &stack, 0) != 0) {
        return;
    }
    give_back(*running_stack());
    --stacks.kept;
    switch_to(stack);
}

// ---- block_on() --------------------------------------------------------------------------------

void check_may_block() noexcept {
    const cops_executor_context* const here = context();
    if (here == nullptr || here->current == 0) {
        misuse("block_on() outside of a coroutine");
    }
    if (here->kept != 0 || here->masked != 0) {
        misuse("block_on() where others must not run: under NoPreemption, while a static variable "
               "is made, or in the destructor of a coroutine's parameter");
    }
}

// A stack is reserved before anything is asked for that could no longer be taken back.
KeptStack::KeptStack() noexcept {
    Stack& own = *running_stack();
    if (own.reserve == nullptr) {
        own.reserve = take_stack();
        is_outermost_ = own.reserve != nullptr;
        is_good_ = is_outermost_;
    }
}

KeptStack::~KeptStack() {
    if (is_outermost_) {
        give_back(*std::exchange(running_stack()->reserve, nullptr));
    }
}

void KeptStack::run(const PlainFrame& frame) noexcept {
    while (!frame.is_over) {
        std::coroutine_handle<>::from_address(wait()).resume();
    }
}

void* KeptStack::wait() noexcept {
    Stack& own = *running_stack();
    void* frame = nullptr;
    const int waits = cops_executor_block(context(), &own, &frame);
    if (waits < 0) {
        misuse("block_on() of something that no call of this library waits for");
    }
    if (waits == 0) {
        lose_hart(false);  // What made it ready may have made others ready too.
        return frame;
    }
    ++stacks.kept;
    switch_to(*std::exchange(own.reserve, nullptr));
    own.reserve = take_stack();  // The loop has just left one.
    return frame;
}

}  // namespace cops::detail

namespace cops {

StackCounts stacks() noexcept {
    return {.kept = detail::stacks.kept, .idle = detail::stacks.made - detail::stacks.kept};
}

}  // namespace cops
