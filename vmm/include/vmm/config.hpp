// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vmm/types.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vmm {

/// Something of the host that a guest may name, as /host/NAME. Nothing else of the host can be
/// named.
struct Grant {
    enum class Kind : std::uint8_t { file, directory };
    std::string name;  ///< 1..63 bytes of [A-Za-z0-9._-], not "." or "..".
    Kind kind = Kind::file;
    std::string path;  ///< Host path, resolved once when the guest is created.
    bool writable = false;
};

/// What a guest may claim of the host's time, all its vCPUs together (D7).
/// docs/design/scheduling.md has the formula and the bound of each rule.
struct Tenant {
    Level base_level = kDefaultLevel;  ///< Of a vCPU that makes no claim (it boots, has no driver,
                                       ///< or boards are switched off).
    Level ceiling = 0;                 ///< Claims more urgent than this are cut to it.
    std::uint32_t weight = 100;        ///< Share within a level, relative to the other guests'.
    /// Permille of one CPU that the guest may run at levels more urgent than base_level. While the
    /// budget is used up its claims count as base_level. 0: no limit.
    std::uint32_t budget_rate = 0;
    Nanos budget_burst_ns = 0;  ///< What an unused budget grows to; 0: kDefaultBudgetBurst.
    /// Permille of one CPU that the guest gets whatever others claim, while it has work; 0: none.
    std::uint32_t share = 0;
    bool hides_others = false;  ///< It is not shown which levels of other guests wait.
    std::optional<int> nice;    ///< Of its threads under `linux-nice`, -20 to 19; nothing: as far
                                ///< from 0 as base_level is from the default, at most 19.
};

inline constexpr Nanos kDefaultBudgetBurst = 10'000'000;

/// The first thing in which a tenant of so many vCPUs contradicts itself, and what would be
/// accepted; empty when there is none.
constexpr std::string_view contradiction(const Tenant& tenant, unsigned cpus) {
    if (tenant.base_level >= kLevels || tenant.ceiling >= kLevels) {
        return "levels go from 0 to 63";
    }
    if (tenant.ceiling > tenant.base_level) {
        return "the ceiling is less urgent than the base level; give a ceiling from 0 to the base "
               "level";
    }
    if (tenant.weight == 0) {
        return "the weight is 0; give 1 or more";
    }
    if (tenant.nice && (*tenant.nice < -20 || *tenant.nice > 19)) {
        return "nice values go from -20 to 19";
    }
    if (tenant.budget_rate == 0 && tenant.budget_burst_ns != 0) {
        return "a budget burst means nothing without a budget rate; give both or neither";
    }
    if (tenant.share > std::uint64_t{1000} * cpus) {
        return "the guaranteed share is more than the guest's virtual CPUs can use; give up to "
               "1000 permille for each";
    }
    return {};
}

/// What one guest's code caches hold together by default, split evenly over its vCPUs.
inline constexpr std::uint64_t kDefaultCodeCacheBytes = std::uint64_t{64} << 20;

