// SPDX-License-Identifier: Apache-2.0
#include "cpu/engine.hpp"

#include "cpu/interp/interp.hpp"

#if COPS_HAVE_DBT
#include "cpu/dbt/runtime/dbt.hpp"
#endif

#include <string>

namespace vmm {
namespace {

#if !COPS_HAVE_DBT
bool dbt_is_available() noexcept {
    return false;
}
Result<std::unique_ptr<Vcpu>>
make_dbt_vcpu(GuestMemory&, VcpuHost&, unsigned, const EngineOptions&) {
    return fail(ErrorKind::unavailable, "engine \"dbt\" is for x86-64 hosts");
}
#endif

}  // namespace

std::string_view engine_names() noexcept {
    return "auto, dbt, interp";
}

Result<std::unique_ptr<Vcpu>> make_vcpu(
    std::string_view engine,
    GuestMemory& memory,
    VcpuHost& host,
    unsigned hart,
    const EngineOptions& options
) {
    if (engine == "dbt" || (engine == "auto" && dbt_is_available())) {
        return make_dbt_vcpu(memory, host, hart, options);
    }
    if (engine == "auto" || engine == "interp") {
        if (options.observer != nullptr) {
            return fail(
                ErrorKind::configuration,
                "engine interp makes no host code, so there is none to name for perf"
            );
        }
        return make_interp_vcpu(memory, host, hart, options);
    }
    return fail(
        ErrorKind::configuration,
        "engine \"" + std::string(engine)
            + "\" does not exist; known: " + std::string(engine_names())
    );
}

}  // namespace vmm
