# SPDX-License-Identifier: Apache-2.0
"""Medians, ratios, class means, and the floors they are held against."""

import math
import statistics

# QEMU's time over ours: the least that each class and the whole must reach.
CLASS_FLOORS = {"integer": 1.3, "control": 3.0, "memory": 2.0, "float": 5.0, "system": 1.5}
OVERALL_FLOOR = 3.0
WORKLOAD_FLOOR = 1.0
NATIVE_AIM = 2.0
INTERPRETER_FLOOR = 0.1  # over the integer loops; there is no floor for single ones
PAIR_FLOOR = 0.95
LINUX_FLOOR = 1.0
MEMORY_LIMIT_MIB = 16.0
CODE_CACHE_MIB = 64.0  # the default of --code-cache


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


def print_workloads(rows, floors, engine):
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
            if engine != "interp":
                floors.missed.append(f"{row['workload']} is slower than under QEMU: "
                                     f"{statistics.median(row['over_qemu']):.2f}")
            line += "  slower than QEMU"
        print(line)


def print_interpreter(rows, floors):
    """Geometric mean of the integer loops."""
    ratios = [statistics.median(row["over_qemu"]) for row in rows if row["class"] == "integer" and "over_qemu" in row]
    if not ratios:
        return {}
    mean = geometric_mean(ratios)
    print(f"\n{len(ratios)} integer loops, geometric mean of QEMU's time / ours: {mean:.2f}   "
          f"{floors.verdict('integer loops', mean, INTERPRETER_FLOOR)}")
    return {"integer": mean}


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


def print_pair(gains, floors):
    """What two busy harts gain over one, beside what two native threads gain."""
    print("\ntwo busy harts on two workers: work done at once / alone")
    for machine, values in gains.items():
        print(f"  {machine:8}{middle(values)}")
    ratio = statistics.median(cops / native for cops, native in zip(gains["cops"], gains["native"]))
    print(f"  cops / native {ratio:.3f}   {floors.verdict('gain of two harts', ratio, PAIR_FLOOR)}")


def print_linux(boots, translation, floors):
    if boots is None:
        floors.missed.append("Linux was not measured")
        return
    print("\nstock Debian kernel with busybox, seconds")
    for machine, runs in boots.items():
        parts = [f"{what} {middle([run[what] for run in runs])}" for what in ("shell", "script", "total")]
        print(f"  {machine:6}" + "   ".join(parts))
    if "qemu" in boots:
        for what in ("shell", "script", "total"):
            ratio = statistics.median(qemu[what] / cops[what] for qemu, cops in zip(boots["qemu"], boots["cops"]))
            verdict = floors.verdict(f"Linux, {what}", ratio, LINUX_FLOOR) if what == "shell" else ""
            print(f"  {what:7}QEMU / cops {ratio:6.2f}   {verdict}")
    print("resident MiB after the script (Pss)")
    for machine, runs in boots.items():
        size = {part: statistics.median(run["memory"][part] for run in runs) / 1024 for part in runs[0]["memory"]}
        print(f"  {machine:6}touched guest RAM {size['guest']:.1f}, memory files and generated code "
              f"{size['code']:.1f}, all else {size['rest']:.1f}")
        if machine == "cops" and translation is not None:
            used = translation["code_bytes"] / (1 << 20)
            beyond = size["code"] + size["rest"]
            verdict = floors.verdict("MiB beyond guest RAM", beyond, MEMORY_LIMIT_MIB + CODE_CACHE_MIB, least=False)
            print(f"        beyond guest RAM: {beyond:.1f}, of which host code {used:.1f}   {verdict} "
                  f"({MEMORY_LIMIT_MIB:g} and a code cache of {CODE_CACHE_MIB:g})")


def print_translation(stats):
    """What translating cost, and how much host code it made."""
    if stats is None:
        return
    print("\ntranslation over one more boot (with --engine-stats)")
    guest, code = stats["translated_bytes"], stats["code_bytes"]
    print(f"  {stats['translated_blocks']} blocks of {guest / 1024:.0f} KiB guest code became {code / 1024:.0f} KiB "
          f"({code / max(guest, 1):.1f} bytes each), cache {stats['code_capacity'] / (1 << 20):.0f} MiB, "
          f"emptied {stats['flushes']} times")
    if stats["translation_ns"]:
        seconds = stats["translation_ns"] / 1e9
        print(f"  {seconds:.3f} s, {guest / 1024 / seconds:.0f} KiB of guest code a second, "
              f"{stats['translation_ns'] / max(stats['run_ns'], 1):.1%} of the run")
    for name, hits, misses in (("block exits chained", "chained_exits", "dispatched_exits"),
                               ("TLB hits", "tlb_hits", "tlb_misses")):
        if stats[hits] is not None and stats[misses] is not None:
            print(f"  {name}: {stats[hits] / max(stats[hits] + stats[misses], 1):.3%} of "
                  f"{stats[hits] + stats[misses]}")


def _microseconds(runs, name, unit):
    return f"{name[-3:]} {statistics.median(run[name] for run in runs) * unit:8.1f}"


def print_latency(timers, preemption):
    print("\ntimer interrupt to handler while the hart is busy, us (medians of the rounds)")
    for machine, runs in timers.items():
        print(f"  {machine:9}" + "  ".join(_microseconds(runs, name, 0.1) for name in ("p50", "p99", "max")))
    if preemption is None:
        return
    print("run() of a busy hart returns after, us")
    for kind, runs in preemption.items():
        for event in ("request", "deadline"):
            times = "  ".join(_microseconds(runs, f"{event}_{part}", 1e-3) for part in ("p50", "p99", "max"))
            print(f"  {kind:9}{event:10}{times}")
