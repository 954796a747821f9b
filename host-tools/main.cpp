// SPDX-License-Identifier: Apache-2.0
// The `cops` command.
#include "boot/images.hpp"
#include "console/message.hpp"
#include "control/client.hpp"
#include "experiment/experiment.hpp"
#include "options/command_line.hpp"
#include "options/fleet_file.hpp"
#include "report/findings.hpp"
#include "run/exit_code.hpp"
#include "run/fleet_handle.hpp"
#include "run/logging.hpp"
#include "run/prepare.hpp"
#include "run/session.hpp"
#include "run/signals.hpp"
#include "support/failure.hpp"

#include <vmm/decisions.hpp>

#include <fmt/format.h>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <span>
#include <string>
#include <variant>
#include <vector>

namespace tools {
namespace {

/// A descriptor 0, 1 or 2 that is closed would be taken by the next file that we open, and guests'
/// output would go there. Writing to a closed stdout stays the error that it is.
void fill_standard_descriptors() {
    for (int fd = 0; fd <= 2; ++fd) {
        if (::fcntl(fd, F_GETFD) == -1) {
            (void)!::open("/dev/null", fd == 2 ? O_WRONLY : O_RDONLY);
        }
    }
}

/// Guests hold files open on our account, up to a thousand each: as many as the host allows.
void raise_file_limit() {
    ::rlimit files{};
    if (::getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        ::setrlimit(RLIMIT_NOFILE, &files);
    }
}

int run_fleet(const FleetOptions& options, bool console, Signals& signals) {
    set_up_logging(options.log_level);
    const SessionOptions session{
        .console = console,
        .engine_stats = options.engine_stats,
        .json = options.json,
        .control = options.control,
        .metrics = options.metrics,
    };
    return run_session(prepare(options, Images::beside_program()), session, make_fleet, signals);
}

int execute(const RunCommand& command, const Catalogue&, Signals& signals) {
    return run_fleet(command.fleet, true, signals);
}

int run_several(const FleetOptions& fleet, const UpCommand& command, Signals& signals) {
    set_up_logging(fleet.log_level);
    const ExperimentOptions experiment{
        .policies = command.policies.empty() ? std::vector{fleet.policy} : command.policies,
        .repeat = command.repeat.value_or(1),
        .csv = command.csv,
    };
    const Images images = Images::beside_program();
    return run_experiment(
        fleet,
        experiment,
        [&images](const FleetOptions& options) { return prepare(options, images); },
        make_fleet,
        signals
    );
}

int execute(const UpCommand& command, const Catalogue& catalogue, Signals& signals) {
    FleetOptions fleet = read_fleet_file(command.file, catalogue);
    const bool has_rr = command.policies.empty()
                        || std::ranges::find(command.policies, "rr") != command.policies.end();
    if (!command.policies.empty()) {
        fleet.policy = command.policies.front();
    }
    // The quantum of the file is for the policy of the file.
    const bool other_policy = !has_rr;
    fleet.quantum_ns = command.quantum_ns.value_or(other_policy ? 0 : fleet.quantum_ns);
    fleet.workers = command.workers.value_or(fleet.workers);
    fleet.poll_us = command.poll_us.value_or(fleet.poll_us);
    fleet.dispatcher = fleet.dispatcher || command.dispatcher;
    fleet.pin = command.pin.value_or(fleet.pin);
    fleet.log_level = command.log_level.value_or(fleet.log_level);
    fleet.deterministic = fleet.deterministic || command.deterministic;
    fleet.seed = command.seed ? command.seed : fleet.seed;
    fleet.record = command.record;
    fleet.replay = command.replay;
    if (const auto wrong = determinism_contradiction(fleet); !wrong.empty()) {
        throw configuration_failure(wrong);
    }
    fleet.json = command.json;
    fleet.engine_stats = command.engine_stats;
    fleet.perf_map = command.perf_map;
    fleet.record_decisions = command.record_decisions;
    fleet.trace = command.trace;
    fleet.control = command.control.empty() ? fleet.control : command.control;
    fleet.metrics = command.metrics ? command.metrics : fleet.metrics;
    for (GuestOptions& guest : fleet.guests) {
        guest.config.boards = guest.config.boards && !command.no_boards;
    }
    return is_experiment(command) ? run_several(fleet, command, signals)
                                  : run_fleet(fleet, false, signals);
}

void print(const std::string& text) {
    if (std::fputs(text.c_str(), stdout) < 0 || std::fflush(stdout) != 0) {
        throw Failure(vmm::ErrorKind::internal, "cannot write to stdout");
    }
}

int execute(const ControlCommand& command, const Catalogue&, Signals&) {
    print(ask_running_command(command.control, command.request, command.json));
    return kExitOk;
}

int execute(const CheckDecisionsCommand& command, const Catalogue&, Signals&) {
    const auto findings = value_or_failure(
        vmm::check_decisions(command.file, {.obey_ns = 1000 * vmm::Nanos{command.obey_us}})
    );
    print(command.json ? findings_json(findings) : findings_table(findings));
    return all_hold(findings) ? kExitOk : exit_code(vmm::ErrorKind::internal);
}

int execute(const PrintCommand& command, const Catalogue&, Signals&) {
    print(command.text);
    return kExitOk;
}

int run(std::span<const std::string> words) {
    fill_standard_descriptors();
    raise_file_limit();
    Signals signals;
    const Catalogue catalogue{vmm::available_policies(), vmm::available_engines()};
    const Command command = parse_command_line(words, catalogue);
    return std::visit(
        [&](const auto& chosen) { return execute(chosen, catalogue, signals); }, command
    );
}

}  // namespace
}  // namespace tools

int main(int argc, char** argv) {
    try {
        const std::vector<std::string> words(argv + 1, argv + argc);
        return tools::run(words);
    } catch (const tools::Failure& failure) {
        tools::say(STDERR_FILENO, fmt::format("cops: error: {}\n", failure.what()));
        return tools::exit_code(failure.kind());
    } catch (const std::exception& error) {
        tools::say(STDERR_FILENO, fmt::format("cops: error: internal: {}\n", error.what()));
        return tools::exit_code(vmm::ErrorKind::internal);
    }
}
