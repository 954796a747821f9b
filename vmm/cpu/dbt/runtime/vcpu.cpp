// SPDX-License-Identifier: Apache-2.0
#include "cpu/common/engine_vcpu.hpp"
#include "cpu/dbt/runtime/cpu.hpp"
#include "cpu/dbt/runtime/dbt.hpp"

namespace vmm {
namespace dbt {
namespace {

class DbtVcpu final : public EngineVcpu<Cpu> {
public:
    DbtVcpu(GuestMemory& memory, VcpuHost& host, unsigned hart, const EngineOptions& options)
        : EngineVcpu(memory, host, hart, options)
        , collect_stats_(options.collect_stats) {}

    bool ok() const { return cpu_.code.ok() && cpu_.blocks.ok(); }

    EngineStats stats() const noexcept override {
        EngineStats stats;
        cpu_.code.add_stats(stats);
        stats.interpreted = cpu_.interpreted;
        if (collect_stats_) {
            const HartState& counted = cpu_.state;
            const std::uint64_t asked = cpu_.tlb_misses + cpu_.slow_accesses;
            stats.dispatched_exits = cpu_.dispatches;
            stats.chained_exits = counted.region_entries - cpu_.dispatches;
            stats.tlb_misses = cpu_.tlb_misses;
            stats.slow_accesses = cpu_.slow_accesses;
            stats.tlb_hits = counted.accesses - asked;
        }
        return stats;
    }

    std::string_view engine_name() const noexcept override { return "dbt"; }

private:
    bool collect_stats_;
};

}  // namespace
}  // namespace dbt

bool dbt_is_available() noexcept {
    return dbt::host_is_supported();
}

Result<std::unique_ptr<Vcpu>>
make_dbt_vcpu(GuestMemory& memory, VcpuHost& host, unsigned hart, const EngineOptions& options) {
    if (!dbt_is_available()) {
        return fail(
            ErrorKind::unavailable,
            "engine \"dbt\" needs a processor with BMI1, BMI2, LZCNT and POPCNT"
        );
    }
    auto vcpu = std::make_unique<dbt::DbtVcpu>(memory, host, hart, options);
    if (!vcpu->ok()) {
        return fail(ErrorKind::unavailable, "engine \"dbt\" got no memory for code from the host");
    }
    return vcpu;
}

}  // namespace vmm
