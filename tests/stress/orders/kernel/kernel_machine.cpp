// SPDX-License-Identifier: Apache-2.0
// Where the kernel's sources end: what a hart does, and what they call of the rest of the kernel.
#include "kernel_machine.hpp"

#include "arch/riscv64/csr.hpp"
#include "arch/riscv64/page_table.hpp"
#include "arch/riscv64/sbi.hpp"
#include "base/atomic.hpp"
#include "base/log.hpp"
#include "drivers/plic.hpp"
#include "exec/cores.hpp"
#include "exec/hart.hpp"
#include "exec/timer.hpp"
#include "mm/frames.hpp"
#include "mm/heap.hpp"
#include "proc/moves.hpp"
#include "proc/schedule.hpp"
#include "proc/trap.hpp"
#include "syscall/syscall.hpp"

using explorer::Event;

namespace {

KernelMachine* machine = nullptr;

// The executor group is a static object, and none of the arena's.
void forget_the_last_execution() {
    cops_executor_group& group = kernel::executor_group();
    if (group.segments != nullptr) {
        group.segments[0] = nullptr;
    }
    group = {};
    for (kernel::Cpu*& cpu : kernel::cpus) {
        cpu = nullptr;
    }
}

// A coroutine of the kernel that ends the call of a blocked thread.
kernel::Async<void> finishes(kernel::Thread* thread) {
    kernel::finish_call(*thread, 7);
    co_return;
}

}  // namespace

KernelMachine::KernelMachine(explorer::Execution& execution, unsigned harts, bool user_interrupts) {
    machine = this;
    execution.resumed = [this](unsigned thread) { now_ = &harts_[thread]; };
    forget_the_last_execution();
    kernel::hart_limit = harts;
    kernel::cpu_features = {.user_interrupts = user_interrupts};
    (void)kernel::init_executor().value();
    (void)kernel::init_scheduler().value();
    for (unsigned hart = 0; hart < harts; ++hart) {
        kernel::cpus[hart]->exists = true;
        harts_[hart].cpu = kernel::cpus[hart];
    }
    (void)kernel::start_switching().value();
    process_ = new kernel::Process;
    process_->generation = 1;
    process_->state = kernel::ProcessState::alive;
    process_->home = kernel::cpus[0];
    process_->attachment.lines = lines_.data();
    process_->attachment.done = true;
}

// As set_own_harts() in exec/cores.cpp.
void KernelMachine::make_extra(bool away) {
    kernel::Cpu& cpu = *kernel::cpus[1];
    cpu.stand_in = kernel::cpus[0];
    cpu.stand_in->stands_in = true;
    if (away) {
        cpu.away = 1;
        cpu.runs = 0;
        cpu.stand_in->runs |= std::uint64_t{1} << cpu.hart;
        cops_executor_close(&cpu.executor, cpu.hart, 1);
    }
}

void KernelMachine::revoke() {
    revoked_ = true;
    kernel::request_reschedule(*kernel::cpus[1]);
}

void KernelMachine::start_thread(unsigned hart, User user) {
    harts_[hart].user = std::move(user);
    lines_[hart].running_level = VIRTIO_COPS_LEVEL_NONE;
    threads_[hart] = kernel::claim_thread(*process_, *kernel::cpus[hart]);
    kernel::store_relaxed(threads_[hart]->line, &lines_[hart]);
    kernel::start(*threads_[hart]);
}

// ---- User mode

bool KernelMachine::interrupted() {
    end_if_stopped();
    return now_->ipi.is_set();
}

bool KernelMachine::sleeps_until_interrupt() {
    while (!now_->user_software && !now_->ipi.is_set()) {
        now_->wake.wait();
        end_if_stopped();
    }
    now_->at_wfi = !now_->user_software;
    if (!now_->at_wfi) {
        now_->user_software = false;
        now_->cpu->current->frame.argument(0) = COPS_PARK_RETRY;  // past the wfi
    }
    return now_->at_wfi;
}

std::int64_t KernelMachine::result() {
    return static_cast<std::int64_t>(now_->cpu->current->frame.argument(0));
}

void KernelMachine::stop() {
    stopped_ = true;
    for (Hart& hart : harts_) {
        hart.wake.post();
    }
    explorer::end_thread();
}

void KernelMachine::end_if_stopped() const {
    if (stopped_) {
        explorer::end_thread();
    }
}

// ---- Instructions

std::uint64_t KernelMachine::pending() {
    return (now_->ipi.is_set() ? kernel::csr::kSoftware : 0)
           | (now_->user_software ? kernel::csr::kUserSoftware : 0);
}

void KernelMachine::set_pending(std::uint64_t bits) {
    now_->user_software = now_->user_software || (bits & kernel::csr::kUserSoftware) != 0;
}

void KernelMachine::clear_pending(std::uint64_t bits) {
    if ((bits & kernel::csr::kSoftware) != 0) {
        now_->ipi.take();
    }
    now_->user_software = now_->user_software && (bits & kernel::csr::kUserSoftware) == 0;
}

void KernelMachine::wait_for_interrupt() {
    end_if_stopped();
    while (!now_->ipi.is_set()) {
        now_->wake.wait();
        end_if_stopped();
    }
}

void KernelMachine::send_ipi(std::uint64_t harts) {
    for (std::size_t hart = 0; hart < harts_.size(); ++hart) {
        if ((harts >> hart & 1) != 0) {
            harts_[hart].ipi.post();
            harts_[hart].wake.post();
        }
    }
}

