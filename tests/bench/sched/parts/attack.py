# SPDX-License-Identifier: Apache-2.0
"""A victim beside each attacker."""

import glob
import os
import statistics

from harness import stats
from parts import fleets

ROUNDS = 5
LIMIT = 1.3
# Equal weights, claims cut to the base level, and a victim that always has work: half of one worker.
ENTITLED, MORE = 0.5, 0.02


def names():
    found = glob.glob(os.path.join(fleets.EXPERIMENTS, "attack-*.toml"))
    return sorted(os.path.basename(path)[len("attack-"):-len(".toml")] for path in found)


def p99(run):
    return fleets.quantile(run.latencies["victim", "urgent"], 990)


def measure(options):
    rounds = options.rounds or ROUNDS
    pin = ["--pin", str(fleets.cpus()[0])]
    attacks = {name: fleets.shipped(f"attack-{name}") for name in names()}
    alone = fleets.without(next(iter(attacks.values())), "attacker")
    samples = []
    for number in range(rounds):
        before = fleets.run(alone, "priority", pin)
        sample = {"alone": {"p99": p99(before)}}
        for name, fleet in attacks.items():
            run = fleets.run(fleet, "priority", pin)
            sample[name] = {"p99": p99(run), "share": run.share("attacker")}
        samples.append(sample)
        fleets.progress("attack", number, rounds, "  ".join(
            f"{name} {value['p99'] / 1e3:.0f}" for name, value in sample.items()))
    return samples


def report(samples, floors):
    print("\nattack: the victim's urgent work beside each attacker, p99; and the attacker's CPU time as a part of the worker's, of "
          f"which it is entitled to {ENTITLED:.0%}")
    print(f"  alone: p99, us           {stats.text([one['alone']['p99'] / 1e3 for one in samples], 1)}")
    results = {}
    for name in samples[0]:
        if name == "alone":
            continue
        ratios = [one[name]["p99"] / one["alone"]["p99"] for one in samples]
        shares = [one[name]["share"] for one in samples]
        results[name] = {"ratio": stats.summary(ratios), "share": stats.summary(shares)}
        print(f"  {name:12} p99 / alone {stats.text(ratios)} "
              f"{floors.verdict(f'attack {name}: p99 / alone', statistics.median(ratios), LIMIT, least=False)}"
              f"   share {stats.text(shares)} "
              f"{floors.verdict(f'attack {name}: share', statistics.median(shares), ENTITLED + MORE, least=False)}")
    return results
