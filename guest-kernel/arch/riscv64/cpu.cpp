// SPDX-License-Identifier: Apache-2.0
#include "arch/riscv64/cpu.hpp"

#include "arch/riscv64/sbi.hpp"
#include "base/log.hpp"

namespace kernel {

constinit CpuFeatures cpu_features;
constinit Cpu* cpus[kMaxHarts] = {};
constinit unsigned hart_limit = 0;

void send_ipi(std::uint64_t harts) {
    if (harts != 0) {
        sbi::send_ipi(harts);
    }
}

void lock_taken(Rank rank) {
    Cpu* const cpu = this_cpu_or_null();
    const std::uint32_t bit = 1u << static_cast<unsigned>(rank);
    if (cpu == nullptr || rank == Rank::console_output) {
        return;  // boot, or on the way to say why
    }
    check(cpu->held_ranks < bit, "locks taken out of order");
    cpu->held_ranks |= bit;
}

void lock_released(Rank rank) {
    Cpu* const cpu = this_cpu_or_null();
    if (cpu != nullptr && rank != Rank::console_output) {
        cpu->held_ranks &= ~(1u << static_cast<unsigned>(rank));
    }
}

}  // namespace kernel

extern "C" {
[[noreturn]] void kernel_trap_panic(
    std::uint64_t cause, std::uint64_t pc, std::uint64_t value, std::uint64_t ra, std::uint64_t sp
);
void kernel_trap_panic(
    std::uint64_t cause, std::uint64_t pc, std::uint64_t value, std::uint64_t ra, std::uint64_t sp
) {
    using kernel::Hex;
    kernel::panic(
        "trap in the kernel: cause ",
        cause,
        " pc ",
        Hex{pc},
        " address ",
        Hex{value},
        " ra ",
        Hex{ra},
        " sp ",
        Hex{sp}
    );
}
}
