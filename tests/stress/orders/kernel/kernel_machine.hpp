// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "arch/riscv64/cpu.hpp"
#include "explorer.hpp"
#include "proc/process.hpp"

#include <array>
#include <functional>
#include <memory>

/// Harts for the guest kernel's own sources (exec/hart.cpp, proc/schedule.cpp, proc/wakes.cpp and
/// what they call), as threads of an execution: thread i is hart i. Instructions that C++ has not,
/// and the parts of the kernel that are about memory, files and devices, are here. One process with
/// a thread of each hart; what such a thread does in user mode is the scenario's.
class KernelMachine {
public:
    enum class Trap : std::uint8_t { interrupt, park, blocking_call };
    /// Enters user mode: runs the thread until it traps.
    using User = std::function<Trap()>;

    KernelMachine(explorer::Execution& execution, unsigned harts, bool user_interrupts);

    kernel::Process& process() { return *process_; }
    kernel::Thread& thread(unsigned hart) { return *threads_[hart]; }
    virtio_cops_line& line(unsigned hart) { return lines_[hart]; }
    /// The host grants hart 1 and takes it back; hart 0 is its stand-in. `away`: now, too.
    void make_extra(bool away);
    /// Thread of a scenario. The host takes hart 1 back.
    void revoke();
    /// A thread with a line, that may run. What it does may still be changed.
    void start_thread(unsigned hart, User user);

    // ---- In user mode of a hart ----

    /// An interrupt of the kernel's is pending: trap.
    bool interrupted();
    /// wfi. True: the kernel's interrupt ended it, which traps there.
    bool sleeps_until_interrupt();
    /// Result of the last call.
    std::int64_t result();
    /// The scenario has seen what it waited for: ends the execution.
    [[noreturn]] void stop();

    // ---- As the hart's instructions ----

    std::uint64_t pending();
    void set_pending(std::uint64_t bits);
    void clear_pending(std::uint64_t bits);
    void wait_for_interrupt();
    void send_ipi(std::uint64_t harts);
    void enter_user();
    void handle_trap(kernel::Thread& thread);
    [[nodiscard]] bool must_leave(const kernel::Cpu& cpu) const;
    void leave_hart(kernel::Cpu& cpu) const;
    [[nodiscard]] kernel::Cpu* cpu() const { return now_->cpu; }

private:
    struct Hart {
        kernel::Cpu* cpu = nullptr;
        explorer::Event ipi;
        explorer::Event wake;  // of a wfi, by whatever
        bool user_software = false;
        bool at_wfi = false;
        User user;
        Trap trap = Trap::interrupt;
    };

    void end_if_stopped() const;

    std::array<Hart, 2> harts_;
    Hart* now_ = harts_.data();
    bool stopped_ = false;
    bool revoked_ = false;
    kernel::Process* process_ = nullptr;
    std::array<kernel::Thread*, 2> threads_{};
    std::array<virtio_cops_line, 2> lines_{};
};
