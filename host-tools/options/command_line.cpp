// SPDX-License-Identifier: Apache-2.0
#include "options/command_line.hpp"

#include "options/fleet_file.hpp"
#include "options/help.hpp"
#include "options/tenant_keys.hpp"
#include "options/values.hpp"
#include "support/failure.hpp"
#include "support/suggest.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <utility>

namespace tools {
namespace {

using Words = std::vector<std::string>;
using Values = std::map<std::string_view, Words>;

/// The options of one command as CLI11 sees them; values are kept as written, and checked by the
/// options themselves.
class Parser {
public:
    /// `words_end_options`: whatever follows the first word that is no option belongs to the guest.
    Parser(std::string_view command, bool words_end_options)
        : app_("", "cops " + std::string(command))
        , command_(command) {
        app_.set_help_flag();
        if (words_end_options) {
            app_.prefix_command();
        } else {
            app_.allow_extras();
        }
        add_flag("help");
    }

    void add_flag(std::string_view name) {
        names_.push_back(name);
        flags_.push_back(name);
        auto* option = app_.add_flag_function(dashes(name), [this, name](std::int64_t) {
            values_[name] = {"true"};
        });
        option->disable_flag_override();
    }

    void add_value(std::string_view name, bool repeatable) {
        names_.push_back(name);
        auto* option = app_.add_option_function<Words>(dashes(name), [this, name](const Words& v) {
            values_[name] = v;
        });
        option->type_size(1)->expected(1)->allow_extra_args(false);
        option->multi_option_policy(
            repeatable ? CLI::MultiOptionPolicy::TakeAll : CLI::MultiOptionPolicy::Throw
        );
    }

    template <class Target>
    void add(std::span<const Option<Target>> options) {
        for (const Option<Target>& option : options) {
            if (option.place == Place::fleet_file) {
                continue;
            }
            if (option.kind == ValueKind::flag) {
                add_flag(option.name);
            } else {
                add_value(option.name, option.kind == ValueKind::list);
            }
        }
    }

    /// Returns the words that are no options; a leading `--` is dropped.
    Words parse(std::span<const std::string> words) {
        Words reversed(words.rbegin(), words.rend());
        try {
            app_.parse(reversed);
        } catch (const CLI::ArgumentMismatch&) {
            throw usage_failure(mismatch(words));
        } catch (const CLI::ParseError& error) {
            throw usage_failure(fmt::format("{} ({})", error.what(), hint()));
        }
        Words rest = app_.remaining();
        if (!rest.empty() && rest.front() == "--") {
            rest.erase(rest.begin());
            return rest;
        }
        for (const std::string& word : rest) {
            if (word.size() > 1 && word.front() == '-') {
                throw usage_failure(unknown(word));
            }
            if (app_.get_prefix_command()) {
                break;
            }
        }
        return rest;
    }

    /// What `check` makes of the value of an option that was given.
    template <class Check>
    auto checked(std::string_view name, Check check) const {
        try {
            return check(values_.at(name).back());
        } catch (const BadValue& bad) {
            throw usage_failure(fmt::format("--{}: {}", name, bad.what()));
        }
    }
    bool has(std::string_view name) const { return values_.contains(name); }
    std::string hint() const { return fmt::format("see 'cops help {}'", command_); }

    /// But for the option `except`.
    template <class Target>
    void apply(
        std::span<const Option<Target>> options,
        Target& target,
        const ValueContext& context,
        std::string_view except = {}
    ) const {
        for (const Option<Target>& option : options) {
            const auto found = values_.find(option.name);
            if (found == values_.end() || option.name == except) {
                continue;
            }
            for (const std::string& value : found->second) {
                try {
                    option.set(target, value, context);
                } catch (const BadValue& bad) {
                    throw usage_failure(fmt::format("--{}: {}", option.name, bad.what()));
                }
            }
        }
    }

private:
    static std::string dashes(std::string_view name) {
        return "--" + std::string(name) + (name == "help" ? ",-h" : "");
    }

