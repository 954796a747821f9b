// SPDX-License-Identifier: Apache-2.0
#include "run/exit_code.hpp"

namespace tools {

int exit_code(const vmm::GuestOutcome& outcome) {
    switch (outcome.ending) {
    case vmm::Ending::powered_off:
        if (outcome.status == 0) {
            return kExitOk;
        }
        return outcome.status <= 62 ? kExitApplication + static_cast<int>(outcome.status)
                                    : kExitApplicationOther;
    case vmm::Ending::reset:
        return kExitReset;
    case vmm::Ending::crashed:
        return kExitCrashed;
    case vmm::Ending::panicked:
        return kExitPanicked;
    case vmm::Ending::stopped:
        return kExitOk;
    case vmm::Ending::running:
    case vmm::Ending::failed:
        break;
    }
    return exit_code(vmm::ErrorKind::internal);
}

int exit_code(const vmm::FleetReport& report) {
    for (const vmm::GuestReport& guest : report.guests) {
        if (const int code = exit_code(guest.outcome); code != kExitOk) {
            return code;
        }
    }
    return kExitOk;
}

}  // namespace tools
