# SPDX-License-Identifier: Apache-2.0
"""An urgent guest beside busy ones: ours, and Linux guests under QEMU that are left to the host's kernel with nice values.

What is the same: the machine, all its CPUs; how many guests (TIMES busy ones of one vCPU for each CPU, and the urgent one); nice
values; the work. In the urgent guest something is due each PERIOD us, and takes WORK units of the same loop; the guest's clock
tells how late it began and how late it was done. In ours that is load-mixed's coroutine of level 2 beside load-compute at
level 40, under `priority` (which has no nice values) and under `linux-nice`. In Linux it is a thread under SCHED_FIFO of a stock
Debian kernel (programs/linux_guest.c), each guest in a QEMU process of its own, all of whose threads have the nice value; the
urgent guest is started when all others compute.

What is not the same: the kernel of the guest, and what executes it. So how late it is done says as much about QEMU's speed as about
scheduling, and `alone` is printed for each, without the busy guests: what is added beside them is scheduling's."""

import os
import re
import subprocess
import sys
import threading

from harness import build, stats
from parts import fleets, wake
import qemu_system

ROUNDS = 5
COUNT, PERIOD, WORK = 1000, 1300, 20  # of each round; us; units of about a microsecond
TIMES, URGENT_NICE, BATCH_NICE = wake.TIMES, wake.URGENT_NICE, 19
MEMORY_MIB = 256
TIMEOUT = 300
WHAT = {"began": "urgent-start", "done": "urgent"}  # and what load-mixed calls it
MEANING = {"priority": "ours, priority", "linux-nice": "ours, linux-nice", "qemu": "Linux under QEMU, nice"}
HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def ours(busy, policy):
    cpus = fleets.cpus()
    text = f"workers = {len(cpus)}\n" + fleets.guest(
        "urgent", "load-mixed", "--urgent", 1, "--urgent-level", 2, "--rounds", COUNT, "--period", PERIOD, "--service", WORK,
        "--batch", 0, samples="true", nice=URGENT_NICE)
    text += "".join(fleets.guest(f"busy{number}", "load-compute", "--level", 40, "--units", 0, background="true",
                                 nice=BATCH_NICE) for number in range(busy))
    run = fleets.run(text, policy, ["--pin", ",".join(str(cpu) for cpu in cpus)])
    return {what: run.latencies["urgent", name] for what, name in WHAT.items()}


class Linux:
    """A Linux guest under QEMU. `words` are its program's arguments."""

    def __init__(self, images, nice, *words):
        kernel, initrd = images
        self.command = qemu_system.command(kernel, f"console=ttyS0 quiet -- {' '.join(str(word) for word in words)}",
                                           memory=MEMORY_MIB, more=["-initrd", initrd])
        try:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                            stderr=subprocess.STDOUT, text=True, errors="replace",
                                            preexec_fn=lambda: os.setpriority(os.PRIO_PROCESS, 0, nice))
        except subprocess.SubprocessError:
            sys.exit(f"qemu: the host does not permit nice {nice} (RLIMIT_NICE)")
        self.printed = []
        self.watchdog = threading.Timer(TIMEOUT, self.process.kill)
        self.watchdog.start()

    def until(self, marker):
        for line in self.process.stdout:
            self.printed.append(line)
            if line.strip() == marker:
                return
        sys.exit(f"{' '.join(self.command)}: ended before '{marker}'\n{''.join(self.printed[-20:])}")

    def stop(self):
        self.watchdog.cancel()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def linux(images, busy):
    guests = []
    try:
        guests += [Linux(images, BATCH_NICE, "busy") for _ in range(busy)]
        for guest in guests:
            guest.until("busy")
        guests.append(Linux(images, URGENT_NICE, "periodic", COUNT, PERIOD, WORK))
        guests[-1].until("end")
        found = re.findall(r"sample began=(\d+) done=(\d+)", "".join(guests[-1].printed))
    finally:
        for guest in guests:
            guest.stop()
    if len(found) != COUNT:
        sys.exit(f"qemu: {len(found)} samples of {COUNT}")
    return {what: sorted(int(one[place]) for one in found) for place, what in enumerate(WHAT)}


def measure(options):
    rounds, busy = options.rounds or ROUNDS, TIMES * len(fleets.cpus())
    images = build.linux_images(os.path.join(HERE, "programs", "linux_guest.c"), "Linux guests under QEMU")
    samples = []
    for number in range(rounds):
        sample = {}
        for place, others in (("alone", 0), ("beside", busy)):
            for policy in ("priority", "linux-nice"):
                sample[f"{policy} {place}"] = ours(others, policy)
            if images is not None:
                sample[f"qemu {place}"] = linux(images, others)
        samples.append(sample)
        fleets.progress("qemu", number, rounds, "  ".join(
            f"{name} {fleets.quantile(values['began'], 990) / 1e3:.0f}" for name, values in sample.items()))
    return samples


def report(samples, floors):
    del floors  # what is promised is promised beside mode `linux`
    print(f"\nqemu: an urgent guest with something to do each {PERIOD} us, on all CPUs; alone, and beside {TIMES} busy guests for each "
          f"CPU; from when it was due, us;\n  nice {URGENT_NICE} and {BATCH_NICE}; {qemu_system.version()}")
    results = {}
    for name in samples[0]:
        mode, place = name.split(" ")
        for what in WHAT:
            every = sorted(value / 1e3 for one in samples for value in one[name][what])
            results[f"{name} {what}"] = points = fleets.points(every)
            print(f"  {f'{MEANING[mode]}, {place}':33}{what:6}{fleets.text_of(points)}")
    for mode in ("linux-nice", "qemu"):
        if f"{mode} beside" in samples[0]:
            ratios = [fleets.quantile(one["priority beside"]["began"], 990) / fleets.quantile(one[f"{mode} beside"]["began"], 990)
                      for one in samples]
            results[f"ratio {mode}"] = stats.summary(ratios)
            print(f"  beside, began: p99 of ours under priority / of {MEANING[mode]}   {stats.text(ratios, 3)}")
    return results
