# SPDX-License-Identifier: Apache-2.0
"""The three machines that are compared: cops, QEMU's translator, and the host itself."""

import json
import os
import subprocess
import sys

from harness import build

sys.path.append(os.path.join(build.ROOT, "tests", "support"))
from qemu_system import command as qemu_command, version as qemu_version  # noqa: E402, F401

TIMEBASE = 10_000_000  # what QEMU's virt machine has
MEMORY_MIB = 128
TIMEOUT = 600


def cops_command(kernel, cmdline, engine, harts=1, memory=MEMORY_MIB, more=()):
    return [os.path.join(build.BUILD, "bin", "cops"), "run", "--engine", engine, "--memory", f"{memory}M",
            "--cpus", str(harts), "--workers", str(harts), "--timebase", str(TIMEBASE), "--kernel", kernel,
            "--cmdline", cmdline, *more]


def run(command):
    """What the command printed; ends the benchmark when it fails or does not come to its end."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                              timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        sys.exit(f"{' '.join(command)}: did not end in {TIMEOUT} s")
    if done.returncode != 0 or "end" not in done.stdout.split():
        sys.exit(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def fields(line):
    """{"name": value} of `word name=value ...`; numbers as numbers."""
    pairs = (word.split("=", 1) for word in line.split() if "=" in word)
    return {name: int(value) if value.isdecimal() else value for name, value in pairs}


def results(text):
    """{workload: fields} of the lines that guest and native program print."""
    return {line.split()[1]: fields(line) for line in text.splitlines() if line.startswith("result ")}


def instruction_counts(image):
    """{workload: instructions}: the work is fixed, so the interpreter's exact count holds for all engines. Made
    once for each image."""
    path = os.path.join(build.OUTPUT, f"instructions-{build.digest(image)}.json")
    if not os.path.exists(path):
        print("counting instructions once with --engine interp", file=sys.stderr, flush=True)
        counts = {name: one["instructions"] for name, one in results(run(cops_command(image, "", "interp"))).items()}
        with open(path, "w", encoding="utf-8") as file:
            json.dump(counts, file)
    with open(path, encoding="utf-8") as file:
        return json.load(file)
