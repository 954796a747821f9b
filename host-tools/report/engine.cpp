// SPDX-License-Identifier: Apache-2.0
#include "report/engine.hpp"

#include "report/table.hpp"

#include <fmt/format.h>

#include <optional>

namespace tools {
namespace {

using Count = std::optional<std::uint64_t>;

/// "1234", or what to say where nobody counted.
std::string text(Count count) {
    return count ? std::to_string(*count) : "not counted";
}

/// The part that `hits` are of both: "98.7 %".
std::string rate(Count hits, Count misses) {
    if (!hits || !misses) {
        return "unknown";
    }
    const std::uint64_t all = *hits + *misses;
    if (all == 0) {
        return "none happened";
    }
    const double part = static_cast<double>(*hits) / static_cast<double>(all);
    return fmt::format("{:.2f} %", 100 * part);
}

std::string table_of(const vmm::GuestReport& guest) {
    vmm::EngineStats sum;
    std::uint64_t instructions = 0;
    vmm::Nanos run_ns = 0;
    for (std::size_t i = 0; i < guest.vcpus.size(); ++i) {
        const vmm::VcpuReport& vcpu = guest.vcpus[i];
        if (i == 0) {
            sum = vcpu.engine;
        } else {
            sum += vcpu.engine;
        }
        instructions += vcpu.instructions;
        run_ns += vcpu.run_ns;
    }
    const Count translation = sum.translation_ns;
    return fmt::format(
        "cops: engine {} of guest {}:\n"
        "  executed      {} instructions in {}{}\n"
        "  translated    {} blocks, {} of guest code, in {}\n"
        "  code cache    {} of {} used, {} flushes\n"
        "  block exits   chained {} ({} chained, {} through the engine)\n"
        "  guest TLB     hit rate {} ({} hits, {} misses), {} other slow accesses\n",
        guest.engine,
        guest.outcome.name,
        instructions,
        human_time(run_ns),
        sum.interpreted ? fmt::format(", the first {} interpreted", *sum.interpreted) : "",
        sum.translated_blocks,
        human_bytes(sum.translated_bytes),
        translation ? human_time(*translation) : "unknown time",
        human_bytes(sum.code_bytes),
        human_bytes(sum.code_capacity),
        sum.flushes,
        rate(sum.chained_exits, sum.dispatched_exits),
        text(sum.chained_exits),
        text(sum.dispatched_exits),
        rate(sum.tlb_hits, sum.tlb_misses),
        text(sum.tlb_hits),
        text(sum.tlb_misses),
        text(sum.slow_accesses)
    );
}

}  // namespace

std::string engine_table(const vmm::FleetReport& report) {
    std::string all;
    for (const vmm::GuestReport& guest : report.guests) {
        all += table_of(guest);
    }
    return all;
}

}  // namespace tools