    std::string unknown(std::string_view word) const {
        std::string_view bare = word.substr(0, word.find('='));
        bare.remove_prefix(std::min(bare.find_first_not_of('-'), bare.size()));
        const auto candidate = closest(bare, names_);
        return fmt::format(
            "unknown option '{}'{} ({})",
            word,
            candidate ? fmt::format("; did you mean '--{}'?", *candidate) : "",
            hint()
        );
    }

    /// CLI11 names neither the option nor the count in a way people can use.
    std::string mismatch(std::span<const std::string> words) const {
        for (const std::string_view name : names_) {
            const std::string flag = "--" + std::string(name);
            const auto count = std::ranges::count_if(words, [&flag](const std::string& word) {
                return word == flag || word.starts_with(flag + "=");
            });
            if (count > 1 && !repeatable(flag)) {
                return fmt::format("{} is given more than once ({})", flag, hint());
            }
            if (std::ranges::find(flags_, name) != flags_.end()) {
                for (const std::string& word : words) {
                    if (word.starts_with(flag + "=")) {
                        return fmt::format("{} takes no value ({})", flag, hint());
                    }
                }
            } else if (!words.empty() && words.back() == flag) {
                return fmt::format("{} needs a value ({})", flag, hint());
            }
        }
        return fmt::format("an option lacks its value ({})", hint());
    }

    bool repeatable(const std::string& flag) const {
        return app_.get_option(flag)->get_multi_option_policy() == CLI::MultiOptionPolicy::TakeAll;
    }

