// SPDX-License-Identifier: Apache-2.0
// vCPUs that are the guest's while they are granted: SPEC.md section 16.
#include "device/access.hpp"
#include "device/device.hpp"

#include <cerrno>

namespace virtio_cops {

bool Device::offers_cores() const noexcept {
    return options_.boards && options_.own_vcpus < options_.num_vcpus;
}

/// True: the word was another one before.
bool Device::publish_core(unsigned vcpu, std::uint32_t word) {
    const std::size_t line = vcpu * sizeof(virtio_cops_host_line);
    if (line + sizeof(virtio_cops_host_line) > host_page_.size()) {
        return false;
    }
    std::byte* const at = host_page_.data() + line + VIRTIO_COPS_HOST_LINE_CORE;
    if (load_word<std::uint32_t>(at) == word) {
        return false;
    }
    if (word == VIRTIO_COPS_CORE_NONE) {
        publish(vcpu, 0, kNoLevel, 0);  // who still reads the line shall not take it for the host's
    }
    store_word(at, word);
    return true;
}

/// True: something changed. The guest's own vCPUs are its own whatever the host says.
bool Device::publish_cores() {
    if (!active_ || (features_ >> VIRTIO_COPS_F_CORE_ALLOC & 1) == 0) {
        return false;
    }
    const Cores cores = host_.cores();
    bool changed = false;
    for (unsigned vcpu = 0; vcpu < options_.num_vcpus; ++vcpu) {
        const bool granted = vcpu < options_.own_vcpus || (cores.granted >> vcpu & 1) != 0;
        const bool revoked = (cores.revoked >> vcpu & 1) != 0;
        const std::uint32_t word = granted   ? VIRTIO_COPS_CORE_GRANTED
                                   : revoked ? VIRTIO_COPS_CORE_REVOKED
                                             : VIRTIO_COPS_CORE_NONE;
        changed = publish_core(vcpu, word) || changed;
    }
    return changed;
}

void Device::cores_changed() {
    if (publish_cores()) {
        host_.raise_config_interrupt();
    }
}

void Device::forget_cores() {
    if (active_ && (features_ >> VIRTIO_COPS_F_CORE_ALLOC & 1) != 0) {
        host_.want_vcpus(options_.own_vcpus);
    }
    for (unsigned vcpu = 0; vcpu < options_.num_vcpus; ++vcpu) {
        publish_core(vcpu, VIRTIO_COPS_CORE_NONE);
    }
}

Device::Errno Device::alloc_cpu(const virtio_cops_ctrl_alloc_cpu& command) {
    if ((features_ >> VIRTIO_COPS_F_CORE_ALLOC & 1) == 0) {
        return EOPNOTSUPP;
    }
    if (command.vcpus == 0 || command.vcpus > options_.num_vcpus) {
        return EINVAL;
    }
    host_.want_vcpus(command.vcpus);
    publish_cores();
    return 0;
}

}  // namespace virtio_cops
