# SPDX-License-Identifier: Apache-2.0
"""Medians, ratios, class means, and the floors they are held against."""

import math
import statistics

# QEMU's time over ours: the least that each class and the whole must reach.
CLASS_FLOORS = {"integer": 1.3, "control": 3.0, "memory": 2.0, "float": 5.0, "system": 1.5}
OVERALL_FLOOR = 3.0
WORKLOAD_FLOOR = 1.0
NATIVE_AIM = 2.0


def geometric_mean(values):
    return math.exp(statistics.fmean(math.log(value) for value in values))


def middle(values):
    """`median (least..most)`"""
    return f"{statistics.median(values):7.2f} ({min(values):.2f}..{max(values):.2f})"


class Floors:
    """Collects what was missed."""

    def __init__(self):
        self.missed = []

    def verdict(self, what, value, floor, least=True):
        held = value >= floor if least else value <= floor
        if not held:
            self.missed.append(f"{what}: {value:.2f}, wanted {'at least' if least else 'at most'} {floor:g}")
        return f"{'at least' if least else 'at most'} {floor:g}: {'held' if held else 'MISSED'}"


def workload_rows(samples, instructions):
    """One row a workload of {workload: {"class":, "cops": [ticks], "qemu": [...], "native": [...]}}."""
    rows = []
    for name, one in samples.items():
        row = {"workload": name, "class": one["class"], "cops_ms": statistics.median(one["cops"]) / 1e4}
        row["cops_spread"] = (max(one["cops"]) - min(one["cops"])) / statistics.median(one["cops"])
        if instructions.get(name):
            row["cops_mips"] = instructions[name] / (row["cops_ms"] * 1e3)
        for other in ("qemu", "native"):
            if one.get(other):
                row[f"{other}_ms"] = statistics.median(one[other]) / 1e4
        if one.get("qemu"):
            row["over_qemu"] = [qemu / cops for qemu, cops in zip(one["qemu"], one["cops"])]
        if one.get("native"):
            row["over_native"] = [cops / native for native, cops in zip(one["native"], one["cops"])]
        rows.append(row)
    return rows


def print_workloads(rows, floors):
    print(f"\n{'workload':11}{'class':9}{'cops ms':>9} {'spread':>7}{'QEMU ms':>10}{'native ms':>11}{'MIPS':>8}"
          f"{'QEMU / cops':>24}{'cops / native':>24}")
    for row in rows:
        line = f"{row['workload']:11}{row['class']:9}{row['cops_ms']:9.1f} {row['cops_spread']:6.0%} "
        line += f"{row['qemu_ms']:9.1f}" if "qemu_ms" in row else " " * 9
        line += f"{row['native_ms']:11.1f}" if "native_ms" in row else f"{'-':>11}"
        line += f"{row['cops_mips']:8.0f}" if "cops_mips" in row else f"{'-':>8}"
        line += f"{middle(row['over_qemu']):>24}" if "over_qemu" in row else f"{'-':>24}"
        line += f"{middle(row['over_native']):>24}" if "over_native" in row else f"{'-':>24}"
        if "over_qemu" in row and statistics.median(row["over_qemu"]) < WORKLOAD_FLOOR:
            floors.missed.append(f"{row['workload']} is slower than under QEMU: "
                                 f"{statistics.median(row['over_qemu']):.2f}")
            line += "  slower than QEMU"
        print(line)


def print_classes(rows, floors):
    """Geometric means by class and of the classes."""
    means = {}
    for group in dict.fromkeys(row["class"] for row in rows):
        ratios = [statistics.median(row["over_qemu"]) for row in rows if row["class"] == group and "over_qemu" in row]
        if ratios:
            means[group] = geometric_mean(ratios)
    if means:
        print("\nclass means (geometric), QEMU's time / ours")
        for group, mean in means.items():
            print(f"  {group:10}{mean:7.2f}   {floors.verdict(group, mean, CLASS_FLOORS[group])}")
        overall = geometric_mean(means.values())
        print(f"  {'overall':10}{overall:7.2f}   {floors.verdict('overall', overall, OVERALL_FLOOR)}")
        means["overall"] = overall
    native = [statistics.median(row["over_native"]) for row in rows if "over_native" in row]
    if native:
        means["native"] = geometric_mean(native)
        print(f"our time / native, geometric mean of {len(native)} workloads: {means['native']:.2f} (aim: below "
              f"{NATIVE_AIM:g})")
    return means
