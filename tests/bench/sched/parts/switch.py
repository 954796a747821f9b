# SPDX-License-Identifier: Apache-2.0
"""vCPU switches beside futex hand-offs."""

import statistics

from harness import stats
from parts import fleets

ROUNDS = 7
GUESTS = """policy = "priority"
workers = 1
[[guest]]
name = "one"
kernel = "{kernel}"
cmdline = "attack=yield"
memory = "32M"
[[guest]]
name = "other"
kernel = "{kernel}"
cmdline = "attack=yield"
memory = "32M"
"""
YIELDS = 1_000_000  # of each guest, as guest-kernel/attack has it
# Under rr each turn that ends is a switch. Under priority a guest that the host's kernel took off in a turn of its own has
# more to pay, and the other has some turns in a row.
POLICIES = ("rr", "priority")
SAME, CROSS = 1 / 3, 1 / 50


def measure(options):
    rounds = options.rounds or ROUNDS
    fleet = GUESTS.format(kernel=fleets.need(f"{fleets.IMAGES}/attack-kernel"))
    samples = []
    for number in range(rounds):
        sample = {}
        for policy in POLICIES:
            run = fleets.run(fleet, policy, ["--pin", str(fleets.cpus()[0])])
            sample[policy] = run.wall / (len(run.guests) * YIELDS)
            sample[f"{policy} switches"] = sum(one["switches"] for one in run.guests.values()) / (len(run.guests) * YIELDS)
        times = {"same": [], "cross": []}
        for line in fleets.output_of("bench_handoff").splitlines():
            kind, took = line.split()
            times[kind].append(float(took))
        samples.append(sample | {kind: statistics.median(values) for kind, values in times.items() if values})
        fleets.progress("switch", number, rounds, "  ".join(f"{key} {value:.3g}" for key, value in samples[-1].items()))
    return samples


def report(samples, floors):
    print("\nswitch: one vCPU rings YIELD, the other goes on: two guests of one process (within a trust domain; across there "
          "is none), one worker.\n  Exit, policy, accounts, host page and entry are in it, and the loops of both. ns")
    for policy in POLICIES:
        switched = statistics.median(one[f"{policy} switches"] for one in samples)
        print(f"  end of a turn, {policy:9} {stats.text([one[policy] for one in samples], 0)}   {switched:.1%} of them switches")
    results = {}
    for kind, limit, where in (("same", SAME, "same CPU"), ("cross", CROSS, "cross CPU")):
        if kind not in samples[0]:
            print(f"  futex hand-off, {where}: not measured, there is one CPU")
            continue
        print(f"  futex hand-off, {where:9} {stats.text([one[kind] for one in samples], 0)}")
        ratios = [one["rr"] / one[kind] for one in samples]
        results[kind] = stats.summary(ratios)
        verdict = floors.verdict(f"switch / {where} hand-off", statistics.median(ratios), limit, least=False)
        print(f"    switch under rr / that {stats.text(ratios, 3)}   {verdict}")
    return results
