// SPDX-License-Identifier: Apache-2.0
// Accesses that share one look into the TLB.
#include "cpu/dbt/ir/shape.hpp"
#include "cpu/dbt/x64/float_facts.hpp"
#include "cpu/dbt/x64/region_emitter.hpp"

#include <algorithm>

namespace vmm::dbt {

using namespace asmjit;
using ir::Op;
using x86::ecx;
using x86::rax;
using x86::rcx;
using x86::rdx;

std::vector<RegionEmitter::Shared> RegionEmitter::find_shared() {
    const std::vector<ir::Inst>& insts = block_->insts;
    std::vector<Shared> found;
    for (std::size_t n = 0; n < insts.size(); ++n) {
        if (insts[n].op != Op::probe) {
            continue;
        }
        std::size_t last = n;
        for (std::size_t m = n + 1; m < insts.size(); ++m) {
            last = ir::is_plain_access(insts[m].op) && insts[m].c == insts[n].dst ? m : last;
        }
        // Probes whose accesses lie among each other share the copy.
        if (found.empty() || n > found.back().last) {
            found.push_back({.first = n, .joined = a.newLabel()});
        }
        found.back().last = std::max(found.back().last, last);
        found.back().failed.push_back(a.newLabel());
    }
    return found;
}

/// The last byte decides: its page's tag is not in the entry of the first byte's page unless the
/// pages are the same, because neighbours have different entries.
void RegionEmitter::probe(const ir::Inst& inst, const Label& failed) {
    static_assert(tlb_index(0) != tlb_index(4096) && kTlbEntries > 1);
    const Gp to = e.define(inst.dst, rax);
    guest_address(inst);
    a.rorx(rcx, rax, 12 - kTlbEntryShift);
    a.and_(ecx, static_cast<std::int32_t>((kTlbEntries - 1) << kTlbEntryShift));
    a.lea(rdx, x86::ptr(rax, inst.span - 1));
    a.and_(rdx, -4096);
    a.cmp(rdx, tlb_entry(tag_of(inst.store)));
    a.jne(failed);
    if (inst.by_address) {
        a.mov(to, tlb_entry(offsetof(TlbEntry, addend)));
    } else if (to == rax) {
        a.add(rax, tlb_entry(offsetof(TlbEntry, addend)));
    } else {
        a.mov(to, tlb_entry(offsetof(TlbEntry, addend)));
        a.add(to, rax);
    }
    e.defined(inst.dst, to);
}

void RegionEmitter::copy_without_probes(const Shared& shared) {
    probed_ = false;
    any_nan_will_do_ = any_nan_will_do(*block_, false);
    auto failed = shared.failed.begin();
    for (std::size_t n = shared.first; n <= shared.last; ++n) {
        if (block_->insts[n].op == Op::probe) {
            a.bind(*failed++);
        } else {
            step(n);
        }
    }
    a.jmp(shared.joined);
    probed_ = true;
}

}  // namespace vmm::dbt
