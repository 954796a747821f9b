# SPDX-License-Identifier: Apache-2.0
"""What coroutines do to one another on one hart: beside threads of a stock Linux guest on the same engine, and
beside the same executor compiled for the host. And a wake across harts, beside threads."""

import json
import os
import statistics

from harness import build, stats

ROUNDS = 5
# Threads' time over ours.
FLOORS = {"spawn": 10, "yield": 10, "wake": 10, "handover": 10, "channel": 10, "mutex": 1, "cross": 2, "preempt": 8,
          "tick": 8}
MEANING = {"spawn": "spawn, run, exit, join", "yield": "yield to another", "wake": "wake and switch",
           "handover": "mutex to who waits", "channel": "item through a queue of 4", "mutex": "lock and unlock, free",
           "cross": "wake to a sleeping hart, until it runs (2 harts, 2 workers)",
           "preempt": "from one that computes to another, by the user timer; threads: two stacks, by signals",
           "tick": "the user timer comes, and who computes goes on; threads: a timer's signal comes"}
NATIVE_LIMIT = 1.5  # our time over the native one, with the engine's own mean taken out


def _guest(options, app, harts=1):
    return build.run([build.COPS, "run", "--engine", options.engine, "--cpus", str(harts), "--workers", str(harts),
                      "--", app]).stdout


def _linux(options, images, harts=1):
    kernel, initrd = images
    return build.run([build.COPS, "run", "--engine", options.engine, "--cpus", str(harts), "--workers", str(harts),
                      "--memory", "256M", "--kernel", kernel, "--initrd", initrd,
                      "--cmdline", "console=ttyS0 quiet"]).stdout


def _collect(samples, machine, text):
    if "end" not in text.split() or "failed:" in text:
        raise SystemExit(f"{machine}: did not come to its end\n{text[-2000:]}")
    # Of the two policies of threads the faster counts, for each operation and round by itself.
    best = {}
    for line in build.lines(text, "op"):
        one = best.setdefault(line["subject"], line)
        if line["p50"] < one["p50"]:
            best[line["subject"]] = line
    for name, line in best.items():
        samples.setdefault(name, {}).setdefault(machine, []).append(line)


def _engine_mean(options):
    """Our time over native for plain code: the geometric mean over the workloads of the `cpu` bench, one round."""
    path = os.path.join(build.OUTPUT, "engine-mean.json")
    build.run([os.path.join(build.ROOT, "tests", "bench", "cpu", "run"), "--parts", "workloads", "--no-qemu",
               "--rounds", "1", "--engine", options.engine, "--json", path], timeout=1800)
    with open(path, encoding="utf-8") as file:
        return json.load(file)["workloads"]["means"]["native"]


def measure(options):
    """{"operations": {name: {machine: [fields of each round]}}, "engine": [mean of each round]}"""
    guest, native = build.guest_app("operations"), build.native_app("operations")
    cross, preempt = build.guest_app("cross"), build.guest_app("preempt")
    images = build.linux_images(build.source_of("pthreads.c"), "threads under Linux")
    rounds = options.rounds or ROUNDS
    samples, means = {}, []
    for number in range(rounds):
        _collect(samples, "native", build.run([native]).stdout)
        _collect(samples, "cops", _guest(options, guest))
        _collect(samples, "cops", _guest(options, preempt))
        _collect(samples, "cops", _guest(options, cross, 2))
        if images is not None:
            _collect(samples, "threads", _linux(options, images))
            _collect(samples, "threads", _linux(options, images, 2))
        means.append(_engine_mean(options))
        last = "  ".join(f"{name} {one['cops'][-1]['p50']:.0f}" for name, one in samples.items())
        build.progress(f"round {number + 1}/{rounds} operations, ns: {last}; engine {means[-1]:.2f} x native")
    return {"operations": samples, "engine": means}


def report(data, floors):
    print("\noperations of coroutines, on one hart but for cross: ns each, median over the rounds (p99 of batches of 100 or 200)")
    machines = ["cops", "threads", "native"]
    print(f"  {'':10}" + "".join(f"{name:>24}" for name in machines))
    for name, samples in data["operations"].items():
        line = f"  {name:10}"
        for machine in machines:
            if machine in samples:
                middle = statistics.median(one["p50"] for one in samples[machine])
                tail = statistics.median(one["p99"] for one in samples[machine])
                line += f"{f'{middle:.1f} ({tail:.0f})':>24}"
            else:
                line += f"{'-':>24}"
        print(f"{line}   {MEANING[name]}")
    return {"threads": _against_threads(data, floors), "native": _against_native(data, floors)}


def _against_threads(data, floors):
    print("  threads of a stock Linux guest / coroutines (threads by the faster of SCHED_OTHER and SCHED_FIFO)")
    results = {}
    for name, samples in data["operations"].items():
        if "threads" not in samples:
            floors.missed.append(f"{name}: threads were not measured")
            continue
        ratio = stats.ratios(*([one["p50"] for one in samples[machine]] for machine in ("threads", "cops")))
        results[name] = stats.summary(ratio)
        verdict = floors.verdict(f"threads / coroutines, {name}", results[name]["median"], FLOORS[name])
        print(f"    {name:10}{stats.text(ratio)}   {verdict}")
    return results


def _against_native(data, floors):
    engine = data["engine"]
    print(f"  coroutines / the same executor on the host; the engine needs {stats.text(engine)} of native time for "
          "plain code, which is taken out on the right")
    results = {}
    for name, samples in data["operations"].items():
        if "native" not in samples:
            continue
        ratio = stats.ratios(*([one["p50"] for one in samples[machine]] for machine in ("cops", "native")))
        scaled = stats.ratios(ratio, engine)
        results[name] = {"raw": stats.summary(ratio), "scaled": stats.summary(scaled)}
        middle = results[name]["scaled"]["median"]
        verdict = floors.verdict(f"coroutines / native, scaled, {name}", middle, NATIVE_LIMIT, least=False)
        print(f"    {name:10}{stats.text(ratio):40} {stats.text(scaled)}   {verdict}")
    return results