/// One guest, as a person describes it on the command line or in a fleet file.
struct GuestConfig {
    std::string name = "guest";
    unsigned cpus = 1;  ///< Virtual CPUs that are the guest's own.
    /// Virtual CPUs that it may have at most; those beyond its own are granted when it asks and
    /// there is a worker for them, and taken back. 0: its own only. They need boards.
    unsigned max_cpus = 0;
    std::uint64_t memory_bytes = std::uint64_t{128} << 20;
    std::string engine = "auto";
    std::uint64_t code_cache_bytes = kDefaultCodeCacheBytes;  ///< Of all vCPUs together.
    /// Let the engine count for VcpuReport::engine even what costs the guest speed to count.
    bool engine_stats = false;
    std::string kernel;                ///< Path of an ELF or RISC-V Image (raw or gzip).
    std::vector<std::string> initrds;  ///< Paths; concatenated in order after `initrd_bytes`.
    std::vector<std::uint8_t> initrd_bytes;
    std::string cmdline;
    std::vector<Grant> grants;
    /// Files that the guest may have open at once, 1 to 65535; more fail with ENFILE. Fewer when
    /// the process itself may not open so many: the guests share what there is evenly.
    unsigned open_files = 1024;
    Tenant tenant;
    std::uint64_t timebase_hz = 1'000'000'000;
    std::uint32_t cops_device_id = 65535;  ///< Device id under which virtio-cops appears.
    bool boards = true;  ///< Offer VIRTIO_COPS_F_BOARD; false: the host is blind to claims.
    bool user_interrupts = true;  ///< Announce the N extension.
    bool reboot = true;           ///< False: a guest that asks for reset ends with Ending::reset.
    /// The fleet does not wait for it: when all others have ended, it is ended (Ending::stopped).
    bool background = false;
    /// What Fleet::save() returned for a guest of the same shape: continue there instead of
    /// booting.
    std::vector<std::uint8_t> saved_state;
    /// Where to listen for a debugger (docs/debugging.md); empty: nowhere. With one, the guest is
    /// held before its first instruction until the debugger lets it go.
    std::string gdb;
    /// Write every instruction that retires to this file (docs/debugging.md has the format).
    std::string trace_insns;
    /// ELF files that name the guest's code in profiles; others are skipped.
    std::vector<std::string> symbol_files;
    std::string dump_dtb;  ///< Write the device tree there before the start; empty: don't.
};

/// Real time at the beginning of a deterministic run, in nanoseconds since 1970: what happened
/// to files since then happened at that time. 2020-01-01T00:00:00Z.
inline constexpr std::uint64_t kDeterministicEpoch = 1'577'836'800'000'000'000;

/// Virtual CPUs that the guest's machine has: all that it may ever run.
constexpr unsigned machine_cpus(const GuestConfig& guest) noexcept {
    return guest.boards && guest.max_cpus > guest.cpus ? guest.max_cpus : guest.cpus;
}

/// A fleet: guests in one process on shared workers under one policy.
struct FleetConfig {
    /// Host threads that run vCPUs; under a policy of available_policies() that begins with
    /// "linux" every vCPU has its own thread, and this is the number of CPUs that they may use.
    unsigned workers = 1;
    std::string policy = "priority";
    Nanos quantum_ns = 0;  ///< How long a turn lasts under policy "rr"; 0: a millisecond.
    /// A worker with nothing to run looks for work for so long before it sleeps, at most.
    Nanos poll_ns = 200'000;
    /// One more host thread picks vCPUs for all workers; else each worker picks for itself. Not in
    /// the host's modes.
    bool dispatcher = false;
    /// CPUs of the host: worker k keeps to pin[k], the threads of "linux" to the first `workers` of
    /// them. Empty: workers run where the process may, those threads on the first CPUs of that.
    std::vector<unsigned> pin;
    /// Makes the run deterministic (docs/design/deterministic.md): guests live in virtual time, and
    /// the same configuration, files and seed give the same run on every engine. Needs one worker
    /// that is not pinned, a policy other than "linux...", and guests without a debugger.
    std::optional<std::uint64_t> seed;
    /// With a seed: where to write what comes from outside (console input, what is read from pipes
    /// and terminals), or a file from which all of that comes. At most one of them; empty: none.
    std::string record_input;
    std::string replay_input;
    /// Tell Linux `perf` what translated guest code is, in /tmp/perf-PID.map. Needs engines that
    /// translate to host code.
    bool perf_map = false;
    /// Write what the policy was told and decided to this file (docs/design/tracing.md has the
    /// format); empty: don't. Needs a policy.
    std::string record_decisions;
    /// Write a trace for Perfetto to this file (docs/design/tracing.md); empty: don't.
    std::string trace;
    std::vector<GuestConfig> guests;
};

}  // namespace vmm
