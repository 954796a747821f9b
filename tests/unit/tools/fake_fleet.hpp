// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "run/fleet_handle.hpp"

#include <atomic>
#include <mutex>
#include <string>
#include <vector>

namespace tools::test {

/// Guests that do at once what they are asked to, unless the test says otherwise. Any thread.
class FakeGuests final : public FleetHandle {
public:
    explicit FakeGuests(const std::vector<std::string>& names) {
        for (const std::string& name : names) {
            vmm::GuestReport& guest = report_.guests.emplace_back();
            guest.outcome.name = name;
            guest.state = vmm::GuestState::running;
            guest.engine = "interp";
            guest.vcpus.resize(2);
            guest.vcpus[0].state = vmm::VcpuState::running;
            guest.vcpus[0].level = 3;
            guest.own_vcpus = 2;
        }
        report_.guests[0].own_vcpus = 1;
        report_.guests[0].granted_vcpus = 1;
        report_.policy = "priority";
        report_.worker_times.resize(1);
    }

    vmm::Result<void> start() override { return {}; }
    void wait() override {}
    void stop() override {}
    void stop(std::size_t guest) override { end(guest, 0, !stays_when_stopped); }
    bool ask_power_off(std::size_t guest) override {
        end(guest, 143, can_be_asked && ends_when_asked);
        return can_be_asked;
    }
    vmm::Result<void> pause(std::size_t guest) override {
        return set(guest, pauses ? vmm::GuestState::paused : vmm::GuestState::running);
    }
    vmm::Result<void> resume(std::size_t guest) override {
        return set(guest, vmm::GuestState::running);
    }
    vmm::Result<void> set_tenant(std::size_t guest, const vmm::Tenant& tenant) override {
        const std::lock_guard lock(mutex_);
        if (const auto wrong = vmm::contradiction(tenant, 2); !wrong.empty()) {
            return vmm::fail(vmm::ErrorKind::configuration, std::string(wrong));
        }
        report_.guests.at(guest).tenant = tenant;
        return {};
    }
    std::size_t console_input(std::size_t, std::span<const char>) override { return 0; }
    std::string debugger_address(std::size_t) const override { return {}; }
    vmm::GuestState state(std::size_t guest) const override {
        const std::lock_guard lock(mutex_);
        return report_.guests.at(guest).state;
    }
    vmm::FleetReport report() const override {
        const std::lock_guard lock(mutex_);
        return report_;
    }
    std::string describe() const override { return {}; }

    /// For the test, which changes it while nobody serves it.
    vmm::FleetReport& contents() { return report_; }

    std::atomic<bool> can_be_asked{true};
    std::atomic<bool> ends_when_asked{true};
    std::atomic<bool> stays_when_stopped{false};
    std::atomic<bool> pauses{true};

private:
    void end(std::size_t guest, std::uint32_t status, bool really) {
        const std::lock_guard lock(mutex_);
        vmm::GuestReport& one = report_.guests.at(guest);
        if (really && one.state != vmm::GuestState::ended) {
            one.state = vmm::GuestState::ended;
            one.outcome.ending = vmm::Ending::stopped;
            one.outcome.status = status;
        }
    }
    vmm::Result<void> set(std::size_t guest, vmm::GuestState state) {
        const std::lock_guard lock(mutex_);
        vmm::GuestReport& one = report_.guests.at(guest);
        if (one.state == vmm::GuestState::ended) {
            return vmm::fail(vmm::ErrorKind::usage, "guest has ended");
        }
        one.state = state;
        return {};
    }

    mutable std::mutex mutex_;
    vmm::FleetReport report_;
};

}  // namespace tools::test
