// SPDX-License-Identifier: Apache-2.0
#include "cpu/dbt/frontend/discover.hpp"
#include "cpu/dbt/frontend/frontend.hpp"
#include "cpu/dbt/frontend/translate.hpp"
#include "cpu/dbt/ir/verify.hpp"

namespace vmm::dbt {
namespace {

using frontend::Code;
using frontend::Guest;
using frontend::Plan;
using frontend::Translator;

class Builder {
public:
    Builder(const Source& source, const Plan& plan, ir::Region& region)
        : source_(source)
        , code_(source)
        , plan_(plan)
        , region_(region) {}

    void block(std::size_t number) {
        ir::Block& block = region_.blocks[number];
        const std::uint16_t leader = plan_.blocks[number];
        const unsigned end = fill(Translator(region_, block), leader);
        block.offsets.push_back(static_cast<std::uint16_t>(end));
    }

private:
    ir::Target target(std::int64_t offset) const {
        // Under an instruction limit each block is charged by itself.
        if (source_.stop_after == 0 && !source_.has_crossing && plan_.is_leader(offset)) {
            return {.internal = true, .block = plan_.block_at(offset), .offset = offset};
        }
        return {.internal = false, .block = 0, .offset = offset};
    }

    /// Returns the offset behind the block.
    unsigned fill(Translator out, std::uint16_t leader) {
        unsigned offset = leader;
        for (unsigned count = 0;; ++count) {
            if (source_.stop_after != 0 && count == source_.stop_after) {
                out.leave(offset, ir::Hint::counted);
                return offset;
            }
            const bool goes_on =
                plan_.includes(offset) && (offset == leader || !plan_.is_leader(offset));
            const auto guest = code_.at(offset);
            if (!goes_on || !guest) {
                out.jump(target(offset));
                return offset;
            }
            if (code_.is_breakpoint(offset)) {
                out.leave(offset, ir::Hint::breakpoint);
                return offset;
            }
            out.append(*guest, target(guest->target()));
            offset = guest->next();
            if (frontend::ends_block(*guest, region_.mode)) {
                return offset;
            }
            if (frontend::closes_loop(*guest, plan_)) {
                out.jump(target(offset));
                return offset;
            }
        }
    }

    const Source& source_;
    const Code code_;
    const Plan& plan_;
    ir::Region& region_;
};

}  // namespace

void build_region(
    const Source& source,
    std::uint16_t entry_offset,
    ir::Mode mode,
    const Limits& limits,
    ir::Region& out
) {
    const Limits used = source.stop_after == 0 && !source.has_crossing
                            ? limits
                            : Limits{.blocks = 1, .instructions = limits.instructions};
    const Plan plan = frontend::discover(Code(source), entry_offset, mode, used);
    out.mode = mode;
    out.next_temp = ir::kFirstTemp;
    out.blocks.resize(plan.blocks.size());
    for (ir::Block& block : out.blocks) {
        block.insts.clear();
        block.offsets.clear();
    }
    Builder builder(source, plan, out);
    for (std::size_t number = 0; number < plan.blocks.size(); ++number) {
        builder.block(number);
    }
    ir::expect_valid(out, "build_region");
}

}  // namespace vmm::dbt
