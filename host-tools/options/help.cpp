// SPDX-License-Identifier: Apache-2.0
#include "options/help.hpp"

#include "options/options.hpp"

#include <fmt/format.h>

#include <array>
#include <utility>

namespace tools {
namespace {

constexpr std::string_view kOverview =
    R"(cops runs RISC-V guests and schedules them by the priority of their coroutines.

usage: cops run [OPTIONS] [--] APP [ARGS...]     run one application in a guest
       cops run --kernel FILE [OPTIONS]          boot another kernel
       cops up [OPTIONS] FLEET.toml              run several guests under one policy
       cops up --example                         print a commented fleet file
       cops ps|pause|resume|stop|stats|tenant --control PATH
                                                 ask a command that runs with --control PATH
       cops check-decisions FILE                 did the scheduler keep its promises?
       cops help [COMMAND]                       all options
       cops --version

examples:
  cops run hello
  cops run --cpus 2 --grant f=file:README.md -- sha256sum /host/f
  cops run --memory 512M --kernel Image --initrd root.cpio.gz --cmdline console=ttyS0
  cops up --example > fleet.toml && cops up fleet.toml
  cops run --control ./hello.sock -- hello & cops ps --control ./hello.sock
)";

constexpr std::string_view kRun =
    R"(usage: cops run [OPTIONS] [--] APP [ARGS...]
       cops run --kernel FILE [OPTIONS]

Boots the COPS kernel and runs APP in it: the path of a static RISC-V Linux ELF, or the name of a
shipped application (a name with a slash is a path). What follows APP belongs to it. With --kernel,
boots that S-mode kernel instead.

The guest's console is stdin and stdout, and nothing else goes there; messages and logs go to
stderr. On a terminal, keys go to the guest, Ctrl-C too:
  Ctrl-A x       end the guest and cops (exit code 0)
  Ctrl-A Ctrl-A  send Ctrl-A to the guest
  Ctrl-A h       show these keys

options:
)";

constexpr std::string_view kRunExamples = R"(
examples:
  cops run hello                                   a shipped application
  cops run -- ./server --port 80                   your own ELF with words of its own
  riscv64-linux-gnu-gcc -static hello.c -o hello && cops run ./hello
  cops run --grant src=dir:.:ro -- sha256sum /host/src/README.md
  cops run --kernel Image --initrd root.cpio.gz --cmdline 'console=ttyS0' --memory 256M
)";

constexpr std::string_view kUp =
    R"(usage: cops up [OPTIONS] FLEET.toml
       cops up --example

Runs the guests of a fleet file in one process under one policy. Each line that a guest prints gets
its name in front; guests get no input. On a terminal a live table stands below the lines. At the end
a table shows what each guest did at each level.
'cops up --example' prints a commented fleet file.

Several policies (--policy a,b,c), --repeat or --csv make an experiment: the fleet runs afresh under
one policy after the other, in turns. share/cops/experiments has loads to begin with, and a README.

options (they win over the file):
)";

constexpr std::string_view kExitCodes = R"(
exit codes:
  0      the guest ended well          32     the guest asked for a reset (--no-reboot)
  1      cops itself failed            33     the guest crashed
  2      wrong usage                   34     the guest's kernel panicked
  3      bad configuration or image    65-126 the application failed with status 1-62
  4      the host lacks something      127    the application failed with status 63 or more
  128+n  ended by signal n (141: the reader of stdout went away)
)";

constexpr std::string_view kPs =
    R"(usage: cops ps --control PATH [--json]

Shows the guests of a running 'cops run' or 'cops up': what each does, its engine, and for each
virtual CPU what it does, the effective level that it competes at, and for how long it ran and
waited (runnable, not running).

options:
)";

constexpr std::string_view kPause =
    R"(usage: cops pause --control PATH [--json] [GUEST...]

Takes the virtual CPUs of the guests named, or of all, off their workers. Returns when none of them
runs. A paused guest's time stands still.

options:
)";

constexpr std::string_view kResume =
    R"(usage: cops resume --control PATH [--json] [GUEST...]

Lets the guests named, or all, go on after 'cops pause'.

options:
)";

constexpr std::string_view kStop =
    R"(usage: cops stop --control PATH [--timeout SECONDS] [--json] [GUEST...]

Asks the guests named, or all, to power off, and returns when they have ended; paused ones are resumed
for it. Those that have not after the time are ended by force, and so are at once those that cannot
be asked: other kernels than that of COPS, and guests that a debugger holds.

options:
)";

constexpr std::string_view kStats =
    R"(usage: cops stats --control PATH

Prints the report of a running 'cops run' or 'cops up', as --json writes it at the end.

options:
)";

constexpr std::string_view kTenant =
    R"(usage: cops tenant set --control PATH [--json] GUEST... KEY=VALUE...

