# SPDX-License-Identifier: Apache-2.0
"""What scheduling itself takes: with many busy vCPUs, and with many idle guests."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

from harness import build, stats
from parts import fleets

ROUNDS = 5
TIMES = 16
IDLE = 100
BUSY_LIMIT, IDLE_LIMIT = 0.03, 0.01
BETWEEN, WATCHED = 0.1, 3.0  # seconds: looks whether they sleep; then they are left alone


def workers(count):
    """A fleet of that many guests that do the same work of some tenths of a second and need no kernel for it."""
    kernel = fleets.need(os.path.join(fleets.TESTS, "guest-programs", "bare-work"))
    return 'policy = "priority"\nworkers = 1\n' + "".join(
        f'[[guest]]\nname = "g{number}"\nkernel = "{kernel}"\nmemory = "16M"\n' for number in range(count))


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def asleep(control):
    """How many guests wait for the end of their sleep and nothing else."""
    done = subprocess.run([build.COPS, "stats", "--control", control], capture_output=True, text=True, check=False)
    return sum(one["in_flight"] == 1 for one in json.loads(done.stdout)["guests"]) if done.returncode == 0 else 0


def idle():
    """CPU time of a command with IDLE guests that sleep, as a part of one CPU."""
    text = 'policy = "priority"\nworkers = 1\n' + "".join(
        fleets.guest(f"g{number}", "load-mixed", "--urgent", "1", "--rounds", "1", "--period", "10000000", "--batch", "0",
                     memory='"32M"', open_files=64) for number in range(IDLE))
    with tempfile.TemporaryDirectory() as scratch:
        fleet, control = os.path.join(scratch, "fleet.toml"), os.path.join(scratch, "control")
        with open(fleet, "w", encoding="utf-8") as file:
            file.write(text)
        child = subprocess.Popen([build.COPS, "up", fleet, "--control", control], stdin=subprocess.DEVNULL,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            while asleep(control) < IDLE:
                if child.poll() is not None:
                    sys.exit(f"overhead: the idle fleet ended with {child.returncode} before it was idle")
                time.sleep(BETWEEN)
            used = cpu_seconds(child.pid)
            time.sleep(WATCHED)
            return (cpu_seconds(child.pid) - used) / WATCHED
        finally:
            child.terminate()
            child.wait()


def measure(options):
    rounds = options.rounds or ROUNDS
    pin = ["--pin", str(fleets.cpus()[0])]
    samples = []
    for number in range(rounds):
        one = fleets.run(workers(1), "priority", pin).wall
        many = fleets.run(workers(TIMES), "priority", pin).wall
        # The idle fleet takes as long as a round of the rest, and hardly differs: three times is enough.
        samples.append({"busy": 1 - TIMES * one / many, **({"idle": idle()} if number < 3 else {})})
        fleets.progress("overhead", number, rounds, "  ".join(f"{key} {value:.2%}" for key, value in samples[-1].items()))
    return samples


def report(samples, floors):
    busy = [100 * one["busy"] for one in samples]
    sleeping = [100 * one["idle"] for one in samples if "idle" in one]
    print(f"\noverhead, percent of one CPU\n  {TIMES} busy guests on one worker, beside one after the other   {stats.text(busy)}   "
          f"{floors.verdict(f'overhead {TIMES}x overcommitted, percent', statistics.median(busy), 100 * BUSY_LIMIT, least=False)}")
    print(f"  {IDLE} guests that sleep                                     {stats.text(sleeping)}   "
          f"{floors.verdict(f'{IDLE} idle guests, percent', statistics.median(sleeping), 100 * IDLE_LIMIT, least=False)}")
    return {"busy": stats.summary(busy), "idle": stats.summary(sleeping)}
