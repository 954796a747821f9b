# SPDX-License-Identifier: Apache-2.0
"""How soon a coroutine runs after something happened on the host, by each way a completion can take; how late timers
are; what looking for more urgent work costs."""

import glob
import mmap
import os
import random
import statistics
import struct
import subprocess
import sys
import tempfile
import time

from harness import build, stats

ROUNDS = 5
COUNT = 1000  # Messages of each way and round.
BETWEEN = (300e-6, 900e-6)  # Seconds between two messages: a guest that answered is at work or asleep again.
QUESTIONS = 3000  # Comparisons of the two clocks; the shortest counts.
LAST_QUESTION = (1 << 64) - 1
MARK = 0x6D656574696E6721  # And its complement: no copy of the program has both.
WAYS = {"poll": "found by polling, at a switch", "interrupt": "user interrupt, maybe_yield() each step",
        "preempt": "user interrupt and preemption, no maybe_yield()", "timer": "user timer alone, each 5 ms",
        "upcall": "upcall of the kernel and preemption, without N",
        "kernel-timer": "kernel timer alone, each 10 ms, without N", "kernel": "through the kernel",
        "idle": "the guest slept"}


class Meeting:
    """A few words in the guest's RAM, which is a memory file of the process."""

    def __init__(self, pid):
        path = next(path for path in glob.glob(f"/proc/{pid}/fd/*") if "cops-guest-ram" in os.readlink(path))
        self.file = os.open(path, os.O_RDWR)
        size = os.fstat(self.file).st_size
        self.memory = mmap.mmap(self.file, size)
        mark = struct.pack("<QQ", MARK, ~MARK & LAST_QUESTION)
        self.words = memoryview(self.memory)[self._find(mark, size):][:40].cast("Q")

    def _find(self, mark, size):
        at = 0
        try:
            while at < size:  # data only: to read a hole would fill it
                at = os.lseek(self.file, at, os.SEEK_DATA)
                end = os.lseek(self.file, at, os.SEEK_HOLE)
                found = self.memory.find(mark, at, end)
                if found >= 0:
                    return found
                at = end
        except OSError:
            pass  # No data is left.
        sys.exit("wakes: the guest's mark is not in its memory")

    def offset(self):
        """(guest time - host time, how far it may be off), in ns."""
        words, best = self.words, (1 << 62, 0)
        for question in range(1, QUESTIONS + 1):
            begun = time.monotonic_ns()
            words[2] = question
            while words[3] != question:
                pass
            ended = time.monotonic_ns()
            best = min(best, (ended - begun, words[4] - (begun + ended) // 2))
        words[2] = LAST_QUESTION
        return best[1], best[0] / 2


def _write_messages(pipe, meeting, source):
    for number in range(COUNT):
        while meeting.words[3] != number:  # Not taken yet: a queue would be measured.
            time.sleep(BETWEEN[0])
        time.sleep(source.uniform(*BETWEEN))
        os.write(pipe, struct.pack("<Q", time.monotonic_ns()))


def _once(options, app, seed, isa):
    """Results of one guest: {"ways": {way: {what: [ns]}}, "sleep": {kind: [ns]}, "spin": {kind: ns}, "error":}"""
    with tempfile.TemporaryDirectory() as scratch:
        fifo = os.path.join(scratch, "messages")
        os.mkfifo(fifo)
        pipe = os.open(fifo, os.O_RDWR)
        command = [build.COPS, "run", "--engine", options.engine, "--isa", isa, "--grant", f"m=file:{fifo}:ro", "--", app, "/host/m",
                   str(COUNT)]
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        text, offset, error = [], 0, 0
        try:
            for line in child.stdout:
                if line.startswith("meet"):
                    meeting = Meeting(child.pid)
                    offset, error = meeting.offset()
                elif line.startswith("ready "):
                    _write_messages(pipe, meeting, random.Random(seed))
                text.append(line)
        except BaseException:
            child.kill()
            raise
        os.close(pipe)
    if child.wait() != 0 or text[-1:] != ["end\n"]:
        sys.exit(f"{' '.join(command)}: exit {child.returncode}\n{''.join(text[-20:])}")
    return _results("".join(text), offset, error)


def _results(text, offset, error):
    result = {"ways": {}, "sleep": {}, "spin": {}, "error": error}
    for line in build.lines(text, "wake"):
        way = result["ways"].setdefault(line["subject"], {"handler": [], "resumed": [], "lost": []})
        # As integers: a float has too few digits for the sum.
        sent = int(line["sent"]) + offset
        way["resumed"].append(int(line["resumed"]) - sent)
        # The last entry before it ran; one from before the write, as for the end of a turn, is another's.
        if int(line["handler"]) >= sent:
            way["handler"].append(int(line["handler"]) - sent)
    for line in build.lines(text, "lost"):
        result["ways"][line["subject"]]["lost"].append(int(line["ns"]))
    for line in build.lines(text, "sleep"):
        result["sleep"].setdefault(line["subject"], []).append(int(line["late"]))
    for line in build.lines(text, "spin"):
        result["spin"][line["subject"]] = line["ns"]
    return result


def measure(options):
    app = build.guest_app("wakes")
    rounds = options.rounds or ROUNDS
    samples = []
    for number in range(rounds):
        samples.append(_once(options, app, number, "n=on"))
        samples[-1]["ways"] |= _once(options, app, number, "n=off")["ways"]
        line = "  ".join(f"{way} {statistics.median(one['resumed']) / 1e3:.1f} us"
                         for way, one in samples[-1]["ways"].items())
        build.progress(f"round {number + 1}/{rounds} wakes: {line}")
    return samples


def _tail(rounds):
    """(text, summary): p50 with its interval, p99, p99.9 in us, over all samples of all rounds."""
    every = sorted(value / 1e3 for one in rounds for value in one)
    if not every:
        return "none", {}
    medians = [statistics.median(one) / 1e3 for one in rounds if one]
    low, high = stats.interval(medians)
    points = {name: every[min(int(len(every) * part), len(every) - 1)]
              for name, part in (("p50", 0.5), ("p99", 0.99), ("p999", 0.999))}
    points |= {"low": low, "high": high, "count": len(every)}
    return (f"p50 {points['p50']:.1f} [{low:.1f}..{high:.1f}]  p99 {points['p99']:.0f}  p99.9 {points['p999']:.0f}  "
            f"({len(every)})"), points


def report(samples, floors):
    del floors  # nothing is promised yet
    error = statistics.median(one["error"] for one in samples)
    print("\nfrom a write to a FIFO on the host to the coroutine that reads it, us (number of samples); the two clocks "
          f"are compared to within {error / 1e3:.2f} us")
    results = {"ways": {}, "sleep": {}, "spin": {}}
    for way, meaning in WAYS.items():
        print(f"  {meaning}")
        for what, name in (("handler", "first handler instruction"), ("resumed", "coroutine resumed"),
                           ("lost", "taken from who computes")):
            text, points = _tail([one["ways"][way][what] for one in samples])
            if points:
                results["ways"].setdefault(way, {})[what] = points
                print(f"    {name:36}{text}")
    print("lateness of sleep_for(500 us) at level 2 beside a spinning level-63 coroutine, us")
    for kind, meaning in (("each", "maybe_yield() each step"), ("never", "preemption, no maybe_yield()")):
        text, results["sleep"][kind] = _tail([one["sleep"][kind] for one in samples])
        print(f"    {meaning:36}{text}")
    print("what looking costs: one step of multiply and add, ns; time without looking / with")
    never = [one["spin"]["never"] for one in samples]
    for kind in ("never", "1024", "each"):
        with_it = [one["spin"][kind] for one in samples]
        results["spin"][kind] = stats.summary(stats.ratios(never, with_it))
        text = stats.text(stats.ratios(never, with_it))
        print(f"    maybe_yield() {kind:6}{statistics.median(with_it):8.2f}   {text}")
    return results
