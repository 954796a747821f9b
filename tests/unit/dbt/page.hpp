// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/dbt/frontend/frontend.hpp"
#include "cpu/dbt/ir/ir.hpp"
#include "riscv_assembler.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

/// A page of guest code for tests of the translator.
namespace dbt_test {

inline constexpr vmm::dbt::ir::Mode kFloatOn{.float_on = true, .frm = 0};

struct Page {
    alignas(8) std::array<std::byte, 4096> bytes{};

    void put(std::size_t offset, const rv::Code& code) {
        std::memcpy(&bytes[offset], code.words().data(), code.words().size() * 4);
    }
    void put_half(std::size_t offset, std::uint16_t half) {
        std::memcpy(&bytes[offset], &half, sizeof half);
    }
    vmm::dbt::ir::Region build(
        std::uint16_t entry, const vmm::dbt::Limits& limits = {}, vmm::dbt::ir::Mode mode = kFloatOn
    ) const {
        vmm::dbt::ir::Region region;
        vmm::dbt::build_region(vmm::dbt::Source{.page = bytes}, entry, mode, limits, region);
        return region;
    }
};

}  // namespace dbt_test
