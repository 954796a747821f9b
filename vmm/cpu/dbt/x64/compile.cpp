// SPDX-License-Identifier: Apache-2.0
#include "cpu/dbt/x64/compile.hpp"

#include "cpu/dbt/x64/region_emitter.hpp"

#include <cstring>

namespace vmm::dbt {

using asmjit::CpuFeatures;

bool host_is_supported() {
    const auto& features = asmjit::CpuInfo::host().features().x86();
    return features.hasBMI() && features.hasBMI2() && features.hasLZCNT() && features.hasPOPCNT();
}

std::span<const std::byte>
Compiler::compile(const ir::Region& region, std::uint64_t address, std::uint64_t counter) {
    code_.reset();
    code_.init(asmjit::Environment::host(), address);
    code_.attach(&assembler_);
    sites_.clear();
    allocate(region, allocation_);
    RegionEmitter(code_, assembler_, region, allocation_, routines_, counting_, sites_)
        .emit(counter);
    if (code_.hasUnresolvedLinks() && code_.resolveUnresolvedLinks() != asmjit::kErrorOk) {
        return {};
    }
    const asmjit::CodeBuffer& buffer = code_.textSection()->buffer();
    return {reinterpret_cast<const std::byte*>(buffer.data()), buffer.size()};
}

void patch_jump(std::byte* call_end, std::int32_t distance) {
    constexpr std::byte kJump{0xe9};
    call_end[-5] = kJump;
    patch_call(call_end, distance);
}

void patch_call(std::byte* call_end, std::int32_t distance) {
    std::memcpy(call_end - 4, &distance, sizeof distance);
}

}  // namespace vmm::dbt
