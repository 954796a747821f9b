// SPDX-License-Identifier: Apache-2.0
// A hart's first instructions. Most of them run once or twice, which is far too little for
// translation to pay; so the interpreter executes them.
#include "cpu/common/float_environment.hpp"
#include "cpu/dbt/runtime/cpu.hpp"

#include <algorithm>
#include <utility>

namespace vmm::dbt {

bool Cpu::interpret() {
    const std::uint64_t before = retired();
    // A limit of its own ends its time exactly, whatever it is in the middle of.
    const std::uint64_t asked_for =
        std::exchange(limit, std::min(limit, before + (interpret_first - interpreted)));
    lend_registers();
    interp::Cpu::execute();
    take_registers_back();
    limit = asked_for;
    interpreted += retired() - before;
    if (!young()) {
        interp::Cpu::forget_code();  // and give the host its memory back
    }
    return exit != ExitKind::counted || retired() == limit;
}

void Cpu::lend_registers() {
    std::ranges::copy(state.x, x.begin());
    std::ranges::copy(state.f, f.begin());
    pc = state.pc;
    saved_budget = state.budget;
    reservation = {
        .host = reinterpret_cast<std::byte*>(state.reservation_host),
        .value = state.reservation_value,
        .size = state.reservation_size,
    };
    set_host_rounding(riscv::Rounding::nearest_even);  // refresh_mode() may have set the guest's
    interp::Cpu::refresh_mode();
}

void Cpu::take_registers_back() {
    std::copy_n(x.begin(), std::size(state.x), std::begin(state.x));
    std::ranges::copy(f, std::begin(state.f));
    state.pc = pc;
    state.budget = saved_budget;
    state.reservation_host = reinterpret_cast<std::uint64_t>(reservation.host);
    state.reservation_value = reservation.value;
    state.reservation_size = reservation.size;
    state.fflags |= std::exchange(fflags, 0);
    refresh_mode();
}

}  // namespace vmm::dbt
