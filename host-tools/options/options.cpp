// SPDX-License-Identifier: Apache-2.0
#include "options/options.hpp"

#include "options/values.hpp"

#include <fmt/format.h>

#include <array>
#include <limits>

namespace tools {
namespace {

constexpr std::uint64_t kMaxCpus = 64;
static_assert(vmm::kDefaultLevel == 16, "the help of base-level says so");
constexpr std::uint64_t kMaxWorkers = 256;
constexpr std::uint64_t kMostPermille = 1000 * kMaxCpus;
static_assert(vmm::kDefaultBudgetBurst == 10'000'000, "the help of budget-burst says so");
constexpr std::array<std::string_view, 7> kLogLevels{
    "trace", "debug", "info", "warning", "error", "critical", "off"
};

constexpr std::array<std::string_view, 2> kIsaSwitches{"n=on", "n=off"};

using Text = std::string_view;
using Context = ValueContext;

// clang-format off
constexpr std::array kGuestOptions{
    GuestOption{"name", "NAME", ValueKind::text, Place::fleet_file,
        "the guest's name in messages, prefixes and tables",
        [](GuestOptions& g, Text v, const Context&) { g.config.name = parse_guest_name(v); }},
    GuestOption{"app", "APP", ValueKind::text, Place::fleet_file,
        "static RISC-V ELF, or the name of a shipped application (a name with a slash is a path)",
        [](GuestOptions& g, Text v, const Context& c) {
            g.app = v.find('/') == Text::npos && !v.empty() ? std::string(v) : parse_path(v, c.base);
        }},
    GuestOption{"args", "WORD", ValueKind::list, Place::fleet_file,
        "arguments of the application",
        [](GuestOptions& g, Text v, const Context&) { g.arguments.emplace_back(v); }},
    GuestOption{"cpus", "N", ValueKind::number, Place::anywhere,
        "virtual CPUs, 1 to 64 [1]",
        [](GuestOptions& g, Text v, const Context&) {
            g.config.cpus = static_cast<unsigned>(parse_number(v, 1, kMaxCpus));
        }},
    GuestOption{"max-cpus", "N", ValueKind::number, Place::anywhere,
        "virtual CPUs that the guest may have at most, up to 64: those beyond --cpus while it asks for "
        "them and workers have nothing else to run [as --cpus]",
        [](GuestOptions& g, Text v, const Context&) {
            g.config.max_cpus = static_cast<unsigned>(parse_number(v, 1, kMaxCpus));
        }},
    GuestOption{"memory", "SIZE", ValueKind::size, Place::anywhere,
        "guest memory, such as 256M or 1G; a plain number counts MiB [128M]",
        [](GuestOptions& g, Text v, const Context&) { g.config.memory_bytes = parse_memory_size(v); }},
    GuestOption{"engine", "NAME", ValueKind::text, Place::anywhere,
        "what executes guest instructions: auto (the best of this host), dbt, interp [auto]",
        [](GuestOptions& g, Text v, const Context& c) {
            g.config.engine = parse_name(v, c.catalogue.engines);
        }},
    GuestOption{"isa", "NAME=on|off", ValueKind::text, Place::anywhere,
        "extension of the guest's CPUs: n (user-level interrupts; without, the guest's kernel takes "
        "completions to the application) [n=on]",
        [](GuestOptions& g, Text v, const Context&) {
            g.config.user_interrupts = parse_name(v, kIsaSwitches) == "n=on";
        }},
    GuestOption{"code-cache", "SIZE", ValueKind::size, Place::anywhere,
        "host memory for translated code, all virtual CPUs together, 1M to 4G [64M]",
        [](GuestOptions& g, Text v, const Context&) {
            g.config.code_cache_bytes = parse_code_cache_size(v);
        }},
    GuestOption{"kernel", "FILE", ValueKind::text, Place::anywhere,
        "boot this S-mode kernel (ELF, or RISC-V Image raw or gzip) in place of an application",
        [](GuestOptions& g, Text v, const Context& c) { g.config.kernel = parse_path(v, c.base); }},
    GuestOption{"initrd", "FILE", ValueKind::list, Place::anywhere,
        "archive for the guest; repeat to append more",
        [](GuestOptions& g, Text v, const Context& c) {
            g.config.initrds.push_back(parse_path(v, c.base));
        }},
    GuestOption{"cmdline", "TEXT", ValueKind::text, Place::anywhere,
        "kernel command line",
        [](GuestOptions& g, Text v, const Context&) { g.config.cmdline = v; }},
    GuestOption{"env", "KEY=VALUE", ValueKind::list, Place::anywhere,
        "environment variable of the application; repeat for more",
        [](GuestOptions& g, Text v, const Context&) {
            g.environment.push_back(parse_environment(v));
        }},
    GuestOption{"grant", "GRANT", ValueKind::list, Place::anywhere,
        "let the guest use a file or folder as /host/NAME: NAME=file:PATH[:ro|:rw] or "
        "NAME=dir:PATH[:ro|:rw], read-only by default; repeat for more",
        [](GuestOptions& g, Text v, const Context& c) {
            g.config.grants.push_back(parse_grant(v, c.base));
        }},
    GuestOption{"open-files", "N", ValueKind::number, Place::anywhere,
        "files that the guest may have open at once, 1 to 65535 [1024]",
        [](GuestOptions& g, Text v, const Context&) {
            g.config.open_files = static_cast<unsigned>(parse_number(v, 1, 65535));
        }},
    GuestOption{"base-level", "LEVEL", ValueKind::number, Place::anywhere,
        "level of work that carries none, 0 (most urgent) to 63 [16]",
        [](GuestOptions& g, Text v, const Context&) {
            g.config.tenant.base_level = static_cast<vmm::Level>(parse_number(v, 0, 63));
        }},
    GuestOption{"ceiling", "LEVEL", ValueKind::number, Place::anywhere,
        "the most urgent level that this guest may claim, 0 to its base level [0]",
        [](GuestOptions& g, Text v, const Context&) {
            g.config.tenant.ceiling = static_cast<vmm::Level>(parse_number(v, 0, 63));
        }},
    GuestOption{"weight", "N", ValueKind::number, Place::fleet_file,
        "share of CPU time among guests at one level, 1 to 10000 [100]",
        [](GuestOptions& g, Text v, const Context&) {
            g.config.tenant.weight = static_cast<std::uint32_t>(parse_number(v, 1, 10000));
        }},
    GuestOption{"nice", "N", ValueKind::number, Place::fleet_file,
        "nice value of the guest's threads under the policy linux-nice, -20 to 19 "
        "[base-level - 16, at most 19]",
        [](GuestOptions& g, Text v, const Context&) {
            g.config.tenant.nice = static_cast<int>(parse_signed_number(v, -20, 19));
        }},
    GuestOption{"budget-rate", "PERMILLE", ValueKind::number, Place::anywhere,
        "time that the guest may run at levels more urgent than its base level, 1 to 64000 permille "
        "of one CPU; while it is used up, claims count as the base level [no limit]",
        [](GuestOptions& g, Text v, const Context&) {
            g.config.tenant.budget_rate = static_cast<std::uint32_t>(parse_number(v, 1, kMostPermille));
        }},
    GuestOption{"budget-burst", "US", ValueKind::number, Place::anywhere,
        "with budget-rate: what an unused budget grows to, 100 to 60000000 microseconds [10000]",
        [](GuestOptions& g, Text v, const Context&) {
            g.config.tenant.budget_burst_ns = parse_number(v, 100, 60'000'000) * 1000;
        }},
    GuestOption{"share", "PERMILLE", ValueKind::number, Place::fleet_file,
        "time that the guest gets whatever others claim, while it has work: 1 to 64000 permille of "
        "one CPU [none]",
        [](GuestOptions& g, Text v, const Context&) {
            g.config.tenant.share = static_cast<std::uint32_t>(parse_number(v, 1, kMostPermille));
        }},
    GuestOption{"background", "", ValueKind::flag, Place::fleet_file,
        "do not wait for this guest: when all others have ended, it is ended",
        [](GuestOptions& g, Text v, const Context&) { g.config.background = v == "true"; }},
    GuestOption{"samples", "", ValueKind::flag, Place::fleet_file,
        "with --csv: the guest may write its raw samples to the file that COPS_SAMPLES of its environment names",
        [](GuestOptions& g, Text v, const Context&) { g.samples = v == "true"; }},
    GuestOption{"hide-others", "", ValueKind::flag, Place::anywhere,
        "do not show the guest which levels of other guests wait for the host's workers",
        [](GuestOptions& g, Text v, const Context&) { g.config.tenant.hides_others = v == "true"; }},
    GuestOption{"timebase", "HZ", ValueKind::number, Place::anywhere,
        "frequency of the guest's time counter [1000000000]",
        [](GuestOptions& g, Text v, const Context&) {
            g.config.timebase_hz = parse_number(v, 1000, 1'000'000'000'000);
        }},
    GuestOption{"cops-device-id", "N", ValueKind::number, Place::anywhere,
        "virtio device id under which virtio-cops appears [65535]",
        [](GuestOptions& g, Text v, const Context&) {
            g.config.cops_device_id = static_cast<std::uint32_t>(
                parse_number(v, 1, std::numeric_limits<std::uint32_t>::max()));
        }},
    GuestOption{"gdb", "ADDRESS", ValueKind::text, Place::anywhere,
        "hold the guest before its first instruction and let gdb-multiarch control it: unix:PATH, "
        "tcp:ADDR:PORT (this host only) or tcp-public:ADDR:PORT",
        [](GuestOptions& g, Text v, const Context& c) {
            g.config.gdb = parse_debug_address(v, c.base);
        }},
    GuestOption{"trace-insns", "FILE", ValueKind::text, Place::anywhere,
        "write every instruction to FILE, with what it changed; slow",
        [](GuestOptions& g, Text v, const Context& c) {
            g.config.trace_insns = parse_path(v, c.base);
        }},
    GuestOption{"dump-dtb", "FILE", ValueKind::text, Place::anywhere,
        "write the guest's device tree to FILE before it starts",
        [](GuestOptions& g, Text v, const Context& c) { g.config.dump_dtb = parse_path(v, c.base); }},
    GuestOption{"no-boards", "", ValueKind::flag, Place::anywhere,
        "hide the guest's ready levels from the host: it is scheduled at its base level",
        [](GuestOptions& g, Text v, const Context&) { g.config.boards = v != "true"; }},
    GuestOption{"no-reboot", "", ValueKind::flag, Place::anywhere,
        "end when the guest asks for a reset (exit code 32)",
        [](GuestOptions& g, Text v, const Context&) { g.config.reboot = v != "true"; }},
};

constexpr std::array kFleetOptions{
    FleetOption{"policy", "NAME", ValueKind::text, Place::anywhere,
        "how vCPUs share the workers: priority, fair, rr, pvsched; or a host thread for each vCPU, left to the "
        "host's scheduler: linux, linux-nice, linux-fifo; 'cops up' compares several: a,b,c [priority]",
        [](FleetOptions& f, Text v, const Context& c) {
            f.policy = parse_name(v, c.catalogue.policies);
        }},
    FleetOption{"quantum", "US", ValueKind::number, Place::anywhere,
        "with policy rr: how long a turn lasts, 50 to 1000000 microseconds [1000]",
        [](FleetOptions& f, Text v, const Context&) {
            f.quantum_ns = parse_number(v, 50, 1'000'000) * 1000;
        }},
    FleetOption{"workers", "N", ValueKind::number, Place::anywhere,
        "host threads that run vCPUs, 1 to 256; under linux, linux-nice and linux-fifo the CPUs that "
        "the vCPUs' threads may use [1]",
        [](FleetOptions& f, Text v, const Context&) {
            f.workers = static_cast<unsigned>(parse_number(v, 1, kMaxWorkers));
        }},
    FleetOption{"poll", "US", ValueKind::number, Place::anywhere,
        "a worker with nothing to run looks for work for at most US microseconds before it sleeps, "
        "0 to 1000 [200]",
        [](FleetOptions& f, Text v, const Context&) {
            f.poll_us = static_cast<unsigned>(parse_number(v, 0, 1000));
        }},
    FleetOption{"dispatcher", "", ValueKind::flag, Place::anywhere,
        "one more thread picks virtual CPUs for all workers, which then only run them; without, each "
        "worker picks for itself. Not under linux, linux-nice and linux-fifo",
        [](FleetOptions& f, Text v, const Context&) { f.dispatcher = v == "true"; }},
    FleetOption{"pin", "CPULIST", ValueKind::text, Place::anywhere,
        "CPUs for the workers, such as 0-3,8: each keeps to one, in this order, the dispatcher to the one "
        "behind theirs; the threads of linux, "
        "linux-nice and linux-fifo to the first N of --workers N [not pinned]",
        [](FleetOptions& f, Text v, const Context&) { f.pin = parse_cpu_list(v); }},
    FleetOption{"deterministic", "", ValueKind::flag, Place::anywhere,
        "run in virtual time: the same seed, guests and files give the same run, on every engine and "
        "host; one worker, no host threads, no input",
        [](FleetOptions& f, Text v, const Context&) { f.deterministic = v == "true"; }},
    FleetOption{"seed", "N", ValueKind::number, Place::anywhere,
        "with deterministic: draws the times that requests take, and guests' random numbers [0]",
        [](FleetOptions& f, Text v, const Context&) {
            f.seed = parse_number(v, 0, std::numeric_limits<std::uint64_t>::max());
        }},
    FleetOption{"record", "FILE", ValueKind::text, Place::command_line,
        "with deterministic: read stdin, and write to FILE what comes from outside (stdin, granted pipes "
        "and terminals)",
        [](FleetOptions& f, Text v, const Context& c) { f.record = parse_path(v, c.base); }},
    FleetOption{"replay", "FILE", ValueKind::text, Place::command_line,
        "with deterministic: all of that comes from FILE, as it was recorded",
        [](FleetOptions& f, Text v, const Context& c) { f.replay = parse_path(v, c.base); }},
    FleetOption{"json", "FILE", ValueKind::text, Place::command_line,
        "write the report of the run to FILE, for machines",
        [](FleetOptions& f, Text v, const Context& c) { f.json = parse_path(v, c.base); }},
    FleetOption{"engine-stats", "", ValueKind::flag, Place::command_line,
        "tell at the end what the engine did: on stderr, and in the report",
        [](FleetOptions& f, Text v, const Context&) { f.engine_stats = v == "true"; }},
    FleetOption{"perf-map", "", ValueKind::flag, Place::command_line,
        "name translated guest code for Linux perf in /tmp/perf-PID.map",
        [](FleetOptions& f, Text v, const Context&) { f.perf_map = v == "true"; }},
    FleetOption{"record-decisions", "FILE", ValueKind::text, Place::command_line,
        "write to FILE what the policy was told and what it decided, as lines of JSON",
        [](FleetOptions& f, Text v, const Context& c) { f.record_decisions = parse_path(v, c.base); }},
    FleetOption{"trace", "FILE", ValueKind::text, Place::command_line,
        "write a trace of workers, virtual CPUs and requests to FILE, for Perfetto (ui.perfetto.dev)",
        [](FleetOptions& f, Text v, const Context& c) { f.trace = parse_path(v, c.base); }},
    FleetOption{"control", "PATH", ValueKind::text, Place::anywhere,
        "let 'cops ps', 'pause', 'resume', 'stop', 'stats' and 'tenant' reach this run by a socket at "
        "PATH; only you may use it",
        [](FleetOptions& f, Text v, const Context& c) {
            f.control = parse_socket_path(v, c.base);
        }},
    FleetOption{"metrics", "ADDR:PORT", ValueKind::text, Place::anywhere,
        "serve metrics for Prometheus at http://ADDR:PORT/metrics (an IP address; port 0: any), or on "
        "the socket unix:PATH",
        [](FleetOptions& f, Text v, const Context& c) {
            f.metrics = parse_listen_address(v, c.base);
        }},
    FleetOption{"log-level", "LEVEL", ValueKind::text, Place::anywhere,
        "trace, debug, info, warning, error, critical or off [warning]; logs go to stderr",
        [](FleetOptions& f, Text v, const Context&) { f.log_level = parse_name(v, kLogLevels); }},
};
// clang-format on

}  // namespace

std::string determinism_contradiction(const FleetOptions& options) {
    if (!options.deterministic) {
        return options.seed              ? "seed is for deterministic runs; add deterministic"
               : !options.record.empty() ? "record is for deterministic runs; add deterministic"
               : !options.replay.empty() ? "replay is for deterministic runs; add deterministic"
                                         : "";
    }
    if (!options.record.empty() && !options.replay.empty()) {
        return "record and replay exclude each other; give one of them";
    }
    if (options.policy.starts_with("linux")) {
        return fmt::format(
            "deterministic needs a policy: under {} the host's scheduler decides", options.policy
        );
    }
    if (options.workers != 1) {
        return fmt::format(
            "deterministic has one worker: {} would race with each other", options.workers
        );
    }
    if (options.dispatcher) {
        return "deterministic has one thread that decides and runs; leave dispatcher out";
    }
    if (!options.pin.empty()) {
        return "deterministic does not depend on the host's CPUs; leave pin out";
    }
    for (const GuestOptions& guest : options.guests) {
        if (!guest.config.gdb.empty()) {
            return "deterministic and gdb exclude each other: a debugger stops a guest when people "
                   "like";
        }
    }
    return "";
}

std::span<const GuestOption> guest_options() {
    return kGuestOptions;
}

std::span<const FleetOption> fleet_options() {
    return kFleetOptions;
}

}  // namespace tools
