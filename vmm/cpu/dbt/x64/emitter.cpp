// SPDX-License-Identifier: Apache-2.0
#include "cpu/dbt/x64/emitter.hpp"

namespace vmm::dbt {

using asmjit::Operand;

Emitter::Mem Emitter::home(ir::Var v, unsigned size) const {
    if (ir::is_temp(v)) {
        return state(offsetof(HartState, spills) + allocation_.spill[v] * 8U, size);
    }
    if (ir::is_float(v)) {
        return state(offsetof(HartState, f) + (v - ir::kFirstFloat) * 8U, size);
    }
    return state(offsetof(HartState, x) + v * 8U, size);
}

bool Emitter::resident(ir::Var v) const {
    return v != ir::kNone && allocation_.resident(v);
}

Emitter::Gp Emitter::gp(ir::Var v) const {
    return kResidentGp[static_cast<std::uint8_t>(allocation_.where[v])];
}

Emitter::Xmm Emitter::xmm(ir::Var v) const {
    return asmjit::x86::xmm(
        static_cast<unsigned>(allocation_.where[v]) - kXmmBit + kFirstResidentXmm
    );
}

Emitter::Gp Emitter::use(ir::Var v, const Gp& scratch) {
    if (v == ir::kZero) {
        a.mov(scratch.r32(), 0);  // not xor: flags stay
        return scratch.r64();
    }
    if (resident(v)) {
        return gp(v);
    }
    a.mov(scratch.r64(), home(v));
    return scratch.r64();
}

Emitter::Gp Emitter::define(ir::Var v, const Gp& scratch) const {
    return v != ir::kZero && resident(v) ? gp(v) : scratch.r64();
}

void Emitter::defined(ir::Var v, const Gp& value) {
    if (v == ir::kNone || v == ir::kZero) {
        return;
    }
    if (!resident(v)) {
        a.mov(home(v), value.r64());
    } else if (gp(v) != value.r64()) {
        a.mov(gp(v), value.r64());
    }
}

Emitter::Xmm Emitter::use_float(ir::Var v, const Xmm& scratch) {
    if (resident(v)) {
        return xmm(v);
    }
    a.movsd(scratch, home(v));
    return scratch;
}

Emitter::Xmm Emitter::define_float(ir::Var v, const Xmm& scratch) const {
    return resident(v) ? xmm(v) : scratch;
}

void Emitter::defined_float(ir::Var v, const Xmm& value) {
    if (!resident(v)) {
        a.movsd(home(v), value);
    } else if (xmm(v) != value) {
        a.movaps(xmm(v), value);
    }
}

Operand Emitter::operand(ir::Var v) const {
    return resident(v) ? Operand(gp(v)) : Operand(home(v));
}

Operand Emitter::operand_float(ir::Var v, unsigned size) const {
    return resident(v) ? Operand(xmm(v)) : Operand(home(v, size));
}

void Emitter::emit_cold() {
    // A body may add further ones.
    for (std::size_t n = 0; n < cold_.size(); ++n) {
        const auto body = std::move(cold_[n]);
        body();
    }
    cold_.clear();
}

void Emitter::call_helper(Helper function) {
    a.call(thunks_.thunk(function));
}

void Emitter::load_constant(const Gp& dst, std::int64_t value) {
    if (value == 0) {
        a.xor_(dst.r32(), dst.r32());
    } else if (static_cast<std::uint64_t>(value) <= 0xffff'ffff) {
        a.mov(dst.r32(), value);
    } else {
        a.mov(dst.r64(), value);
    }
}

}  // namespace vmm::dbt
