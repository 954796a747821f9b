# SPDX-License-Identifier: Apache-2.0
"""Two harts at once, timer lateness and preemption latency."""

import os
import sys

from harness import build, machines

SPINS = ["jump", "integer", "calls", "chase", "float"]


def _line(text, word):
    found = [line for line in text.splitlines() if line.startswith(word + " ")]
    if not found:
        sys.exit(f"no line '{word}' in:\n{text[-2000:]}")
    return machines.fields(found[0])


def pair(options, image, native, progress):
    """{machine: [gain of two harts over one]}, interleaved: native threads, cops on two workers, QEMU."""
    gains, checksum = {}, None
    for number in range(options.rounds):
        commands = {"native": [native, "--pair"],
                    "cops": machines.cops_command(image, "mode=pair", options.engine, harts=2)}
        if not options.no_qemu:
            commands["qemu"] = machines.qemu_command(image, "mode=pair", harts=2)
        line = f"round {number + 1}/{options.rounds} two harts"
        for machine, command in commands.items():
            result = _line(machines.run(command), "pair")
            checksum = checksum or result["checksum"]
            if result["checksum"] != checksum or checksum == 0:
                sys.exit(f"two harts: checksum {result['checksum']} on {machine}, wanted {checksum}")
            gain = 2 * result["alone"] / result["both"]
            gains.setdefault(machine, []).append(gain)
            line += f"  {machine} {result['alone'] / 1e4:.1f} ms alone, gain {gain:.2f}"
        progress(line)
    return gains


def timers(options, image, progress):
    """{machine: [{"p50":, "p99":, "max":} in ticks of 100 ns]}: how late a timer interrupt reaches its handler."""
    late = {}
    for number in range(options.rounds):
        commands = {"cops": machines.cops_command(image, "mode=timer", options.engine)}
        if not options.no_qemu:
            commands["qemu"] = machines.qemu_command(image, "mode=timer")
        line = f"round {number + 1}/{options.rounds} timer"
        for machine, command in commands.items():
            result = _line(machines.run(command), "timer")
            late.setdefault(machine, []).append(result)
            line += f"  {machine} p50 {result['p50'] / 10:.1f} us, p99 {result['p99'] / 10:.1f} us"
        progress(line)
    return late


def preemption(options, image, progress):
    """{kind of guest code: [latencies in ns]}; None without the program."""
    program = os.path.join(build.BUILD, "tests", "bin", "bench_latency")
    if not os.path.exists(program):
        print(f"SKIPPED: preemption: {program} is not built", file=sys.stderr)
        return None
    late = {}
    for number in range(options.rounds):
        line = f"round {number + 1}/{options.rounds} preemption"
        for kind in SPINS:
            result = _line(machines.run([program, options.engine, image, kind]), "latency")
            late.setdefault(kind, []).append(result)
            line += f"  {kind} {result['request_p50'] / 1e3:.1f}/{result['request_p99'] / 1e3:.1f} us"
        progress(line)
    return late
