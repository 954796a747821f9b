// SPDX-License-Identifier: Apache-2.0
// Accesses at constant distances from each other (a stack frame, the fields of an object, an
// unrolled loop) mostly lie in one page. One probe finds it for all of them.
#include "cpu/dbt/ir/shape.hpp"
#include "cpu/dbt/opt/facts.hpp"
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
    /// Not kNone: it points from 0 to `extra` bytes behind `offset` from what `base` had when its
    /// version was `base_version`. The root is nobody else's then.
    Var base = kNone;
    std::uint32_t base_version = 0;
    i64 extra = 0;
};

/// Most bytes that a variable index may reach: small tables, which often are in one page.
constexpr unsigned kIndexBits = 10;

/// Follows sums of a register and a constant, or a small index, down a block.
class Places {
public:
    explicit Places(std::size_t variables)
        : places_(variables)
        , versions_(variables) {}

    /// Any guest register may point anywhere; temporaries are defined before they are used.
    void forget() {
        for (Var var = 0; var < ir::kFirstFloat; ++var) {
            set(var, {.root = next_root_++});
        }
    }

    const Place& of(Var var) const { return places_[var]; }
    std::uint32_t version(Var var) const { return versions_[var]; }

    /// Takes note of what an instruction writes; `facts` are those before it.
    void learn(const Inst& inst, Facts& facts) {
        if (inst.dst == kNone || ir::is_float(inst.dst)) {
            return;
        }
        const bool is_sum = inst.op == Op::add && inst.b == kNone && !inst.word;
        const bool is_copy = inst.op == Op::mov && inst.a != kNone;
        if (is_sum || is_copy) {
            Place place = places_[inst.a];
            place.offset += is_sum ? inst.imm : 0;
            set(inst.dst, place);
        } else {
            set(inst.dst, indexed(inst, facts));
        }
    }

private:
    void set(Var var, const Place& place) {
        places_[var] = place;
        ++versions_[var];
    }

    Place indexed(const Inst& inst, Facts& facts) {
        Place place{.root = next_root_++};
        const bool is_sum = (inst.op == Op::add && !inst.word) || inst.op == Op::shift_add;
        if (!is_sum || inst.b == kNone) {
            return place;
        }
        const unsigned scale = inst.op == Op::shift_add ? inst.scale : 0;
        Var index = inst.a;
        Var base = inst.b;
        if (inst.op == Op::add && facts.of(base).bits < facts.of(index).bits) {
            std::swap(index, base);
        }
        const unsigned bits = facts.of(index).bits;
        if (bits + scale <= kIndexBits && base != ir::kZero && index != base) {
            place.base = base;
            place.base_version = versions_[base];
            place.extra = ((i64{1} << bits) - 1) << scale;
        }
        return place;
    }

    std::vector<Place> places_;
    std::vector<std::uint32_t> versions_;
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
    Grouping(ir::Region& region, ir::Block& block, Places& places, Facts& facts)
        : region_(region)
        , block_(block)
        , places_(places)
        , facts_(facts) {}

    void run() {
        places_.forget();
        facts_.enter_block(block_);
        for (std::size_t number = 0; number < block_.insts.size(); ++number) {
            const Inst& inst = block_.insts[number];
            if (is_indexed(inst)) {
                indexed(number);
            } else if (ir::is_plain_access(inst.op) && inst.a != ir::kZero) {
                access(number);
            } else if (inst.op == Op::branch) {
                ++exits_;
            } else if (inst.op == Op::system) {
                open_.clear();
                places_.forget();
            }
            places_.learn(inst, facts_);
            facts_.learn(number);
        }
        insert();
    }

private:
    bool is_indexed(const Inst& inst) const {
        if ((inst.op != Op::load && inst.op != Op::load_float) || inst.a == ir::kZero) {
            return false;
        }
        const Place& place = places_.of(inst.a);
        return place.base != kNone && places_.version(place.base) == place.base_version
               && place.offset + inst.imm == static_cast<std::int32_t>(place.offset + inst.imm);
    }

    /// A load from a small table: the look into the TLB needs only the table's address, so that
    /// the load need not wait for it.
    void indexed(std::size_t number) {
        Inst& inst = block_.insts[number];
        const Place& place = places_.of(inst.a);
        const Var table = region_.next_temp++;
        probes_.push_back(
            {number,
             {
                 .op = Op::probe,
                 .by_address = true,
                 .dst = table,
                 .a = place.base,
                 .index = inst.index,
                 .span = static_cast<std::uint16_t>(place.extra + inst.size),
                 .imm = place.offset + inst.imm,
             }}
        );
        inst.c = table;
        inst.by_address = true;
    }

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
        for (const Group& group : groups_) {
            const Inst& first = block_.insts[group.first];
            const i64 low = first.imm + (group.low - group.first_offset);
            if (group.members.size() < 2 || low != static_cast<std::int32_t>(low)) {
                continue;
            }
            const Var base = region_.next_temp++;
            probes_.push_back(
                {group.first,
                 {
                     .op = Op::probe,
                     .store = group.store,
                     .dst = base,
                     .a = first.a,
                     .index = first.index,
                     .span = static_cast<std::uint16_t>(group.high - group.low),
                     .imm = low,
                 }}
            );
            for (std::size_t n = 0; n < group.members.size(); ++n) {
                Inst& member = block_.insts[group.members[n]];
                member.c = base;
                member.within = static_cast<std::uint16_t>(group.offsets[n] - group.low);
            }
        }
        if (!probes_.empty()) {
            std::ranges::sort(probes_, {}, &Placed::number);
            merge();
        }
    }

    /// Puts each probe in front of the instruction at its place.
    void merge() {
        std::vector<Inst> merged;
        merged.reserve(block_.insts.size() + probes_.size());
        std::size_t next = 0;
        for (std::size_t number = 0; number < block_.insts.size(); ++number) {
            if (next < probes_.size() && probes_[next].number == number) {
                merged.push_back(probes_[next++].probe);
            }
            merged.push_back(block_.insts[number]);
        }
        block_.insts = std::move(merged);
    }

    /// A probe and the number of the instruction that it goes in front of.
    struct Placed {
        std::size_t number;
        Inst probe;
    };

    ir::Region& region_;
    ir::Block& block_;
    Places& places_;
    Facts& facts_;
    std::vector<Placed> probes_;
    std::vector<Group> groups_;
    std::vector<std::size_t> open_;  ///< Groups that may still grow.
    unsigned exits_ = 0;
};

}  // namespace

void share_probes(ir::Region& region) {
    // Both know the variables of before: probes get further ones.
    Places places(region.next_temp);
    Facts facts(region);
    for (ir::Block& block : region.blocks) {
        Grouping(region, block, places, facts).run();
    }
}

}  // namespace vmm::dbt::opt
