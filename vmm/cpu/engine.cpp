// SPDX-License-Identifier: Apache-2.0
#include "cpu/engine.hpp"

#include "cpu/interp/interp.hpp"

#include <string>

namespace vmm {

std::string_view engine_names() noexcept {
    return "auto, interp";
}

Result<std::unique_ptr<Vcpu>> make_vcpu(
    std::string_view engine,
    GuestMemory& memory,
    VcpuHost& host,
    unsigned hart,
    const EngineOptions& options
) {
    if (engine == "auto" || engine == "interp") {
        return make_interp_vcpu(memory, host, hart, options);
    }
    return fail(
        ErrorKind::configuration,
        "engine \"" + std::string(engine)
            + "\" does not exist; known: " + std::string(engine_names())
    );
}

}  // namespace vmm
