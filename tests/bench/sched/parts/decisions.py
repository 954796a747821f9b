# SPDX-License-Identifier: Apache-2.0
"""Decisions of each policy with few and with many vCPUs."""

import collections
import os
import statistics
import subprocess

from parts import fleets

FEW, MANY = 10, 10_000
LIMIT = 2.0


def measure(options):
    del options  # the program makes rounds of its own
    command = [fleets.need(os.path.join(fleets.TESTS, "bin", "bench_decisions")), str(FEW), str(MANY)]
    return subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout


def report(samples, floors):
    by = collections.defaultdict(lambda: collections.defaultdict(list))
    for line in samples.splitlines():
        policy, pattern, vcpus, took = line.split()
        by[policy, pattern][int(vcpus)].append(float(took))
    print(f"\ndecisions: nanoseconds with {FEW} and with {MANY} vCPUs; the ratio shall be {LIMIT} at most")
    results = {}
    for (policy, pattern), sizes in by.items():
        ratios = [many / few for few, many in zip(sizes[FEW], sizes[MANY])]
        ratio = statistics.median(ratios)
        verdict = floors.verdict(f"{policy} {pattern}", ratio, LIMIT, least=False)
        print(f"  {policy:9} {pattern:5} {statistics.median(sizes[FEW]):7.1f} {statistics.median(sizes[MANY]):7.1f}"
              f"   ratio {ratio:.2f} ({min(ratios):.2f}..{max(ratios):.2f})   {verdict}")
        results[f"{policy} {pattern}"] = ratio
    return results
