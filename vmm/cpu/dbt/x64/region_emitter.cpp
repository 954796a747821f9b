// SPDX-License-Identifier: Apache-2.0
#include "cpu/dbt/x64/region_emitter.hpp"

#include "cpu/dbt/x64/float_facts.hpp"
#include "cpu/riscv/encoding.hpp"

#include <bit>

namespace vmm::dbt {

using namespace asmjit;
using ir::Op;

RegionEmitter::RegionEmitter(
    CodeHolder& code,
    x86::Assembler& assembler,
    const ir::Region& region,
    const Allocation& allocation,
    Routines& routines,
    Counting counting,
    std::vector<Site>& sites
)
    : code_(code)
    , a(assembler)
    , region_(region)
    , allocation_(allocation)
    , routines_(routines)
    , counting_(counting)
    , sites_(sites)
    , e(assembler, allocation, routines) {
    e.mode = region.mode;
}

void RegionEmitter::add_site(Site site) {
    site.position = static_cast<std::uint32_t>(a.offset());
    sites_.push_back(site);
}

Site RegionEmitter::site_of(const ir::Inst& inst, Site::Kind kind) const {
    return {
        .kind = kind,
        .give_back = static_cast<std::uint16_t>(block_->count() - inst.index),
        .offset = block_->offsets[inst.index],
        .next_offset = block_->offsets[inst.index + 1U],
        .dirty = dirty_,
    };
}

void RegionEmitter::load_registers(RegisterSet registers) {
    for (; registers != 0; registers &= registers - 1) {
        const ir::Var v = allocation_.holds[static_cast<unsigned>(std::countr_zero(registers))];
        if (ir::is_float(v)) {
            a.movsd(e.xmm(v), e.home(v));
        } else {
            a.mov(e.gp(v), e.home(v));
        }
    }
}

void RegionEmitter::store_registers(RegisterSet registers) {
    for (; registers != 0; registers &= registers - 1) {
        const ir::Var v = allocation_.holds[static_cast<unsigned>(std::countr_zero(registers))];
        if (ir::is_float(v)) {
            a.movsd(e.home(v), e.xmm(v));
        } else {
            a.mov(e.home(v), e.gp(v));
        }
    }
}

void RegionEmitter::count(std::size_t counter) {
    if (counting_ == Counting::on) {
        a.add(Emitter::state(counter), 1);
    }
}

void RegionEmitter::emit(std::uint64_t counter) {
    is_hot_ = counter == 0;
    count(offsetof(HartState, region_entries));
    if (counter != 0) {
        const Label hot = a.newLabel();
        a.sub(x86::dword_ptr(counter), 1);
        a.jb(hot);
        e.cold([this, hot] {
            a.bind(hot);
            a.call(Imm(routines_.hot));
            add_site({.kind = Site::Kind::hot, .offset = region_.entry_offset()});
        });
    }
    // Singles that were boxed before a loop still are: one look here instead of one at each use.
    const std::uint32_t assumed = counter == 0 ? boxed_operands_at_entry(region_) : 0;
    const Label unboxed = a.newLabel();
    for (std::uint32_t rest = assumed; rest != 0; rest &= rest - 1) {
        const auto number = static_cast<unsigned>(std::countr_zero(rest));
        Mem high = e.home(static_cast<ir::Var>(ir::kFirstFloat + number), 4);
        high.addOffset(4);
        a.cmp(high, -1);
        a.jne(unboxed);
    }
    blocks(assumed);
    if (assumed != 0) {
        a.bind(unboxed);
        blocks(0);
    }
}

void RegionEmitter::blocks(std::uint32_t boxed) {
    boxed_ = boxed_at_blocks(region_, boxed);
    labels_.clear();
    for (std::size_t n = 0; n < region_.blocks.size(); ++n) {
        labels_.push_back(a.newLabel());
    }
    next_reload_ = 0;
    load_registers(allocation_.entry_loads);
    for (std::size_t n = 0; n < region_.blocks.size(); ++n) {
        block(n);
    }
    e.emit_cold();
}

void RegionEmitter::block(std::size_t number) {
    number_ = number;
    block_ = &region_.blocks[number];
    dirty_ = allocation_.dirty_in[number];
    e.boxed = boxed_[number];
    a.bind(labels_[number]);
    if (const unsigned count = block_->count(); count != 0) {
        const Label poll = a.newLabel();
        const Label begin = a.newLabel();
        a.sub(kBudget, count);
        a.jl(poll);
        a.bind(begin);
        const Site site{
            .kind = Site::Kind::poll,
            .give_back = static_cast<std::uint16_t>(count),
            .offset = block_->offsets.front(),
            .dirty = dirty_,
        };
        e.cold([this, poll, begin, site] {
            a.bind(poll);
            a.call(Imm(routines_.poll));
            add_site(site);
            a.jmp(begin);
        });
    }
    any_nan_will_do_ = any_nan_will_do(*block_, true);
    const std::vector<Shared> shared = find_shared();
    auto next = shared.begin();
    std::size_t probes = 0;
    for (std::size_t n = 0; n < block_->insts.size(); ++n) {
        const ir::Inst& inst = block_->insts[n];
        if (inst.op == Op::probe) {
            if (n == next->first) {
                e.cold([this, number, copied = *next, dirty = dirty_, boxed = e.boxed] {
                    number_ = number;
                    block_ = &region_.blocks[number];
                    dirty_ = dirty;
                    e.boxed = boxed;
                    copy_without_probes(copied);
                });
            }
            probe(inst, next->failed[probes++]);
        }
        step(n);
        if (next != shared.end() && n == next->last) {
            a.bind(next->joined);
            ++next;
            probes = 0;
        }
    }
}

void RegionEmitter::step(std::size_t index) {
    const ir::Inst& inst = block_->insts[index];
    e.any_nan_will_do = any_nan_will_do_[index];
    instruction(inst);
    if (inst.op != Op::system && inst.dst != ir::kNone && inst.dst != ir::kZero
        && !ir::is_temp(inst.dst)) {
        dirty_ |= allocation_.bit(inst.dst);
    }
    e.boxed = boxed_after(inst, e.boxed);
}

void RegionEmitter::instruction(const ir::Inst& inst) {
    switch (inst.op) {
    case Op::load:
    case Op::load_float:
        load(inst);
        break;
    case Op::store:
    case Op::store_float:
        store(inst);
        break;
    case Op::load_reserved:
        load_reserved(inst);
        break;
    case Op::store_conditional:
        store_conditional(inst);
        break;
    case Op::amo_swap:
    case Op::amo_add:
    case Op::amo_and:
    case Op::amo_or:
    case Op::amo_xor:
    case Op::amo_min:
    case Op::amo_max:
    case Op::amo_min_unsigned:
    case Op::amo_max_unsigned:
        amo(inst);
        break;
    case Op::fence:
        fence(inst);
        break;
    case Op::probe:  // block() has done it
        break;
    case Op::float_op:
        emit_float(e, inst);
        break;
    case Op::float_dirty:
        a.mov(x86::rax, Emitter::state(offsetof(HartState, sstatus)));
        a.or_(x86::dword_ptr(x86::rax), static_cast<std::int32_t>(riscv::sstatus::kFs));
        break;
    case Op::branch:
        branch(inst);
        break;
    case Op::jump:
        jump(inst);
        break;
    case Op::jump_indirect:
        jump_indirect(inst);
        break;
    case Op::push_return:
        has_return_ = true;
        return_offset_ = inst.imm;
        break;
    case Op::system:
        system(inst);
        break;
    case Op::leave:
        leave(inst);
        break;
    default:
        emit_integer(e, inst);
        break;
    }
}

void RegionEmitter::system(const ir::Inst& inst) {
    store_registers(dirty_);
    dirty_ = 0;
    const SystemInfo info{
        .guest = static_cast<std::uint8_t>(inst.guest),
        .give_back = static_cast<std::uint16_t>(block_->count() - inst.index),
        .offset = block_->offsets[inst.index],
        .next_offset = block_->offsets[inst.index + 1U],
    };
    a.mov(x86::rsi, Imm(info.pack()));
    a.mov(x86::edx, inst.word_bits);
    a.call(Imm(routines_.system));
    if (inst.falls_through) {
        load_registers(allocation_.reloads[next_reload_++]);
    } else {
        a.ud2();  // the runtime never comes back from these
    }
}

void RegionEmitter::fence(const ir::Inst& inst) {
    // Stores before loads are all that the host reorders. imm: pred << 4 | succ, I O R W.
    constexpr std::int64_t kPredWrites = 5 << 4;  // O, W
    constexpr std::int64_t kSuccReads = 10;       // I, R
    if ((inst.imm & kPredWrites) != 0 && (inst.imm & kSuccReads) != 0) {
        a.lock().or_(x86::dword_ptr(x86::rsp, -64), 0);
    }
}

}  // namespace vmm::dbt
