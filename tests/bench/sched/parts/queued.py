# SPDX-License-Identifier: Apache-2.0
"""An urgent coroutine queued on a vCPU that has lost the worker, while another vCPU of its guest runs.

One worker, a guest of two vCPUs. On hart A a coroutine of level 20 computes; on hart B one of level 40 would like to, and
an urgent one of level 2 lives there (programs/queued.cpp says in which ways it becomes ready). Alone, and beside another
guest that computes at level 35, before B's batch work and after A's. Time is the guest's. That B does not run needs no
check: A has the only worker.

Bounds are those of docs/design/scheduling.md, "Work queued for a vCPU that waits": 1 slice + w graces + 100 us when woken,
w graces + 100 us when due, and the 5 ms of the user timer more where B's batch work computes without a pause. What
the host's kernel takes from the worker is in the samples and not in the bounds, and so is how late a timer of the host is:
so the 99.9th percentile is held against them, and the most is printed."""

import os

from harness import build
from parts import fleets

ROUNDS = 5
COUNT = 400  # of each way and round
SLICE, GRACE, SECTION, USER_TIMER = 1000, 50, 100, 5000  # us
WORKERS = 1
BOUNDS = {"wake": SLICE + WORKERS * GRACE + SECTION, "wake-computing": SLICE + WORKERS * GRACE + SECTION + USER_TIMER,
          "due": WORKERS * GRACE + SECTION}
MEANING = {"wake": "woken by hart A; B's batch work looks each step", "wake-computing": "woken by hart A; B's batch work never looks",
           "due": "its sleep ends"}
HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LOAD = os.path.join(build.RUNTIME, "apps", "load")


def measure(options):
    program = fleets.app(os.path.join(HERE, "programs", "queued.cpp"), f"-I{LOAD}", os.path.join(LOAD, "latencies.cpp"))
    rounds = options.rounds or ROUNDS
    guest = f"workers = {WORKERS}\n" + fleets.guest("guest", program, COUNT, cpus=2, samples="true")
    other = fleets.guest("other", "load-compute", "--level", "35", "--units", "0", background="true")
    pin = ["--pin", str(fleets.cpus()[0])]
    samples = []
    for number in range(rounds):
        sample = {}
        for place, text in (("alone", guest), ("beside", guest + other)):
            run = fleets.run(text, "priority", pin)
            sample[place] = {way: run.latencies["guest", way] for way in BOUNDS}
        samples.append(sample)
        fleets.progress("queued", number, rounds, "  ".join(
            f"{place} {way} {fleets.quantile(values, 500) / 1e3:.0f}" for place, ways in sample.items()
            for way, values in ways.items()))
    return samples


def report(samples, floors):
    print("\nqueued: an urgent coroutine becomes ready on a vCPU that has lost the worker to another one of its guest, until it "
          "starts, us")
    results = {}
    for place, where in (("alone", "no other guest"), ("beside", "beside a guest that computes at a level between")):
        print(f"  {where}")
        for way, bound in BOUNDS.items():
            every = sorted(value / 1e3 for one in samples for value in one[place][way])
            points = fleets.points(every)
            results[f"{place} {way}"] = points
            print(f"    {MEANING[way]:46} {fleets.text_of(points)}\n"
                  f"      p99.9 {floors.verdict(f'queued {place}, {way}: p99.9, us', points['p999'], bound, least=False)}; "
                  f"beyond it {sum(value > bound for value in every)} of {len(every)}")
    return results
