// SPDX-License-Identifier: Apache-2.0
#include "control/replies.hpp"

#include "report/names.hpp"
#include "report/tenant.hpp"

#include <nlohmann/json.hpp>

#include <string_view>

namespace tools {
namespace {

using Json = nlohmann::ordered_json;

Json vcpu_json(const vmm::VcpuReport& vcpu, std::size_t number) {
    const bool competes =
        vcpu.state == vmm::VcpuState::ready || vcpu.state == vmm::VcpuState::running;
    return {
        {"vcpu", number},
        {"state", name_of(vcpu.state)},
        {"level", competes && vcpu.level < vmm::kLevels ? Json(vcpu.level) : Json(nullptr)},
        {"run_ns", vcpu.run_ns},
        {"wait_ns", vcpu.wait_ns},
        {"switches", vcpu.switches},
        {"preemptions", vcpu.preemptions},
        {"instructions", vcpu.instructions},
    };
}

std::string line(const Json& reply) {
    // A guest's words may get into a message: what isn't UTF-8 is replaced.
    return reply.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

std::string done_reply() {
    return line({{"ok", true}});
}

std::string ps_reply(const vmm::FleetReport& report) {
    Json reply{{"ok", true}, {"guests", Json::array()}};
    for (const vmm::GuestReport& guest : report.guests) {
        Json json{
            {"name", guest.outcome.name},
            {"state", name_of(guest.state)},
            {"engine", guest.engine},
            {"tenant", tenant_json(guest.tenant)},
            {"own_vcpus", guest.own_vcpus},
            {"granted_vcpus", guest.granted_vcpus},
            {"vcpus", Json::array()},
        };
        for (std::size_t i = 0; i < guest.vcpus.size(); ++i) {
            json["vcpus"].push_back(vcpu_json(guest.vcpus[i], i));
        }
        reply["guests"].push_back(std::move(json));
    }
    return line(reply);
}

std::string stats_reply(const vmm::FleetReport& report, const RunFacts& facts) {
    return R"({"ok":true,"report":)" + json_report(report, facts, Layout::line) + "}\n";
}

std::string stop_reply(const vmm::FleetReport& report, std::span<const ChosenGuest> stopped) {
    Json reply{{"ok", true}, {"guests", Json::array()}};
    for (const ChosenGuest& one : stopped) {
        const vmm::GuestOutcome& outcome = report.guests.at(one.guest).outcome;
        reply["guests"].push_back({
            {"name", outcome.name},
            {"ending", ending_name(outcome.ending)},
            {"status", outcome.status},
            {"forced", one.forced},
        });
    }
    return line(reply);
}

std::string tenant_reply(const vmm::FleetReport& report, std::span<const ChosenGuest> changed) {
    Json reply{{"ok", true}, {"guests", Json::array()}};
    for (const ChosenGuest& one : changed) {
        const vmm::GuestReport& guest = report.guests.at(one.guest);
        reply["guests"].push_back(
            {{"name", guest.outcome.name}, {"tenant", tenant_json(guest.tenant)}}
        );
    }
    return line(reply);
}

}  // namespace tools
