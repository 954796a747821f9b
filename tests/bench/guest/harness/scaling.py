# SPDX-License-Identifier: Apache-2.0
"""What two executors gain on two workers over one, beside two native ones on two threads: those of two guests, and those
of one process on two harts."""

import os
import subprocess
import sys

from harness import build, stats

ROUNDS = 5
FLOOR = 0.9  # of the native gain
FLEET = """policy = "priority"
workers = {count}
"""
GUEST = """
[[guest]]
app = "{app}"
engine = "{engine}"
"""


def _times(text, count, command):
    """ns of each, from lines that `cops up` begins with the guest's name."""
    own = "\n".join(line[line.find("work "):] for line in text.splitlines())
    times = [line["ns"] for line in build.lines(own, "work")]
    if len(times) != count:
        sys.exit(f"{' '.join(command)}: {len(times)} of {count} results\n{text[-2000:]}")
    return times


def _guests(options, app, count):
    path = os.path.join(build.OUTPUT, f"scaling-{count}.toml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(FLEET.format(count=count) + GUEST.format(app=app, engine=options.engine) * count)
    command = [build.COPS, "up", path]
    return _times(build.run(command).stdout, count, command)


def _harts(options, app, count):
    command = [build.COPS, "run", "--engine", options.engine, "--cpus", str(count), "--workers", str(count), "--", app,
               str(count)]
    return _times(build.run(command).stdout, 1, command)


def _native(app, count):
    children = [subprocess.Popen([app], stdout=subprocess.PIPE, text=True) for _ in range(count)]
    text = "".join(child.communicate()[0] for child in children)
    return _times(text, count, [app])


def measure(options):
    """{"cops": [gain of each round], "native": [...]}: twice the time alone over that of the slower of two."""
    guest, native = build.guest_app("scaling"), build.native_app("scaling")
    rounds = options.rounds or ROUNDS
    gains = {"cops": [], "harts": [], "native": []}
    for number in range(rounds):
        gains["native"].append(2 * _native(native, 1)[0] / max(_native(native, 2)))
        gains["cops"].append(2 * _guests(options, guest, 1)[0] / max(_guests(options, guest, 2)))
        gains["harts"].append(2 * _harts(options, guest, 1)[0] / _harts(options, guest, 2)[0])
        build.progress(f"round {number + 1}/{rounds} scaling: two guests gain {gains['cops'][-1]:.2f}, two harts "
                       f"{gains['harts'][-1]:.2f}, native {gains['native'][-1]:.2f}")
    return gains


def report(gains, floors):
    ratio = stats.ratios(gains["cops"], gains["native"])
    harts = stats.ratios(gains["harts"], gains["native"])
    results = {name: stats.summary(values) for name, values in {**gains, "ratio": ratio, "harts ratio": harts}.items()}
    print("\ntwo executors at once: work done / that of one alone")
    for name, title in (("cops", "two guests"), ("harts", "two harts of a process"), ("native", "two native programs")):
        print(f"  {title:24}{stats.text(gains[name])}")
    for title, values in (("guests / native", ratio), ("harts / native", harts)):
        key = "ratio" if values is ratio else "harts ratio"
        print(f"  {title:24}{stats.text(values)}   "
              f"{floors.verdict('scaling to two workers, ' + title, results[key]['median'], FLOOR)}")
    return results
