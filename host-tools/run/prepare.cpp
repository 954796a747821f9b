// SPDX-License-Identifier: Apache-2.0
#include "run/prepare.hpp"

#include "boot/app_image.hpp"
#include "boot/boot_archive.hpp"
#include "support/failure.hpp"

#include <fmt/format.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <utility>

namespace tools {
namespace {

void check_grants(const vmm::GuestConfig& guest) {
    std::set<std::string> names;
    for (const vmm::Grant& grant : guest.grants) {
        if (!names.insert(grant.name).second) {
            throw configuration_failure(fmt::format(
                "guest '{}' has two grants called '{}'; give each its own name",
                guest.name,
                grant.name
            ));
        }
    }
}

/// Other kernels have limits of their own.
constexpr std::uint64_t kMaxCopsMemory = std::uint64_t{64} << 30;

void check_memory(const vmm::GuestConfig& guest) {
    if (guest.kernel.empty() && guest.memory_bytes > kMaxCopsMemory) {
        throw configuration_failure(
            fmt::format("guest '{}': the COPS kernel uses at most 64G of memory", guest.name)
        );
    }
}

/// The COPS kernel has no clock of its own that knows the date.
void tell_real_time(std::string& cmdline, bool deterministic) {
    if ((" " + cmdline).find(" boot_time=") != std::string::npos) {
        return;
    }
    const std::chrono::nanoseconds now = std::chrono::system_clock::now().time_since_epoch();
    cmdline += fmt::format(
        "{}boot_time={}",
        cmdline.empty() ? "" : " ",
        deterministic ? vmm::kDeterministicEpoch : static_cast<std::uint64_t>(now.count())
    );
}

vmm::GuestConfig prepare(const GuestOptions& options, const Images& images, bool deterministic) {
    vmm::GuestConfig guest = options.config;
    check_grants(guest);
    check_memory(guest);
    if (options.app.empty()) {
        guest.symbol_files.push_back(guest.kernel);
        return guest;
    }
    const auto path = images.application(options.app);
    const auto application = read_application(path);
    std::vector<std::string> words{options.app};
    words.insert(words.end(), options.arguments.begin(), options.arguments.end());
    guest.initrd_bytes = make_boot_archive(application, words, options.environment);
    guest.kernel = images.kernel().string();
    guest.symbol_files = {guest.kernel, path.string()};
    tell_real_time(guest.cmdline, deterministic);
    return guest;
}

}  // namespace

vmm::FleetConfig prepare(const FleetOptions& options, const Images& images) {
    vmm::FleetConfig fleet{
        .workers = options.workers,
        .policy = options.policy,
        .quantum_ns = options.quantum_ns,
        .poll_ns = 1000 * vmm::Nanos{options.poll_us},
        .dispatcher = options.dispatcher,
        .pin = options.pin,
        .seed = options.deterministic ? std::optional(options.seed.value_or(0)) : std::nullopt,
        .record_input = options.record,
        .replay_input = options.replay,
        .perf_map = options.perf_map,
        .record_decisions = options.record_decisions,
        .trace = options.trace,
        .guests = {}
    };
    for (const GuestOptions& guest : options.guests) {
        fleet.guests.push_back(prepare(guest, images, options.deterministic));
        fleet.guests.back().engine_stats = options.engine_stats;
    }
    return fleet;
}

}  // namespace tools
