# SPDX-License-Identifier: Apache-2.0
"""How soon an urgent guest runs when something happens for it and all workers are busy."""

import os
import random
import re
import statistics
import struct
import subprocess
import sys
import tempfile
import time

from harness import build, stats, wakes
from parts import fleets

ROUNDS = 5
COUNT = 1000  # of each round
BETWEEN = (300e-6, 1500e-6)  # seconds between two messages
TIMES = 4  # busy vCPUs for each worker
P99, P50 = 1 / 20, 10.0
# As an operator would set them, for linux-nice.
URGENT_NICE, BATCH_NICE = -10, 10
HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def fleet(program, fifo, workers):
    urgent = fleets.guest("urgent", program, "/host/m", COUNT, grant=f'["m=file:{fifo}:ro"]', nice=URGENT_NICE)
    batch = "".join(fleets.guest(f"batch{number}", "load-compute", "--level", "40", "--units", "0", background="true",
                                 nice=BATCH_NICE) for number in range(TIMES * workers))
    return f"workers = {workers}\n" + urgent + batch


def write_messages(pipe, meeting, source):
    for number in range(COUNT):
        while meeting.words[3] != number:  # not taken yet: a queue would be measured
            time.sleep(BETWEEN[0])
        time.sleep(source.uniform(*BETWEEN))
        os.write(pipe, struct.pack("<Q", time.monotonic_ns()))


def once(program, policy, seed):
    """Latencies of one run in ns, sorted, and how far they may be off."""
    cpus = fleets.cpus()
    workers = max(len(cpus) - 1, 1)
    with tempfile.TemporaryDirectory() as scratch:
        fifo, path = os.path.join(scratch, "messages"), os.path.join(scratch, "fleet.toml")
        os.mkfifo(fifo)
        pipe = os.open(fifo, os.O_RDWR)
        with open(path, "w", encoding="utf-8") as file:
            file.write(fleet(program, fifo, workers))
        command = [build.COPS, "up", path, "--policy", policy, "--pin", ",".join(str(cpu) for cpu in cpus[:workers])]
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        # Who writes shall not take a worker's CPU.
        os.sched_setaffinity(0, {cpus[-1]})
        latencies, text, offset, error = [], [], 0, 0
        try:
            for line in child.stdout:
                text.append(line)
                words = line.partition("| ")[2]
                if words.startswith("meet"):
                    # The first memory file is the first guest's.
                    meeting = wakes.Meeting(child.pid)
                    offset, error = meeting.offset()
                elif words.startswith("ready"):
                    write_messages(pipe, meeting, random.Random(seed))
                elif found := re.match(r"wake sent=(\d+) resumed=(\d+)", words):
                    latencies.append(int(found[2]) - int(found[1]) - offset)
        except BaseException:
            child.kill()
            raise
        finally:
            os.sched_setaffinity(0, set(cpus))
            os.close(pipe)
    if child.wait() != 0 or len(latencies) != COUNT:
        sys.exit(f"{' '.join(command)}: exit {child.returncode}\n{''.join(text[-20:])}")
    return sorted(latencies), error


def measure(options):
    program, rounds = fleets.app(os.path.join(HERE, "programs", "urgent.cpp")), options.rounds or ROUNDS
    samples = []
    for number in range(rounds):
        sample = {}
        for policy in ("priority", "linux-nice", "linux"):
            sample[policy], sample["error"] = once(program, policy, number)
        samples.append(sample)
        fleets.progress("wake", number, rounds, "  ".join(
            f"{policy} {statistics.median(values) / 1e3:.1f} us" for policy, values in sample.items() if policy != "error"))
    return samples


def report(samples, floors):
    error = statistics.median(one["error"] for one in samples)
    print(f"\nwake: from a write on the host to the coroutine that reads it, while all workers compute for {TIMES} other guests each, "
          f"us;\n  not before the first guest instruction, so no less than what is promised of that; clocks compared to within "
          f"{error / 1e3:.2f} us; within a trust domain")
    results = {}
    for policy in ("priority", "linux-nice", "linux"):
        every = sorted(value / 1e3 for one in samples for value in one[policy])
        results[policy] = fleets.points(every)
        print(f"  {policy:11}{fleets.text_of(results[policy])}")
    ratios = [fleets.quantile(one["priority"], 990) / fleets.quantile(one["linux-nice"], 990) for one in samples]
    print(f"  p99 of priority / of linux-nice   {stats.text(ratios, 3)}   "
          f"{floors.verdict('wake: p99 / linux-nice', statistics.median(ratios), P99, least=False)}")
    medians = [statistics.median(one["priority"]) / 1e3 for one in samples]
    print(f"  p50 of priority, us               {stats.text(medians, 1)}   "
          f"{floors.verdict('wake: p50, us', statistics.median(medians), P50, least=False)}")
    return results
