// SPDX-License-Identifier: Apache-2.0
#include "cpu/dbt/ir/shape.hpp"
#include "cpu/dbt/opt/passes.hpp"

#include <vector>

namespace vmm::dbt::opt {
namespace {

using ir::Inst;
using ir::Op;

/// What is known behind an instruction, of whether FS is dirty.
bool dirty_after(const Inst& inst, bool dirty) {
    if (inst.op == Op::float_dirty) {
        return true;
    }
    return dirty && inst.op != Op::system;
}

/// Ways that lead into a block: what all of them have in common holds there.
class Ways {
public:
    explicit Ways(const ir::Region& region)
        : region_(region)
        , dirty_at_entry_(region.blocks.size(), true) {
        dirty_at_entry_.front() = false;
        while (narrow()) {
        }
    }

    bool dirty_at_entry(std::size_t block) const { return dirty_at_entry_[block]; }

private:
    /// One round over all blocks; true when something changed.
    bool narrow() {
        bool changed = false;
        for (std::size_t number = 0; number < region_.blocks.size(); ++number) {
            bool dirty = dirty_at_entry_[number];
            for (const Inst& inst : region_.blocks[number].insts) {
                dirty = dirty_after(inst, dirty);
                const bool jumps = inst.op == Op::branch || inst.op == Op::jump;
                if (jumps && inst.target.internal && !dirty && dirty_at_entry_[inst.target.block]) {
                    dirty_at_entry_[inst.target.block] = false;
                    changed = true;
                }
            }
        }
        return changed;
    }

    const ir::Region& region_;
    std::vector<bool> dirty_at_entry_;
};

bool has_any(const ir::Region& region) {
    for (const ir::Block& block : region.blocks) {
        for (const Inst& inst : block.insts) {
            if (inst.op == Op::float_dirty) {
                return true;
            }
        }
    }
    return false;
}

}  // namespace

void remove_float_dirty(ir::Region& region) {
    if (region.blocks.size() < 2 || !has_any(region)) {
        return;
    }
    const Ways ways(region);
    for (std::size_t number = 0; number < region.blocks.size(); ++number) {
        bool dirty = ways.dirty_at_entry(number);
        std::erase_if(region.blocks[number].insts, [&dirty](const Inst& inst) {
            const bool known = dirty;
            dirty = dirty_after(inst, dirty);
            return inst.op == Op::float_dirty && known;
        });
    }
}

}  // namespace vmm::dbt::opt
