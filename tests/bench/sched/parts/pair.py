# SPDX-License-Identifier: Apache-2.0
"""An urgent guest and a batch guest on one worker."""

import statistics

from harness import stats
from parts import fleets

ROUNDS = 7
LIMIT, LEFT = 1.25, 0.97
HEAD = 'policy = "priority"\nworkers = 1\n'
# A period that is no divisor of a millisecond's slices; a tenth of the CPU.
URGENT = ("--urgent", "2", "--urgent-level", "2", "--rounds", "1500", "--period", "1300", "--service", "60", "--batch", "0")


def measure(options):
    rounds = options.rounds or ROUNDS
    urgent = fleets.guest("urgent", "load-mixed", *URGENT, samples="true")
    batch = fleets.guest("batch", "load-compute", "--level", "20", "--units", "0", background="true")
    # As much work as it gets done beside the other, about.
    batch_alone = fleets.guest("batch", "load-compute", "--level", "20", "--units", "2000000")
    pin = ["--pin", str(fleets.cpus()[0])]
    samples = []
    for number in range(rounds):
        alone = fleets.run(HEAD + urgent, "priority", pin)
        full = fleets.run(HEAD + batch_alone, "priority", pin)
        both = fleets.run(HEAD + urgent + batch, "priority", pin)
        left = (1 - alone.share("urgent")) * full.rate("batch")
        key = ("urgent", "urgent")
        samples.append({"alone": fleets.quantile(alone.latencies[key], 990), "beside": fleets.quantile(both.latencies[key], 990),
                        "p50 alone": fleets.quantile(alone.latencies[key], 500),
                        "p50 beside": fleets.quantile(both.latencies[key], 500), "left": both.rate("batch") / left})
        fleets.progress("pair", number, rounds, "  ".join(f"{key} {value:.3g}" for key, value in samples[-1].items()))
    return samples


def report(samples, floors):
    print("\npair: one urgent request load and one batch load, one worker")
    for key in ("p50 alone", "p50 beside", "alone", "beside"):
        name = key if key.startswith("p50") else f"p99 {key}"
        print(f"  urgent {name:12} us   {stats.text([one[key] / 1e3 for one in samples], 1)}")
    ratios = [one["beside"] / one["alone"] for one in samples]
    left = [one["left"] for one in samples]
    print(f"  p99 beside / alone       {stats.text(ratios)}   "
          f"{floors.verdict('pair: p99 beside / alone', statistics.median(ratios), LIMIT, least=False)}")
    print(f"  batch, of what is left   {stats.text(left, 3)}   "
          f"{floors.verdict('pair: batch throughput of what is left', statistics.median(left), LEFT)}")
    return {"ratio": stats.summary(ratios), "left": stats.summary(left)}
