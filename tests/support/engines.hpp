// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cpu/engine.hpp"

#include <cstdlib>
#include <sstream>
#include <string>
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

}  // namespace test_support