Changes what the guests named may claim of the host's time, while they run, and prints what they have
then. Keys and values are those of a fleet file (see 'cops help up'): base-level, ceiling, weight,
budget-rate, budget-burst, share; none takes a share or a budget away. It counts at
once; what has run was charged as it was. Not under linux, linux-nice and linux-fifo.

options:
)";

constexpr std::string_view kCheckDecisions =
    R"(usage: cops check-decisions [--obey US] [--json] FILE

Holds what 'cops run' or 'cops up' wrote with --record-decisions FILE against what the policy promises,
and prints for each property how often it was checked, the worst that was found, and the bound.

options:
)";

constexpr std::string_view kCheckExitCodes = R"(
exit codes:
  0  all properties hold               2  wrong usage
  1  one does not, or cops failed      3  bad file
)";

constexpr std::string_view kControlExitCodes = R"(
exit codes:
  0  done                              3  no command can be reached at PATH
  1  it was not done, or cops failed   4  there are too many clients
  2  wrong usage, or no such guest
)";

void append(
    std::string& text, std::string_view name, std::string_view value, std::string_view help
) {
    constexpr std::size_t kColumn = 26;
    constexpr std::size_t kWidth = 100;
    std::string line = fmt::format("  --{}{}{}", name, value.empty() ? "" : " ", value);
    line.resize(std::max(line.size() + 1, kColumn), ' ');
    while (line.size() + help.size() > kWidth) {
        const std::size_t cut = help.rfind(' ', kWidth - line.size());
        text += fmt::format("{}{}\n", line, help.substr(0, cut));
        help.remove_prefix(cut + 1);
        line.assign(kColumn, ' ');
    }
    text += fmt::format("{}{}\n", line, help);
}

template <class Target>
void append(std::string& text, std::span<const Option<Target>> options, Place place) {
    for (const Option<Target>& option : options) {
        if (option.place == Place::anywhere || option.place == place) {
            append(text, option.name, option.value_name, option.help);
        }
    }
}

std::string up_text() {
    std::string text(kUp);
    append(text, fleet_options(), Place::command_line);
    append(text, "no-boards", "", "hide every guest's ready levels from the host");
    append(
        text,
        "repeat",
        "N",
        "an experiment: run the fleet N times under each policy, in turns, 1 to 10000, and print "
        "medians and spread in place of what guests print"
    );
    append(
        text,
        "csv",
        "DIR",
        "an experiment: keep every run, figure and raw sample as CSV files in DIR, which is made "
        "and "
        "must be empty"
    );
    append(text, "example", "", "print a commented fleet file");
    text += "\nkeys at the top of the file: ";
    for (const std::string_view name : option_names(fleet_options(), Place::fleet_file)) {
        text += fmt::format("{} ", name);
    }
    text += "\nkeys of each [[guest]] (as options of 'cops run' where it has them):\n";
    for (const GuestOption& option : guest_options()) {
        if (option.place != Place::command_line) {
            std::string line;
            append(line, option.name, "", option.help);
            const std::size_t dashes = line.find("--");
            text += line.replace(dashes, 2, "").insert(dashes + option.name.size(), "  ");
        }
    }
    text += "\nThe exit code is that of the first guest, in the file's order, that failed.\n";
    return text;
}

std::string control_text(std::string_view usage, std::string_view topic) {
    std::string text(usage);
    append(
        text, "control", "PATH", "the socket that 'cops run' or 'cops up' was given as --control"
    );
    if (topic == "stop") {
        append(text, "timeout", "SECONDS", "time to power off; 0: end them at once [5]");
    }
    if (topic != "stats") {
        append(text, "json", "", "print the reply of the command, for machines");
    }
    return text.append(kControlExitCodes);
}

}  // namespace

std::string help_text(std::string_view topic) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kControlTopics{
        {{"ps", kPs},
         {"pause", kPause},
         {"resume", kResume},
         {"stop", kStop},
         {"stats", kStats},
         {"tenant", kTenant}}
    };
    for (const auto& [name, usage] : kControlTopics) {
        if (topic == name) {
            return control_text(usage, topic);
        }
    }
    if (topic == "check-decisions") {
        std::string text(kCheckDecisions);
        append(
            text,
            "obey",
            "US",
            "what a worker may need to get a virtual CPU out of its guest, in microseconds of the "
            "CPU time that the host gave it, 0 to 1000000 [1000]"
        );
        append(text, "json", "", "print the findings for machines");
        return text.append(kCheckExitCodes);
    }
    if (topic == "run") {
        std::string text(kRun);
        append(text, guest_options(), Place::command_line);
        append(text, fleet_options(), Place::command_line);
        return text.append(kRunExamples).append(kExitCodes);
    }
    if (topic == "up") {
        return up_text().append(kExitCodes);
    }
    return std::string(kOverview).append(kExitCodes);
}

}  // namespace tools
