# SPDX-License-Identifier: Apache-2.0
"""Medians with 95 % intervals, tails, and the floors they are held against. Nothing is filtered."""

import math
import random
import statistics

RESAMPLES = 2000
# Resampling is seeded: the same samples always print the same interval.
SEED = 1


def interval(values):
    """(low, high): 95 % bootstrap interval of the median (percentile method)."""
    if len(values) < 2:
        return (values[0], values[0])
    source = random.Random(SEED)
    medians = sorted(statistics.median(source.choices(values, k=len(values))) for _ in range(RESAMPLES))
    return (medians[int(0.025 * RESAMPLES)], medians[int(0.975 * RESAMPLES) - 1])


def summary(values):
    low, high = interval(values)
    return {"median": statistics.median(values), "low": low, "high": high, "least": min(values), "most": max(values),
            "count": len(values)}


def text(values, digits=2):
    """`median [interval] (least..most)`"""
    one = summary(values)
    number = "{:.%df}" % digits
    return (f"{number} [{number}..{number}] ({number}..{number})").format(
        one["median"], one["low"], one["high"], one["least"], one["most"])


def ratios(above, below):
    """Of the same round each."""
    return [one / other for one, other in zip(above, below)]


def geometric_mean(values):
    return math.exp(statistics.fmean(math.log(value) for value in values))


class Floors:
    """What was promised; collects what was missed."""

    def __init__(self):
        self.missed = []

    def verdict(self, what, value, floor, least=True):
        held = value >= floor if least else value <= floor
        side = "at least" if least else "at most"
        if not held:
            self.missed.append(f"{what}: {value:.2f}, wanted {side} {floor:g}")
        return f"{side} {floor:g}: {'held' if held else 'MISSED'}"
