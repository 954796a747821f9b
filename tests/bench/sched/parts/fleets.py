# SPDX-License-Identifier: Apache-2.0
"""Runs fleets by the command, as people do, and reads what it keeps."""

import collections
import csv
import os
import subprocess
import sys
import tempfile

from harness import build

EXPERIMENTS = os.path.join(build.BUILD, "share", "cops", "experiments")
TESTS = os.path.join(build.BUILD, "tests")
IMAGES = os.path.join(build.BUILD, "share", "cops")


class Run:
    """One run: `wall` and `workers`, `guests` by name, and `latencies` in ns by (guest, name), sorted."""

    def __init__(self, folder):
        with open(os.path.join(folder, "runs.csv"), encoding="utf-8") as file:
            row = next(csv.DictReader(file))
        self.wall, self.workers = int(row["wall_ns"]), int(row["workers"])
        with open(os.path.join(folder, "guests.csv"), encoding="utf-8") as file:
            self.guests = {row["guest"]: {key: int(value) if value.isdigit() else value for key, value in row.items()}
                           for row in csv.DictReader(file)}
        self.latencies = collections.defaultdict(list)
        with open(os.path.join(folder, "samples.csv"), encoding="utf-8") as file:
            for row in csv.DictReader(file):
                self.latencies[row["guest"], row["name"]].append(int(row["latency_ns"]))
        for values in self.latencies.values():
            values.sort()

    def share(self, guest):
        """CPU time of a guest as a part of that of all workers."""
        return self.guests[guest]["run_ns"] / (self.wall * self.workers)

    def rate(self, guest):
        """Guest instructions in a nanosecond."""
        return self.guests[guest]["instructions"] / self.wall


def quantile(values, permille):
    """By nearest rank; `values` are sorted."""
    return values[max(-(-len(values) * permille // 1000), 1) - 1]


def points(values):
    """The distribution; `values` are sorted."""
    return {name: quantile(values, permille) for name, permille in
            (("least", 0), ("p10", 100), ("p50", 500), ("p90", 900), ("p99", 990), ("p999", 999), ("most", 1000))}


def text_of(distribution):
    return "  ".join(f"{name} {value:.1f}" for name, value in distribution.items())


def run(text, policy="priority", flags=()):
    """The Run of a fleet given as text."""
    with tempfile.TemporaryDirectory() as scratch:
        fleet, results = os.path.join(scratch, "fleet.toml"), os.path.join(scratch, "results")
        with open(fleet, "w", encoding="utf-8") as file:
            file.write(text)
        build.run([build.COPS, "up", fleet, "--policy", policy, "--csv", results, *flags])
        return Run(results)


def shipped(name):
    """The text of a shipped fleet; its images by whole paths."""
    with open(os.path.join(EXPERIMENTS, f"{name}.toml"), encoding="utf-8") as file:
        return file.read().replace('"../', f'"{IMAGES}/')


def guest(name, app, *words, **keys):
    """A [[guest]] of an application, with other keys as given."""
    lines = [f'[[guest]]\nname = "{name}"\napp = "{app}"', f'args = [{", ".join(f"{chr(34)}{word}{chr(34)}" for word in words)}]']
    return "\n".join(lines + [f"{key.replace('_', '-')} = {value}" for key, value in keys.items()]) + "\n"


def app(source, *more):
    """An application of one source, with libcops; `more` are further words for the compiler."""
    folder = os.path.join(build.BUILD, "bench", "sched")
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, os.path.splitext(os.path.basename(source))[0])
    library = os.path.join(build.BUILD, "guest", "lib", "libcops.a")
    build.run([*build.CXX, *build.GUEST, *build.INCLUDES, "-static", "-fuse-ld=lld-19", source, *more, library, "-o", path])
    return path


def without(text, name):
    """The fleet without that guest."""
    head, *guests = text.split("[[guest]]")
    return head + "".join("[[guest]]" + one for one in guests if f'name = "{name}"' not in one)


def progress(what, number, rounds, text):
    build.progress(f"round {number + 1}/{rounds} {what}: {text}")


def cpus():
    """CPUs that this process may use."""
    return sorted(os.sched_getaffinity(0))


def need(path):
    if not os.path.exists(path):
        sys.exit(f"{path} is not there; ./dev build makes it")
    return path


def output_of(name):
    """What a program of build/release/tests/bin prints."""
    return subprocess.run([need(os.path.join(TESTS, "bin", name))], stdout=subprocess.PIPE, check=True, text=True).stdout
