// SPDX-License-Identifier: Apache-2.0
#include "fleet/determinism.hpp"

#include <fmt/format.h>

namespace vmm {

Result<void> check_determinism(const FleetConfig& config) {
    const bool tape = !config.record_input.empty() || !config.replay_input.empty();
    if (!config.seed && tape) {
        return fail(
            ErrorKind::configuration, "input is recorded and replayed in deterministic runs only"
        );
    }
    if (!config.seed) {
        return {};
    }
    if (!config.record_input.empty() && !config.replay_input.empty()) {
        return fail(
            ErrorKind::configuration, "input is recorded or replayed, but not both in one run"
        );
    }
    if (config.dispatcher) {
        return fail(
            ErrorKind::configuration,
            "a dispatcher is one more thread, so a run with one cannot be deterministic; leave it "
            "out"
        );
    }
    if (!config.pin.empty()) {
        return fail(
            ErrorKind::configuration,
            "a deterministic run does not depend on the CPUs of the host; leave pin out"
        );
    }
    for (const GuestConfig& guest : config.guests) {
        if (!guest.gdb.empty()) {
            return fail(
                ErrorKind::configuration,
                fmt::format(
                    "{}: a debugger stops a guest when people like, so a run with one cannot be "
                    "deterministic; leave gdb or the seed out",
                    guest.name
                )
            );
        }
    }
    return {};
}

Result<std::unique_ptr<io::InputTape>> make_tape(const FleetConfig& config) {
    if (!config.record_input.empty()) {
        return io::InputTape::record(config.record_input, *config.seed);
    }
    if (!config.replay_input.empty()) {
        return io::InputTape::replay(config.replay_input, *config.seed);
    }
    return nullptr;
}

}  // namespace vmm
