// SPDX-License-Identifier: Apache-2.0
// Accesses at constant distances from each other (a stack frame, the fields of an object, an
// unrolled loop) mostly lie in one page. One probe finds it for all of them.
#include "cpu/dbt/ir/shape.hpp"
#include "cpu/dbt/opt/passes.hpp"

#include <algorithm>
#include <array>
#include <vector>

namespace vmm::dbt::opt {
namespace {

using ir::Inst;
using ir::kNone;
using ir::Op;
using ir::Var;

using i64 = std::int64_t;

/// Where a variable points: `offset` behind what was in some variable at some time.
struct Place {
    std::uint32_t root = 0;
    i64 offset = 0;
};

/// Follows sums of a register and a constant down a block.
class Places {
public:
    explicit Places(std::size_t variables)
        : places_(variables) {}

    /// Any guest register may point anywhere; temporaries are defined before they are used.
    void forget() {
        for (std::size_t var = 0; var < ir::kFirstFloat; ++var) {
            places_[var] = {.root = next_root_++, .offset = 0};
        }
    }

    const Place& of(Var var) const { return places_[var]; }

    /// Takes note of what an instruction writes.
    void learn(const Inst& inst) {
        if (inst.dst == kNone || ir::is_float(inst.dst)) {
            return;
        }
        const bool is_sum = inst.op == Op::add && inst.b == kNone && !inst.word;
        const bool is_copy = inst.op == Op::mov && inst.a != kNone;
        if (is_sum || is_copy) {
            places_[inst.dst] = {
                .root = places_[inst.a].root,
                .offset = places_[inst.a].offset + (is_sum ? inst.imm : 0),
            };
        } else {
            places_[inst.dst] = {.root = next_root_++, .offset = 0};
        }
    }

private:
    std::vector<Place> places_;
    std::uint32_t next_root_ = 0;
};

/// Accesses that one probe may serve.
struct Group {
    std::uint32_t root = 0;
    std::size_t first = 0;  ///< Number of the first access in the block.
    i64 first_offset = 0;   ///< Of the first access from the root.
    i64 low = 0;            ///< Of the lowest byte.
    i64 high = 0;           ///< Of the byte behind the highest.
    unsigned exits = 0;     ///< Side exits in front of the first access.
    bool store = false;
    std::vector<std::size_t> members;
    std::vector<i64> offsets;
};

/// How far apart accesses may lie: the more of them there are, the more a failed probe may cost,
/// and bytes that reach further lie in two pages more often.
i64 widest(std::size_t members) {
    return std::min<i64>(128 + 128 * static_cast<i64>(members), 2048);
}

class Grouping {
public:
    Grouping(ir::Region& region, ir::Block& block, Places& places)
        : region_(region)
        , block_(block)
        , places_(places) {}

    void run() {
        places_.forget();
        for (std::size_t number = 0; number < block_.insts.size(); ++number) {
            const Inst& inst = block_.insts[number];
            if (ir::is_plain_access(inst.op) && inst.a != ir::kZero) {
                access(number);
            } else if (inst.op == Op::branch) {
                ++exits_;
            } else if (inst.op == Op::system) {
                open_.clear();
                places_.forget();
            }
            places_.learn(inst);
        }
        insert();
    }

private:
    void access(std::size_t number) {
        const Inst& inst = block_.insts[number];
        const Place place = places_.of(inst.a);
        const i64 offset = place.offset + inst.imm;
        const i64 end = offset + inst.size;
        for (const std::size_t at : open_) {
            Group& group = groups_[at];
            const i64 low = std::min(group.low, offset);
            const i64 high = std::max(group.high, end);
            // A store that may not happen must not make loads depend on the page being writable.
            const bool may_store = group.store || !ir::is_store(inst.op) || group.exits == exits_;
            if (group.root == place.root && may_store
                && high - low <= widest(group.members.size())) {
                group.low = low;
                group.high = high;
                group.store |= ir::is_store(inst.op);
                group.members.push_back(number);
                group.offsets.push_back(offset);
                return;
            }
        }
        open_.push_back(groups_.size());
        groups_.push_back({
            .root = place.root,
            .first = number,
            .first_offset = offset,
            .low = offset,
            .high = end,
            .exits = exits_,
            .store = ir::is_store(inst.op),
            .members = {number},
            .offsets = {offset},
        });
    }

    void insert() {
        std::vector<Inst> probes;
        std::vector<std::size_t> places;
        for (const Group& group : groups_) {
            const Inst& first = block_.insts[group.first];
            const i64 low = first.imm + (group.low - group.first_offset);
            if (group.members.size() < 2 || low != static_cast<std::int32_t>(low)) {
                continue;
            }
            const Var base = region_.next_temp++;
            probes.push_back({
                .op = Op::probe,
                .store = group.store,
                .dst = base,
                .a = first.a,
                .index = first.index,
                .span = static_cast<std::uint16_t>(group.high - group.low),
                .imm = low,
            });
            places.push_back(group.first);
            for (std::size_t n = 0; n < group.members.size(); ++n) {
                Inst& member = block_.insts[group.members[n]];
                member.c = base;
                member.within = static_cast<std::uint16_t>(group.offsets[n] - group.low);
            }
        }
        merge(probes, places);
    }

    /// Puts each probe in front of the instruction at its place; places ascend.
    void merge(const std::vector<Inst>& probes, const std::vector<std::size_t>& places) {
        if (probes.empty()) {
            return;
        }
        std::vector<Inst> merged;
        merged.reserve(block_.insts.size() + probes.size());
        std::size_t next = 0;
        for (std::size_t number = 0; number < block_.insts.size(); ++number) {
            if (next < places.size() && places[next] == number) {
                merged.push_back(probes[next++]);
            }
            merged.push_back(block_.insts[number]);
        }
        block_.insts = std::move(merged);
    }

    ir::Region& region_;
    ir::Block& block_;
    Places& places_;
    std::vector<Group> groups_;
    std::vector<std::size_t> open_;  ///< Groups that may still grow.
    unsigned exits_ = 0;
};

}  // namespace

void share_probes(ir::Region& region) {
    Places places(region.next_temp);
    for (ir::Block& block : region.blocks) {
        Grouping(region, block, places).run();
    }
}

}  // namespace vmm::dbt::opt
