// SPDX-License-Identifier: Apache-2.0
#include "cpu/dbt/x64/allocation.hpp"

#include "cpu/dbt/ir/shape.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace vmm::dbt {
namespace {

using ir::Inst;
using ir::Op;
using ir::Var;

/// Blocks that an instruction may go to without leaving the region.
template <class Visit>
void visit_successors(const ir::Block& block, Visit visit) {
    for (const Inst& inst : block.insts) {
        if ((inst.op == Op::branch || inst.op == Op::jump) && inst.target.internal) {
            visit(inst.target.block);
        }
    }
}

template <class Visit>
void visit_operands(const Inst& inst, Visit visit) {
    for (const Var v : {inst.a, inst.b, inst.c}) {
        if (v != ir::kNone && v != ir::kZero) {
            visit(v, false);
        }
    }
    if (inst.dst != ir::kNone && inst.dst != ir::kZero) {
        visit(inst.dst, true);
    }
}

/// Loops that count; more around a block make no difference.
constexpr unsigned kDeepest = 5;

/// How often a block runs, as a weight: 4 for each loop around it. Recursion within the region is a
/// loop as well.
class LoopDepths {
public:
    explicit LoopDepths(const ir::Region& region)
        : region_(region)
        , depth_(region.blocks.size(), 0)
        , state_(region.blocks.size(), State::unseen)
        , predecessors_(region.blocks.size()) {
        for (std::size_t b = 0; b < region.blocks.size(); ++b) {
            visit_successors(region.blocks[b], [&](std::size_t to) {
                predecessors_[to].push_back(b);
            });
        }
        search(0);
    }
    unsigned weight(std::size_t block) const { return 1U << 2 * std::min(depth_[block], kDeepest); }

private:
    enum class State : std::uint8_t { unseen, open, done };

    // Recursion is bounded by the number of blocks of a region.
    void search(std::size_t block) {
        state_[block] = State::open;
        visit_successors(region_.blocks[block], [&](std::size_t to) {
            if (state_[to] == State::open) {
                loop(to, block);
            } else if (state_[to] == State::unseen) {
                search(to);
            }
        });
        state_[block] = State::done;
    }
    void loop(std::size_t head, std::size_t tail) {
        std::vector<bool> inside(depth_.size(), false);
        inside[head] = true;
        std::vector<std::size_t> work{tail};
        while (!work.empty()) {
            const std::size_t block = work.back();
            work.pop_back();
            if (!inside[block]) {
                inside[block] = true;
                work.insert(work.end(), predecessors_[block].begin(), predecessors_[block].end());
            }
        }
        for (std::size_t b = 0; b < depth_.size(); ++b) {
            depth_[b] += inside[b] ? 1 : 0;
        }
    }

    const ir::Region& region_;
    std::vector<unsigned> depth_;
    std::vector<State> state_;
    std::vector<std::vector<std::size_t>> predecessors_;
};

/// A register costs a load and a store around the region: worth it from the second use.
constexpr unsigned kWorthIt = 2;

struct Candidate {
    unsigned weight = 0;
    Var var = 0;
};

class Allocator {
public:
    Allocator(const ir::Region& region, Allocation& out)
        : region_(region)
        , out_(out) {}

    void run() {
        out_.where.assign(region_.next_temp, Allocation::kInMemory);
        out_.spill.assign(region_.next_temp, 0);
        out_.holds.fill(ir::kNone);
        choose();
        place_temporaries();
        find_dirty();
        find_live();
    }

private:
    void choose() {
        std::vector<unsigned> weights(ir::kFirstTemp, 0);
        unsigned temporaries = 0;
        const LoopDepths depths(region_);
        for (std::size_t b = 0; b < region_.blocks.size(); ++b) {
            const unsigned weight = depths.weight(b);
            for (const Inst& inst : region_.blocks[b].insts) {
                visit_operands(inst, [&](Var v, bool) {
                    if (ir::is_temp(v)) {
                        has_temps_ = true;
                        temporaries += weight;
                    } else {
                        weights[v] += weight;
                    }
                });
            }
        }
        const std::vector<Candidate> integers = candidates(weights, 1, ir::kFirstFloat);
        assign(integers, 0, kGpCount - left_to_temporaries(integers, temporaries));
        assign(candidates(weights, ir::kFirstFloat, ir::kFirstTemp), kXmmBit, kXmmCount);
    }

    /// How many registers temporaries get: what is worth more to them than to the guest registers
    /// that would have them. The first is shared by most of them, so a second counts half.
    static unsigned
    left_to_temporaries(const std::vector<Candidate>& integers, unsigned temporaries) {
        unsigned count = 0;
        for (unsigned worth = temporaries; count < kTempGps; worth /= 2) {
            const std::size_t loser = kGpCount - 1 - count;
            if (loser < integers.size() && integers[loser].weight >= worth) {
                break;
            }
            ++count;
        }
        return count;
    }

    static std::vector<Candidate>
    candidates(const std::vector<unsigned>& weights, Var from, Var to) {
        std::vector<Candidate> list;
        for (Var v = from; v < to; ++v) {
            if (weights[v] >= kWorthIt) {
                list.push_back({weights[v], v});
            }
        }
        std::sort(list.begin(), list.end(), [](const Candidate& a, const Candidate& b) {
            return a.weight != b.weight ? a.weight > b.weight : a.var < b.var;
        });
        return list;
    }

    void assign(const std::vector<Candidate>& list, unsigned first, unsigned count) {
        for (unsigned n = 0; n < count && n < list.size(); ++n) {
            out_.where[list[n].var] = static_cast<std::int8_t>(first + n);
            out_.holds[first + n] = list[n].var;
        }
    }

