// SPDX-License-Identifier: Apache-2.0
// Loads and stores.
#include "cpu/dbt/ir/shape.hpp"
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

std::size_t RegionEmitter::tag_of(bool store) {
    return store ? offsetof(TlbEntry, write_tag) : offsetof(TlbEntry, read_tag);
}

x86::Mem RegionEmitter::tlb_entry(std::size_t member) {
    return x86::ptr(
        kTlb, rcx, 0, static_cast<std::int32_t>(offsetof(DataTlb, entries) + member), 8
    );
}

void RegionEmitter::index_tlb() {
    a.rorx(rcx, rax, 12 - kTlbEntryShift);
    a.and_(ecx, static_cast<std::int32_t>((kTlbEntries - 1) << kTlbEntryShift));
}

void RegionEmitter::look_up(const ir::Inst& inst, bool is_store, const Label& done) {
    const Label slow = a.newLabel();
    const Label found = a.newLabel();
    guest_address(inst);
    index_tlb();
    a.mov(rdx, rax);
    a.and_(rdx, -4096 | (inst.size - 1));
    a.cmp(rdx, tlb_entry(tag_of(is_store)));
    a.jne(slow);
    a.add(rax, tlb_entry(offsetof(TlbEntry, addend)));
    a.bind(found);
    const Site site = site_of(inst, Site::Kind::memory);
    e.cold([this, inst, slow, found, done, site, is_store] {
        a.bind(slow);
        const bool atomic = !ir::is_plain_access(inst.op);
        ask(inst, is_store, atomic, site);
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

/// Calls the runtime about the address in rax: what comes back is in rax, and carry says whether it
/// did all.
void RegionEmitter::ask(const ir::Inst& inst, bool is_store, bool atomic, const Site& site) {
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
    const bool is_float = inst.op == Op::load_float || inst.op == Op::store_float;
    std::uint32_t info = inst.size;
    info |= is_store ? AccessInfo::kStore : 0;
    info |= inst.sign ? AccessInfo::kSign : 0;
    info |= is_float ? AccessInfo::kFloat : 0;
    info |= atomic ? AccessInfo::kAtomic : 0;
    info |= (inst.dst == ir::kNone || ir::is_temp(inst.dst) ? AccessInfo::kNoDst : inst.dst)
            << AccessInfo::kDstShift;
    a.mov(edx, info);
    a.call(Imm(is_store ? routines_.store : routines_.load));
    add_site(site);
}

RegionEmitter::GuestAddress RegionEmitter::address_parts(const ir::Inst& inst) {
    if (inst.a == ir::kZero || !fits_32(inst.imm)) {
        guest_address(inst);
        return {.base = rax, .offset = 0};
    }
    return {.base = e.use(inst.a, rax), .offset = static_cast<std::int32_t>(inst.imm)};
}

x86::Mem RegionEmitter::look_up_slot(const ir::Inst& inst, bool is_store, const Label& done) {
    const Label missed = a.newLabel();
    const Label found = a.newLabel();
    const std::size_t slot = routines_.next_slot(is_store);
    const auto at = static_cast<std::int32_t>(offsetof(DataTlb, slots) + slot * sizeof(TlbSlot));
    const Mem tag = x86::ptr(kTlb, at + static_cast<std::int32_t>(offsetof(TlbSlot, tag)), 8);
    const Mem addend = x86::ptr(kTlb, at + static_cast<std::int32_t>(offsetof(TlbSlot, addend)), 8);
    const GuestAddress guest = address_parts(inst);
    if (guest.offset != 0) {
        a.lea(rdx, x86::ptr(guest.base, guest.offset));
    } else {
        a.mov(rdx, guest.base);
    }
    a.and_(rdx, -4096 | (inst.size - 1));
    a.cmp(rdx, tag);
    a.jne(missed);
    a.mov(rcx, addend);
    a.bind(found);
    const Site site = site_of(inst, Site::Kind::memory);
    e.cold([this, inst, missed, found, done, site, is_store, slot, tag, addend] {
        const Label slow = a.newLabel();
        const Label fill = a.newLabel();
        const Label finished = a.newLabel();
        a.bind(missed);
        guest_address(inst);
        index_tlb();
        a.cmp(rdx, tlb_entry(tag_of(is_store)));
        a.jne(slow);
        a.mov(rcx, tlb_entry(offsetof(TlbEntry, addend)));
        a.bind(fill);
        a.mov(tag, rdx);
        a.mov(addend, rcx);
        const std::size_t group = slot / kTlbSlotGroup;
        a.or_(
            x86::ptr(kTlb, static_cast<std::int32_t>(offsetof(DataTlb, used_slots) + group / 8), 1),
            1U << group % 8
        );
        address_parts(inst);  // rax again
        a.jmp(found);
        a.bind(slow);
        ask(inst, is_store, false, site);
        a.jc(finished);
        a.mov(rcx, rax);
        guest_address(inst);
        a.sub(rcx, rax);
        a.mov(rdx, rax);
        a.and_(rdx, -4096);
        a.jmp(fill);
        a.bind(finished);
        if (!is_store) {
            loaded(inst);
        }
        a.jmp(done);
    });
    return x86::ptr(rcx, guest.base, 0, guest.offset, inst.size);
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
    count(offsetof(HartState, accesses));
    if (is_probed(inst) && inst.by_address) {
        guest_address(inst);
        a.emit(x86::Inst::kIdAdd, rax, e.operand(inst.c));
        read_memory(inst, x86::ptr(rax, 0, inst.size));
        return;
    }
    if (is_probed(inst)) {
        read_memory(inst, x86::ptr(e.use(inst.c, rax), inst.within, inst.size));
        return;
    }
    const Label done = a.newLabel();
    if (is_hot_) {
        read_memory(inst, look_up_slot(inst, false, done));
    } else {
        look_up(inst, false, done);
        read_memory(inst, x86::ptr(rax, 0, inst.size));
    }
    a.bind(done);
}

void RegionEmitter::read_memory(const ir::Inst& inst, const Mem& at) {
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
    count(offsetof(HartState, accesses));
    if (is_probed(inst)) {
        write_memory(inst, x86::ptr(e.use(inst.c, rax), inst.within, inst.size));
        return;
    }
    const Label done = a.newLabel();
    if (is_hot_) {
        write_memory(inst, look_up_slot(inst, true, done));
    } else {
        look_up(inst, true, done);
        write_memory(inst, x86::ptr(rax, 0, inst.size));
    }
    a.bind(done);
}

void RegionEmitter::write_memory(const ir::Inst& inst, const Mem& at) {
    if (inst.op == Op::store_float) {
        const x86::Xmm value = e.use_float(inst.b, x86::xmm0);
        inst.size == 4 ? a.movss(at, value) : a.movsd(at, value);
        return;
    }
    if (inst.b == ir::kZero) {
        a.mov(at, 0);
        return;
    }
    const Gp value = e.use(inst.b, rdx);
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
