// SPDX-License-Identifier: Apache-2.0
#include "report/names.hpp"

namespace tools {

std::string_view name_of(vmm::GuestState state) {
    switch (state) {
    case vmm::GuestState::created:
        return "created";
    case vmm::GuestState::running:
        return "running";
    case vmm::GuestState::saving:
        return "saving";
    case vmm::GuestState::paused:
        return "paused";
    case vmm::GuestState::held:
        return "held";
    case vmm::GuestState::ending:
        return "ending";
    case vmm::GuestState::ended:
        break;
    }
    return "ended";
}

std::string_view name_of(vmm::VcpuState state) {
    switch (state) {
    case vmm::VcpuState::idle:
        return "idle";
    case vmm::VcpuState::ready:
        return "ready";
    case vmm::VcpuState::running:
        return "running";
    case vmm::VcpuState::stopped:
        return "stopped";
    case vmm::VcpuState::off:
        break;
    }
    return "off";
}

}  // namespace tools
