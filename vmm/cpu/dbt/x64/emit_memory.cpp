// SPDX-License-Identifier: Apache-2.0
// Loads and stores.
#include "cpu/dbt/x64/region_emitter.hpp"

#include <bit>

namespace vmm::dbt {

using namespace asmjit;
using ir::Op;
using x86::ecx;
using x86::edx;
using x86::rax;
using x86::rcx;
using x86::rdx;

namespace {

bool fits_32(std::int64_t value) {
    return value == static_cast<std::int32_t>(value);
}

}  // namespace

void RegionEmitter::guest_address(const ir::Inst& inst) {
    if (inst.a == ir::kZero) {
        e.load_constant(rax, inst.imm);
        return;
    }
    if (!fits_32(inst.imm)) {
        e.load_constant(rax, inst.imm);
        a.emit(x86::Inst::kIdAdd, rax, e.operand(inst.a));
    } else if (e.resident(inst.a) && inst.imm != 0) {
        a.lea(rax, x86::ptr(e.gp(inst.a), static_cast<std::int32_t>(inst.imm)));
    } else {
        a.emit(x86::Inst::kIdMov, rax, e.operand(inst.a));
        if (inst.imm != 0) {
            a.add(rax, Imm(inst.imm));
        }
    }
}

void RegionEmitter::look_up(const ir::Inst& inst, bool is_store, bool atomic, const Label& done) {
    const Label slow = a.newLabel();
    const Label found = a.newLabel();
    guest_address(inst);
    a.rorx(rcx, rax, 12 - kTlbEntryShift);
    a.and_(ecx, static_cast<std::int32_t>((kTlbEntries - 1) << kTlbEntryShift));
    a.mov(rdx, rax);
    a.and_(rdx, -4096 | (inst.size - 1));
    a.add(rcx, Emitter::state(offsetof(HartState, tlb)));
    a.cmp(
        rdx, x86::ptr(rcx, is_store ? offsetof(TlbEntry, write_tag) : offsetof(TlbEntry, read_tag))
    );
    a.jne(slow);
    a.add(rax, x86::ptr(rcx, offsetof(TlbEntry, addend)));
    a.bind(found);

    const bool is_float = inst.op == Op::load_float || inst.op == Op::store_float;
    std::uint32_t info = inst.size;
    info |= is_store ? AccessInfo::kStore : 0;
    info |= inst.sign ? AccessInfo::kSign : 0;
    info |= is_float ? AccessInfo::kFloat : 0;
    info |= atomic ? AccessInfo::kAtomic : 0;
    info |= (inst.dst == ir::kNone || ir::is_temp(inst.dst) ? AccessInfo::kNoDst : inst.dst)
            << AccessInfo::kDstShift;
    const Site site = site_of(inst, Site::Kind::memory);
    e.cold([this, inst, slow, found, done, info, site, is_store, atomic] {
        a.bind(slow);
        if (is_store && !atomic) {
            if (inst.op == Op::store_float) {
                if (e.resident(inst.b)) {
                    a.movq(rcx, e.xmm(inst.b));
                } else {
                    a.mov(rcx, e.home(inst.b));
                }
            } else if (inst.b == ir::kZero) {
                a.xor_(ecx, ecx);
            } else {
                a.emit(x86::Inst::kIdMov, rcx, e.operand(inst.b));
            }
        }
        a.mov(edx, info);
        a.call(Imm(routines_.memory));
        add_site(site);
        if (atomic) {
            a.jmp(found);
            return;
        }
        a.jnc(found);
        if (!is_store) {
            loaded(inst);
        }
        a.jmp(done);
    });
}

void RegionEmitter::loaded(const ir::Inst& inst) {
    if (inst.op == Op::load) {
        e.defined(inst.dst, rax);
    } else if (e.resident(inst.dst)) {
        a.movq(e.xmm(inst.dst), rax);
    } else {
        a.mov(e.home(inst.dst), rax);
    }
}

void RegionEmitter::load(const ir::Inst& inst) {
    if (is_probed(inst) && inst.by_address) {
        guest_address(inst);
        a.emit(x86::Inst::kIdAdd, rax, e.operand(inst.c));
        read_memory(inst, rax, 0);
        return;
    }
    if (is_probed(inst)) {
        read_memory(inst, e.use(inst.c, rax), inst.within);
        return;
    }
    const Label done = a.newLabel();
    look_up(inst, false, false, done);
    read_memory(inst, rax, 0);
    a.bind(done);
}

void RegionEmitter::read_memory(const ir::Inst& inst, const Gp& base, std::int32_t offset) {
    const Mem at = x86::ptr(base, offset, inst.size);
    if (inst.op == Op::load_float) {
        const x86::Xmm value = e.define_float(inst.dst, x86::xmm0);
        if (inst.size == 4) {
            a.movss(value, at);
            a.orps(
                value,
                Emitter::state(
                    offsetof(HartState, float_constants) + offsetof(FloatConstants, box), 16
                )
            );
        } else {
            a.movsd(value, at);
        }
        e.defined_float(inst.dst, value);
        return;
    }
    if (inst.dst == ir::kNone || inst.dst == ir::kZero) {
        return;
    }
    const Gp to = e.define(inst.dst, rax);
    switch (inst.size) {
    case 1:
        inst.sign ? a.movsx(to, at) : a.movzx(to.r32(), at);
        break;
    case 2:
        inst.sign ? a.movsx(to, at) : a.movzx(to.r32(), at);
        break;
    case 4:
        inst.sign ? a.movsxd(to, at) : a.mov(to.r32(), at);
        break;
    default:
        a.mov(to, at);
        break;
    }
    e.defined(inst.dst, to);
}

void RegionEmitter::store(const ir::Inst& inst) {
    if (is_probed(inst)) {
        write_memory(inst, e.use(inst.c, rax), inst.within);
        return;
    }
    const Label done = a.newLabel();
    look_up(inst, true, false, done);
    write_memory(inst, rax, 0);
    a.bind(done);
}

void RegionEmitter::write_memory(const ir::Inst& inst, const Gp& base, std::int32_t offset) {
    const Mem at = x86::ptr(base, offset, inst.size);
    if (inst.op == Op::store_float) {
        const x86::Xmm value = e.use_float(inst.b, x86::xmm0);
        inst.size == 4 ? a.movss(at, value) : a.movsd(at, value);
        return;
    }
    if (inst.b == ir::kZero) {
        a.mov(at, 0);
        return;
    }
    const Gp value = e.use(inst.b, rcx);
    switch (inst.size) {
    case 1:
        a.mov(at, value.r8());
        break;
    case 2:
        a.mov(at, value.r16());
        break;
    case 4:
        a.mov(at, value.r32());
        break;
    default:
        a.mov(at, value);
        break;
    }
}

}  // namespace vmm::dbt
