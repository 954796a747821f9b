// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/engine.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

/// For tests that run on every engine. Link `test_engines`.
namespace test_support {

namespace detail {

class NobodyHost final : public vmm::VcpuHost {
public:
    bool mmio_read(vmm::GuestPhys, unsigned, std::uint64_t*) override { return false; }
    bool mmio_write(vmm::GuestPhys, unsigned, std::uint64_t) override { return false; }
    vmm::SbiReply sbi_call(unsigned, const vmm::SbiCall&) override { return {}; }
    std::uint64_t guest_time() override { return 0; }
    vmm::Nanos host_deadline(std::uint64_t) override { return 0; }
};

inline bool can_make(const std::string& engine) {
    NobodyHost host;
    auto memory = vmm::GuestMemory::create(vmm::GuestPhys{0x8000'0000}, 1 << 20);
    return memory.has_value() && vmm::make_vcpu(engine, **memory, host, 0).has_value();
}

}  // namespace detail

/// The engines that this build and this host have; `interp`, which is everywhere, is the first.
/// COPS_TEST_ENGINES="dbt" (or several names with blanks between) narrows them down by hand.
inline const std::vector<std::string>& test_engines() {
    static const std::vector<std::string> engines = [] {
        std::string names = "interp dbt";
        if (const char* given = std::getenv("COPS_TEST_ENGINES")) {
            names = given;
        }
        std::vector<std::string> found;
        std::istringstream list(names);
        for (std::string name; list >> name;) {
            if (detail::can_make(name)) {
                found.push_back(name);
            }
        }
        return found;
    }();
    return engines;
}

/// What tests that make vCPUs themselves run on: the engines, and `dbt` with harts that it begins
/// to translate after so many instructions, in the middle of a test.
inline std::vector<std::string> test_vcpus(std::uint64_t interpret_first = 9) {
    std::vector<std::string> names = test_engines();
    if (std::ranges::find(names, "dbt") != names.end()) {
        names.push_back("dbt_after_" + std::to_string(interpret_first));
    }
    return names;
}

/// As vmm::make_vcpu(). `name` is an engine's, or dbt_after_N, which interprets the first N
/// instructions.
inline vmm::Result<std::unique_ptr<vmm::Vcpu>> make_vcpu(
    const std::string& name,
    vmm::GuestMemory& memory,
    vmm::VcpuHost& host,
    unsigned hart,
    vmm::EngineOptions options = {}
) {
    constexpr std::string_view kAfter = "_after_";
    const std::size_t at = name.find(kAfter);
    if (at != std::string::npos) {
        options.interpret_first = std::stoull(name.substr(at + kAfter.size()));
    }
    return vmm::make_vcpu(name.substr(0, at), memory, host, hart, options);
}

}  // namespace test_support
