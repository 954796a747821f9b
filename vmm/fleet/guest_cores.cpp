// SPDX-License-Identifier: Apache-2.0
// Extra vCPUs: between the device, in which the guest asks for them, and the scheduler.
#include "fleet/guest.hpp"

namespace vmm {

bool Guest::may_start(unsigned hart) noexcept {
    return pool_.may_start(vcpus_[hart]);
}

void Guest::want_vcpus(unsigned vcpus) {
    pool_.want_cores({.guest = index_}, vcpus);
}

virtio_cops::Cores Guest::cores() {
    const sched::CoreSets sets = pool_.cores({.guest = index_});
    return {.granted = sets.granted, .revoked = sets.revoked};
}

void Guest::Port::cores_changed() {
    guest_.device_->cores_changed();
}

}  // namespace vmm
