// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "control/listener.hpp"

#include <vmm/config.hpp>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tools {

/// What this build of libvmm can do, for checking names where line and file are still known.
struct Catalogue {
    std::vector<std::string_view> policies;
    std::vector<std::string_view> engines;
};

/// One guest as a person described it. `config` lacks what only files can tell (initrd_bytes).
struct GuestOptions {
    vmm::GuestConfig config;
    std::string app;  ///< Path or shipped name; empty when a kernel is given.
    std::vector<std::string> arguments;
    std::vector<std::string> environment;
    bool samples = false;  ///< With --csv: it may write its raw samples.
};

/// What concerns all guests of one command.
struct FleetOptions {
    unsigned workers = 1;
    std::string policy = "priority";
    vmm::Nanos quantum_ns = 0;  ///< Of policy rr; 0: its default.
    unsigned poll_us = 200;
    bool dispatcher = false;    ///< One thread picks for all workers.
    std::vector<unsigned> pin;  ///< CPUs of the host; empty: the workers keep to none.
    bool deterministic = false;
    std::optional<std::uint64_t> seed;  ///< Only with `deterministic`; without, 0.
    std::string record;  ///< Path of what comes from outside, to be written; empty: none.
    std::string replay;  ///< The same to be read.
    std::string log_level = "warning";
    bool engine_stats = false;
    bool perf_map = false;
    std::string record_decisions;  ///< Path; empty: don't.
    std::string trace;             ///< Likewise.
    std::string json;              ///< Path of the report; empty: none.
    std::string control;           ///< Path of the control socket; empty: none.
    std::optional<ListenAddress> metrics;
    std::vector<GuestOptions> guests;
};

/// Why a deterministic run can't be as the options say, in one sentence; empty: it can.
std::string determinism_contradiction(const FleetOptions& options);

/// Where values are applied, and what they are checked against.
struct ValueContext {
    const Catalogue& catalogue;
    std::filesystem::path base;  ///< Folder of the fleet file; empty on the command line.
};

enum class ValueKind : std::uint8_t {
    flag,    ///< `--name`, in a fleet file `name = true`.
    number,  ///< `--name N`; in a fleet file an integer.
    text,    ///< `--name TEXT`; in a fleet file a string.
    size,    ///< A string or an integer (MiB).
    list,    ///< Any number of times; in a fleet file an array of strings.
};

/// Where an option may be written.
enum class Place : std::uint8_t { anywhere, command_line, fleet_file };

/// One option of `Target`: the same name, check and meaning on the command line and in fleet files.
template <class Target>
struct Option {
    std::string_view name;
    std::string_view value_name;
    ValueKind kind;
    Place place;
    std::string_view help;
    /// Throws BadValue. Flags are set by "true".
    void (*set)(Target&, std::string_view value, const ValueContext&);
};

using GuestOption = Option<GuestOptions>;
using FleetOption = Option<FleetOptions>;

/// Options of one guest: `cops run`, and keys of [[guest]].
std::span<const GuestOption> guest_options();
/// Options of the whole: `cops run` and `cops up`, and keys at the top of a fleet file.
std::span<const FleetOption> fleet_options();

/// Names that options of `options` have at `place`.
template <class Target>
std::vector<std::string_view> option_names(std::span<const Option<Target>> options, Place place) {
    std::vector<std::string_view> names;
    for (const Option<Target>& option : options) {
        if (option.place == Place::anywhere || option.place == place) {
            names.push_back(option.name);
        }
    }
    return names;
}

}  // namespace tools
