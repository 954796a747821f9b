// SPDX-License-Identifier: Apache-2.0
#include "options/fleet_file.hpp"

namespace tools {

std::string_view example_fleet() {
    return R"(# A fleet: guests in one process, on shared workers, under one policy.
# Run it:  cops up FILE    The keys are the long options of `cops run`, see `cops help up`.
# Relative paths count from the folder of this file.

policy = "priority"     # "priority": the most urgent coroutine of all guests runs first.
                        # "fair": guests share the workers by weight, levels mean nothing.
                        # "rr": virtual CPUs take turns of `quantum` microseconds.
                        # "pvsched": claims above the base level run ahead, for a while.
                        # "linux", "linux-nice", "linux-fifo": a host thread for each virtual CPU,
                        # which the host's scheduler runs as it likes.
workers = 1             # Host threads that run the guests' virtual CPUs; under "linux..." the CPUs
                        # that the threads of the virtual CPUs may use.
poll = 200              # A worker with nothing to run looks for work so many us before it sleeps.
# pin = "0-3,8"         # CPUs of the host that the workers keep to, each to one.
log-level = "warning"   # trace, debug, info, warning, error, critical or off.
# control = "fleet.sock"      # Lets 'cops ps', 'pause', 'resume', 'stop' and 'stats' reach this run.
# metrics = "127.0.0.1:9090"  # Serves metrics for Prometheus there.

[[guest]]
name = "greeter"        # Prefix of its output, row of the table. Default: guest1, guest2, ...
app = "hello"           # A shipped application by name, or the path of a static RISC-V ELF.
cpus = 1                # Virtual CPUs of its own.
# max-cpus = 4          # It may ask for so many in all, and has them while workers are idle.
memory = "128M"         # K, M, G or T; a plain number counts MiB.

[[guest]]
name = "hasher"
app = "sha256sum"
args = ["/app"]         # The application's words. /app is the application's own file;
                        # what `grant` names appears as /host/NAME.
# grant = ["logs=dir:/var/log:ro", "out=file:result.bin:rw"]
# env = ["LANG=C"]

# What the guest may claim of the host's time, all its virtual CPUs together.
base-level = 16         # Level of work that carries none: 0 most urgent, 63 least.
ceiling = 0             # Claims more urgent than this are cut to it.
weight = 100            # Share among guests at the same level.
# budget-rate = 200     # At most 200/1000 of a CPU above the base level; then claims count as it.
# budget-burst = 10000  # Microseconds that an unused budget grows to.
# share = 100           # At least 100/1000 of a CPU while it has work, whatever others claim.
# hide-others = true    # It is not shown which levels of other guests wait.
# nice = -5             # Under "linux-nice". Else it follows from base-level: 16 is nice 0.

# Also: engine = "interp", isa = "n=off", no-boards = true, no-reboot = true, timebase = 10000000,
# cops-device-id = 65535, initrd = ["more.cpio"], dump-dtb = "hasher.dtb".
# Another S-mode kernel in place of an application:
#   kernel = "Image"
#   cmdline = "console=ttyS0"
#   initrd = ["rootfs.cpio.gz"]
)";
}

}  // namespace tools
