// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vmm/error.hpp>
#include <vmm/fleet.hpp>

namespace tools {

// Exit codes of the command, beside those of vmm::ErrorKind and 128 + signal; docs/cli.md.
inline constexpr int kExitOk = 0;
inline constexpr int kExitReset = 32;
inline constexpr int kExitCrashed = 33;
inline constexpr int kExitPanicked = 34;
inline constexpr int kExitApplication = 64;        ///< Plus the application's status 1..62.
inline constexpr int kExitApplicationOther = 127;  ///< Its status is 63 or more.
inline constexpr int kExitSignal = 128;            ///< Plus the signal's number.

/// Exit code for how one guest ended. Ending::stopped counts as well ended here: what stopped it
/// decides.
int exit_code(const vmm::GuestOutcome& outcome);

/// That of the first guest, in order of configuration, whose code isn't 0.
int exit_code(const vmm::FleetReport& report);

inline int exit_code(vmm::ErrorKind kind) {
    return static_cast<int>(kind);
}

}  // namespace tools
