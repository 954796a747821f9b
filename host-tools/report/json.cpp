// SPDX-License-Identifier: Apache-2.0
#include "report/json.hpp"

#include "report/levels.hpp"
#include "report/tenant.hpp"
#include "run/exit_code.hpp"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <optional>

namespace tools {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kSchema = 1;

Json to_json(const vmm::LevelReport& level, std::size_t number) {
    return {
        {"level", number == vmm::kNoLevel ? Json(nullptr) : Json(number)},
        {"cpu_ns", level.cpu_ns},
        {"wait_ns", level.wait_ns},
        {"requests", level.requests},
        {"bytes", level.bytes},
        {"completions", level.completions},
        {"wakes_ring", level.wakes_ring},
        {"wakes_user_interrupt", level.wakes_user_interrupt},
        {"wakes_kernel", level.wakes_kernel},
        {"latency_p50_ns", level.latency_p50_ns},
        {"latency_p99_ns", level.latency_p99_ns},
        {"last_completion_ns", level.last_completion_ns},
    };
}

Json to_json(std::optional<std::uint64_t> count) {
    return count ? Json(*count) : Json(nullptr);
}

Json to_json(const vmm::EngineStats& stats) {
    return {
        {"interpreted", to_json(stats.interpreted)},
        {"translated_blocks", stats.translated_blocks},
        {"translated_bytes", stats.translated_bytes},
        {"code_bytes", stats.code_bytes},
        {"code_capacity", stats.code_capacity},
        {"flushes", stats.flushes},
        {"translation_ns", to_json(stats.translation_ns)},
        {"chained_exits", to_json(stats.chained_exits)},
        {"dispatched_exits", to_json(stats.dispatched_exits)},
        {"tlb_hits", to_json(stats.tlb_hits)},
        {"tlb_misses", to_json(stats.tlb_misses)},
        {"slow_accesses", to_json(stats.slow_accesses)},
    };
}

Json to_json(const vmm::VcpuReport& vcpu) {
    return {
        {"run_ns", vcpu.run_ns},
        {"wait_ns", vcpu.wait_ns},
        {"steal_ns", vcpu.steal_ns},
        {"switches", vcpu.switches},
        {"preemptions", vcpu.preemptions},
        {"grants", vcpu.grants},
        {"revocations", vcpu.revocations},
        {"instructions", vcpu.instructions},
        {"supervisor_traps", vcpu.supervisor_traps},
        {"user_interrupts", vcpu.user_interrupts},
        {"sbi_calls", vcpu.sbi_calls},
        {"mmio_exits", vcpu.mmio_exits},
        {"engine", to_json(vcpu.engine)},
    };
}

Json to_json(const vmm::WorkerReport& worker) {
    return {
        {"busy_ns", worker.busy_ns},
        {"poll_ns", worker.poll_ns},
        {"sleeps", worker.sleeps},
    };
}

Json to_json(const vmm::GuestReport& guest) {
    const bool runs = guest.outcome.ending == vmm::Ending::running;
    Json json{
        {"name", guest.outcome.name},
        {"engine", guest.engine},
        {"ending", ending_name(guest.outcome.ending)},
        {"status", guest.outcome.status},
        {"exit_code", runs ? Json(nullptr) : Json(exit_code(guest.outcome))},
        {"message", guest.outcome.message},
        {"started_ns", guest.started_ns},
        {"ended_ns", guest.ended_ns},
        {"bad_requests", guest.bad_requests},
        {"in_flight", guest.in_flight},
        {"tenant", tenant_json(guest.tenant)},
        {"budget_left_ns", guest.budget_left_ns ? Json(*guest.budget_left_ns) : Json(nullptr)},
        {"own_vcpus", guest.own_vcpus},
        {"granted_vcpus", guest.granted_vcpus},
        {"vcpus", Json::array()},
        {"levels", Json::array()},
    };
    for (const vmm::VcpuReport& vcpu : guest.vcpus) {
        json["vcpus"].push_back(to_json(vcpu));
    }
    for (std::size_t i = 0; i < guest.levels.size(); ++i) {
        if (is_active(guest.levels.at(i))) {
            json["levels"].push_back(to_json(guest.levels.at(i), i));
        }
    }
    return json;
}

}  // namespace

std::string_view ending_name(vmm::Ending ending) {
    switch (ending) {
    case vmm::Ending::running:
        return "running";
    case vmm::Ending::powered_off:
        return "powered_off";
    case vmm::Ending::reset:
        return "reset";
    case vmm::Ending::crashed:
        return "crashed";
    case vmm::Ending::panicked:
        return "panicked";
    case vmm::Ending::stopped:
        return "stopped";
    case vmm::Ending::failed:
        break;
    }
    return "failed";
}

std::string json_report(const vmm::FleetReport& report, const RunFacts& facts, Layout layout) {
    Json json{
        {"schema", kSchema},
        {"cops", COPS_VERSION},
        {"command", facts.command},
        {"policy", report.policy},
        {"workers", report.workers},
        {"wall_ns", report.wall_ns},
        {"exit_code", facts.exit_code ? Json(*facts.exit_code) : Json(nullptr)},
        {"signal", facts.signal == 0 ? Json(nullptr) : Json(facts.signal)},
        {"guests", Json::array()},
        {"worker_times", Json::array()},
    };
    for (const vmm::GuestReport& guest : report.guests) {
        json["guests"].push_back(to_json(guest));
    }
    for (const vmm::WorkerReport& worker : report.worker_times) {
        json["worker_times"].push_back(to_json(worker));
    }
    // A guest's words may get into a message: what isn't UTF-8 is replaced.
    const int indent = layout == Layout::line ? -1 : 2;
    return json.dump(indent, ' ', false, Json::error_handler_t::replace)
           + (layout == Layout::line ? "" : "\n");
}

}  // namespace tools
