// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/dbt/ir/ir.hpp"
#include "cpu/riscv/encoding.hpp"

#include <array>
#include <cstdint>
#include <span>

/// What the intermediate representation means, told by executing it: slow, plain, and independent
/// of any back end.
namespace dbt_test {

/// How an evaluation ended.
enum class Outcome : std::uint8_t {
    left,    ///< By a jump out of the region, or `leave`; or enough was executed.
    system,  ///< Before a `system`.
    fault,   ///< Before the instruction that faults; cause and value say how.
};

struct Evaluator {
    std::array<std::uint64_t, 32> x{};
    std::array<std::uint64_t, 32> f{};
    unsigned fflags = 0;
    bool float_dirty = false;
    std::uint64_t pc = 0;
    std::uint64_t retired = 0;
    vmm::riscv::Cause cause{};
    std::uint64_t fault_value = 0;
    bool wrong_probe = false;  ///< An access that names a probe was not within its bytes.

    /// The only memory there is.
    std::span<std::byte> memory;
    std::uint64_t memory_base = 0;

    /// Runs a region whose page is at `page`, until it is left or at least `limit` instructions
    /// have retired. pc is that of what comes next.
    Outcome run(const vmm::dbt::ir::Region& region, std::uint64_t page, std::uint64_t limit);

private:
    enum class Step : std::uint8_t { next, taken, left, system, fault };

    Step step(const vmm::dbt::ir::Inst& inst);
    std::uint64_t read(vmm::dbt::ir::Var var) const;
    void write(vmm::dbt::ir::Var var, std::uint64_t value);
    /// Null: the access faults.
    std::byte* at(std::uint64_t address, unsigned size, bool store);
    Step access(const vmm::dbt::ir::Inst& inst);

    std::array<std::uint64_t, 4096> temporaries_{};
    std::array<std::uint16_t, 4096> spans_{};  ///< Of probes, by temporary.
    std::uint64_t page_ = 0;
    struct {
        bool valid = false;
        std::uint64_t address = 0;
        std::uint64_t value = 0;
        unsigned size = 0;
    } reservation_;
};

}  // namespace dbt_test
