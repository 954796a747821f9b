// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vmm/fleet.hpp>

#include <functional>
#include <memory>
#include <span>
#include <string>

namespace tools {

/// What the command needs of a vmm::Fleet; tests put a fake behind it. Same rules as there.
class FleetHandle {
public:
    virtual ~FleetHandle() = default;
    virtual vmm::Result<void> start() = 0;
    virtual void wait() = 0;
    virtual void stop() = 0;
    virtual void stop(std::size_t guest) = 0;
    virtual bool ask_power_off(std::size_t guest) = 0;
    virtual vmm::Result<void> pause(std::size_t guest) = 0;
    virtual vmm::Result<void> resume(std::size_t guest) = 0;
    virtual vmm::Result<void> set_tenant(std::size_t guest, const vmm::Tenant& tenant) = 0;
    virtual std::size_t console_input(std::size_t guest, std::span<const char> bytes) = 0;
    virtual std::string debugger_address(std::size_t guest) const = 0;
    virtual vmm::GuestState state(std::size_t guest) const = 0;
    virtual vmm::FleetReport report() const = 0;
    virtual std::string describe() const = 0;
};

using FleetFactory = std::function<
    vmm::Result<std::unique_ptr<FleetHandle>>(const vmm::FleetConfig&, vmm::ConsoleSink)>;

/// The real thing.
vmm::Result<std::unique_ptr<FleetHandle>>
make_fleet(const vmm::FleetConfig& config, vmm::ConsoleSink console);

}  // namespace tools
