// SPDX-License-Identifier: Apache-2.0
#include "machine/vcpu_state.hpp"

namespace vmm {
namespace {

/// Every 64-bit register in the order of the format, for reading and writing alike.
template <class State, class Visit>
void visit_registers(State& state, Visit visit) {
    for (auto& x : state.x) {
        visit(x);
    }
    for (auto& f : state.f) {
        visit(f);
    }
    for (auto* csr :
         {&state.pc,      &state.fcsr,       &state.sstatus, &state.sie,      &state.sip,
          &state.stvec,   &state.sscratch,   &state.sepc,    &state.scause,   &state.stval,
          &state.satp,    &state.scounteren, &state.senvcfg, &state.stimecmp, &state.instret,
          &state.utvec,   &state.uscratch,   &state.uepc,    &state.ucause,   &state.utval,
          &state.sedeleg, &state.sideleg,    &state.utimecmp}) {
        visit(*csr);
    }
}

// A register added to State must be added above.
constexpr std::size_t kRegisters = 32 + 32 + 23;
static_assert(sizeof(riscv::State) == (kRegisters + 1) * sizeof(std::uint64_t));

}  // namespace

void put_vcpu_state(StateWriter& out, const riscv::State& state) {
    visit_registers(state, [&out](std::uint64_t value) { out.put(value); });
    out.put(static_cast<std::uint8_t>(state.privilege));
    out.put(state.stopped);
}

riscv::State get_vcpu_state(StateReader& in) {
    riscv::State state;
    visit_registers(state, [&in](std::uint64_t& value) { value = in.get<std::uint64_t>(); });
    state.privilege = static_cast<riscv::Privilege>(in.get_below<std::uint8_t>(2));
    state.stopped = in.get_below<std::uint8_t>(2);
    if (state.x[0] != 0 || state.pc % 2 != 0) {
        in.fail();
    }
    return state;
}

}  // namespace vmm