    CLI::App app_;
    std::string command_;
    std::vector<std::string_view> names_;
    std::vector<std::string_view> flags_;  // those of names_ that take no value
    Values values_;
};

Command parse_run(std::span<const std::string> words, const ValueContext& context) {
    Parser parser("run", true);
    parser.add(guest_options());
    parser.add(fleet_options());
    Words rest = parser.parse(words);
    if (parser.has("help")) {
        return PrintCommand{help_text("run")};
    }
    RunCommand command;
    GuestOptions guest;
    parser.apply(fleet_options(), command.fleet, context);
    parser.apply(guest_options(), guest, context);
    if (!guest.config.kernel.empty() && !rest.empty()) {
        throw usage_failure(fmt::format(
            "--kernel boots that kernel alone and takes no application, but '{}' is given; put "
            "what the kernel shall read into --cmdline or --initrd",
            rest.front()
        ));
    }
    if (!guest.config.kernel.empty() && !guest.environment.empty()) {
        throw usage_failure("--env is for applications and has no meaning with --kernel");
    }
    if (parser.has("quantum") && command.fleet.policy != "rr") {
        throw usage_failure(fmt::format(
            "--quantum is for --policy rr and has no meaning under {}", command.fleet.policy
        ));
    }
    if (const auto wrong = vmm::contradiction(guest.config.tenant, guest.config.cpus);
        !wrong.empty()) {
        throw usage_failure(std::string(wrong));
    }
    if (guest.config.kernel.empty()) {
        if (rest.empty() || rest.front().empty()) {
            throw usage_failure(
                fmt::format("no application to run; give APP or --kernel FILE ({})", parser.hint())
            );
        }
        guest.app = rest.front();
        guest.arguments.assign(rest.begin() + 1, rest.end());
    }
    command.fleet.guests.push_back(std::move(guest));
    if (const auto wrong = determinism_contradiction(command.fleet); !wrong.empty()) {
        throw usage_failure(wrong);
    }
    return command;
}

/// --policy, --repeat and --csv of `cops up`.
void parse_experiment(const Parser& parser, const ValueContext& context, UpCommand& command) {
    constexpr std::uint64_t kMostRuns = 10'000;
    if (parser.has("policy")) {
        command.policies = parser.checked("policy", [&context](const std::string& value) {
            return parse_names(value, context.catalogue.policies);
        });
    }
    if (parser.has("repeat")) {
        command.repeat = parser.checked("repeat", [](const std::string& value) {
            return static_cast<unsigned>(parse_number(value, 1, kMostRuns));
        });
    }
    if (parser.has("csv")) {
        command.csv =
            parser.checked("csv", [](const std::string& value) { return parse_path(value, {}); });
    }
}

/// What belongs to one run has no meaning where there are several.
void refuse_of_one_run(const Parser& parser) {
    constexpr std::array<std::string_view, 7> kOfOneRun{
        "json", "control", "metrics", "record-decisions", "trace", "record", "replay"
    };
    for (const std::string_view name : kOfOneRun) {
        if (parser.has(name)) {
            throw usage_failure(fmt::format(
                "--{} is for one run, and --repeat, --csv or several policies make an experiment "
                "of "
                "it; what it would tell is in the files of --csv DIR",
                name
            ));
        }
    }
}

Command parse_up(std::span<const std::string> words, const ValueContext& context) {
    Parser parser("up", false);
    parser.add(fleet_options());
    parser.add_flag("no-boards");
    parser.add_flag("example");
    parser.add_value("repeat", false);
    parser.add_value("csv", false);
    const Words rest = parser.parse(words);
    if (parser.has("help")) {
        return PrintCommand{help_text("up")};
    }
    if (parser.has("example")) {
        return PrintCommand{std::string(example_fleet())};
    }
    if (rest.empty()) {
        throw usage_failure(
            fmt::format("no fleet file; 'cops up --example' prints one ({})", parser.hint())
        );
    }
    FleetOptions given;
    parser.apply(fleet_options(), given, context, "policy");
    UpCommand command{.file = rest.front(), .no_boards = parser.has("no-boards")};
    if (rest.size() > 1) {
        throw usage_failure(fmt::format("'{}' is one file too many; give one fleet", rest[1]));
    }
    parse_experiment(parser, context, command);
    if (parser.has("quantum")) {
        command.quantum_ns = given.quantum_ns;
    }
    if (parser.has("workers")) {
        command.workers = given.workers;
    }
    if (parser.has("poll")) {
        command.poll_us = given.poll_us;
    }
    command.dispatcher = given.dispatcher;
    if (parser.has("pin")) {
        command.pin = given.pin;
    }
    if (parser.has("log-level")) {
        command.log_level = given.log_level;
    }
    command.deterministic = given.deterministic;
    command.seed = given.seed;
    command.record = given.record;
    command.replay = given.replay;
    command.json = given.json;
    command.engine_stats = given.engine_stats;
    command.perf_map = given.perf_map;
    command.record_decisions = given.record_decisions;
    command.trace = given.trace;
    command.control = given.control;
    command.metrics = given.metrics;
    if (is_experiment(command)) {
        refuse_of_one_run(parser);
    }
    return command;
}

/// set GUEST... KEY=VALUE...
void read_tenant_words(const Words& words, std::string_view hint, Request& request) {
    if (words.empty() || words.front() != "set") {
        throw usage_failure(fmt::format(
            "'cops tenant' can do one thing: 'cops tenant set GUEST... KEY=VALUE...' ({})", hint
        ));
    }
    vmm::Tenant scratch;
    for (const std::string& word : std::span(words).subspan(1)) {
        const std::size_t equals = word.find('=');
        if (equals == std::string::npos) {
            request.guests.push_back(word);
            continue;
        }
        TenantChange change{.key = word.substr(0, equals), .value = word.substr(equals + 1)};
        try {
            set_tenant_key(scratch, change.key, change.value);
        } catch (const BadValue& bad) {
            throw usage_failure(bad.what());
        }
        request.changes.push_back(std::move(change));
    }
    if (request.guests.empty() || request.changes.empty()) {
        throw usage_failure(fmt::format(
            "name a guest and what shall change of it, such as 'cops tenant set web weight=200' "
            "({})",
            hint
        ));
    }
}

Command parse_control(Verb verb, std::span<const std::string> words) {
    const std::string_view name = name_of(verb);
    const bool takes_guests = verb != Verb::ps && verb != Verb::stats;
    Parser parser(name, false);
    parser.add_value("control", false);
    if (verb != Verb::stats) {
        parser.add_flag("json");  // stats always is
    }
    if (verb == Verb::stop) {
        parser.add_value("timeout", false);
    }
    const Words rest = parser.parse(words);
    if (parser.has("help")) {
        return PrintCommand{help_text(name)};
    }
    ControlCommand command{
        .control = {}, .request = {.verb = verb, .guests = {}}, .json = parser.has("json")
    };
    if (!parser.has("control")) {
        throw usage_failure(fmt::format(
            "give --control PATH, as it was given to 'cops run' or 'cops up' ({})", parser.hint()
        ));
    }
    command.control = parser.checked("control", [](const std::string& value) {
        return parse_socket_path(value, {});
    });
    if (parser.has("timeout")) {
        command.request.timeout = parser.checked("timeout", [](const std::string& value) {
            return parse_seconds(value, kMaxPowerOffTime);
        });
    }
    if (!takes_guests && !rest.empty()) {
        throw usage_failure(fmt::format("'{}' is too much ({})", rest.front(), parser.hint()));
    }
    if (verb == Verb::tenant) {
        read_tenant_words(rest, parser.hint(), command.request);
    } else {
        command.request.guests = rest;
    }
    return command;
}

Command parse_check_decisions(std::span<const std::string> words) {
    constexpr std::uint64_t kMostObeyUs = 1'000'000;
    Parser parser("check-decisions", false);
    parser.add_value("obey", false);
    parser.add_flag("json");
    const Words rest = parser.parse(words);
    if (parser.has("help")) {
        return PrintCommand{help_text("check-decisions")};
    }
    if (rest.size() != 1) {
        throw usage_failure(fmt::format(
            "give one file that --record-decisions wrote, not {} ({})", rest.size(), parser.hint()
        ));
    }
    CheckDecisionsCommand command{.file = rest.front(), .json = parser.has("json")};
    if (parser.has("obey")) {
        command.obey_us = parser.checked("obey", [](const std::string& value) {
            return static_cast<unsigned>(parse_number(value, 0, kMostObeyUs));
        });
    }
    return command;
}

constexpr std::array<std::string_view, 10> kCommands{
    "run", "up", "ps", "pause", "resume", "stop", "stats", "tenant", "check-decisions", "help"
};

Command parse_help(std::span<const std::string> words) {
    if (words.empty()) {
        return PrintCommand{help_text("")};
    }
    const std::string& topic = words.front();
    if (std::ranges::find(kCommands, topic) == kCommands.end()) {
        throw usage_failure(fmt::format(
            "no help on '{}'; there is help on {}{}",
            topic,
            enumerate(kCommands),
            did_you_mean(topic, kCommands)
        ));
    }
    return PrintCommand{help_text(topic == "help" ? "" : topic)};
}

}  // namespace

Command parse_command_line(std::span<const std::string> words, const Catalogue& catalogue) {
    if (words.empty()) {
        throw usage_failure("no command; try 'cops run hello', or 'cops help'");
    }
    const std::string& name = words.front();
    const auto rest = words.subspan(1);
    const ValueContext context{catalogue, {}};
    if (name == "run") {
        return parse_run(rest, context);
    }
    if (name == "up") {
        return parse_up(rest, context);
    }
    if (const auto verb = std::ranges::find(verb_names(), name); verb != verb_names().end()) {
        return parse_control(static_cast<Verb>(verb - verb_names().begin()), rest);
    }
    if (name == "check-decisions") {
        return parse_check_decisions(rest);
    }
    if (name == "help" || name == "--help" || name == "-h") {
        return parse_help(rest);
    }
    if (name == "--version" || name == "version") {
        return PrintCommand{fmt::format("cops {}\n", COPS_VERSION)};
    }
    throw usage_failure(
        fmt::format("unknown command '{}'{} (see 'cops help')", name, did_you_mean(name, kCommands))
    );
}

}  // namespace tools