void KernelMachine::enter_user() {
    end_if_stopped();
    now_->at_wfi = false;
    now_->trap = harts_[now_->cpu->current->home.hart].user();
}

// As proc/trap.cpp and the system calls.
void KernelMachine::handle_trap(kernel::Thread& thread) {
    kernel::store_relaxed(thread.in_wfi, false);
    switch (now_->trap) {
    case Trap::interrupt:
        kernel::interrupted(thread, now_->at_wfi);
        kernel::poll_interrupts();
        kernel::request_reschedule(*now_->cpu);
        break;
    case Trap::park:
        thread.frame.argument(0) = static_cast<std::uint64_t>(kernel::park(thread));
        break;
    case Trap::blocking_call:
        kernel::block(thread);
        kernel::kick_another(thread);
        kernel::spawn(finishes(&thread), kernel::kDefaultLevel);
        break;
    }
}

// ---- Harts that are granted and taken back, as exec/cores.cpp

bool KernelMachine::must_leave(const kernel::Cpu& cpu) const {
    return cpu.stand_in != nullptr && revoked_;
}

void KernelMachine::leave_hart(kernel::Cpu& cpu) const {
    end_if_stopped();
    if (cops_executor_best(&cpu.executor) != VIRTIO_COPS_LEVEL_NONE
        || !kernel::hand_threads_over(cpu)) {
        return;
    }
    cops_executor_close(&cpu.executor, cpu.hart, 1);
    kernel::forget_hart(cpu);
    explorer::end_thread();
}

// ---- What the sources call

extern "C" {
char secondary_entry[1];
void enter_user(kernel::TrapFrame*) {
    machine->enter_user();
}
void save_float(kernel::FloatState*) {}
void load_float(const kernel::FloatState*) {}
void kernel_trap() {}
}

namespace kernel {

CpuFeatures cpu_features;
Cpu* cpus[kMaxHarts] = {};
unsigned hart_limit = 0;
LogLevel log_level = LogLevel::none;

Cpu* this_cpu_or_null() {
    return machine->cpu() != nullptr ? machine->cpu() : cpus[0];
}
void set_this_cpu(Cpu&) {}
void send_ipi(std::uint64_t harts) {
    machine->send_ipi(harts);
}
void give_way(const Cpu*) {
    explorer::relax();
}
void lock_taken(Rank) {}
void lock_released(Rank) {}

namespace csr {

std::uint64_t read_csr(unsigned number) {
    return number == sip ? machine->pending() : number == sie ? ~std::uint64_t{0} : 0;
}
void set_csr(unsigned number, std::uint64_t bits) {
    if (number == sip) {
        machine->set_pending(bits);
    }
}
void clear_csr(unsigned number, std::uint64_t bits) {
    if (number == sip) {
        machine->clear_pending(bits);
    }
}
void wait_for_interrupt() {
    machine->wait_for_interrupt();
}

}  // namespace csr

void print_line(std::string_view, const Piece*, std::size_t) {}
void panic_line(const Piece*, std::size_t) {
    explorer::fail("panic");
}
std::size_t Piece::write(char*, std::size_t) const {
    return 0;
}

namespace heap {

void* allocate(std::size_t bytes) {
    return ::operator new(bytes);
}
void free(void* memory) {
    ::operator delete(memory);
}

}  // namespace heap

namespace frames {

PhysAddr allocate_zeroed() {
    void* const frame = ::operator new(kPageSize);
    __builtin_memset(frame, 0, kPageSize);
    return physical(frame);
}

}  // namespace frames

namespace timer {

std::uint64_t tick() {
    return 1000;
}
void expired(Cpu&) {}
void program_for_process(Cpu&) {}
void program_for_idle(Cpu&) {}
void tick_again_soon(Cpu&) {}

}  // namespace timer

namespace plic {

void enable_hart(unsigned) {}
void handle(unsigned) {}

}  // namespace plic

namespace cops_device {

void poll() {}

}  // namespace cops_device

namespace sbi {

std::int64_t start_hart(std::uint64_t, PhysAddr, std::uint64_t) {
    return 0;
}

}  // namespace sbi

void* map_kernel_stack(unsigned) {
    return nullptr;
}
std::uint64_t kernel_satp() {
    return 0;
}
bool must_leave(const Cpu& cpu) {
    return machine->must_leave(cpu);
}
void leave_hart(Cpu& cpu) {
    machine->leave_hart(cpu);
}
void hart_begins(Cpu& cpu) {
    // One that is not away goes on with a life that began before the scenario.
    if (cpu.stand_in != nullptr && load_relaxed(cpu.away) != 0) {
        cops_executor_close(&cpu.executor, cpu.hart, 0);
        want_threads_back(cpu);
        wake_task(cpu.switcher);
    }
}
unsigned own_harts() {
    return hart_limit;
}
void look_at_cores() {}

void set_satp(std::uint64_t) {}
bool AddressSpace::read(void*, UserAddr, std::size_t) {
    return false;
}

void handle_trap(Cpu&, Thread& thread) {
    machine->handle_trap(thread);
}
void load_thread_float(Cpu&, Thread&) {}

unsigned process_count() {
    return 1;
}
Process* process_at(unsigned) {
    return &machine->process();
}
void tell_joiner(Process&, UserAddr) {}
void process_ended(Process&) {
    machine->stop();
}

}  // namespace kernel
