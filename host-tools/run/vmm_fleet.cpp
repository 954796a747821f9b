// SPDX-License-Identifier: Apache-2.0
#include "run/fleet_handle.hpp"

#include <utility>

namespace tools {
namespace {

class VmmFleet final : public FleetHandle {
public:
    explicit VmmFleet(std::unique_ptr<vmm::Fleet> fleet)
        : fleet_(std::move(fleet)) {}

    vmm::Result<void> start() override { return fleet_->start(); }
    void wait() override { fleet_->wait(); }
    void stop() override { fleet_->stop(); }
    void stop(std::size_t guest) override { fleet_->stop(guest); }
    bool ask_power_off(std::size_t guest) override { return fleet_->ask_power_off(guest); }
    vmm::GuestState state(std::size_t guest) const override { return fleet_->state(guest); }
    vmm::Result<void> pause(std::size_t guest) override { return fleet_->pause(guest); }
    vmm::Result<void> resume(std::size_t guest) override { return fleet_->resume(guest); }
    vmm::Result<void> set_tenant(std::size_t guest, const vmm::Tenant& tenant) override {
        return fleet_->set_tenant(guest, tenant);
    }
    std::size_t console_input(std::size_t guest, std::span<const char> bytes) override {
        return fleet_->console_input(guest, bytes);
    }
    std::string debugger_address(std::size_t guest) const override {
        return fleet_->debugger_address(guest);
    }
    vmm::FleetReport report() const override { return fleet_->report(); }
    std::string describe() const override { return fleet_->describe(); }

private:
    std::unique_ptr<vmm::Fleet> fleet_;
};

}  // namespace

vmm::Result<std::unique_ptr<FleetHandle>>
make_fleet(const vmm::FleetConfig& config, vmm::ConsoleSink console) {
    auto fleet = vmm::Fleet::create(config, std::move(console));
    if (!fleet) {
        return std::unexpected(fleet.error());
    }
    return std::make_unique<VmmFleet>(std::move(*fleet));
}

}  // namespace tools
