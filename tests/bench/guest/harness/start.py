# SPDX-License-Identifier: Apache-2.0
"""From exec to exit: a whole guest for one program, beside user-mode QEMU with the same static program."""

import json
import os
import sys
import time

from harness import build, stats

QEMU = "qemu-riscv64"
FLOOR = 2.0  # times qemu-riscv64
ROUNDS = 20  # at the least: one start is short and the machine is not quiet


def _timed(command):
    """Seconds from exec to exit."""
    null = os.open(os.devnull, os.O_RDWR)
    redirect = [(os.POSIX_SPAWN_DUP2, null, 0), (os.POSIX_SPAWN_DUP2, null, 1)]
    started = time.monotonic()
    child = os.posix_spawnp(command[0], command, os.environ, file_actions=redirect)
    _, status = os.waitpid(child, 0)
    elapsed = time.monotonic() - started
    os.close(null)
    if os.waitstatus_to_exitcode(status) != 0:
        sys.exit(f"{' '.join(command)}: exit {os.waitstatus_to_exitcode(status)}")
    return elapsed


def _engine(options):
    """What the engine counted over one more start, with what counting costs."""
    os.makedirs(build.OUTPUT, exist_ok=True)
    path = os.path.join(build.OUTPUT, "start-report.json")
    build.run([build.COPS, "run", "--engine", options.engine, "--engine-stats", "--json", path, "--", "true"])
    with open(path, encoding="utf-8") as file:
        report = json.load(file)
    vcpu = report["guests"][0]["vcpus"][0]
    return {"wall_ns": report["wall_ns"], "run_ns": vcpu["run_ns"], "instructions": vcpu["instructions"],
            "supervisor_traps": vcpu["supervisor_traps"], **vcpu["engine"]}


def measure(options):
    """{"cops": [seconds of each round], "qemu": [...], "engine": counts}"""
    program = os.path.join(build.APPS, "true")
    commands = {"cops": [build.COPS, "run", "--engine", options.engine, "--", "true"], "qemu": [QEMU, program]}
    samples = {name: [] for name in commands}
    for command in commands.values():
        _timed(command)  # file caches
    rounds = max(options.rounds or ROUNDS, 1)
    for number in range(rounds):
        # Who goes first changes, so that neither always follows the other.
        for name in sorted(commands, reverse=number % 2 == 1):
            samples[name].append(_timed(commands[name]))
        build.progress(f"round {number + 1}/{rounds} start: cops {samples['cops'][-1] * 1e3:.1f} ms, "
                       f"{QEMU} {samples['qemu'][-1] * 1e3:.1f} ms")
    return {**samples, "engine": _engine(options)}


def report(data, floors):
    ratio = stats.ratios(data["cops"], data["qemu"])
    print("\nstart: `cops run -- true` beside `qemu-riscv64 true`, the same static program, from exec to exit")
    for name in ("cops", "qemu"):
        print(f"  {name:5} {stats.text([1e3 * value for value in data[name]], 1)} ms")
    middle = stats.summary(ratio)["median"]
    print(f"  ratio {stats.text(ratio)}   {floors.verdict('start', middle, FLOOR, least=False)}")
    engine = data["engine"]
    translated, spent = engine["translated_bytes"], engine["translation_ns"]
    line = f"  the guest executed {engine['instructions'] / 1e6:.2f} M instructions in {engine['run_ns'] / 1e6:.1f} ms"
    if engine["interpreted"] is not None:
        line += f", the first {engine['interpreted'] / 1e6:.2f} M interpreted"
    if translated:
        line += f"; {engine['translated_blocks']} blocks of {translated / 1024:.0f} KiB were translated"
    if spent:
        line += f" in {spent / 1e6:.1f} ms of these"
    print(line)
    return {"ratio": stats.summary(ratio)}
