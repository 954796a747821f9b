# SPDX-License-Identifier: Apache-2.0
"""Equal guests, each with urgent and batch work."""

import statistics

from harness import stats
from parts import fleets

ROUNDS = 5
LIMIT = 1.25
MODES = {"priority": ("priority", []), "pvsched": ("pvsched", []), "linux-nice": ("linux-nice", []),
         "priority --no-boards": ("priority", ["--no-boards"])}


def urgent(run):
    """Latencies of urgent work over all guests."""
    return sorted(value for (_, name), values in run.latencies.items() if name == "urgent" for value in values)


def measure(options):
    rounds = options.rounds or ROUNDS
    fleet = fleets.shipped("mixed")
    alone = fleets.without(fleets.without(fleet, "green"), "blue")
    pin = ["--pin", str(fleets.cpus()[0])]
    samples = []
    for number in range(rounds):
        sample = {"alone": urgent(fleets.run(alone, "priority", pin))}
        for mode, (policy, flags) in MODES.items():
            sample[mode] = urgent(fleets.run(fleet, policy, flags + pin))
        samples.append({mode: {"p50": fleets.quantile(values, 500), "p99": fleets.quantile(values, 990)}
                        for mode, values in sample.items()})
        fleets.progress("mixed", number, rounds, "  ".join(
            f"{mode} {value['p99'] / 1e3:.0f}" for mode, value in samples[-1].items()))
    return samples


def report(samples, floors):
    print("\nmixed: three equal guests with urgent and batch work on one worker; urgent work of all guests, from when it was due "
          "to when it was done, us")
    results = {}
    for mode in ("alone", *MODES):
        p50 = [one[mode]["p50"] / 1e3 for one in samples]
        p99 = [one[mode]["p99"] / 1e3 for one in samples]
        ratios = [one[mode]["p99"] / one["alone"]["p99"] for one in samples]
        results[mode] = {"p50": stats.summary(p50), "p99": stats.summary(p99), "ratio": stats.summary(ratios)}
        line = f"  {mode:22} p50 {stats.text(p50, 1)}  p99 {stats.text(p99, 1)}"
        if mode != "alone":
            line += f"  p99 / alone {stats.text(ratios)}"
        if mode == "priority":
            line += f"  {floors.verdict('mixed: p99 / alone', statistics.median(ratios), LIMIT, least=False)}"
        print(line)
    return results
