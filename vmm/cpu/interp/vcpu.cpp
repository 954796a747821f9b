// SPDX-License-Identifier: Apache-2.0
#include "cpu/common/engine_vcpu.hpp"
#include "cpu/interp/cpu.hpp"
#include "cpu/interp/interp.hpp"

namespace vmm {
namespace interp {
namespace {

class InterpVcpu final : public EngineVcpu<Cpu> {
public:
    using EngineVcpu::EngineVcpu;

    EngineStats stats() const noexcept override {
        EngineStats stats = cpu_.blocks.stats();
        stats.dispatched_exits = cpu_.lookups;
        stats.tlb_misses = cpu_.tlb_misses - cpu_.mmio_exits - cpu_.split_accesses;
        stats.slow_accesses = cpu_.mmio_exits + cpu_.split_accesses;
        return stats;
    }

    std::string_view engine_name() const noexcept override { return "interp"; }
};

}  // namespace
}  // namespace interp

std::unique_ptr<Vcpu>
make_interp_vcpu(GuestMemory& memory, VcpuHost& host, unsigned hart, const EngineOptions& options) {
    return std::make_unique<interp::InterpVcpu>(memory, host, hart, options);
}

}  // namespace vmm
