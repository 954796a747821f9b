// SPDX-License-Identifier: Apache-2.0
#include "cpu/dbt/ir/shape.hpp"
#include "cpu/dbt/opt/passes.hpp"

#include <algorithm>
#include <vector>

namespace vmm::dbt::opt {
namespace {

using ir::Inst;
using ir::Op;
using ir::Var;

/// Which variables somebody reads later, going from the end of a block up. An exit, and whatever
/// may fault, shows all guest registers to the outside.
class Liveness {
public:
    explicit Liveness(std::vector<bool>& temporaries)
        : temporaries_(temporaries) {}

    bool is_live(Var var) const {
        return ir::is_temp(var) ? temporaries_[var - ir::kFirstTemp] : (guest_ >> var & 1) != 0;
    }
    void kill(Var var) {
        if (var != ir::kNone) {
            set(var, false);
        }
    }
    void use(Var var) {
        if (var != ir::kNone) {
            set(var, true);
        }
    }
    void use_all_guest() { guest_ = ~std::uint64_t{0}; }

private:
    void set(Var var, bool live) {
        if (ir::is_temp(var)) {
            temporaries_[var - ir::kFirstTemp] = live;
        } else {
            guest_ = (guest_ & ~(std::uint64_t{1} << var)) | std::uint64_t{live} << var;
        }
    }

    std::uint64_t guest_ = ~std::uint64_t{0};
    std::vector<bool>& temporaries_;
};

bool is_dead(const Inst& inst, const Liveness& live) {
    if (!ir::is_pure(inst.op)) {
        return false;
    }
    return !live.is_live(inst.dst) || (inst.op == Op::mov && inst.a == inst.dst);
}

bool shows_registers(const Inst& inst) {
    const ir::Kind kind = ir::shape_of(inst.op).kind;
    return kind == ir::Kind::memory || kind == ir::Kind::side_exit || kind == ir::Kind::terminator;
}

void sweep(ir::Block& block, std::vector<bool>& temporaries) {
    Liveness live(temporaries);
    // Kept instructions move to the end; a block is walked once.
    auto kept = block.insts.end();
    for (auto at = block.insts.end(); at != block.insts.begin();) {
        --at;
        if (is_dead(*at, live)) {
            continue;
        }
        // Fault or exit: dst has its old value there.
        live.kill(at->dst);
        if (shows_registers(*at)) {
            live.use_all_guest();
        }
        live.use(at->a);
        live.use(at->b);
        live.use(at->c);
        --kept;
        if (kept != at) {
            *kept = *at;
        }
    }
    block.insts.erase(block.insts.begin(), kept);
}

}  // namespace

void remove_dead(ir::Region& region) {
    std::vector<bool> temporaries(static_cast<std::size_t>(region.next_temp - ir::kFirstTemp));
    for (ir::Block& block : region.blocks) {
        sweep(block, temporaries);
    }
}

}  // namespace vmm::dbt::opt