    /// Temporaries live within a block: each takes the first place that is free from its
    /// definition to its last use. Places are the registers left over, then words in memory.
    void place_temporaries() {
        if (!has_temps_) {
            return;
        }
        std::vector<std::int8_t> registers;
        for (unsigned n = 0; n < kGpCount; ++n) {
            if (out_.holds[n] == ir::kNone) {
                registers.push_back(static_cast<std::int8_t>(n));
            }
        }
        std::vector<std::size_t> last_use(region_.next_temp, 0);
        std::vector<bool> placed(region_.next_temp, false);
        for (const ir::Block& block : region_.blocks) {
            for (std::size_t n = 0; n < block.insts.size(); ++n) {
                visit_operands(block.insts[n], [&](Var v, bool) { last_use[v] = n; });
            }
            // Up to which instruction each place is taken.
            std::vector<std::size_t> taken(registers.size() + kSpillSlots, 0);
            for (std::size_t n = 0; n < block.insts.size(); ++n) {
                const Var v = block.insts[n].dst;
                if (v == ir::kNone || !ir::is_temp(v) || placed[v]) {
                    continue;
                }
                placed[v] = true;
                // A place whose last reader is this instruction is not free yet: the back end may
                // write the result before it has read all operands.
                const auto place = static_cast<std::size_t>(
                    std::find_if(
                        taken.begin(), taken.end(), [&](std::size_t until) { return until <= n; }
                    )
                    - taken.begin()
                );
                taken[place] = last_use[v] + 1;
                if (place < registers.size()) {
                    out_.where[v] = registers[place];
                } else {
                    out_.spill[v] = static_cast<std::uint8_t>(place - registers.size());
                }
            }
        }
    }

    RegisterSet guest_bit(Var v) const { return ir::is_temp(v) ? 0 : out_.bit(v); }

    /// Forward: what may be newer in its register than at home.
    void find_dirty() {
        out_.dirty_in.assign(region_.blocks.size(), 0);
        for (bool changed = true; changed;) {
            changed = false;
            for (std::size_t b = 0; b < region_.blocks.size(); ++b) {
                RegisterSet dirty = out_.dirty_in[b];
                for (const Inst& inst : region_.blocks[b].insts) {
                    if (inst.op == Op::system) {
                        dirty = 0;
                    }
                    if ((inst.op == Op::branch || inst.op == Op::jump) && inst.target.internal) {
                        RegisterSet& into = out_.dirty_in[inst.target.block];
                        changed = changed || (into | dirty) != into;
                        into |= dirty;
                    }
                    if (inst.dst != ir::kNone && inst.dst != ir::kZero) {
                        dirty |= guest_bit(inst.dst);
                    }
                }
            }
        }
    }

    /// Backward: what a register must hold. Wherever the region can be left, dirty registers are
    /// read.
    void find_live() {
        const std::size_t count = region_.blocks.size();
        std::vector<RegisterSet> live_in(count, 0);
        for (bool changed = true; changed;) {
            changed = false;
            for (std::size_t b = count; b-- > 0;) {
                const RegisterSet live = scan(b, live_in, nullptr);
                changed = changed || live != live_in[b];
                live_in[b] = live;
            }
        }
        out_.entry_loads = live_in[0];
        out_.reloads.clear();
        for (std::size_t b = 0; b < count; ++b) {
            std::vector<RegisterSet> reloads;
            scan(b, live_in, &reloads);
            out_.reloads.insert(out_.reloads.end(), reloads.rbegin(), reloads.rend());
        }
    }

    RegisterSet scan(
        std::size_t b, const std::vector<RegisterSet>& live_in, std::vector<RegisterSet>* reloads
    ) {
        const std::vector<Inst>& insts = region_.blocks[b].insts;
        dirty_before_.resize(insts.size());
        RegisterSet dirty = out_.dirty_in[b];
        for (std::size_t n = 0; n < insts.size(); ++n) {
            dirty_before_[n] = dirty;
            if (insts[n].op == Op::system) {
                dirty = 0;
            } else if (insts[n].dst != ir::kNone && insts[n].dst != ir::kZero) {
                dirty |= guest_bit(insts[n].dst);
            }
        }
        RegisterSet live = 0;
        for (std::size_t n = insts.size(); n-- > 0;) {
            const Inst& inst = insts[n];
            if (inst.dst != ir::kNone && inst.dst != ir::kZero) {
                live &= ~guest_bit(inst.dst);
            }
            if (inst.op == Op::system) {
                if (inst.falls_through && reloads != nullptr) {
                    reloads->push_back(live);
                }
                live = dirty_before_[n];
            } else if ((inst.op == Op::branch || inst.op == Op::jump) && inst.target.internal) {
                live |= live_in[inst.target.block];
            } else if (inst.op == Op::branch || ir::ends_block(inst) || ir::may_fault(inst.op)) {
                live |= dirty_before_[n];
            }
            for (const Var v : {inst.a, inst.b, inst.c}) {
                if (v != ir::kNone && v != ir::kZero) {
                    live |= guest_bit(v);
                }
            }
        }
        return live | out_.dirty_in[b];  // the poll at the block's head
    }

    static constexpr unsigned kTempGps = 2;

    const ir::Region& region_;
    Allocation& out_;
    bool has_temps_ = false;
    std::vector<RegisterSet> dirty_before_;
};

}  // namespace

void allocate(const ir::Region& region, Allocation& out) {
    Allocator(region, out).run();
}

}  // namespace vmm::dbt
