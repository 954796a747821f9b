# SPDX-License-Identifier: Apache-2.0
"""Debian's stock riscv64 kernel to a busybox shell and through a script, and what memory that takes."""

import json
import os
import re
import subprocess
import sys
import threading
import time

from harness import build, machines

MEMORY_MIB = 256
CMDLINE = "console=ttyS0 quiet"
HARTS = 1


def prepare():
    """(kernel, initrd), or None when Debian's packages cannot be had."""
    support = os.path.join(build.ROOT, "tests", "support")
    done = subprocess.run([os.path.join(support, "fetch_debian.sh")], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        print("SKIPPED: Linux: Debian's riscv64 kernel and busybox could not be fetched", file=sys.stderr)
        return None
    cache = done.stdout.strip()
    initrd = os.path.join(build.OUTPUT, "linux.cpio.gz")
    subprocess.run(
        [os.path.join(support, "mkinitramfs.py"), initrd, f"file bin/busybox {cache}/busybox", "link bin/sh busybox",
         "char dev/console 5 1", "char dev/null 1 3", "char dev/zero 1 5", "dir proc",
         f"file init {os.path.join(build.HERE, 'linux', 'init.sh')} 755"], check=True)
    return os.path.join(cache, "Image"), initrd


def command(machine, images, engine, extra=()):
    kernel, initrd = images
    if machine == "cops":
        more = ["--initrd", initrd, *extra]
        return machines.cops_command(kernel, CMDLINE, engine, HARTS, MEMORY_MIB, more)
    return machines.qemu_command(kernel, CMDLINE, HARTS, MEMORY_MIB, ["-initrd", initrd])


def memory(pid):
    """Resident KiB of a process: {"guest": its guest's RAM, "code": translated code, "rest":}. By Pss, so that a
    page that is mapped twice counts once."""
    sizes = {"guest": 0, "code": 0, "rest": 0}
    part = "rest"
    with open(f"/proc/{pid}/smaps", encoding="utf-8") as file:
        for line in file:
            head = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+ *(.*)", line)
            if head:
                size = int(head[2], 16) - int(head[1], 16)
                name = head[4].rstrip()
                shared = name.startswith(("/memfd:", "/dev/zero"))
                if "cops-guest-ram" in name or name == "" and size == MEMORY_MIB << 20:
                    part = "guest"
                elif shared or name == "" and "x" in head[3]:
                    part = "code"
                else:
                    part = "rest"
            elif line.startswith("Pss:"):
                sizes[part] += int(line.split()[1])
    return sizes


class Boot:
    """One boot, followed line by line."""

    def __init__(self, machine, images, engine, extra=()):
        self.command = command(machine, images, engine, extra)
        self.started = time.monotonic()
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT)
        self.printed = []
        self.watchdog = threading.Timer(machines.TIMEOUT, self.process.kill)
        self.watchdog.start()

    def until(self, marker):
        """Seconds since the start at which a line with `marker` came."""
        for line in self.process.stdout:
            text = line.decode(errors="replace")
            self.printed.append(text)
            if marker in text:
                return time.monotonic() - self.started
        self.watchdog.cancel()
        sys.exit(f"{' '.join(self.command)}: ended before '{marker}'\n{''.join(self.printed[-40:])}")

    def finish(self):
        """Answers the script; the guest powers off. Seconds since the start."""
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            self.printed.append(line.decode(errors="replace"))
        code = self.process.wait()
        self.watchdog.cancel()
        if code != 0:
            sys.exit(f"{' '.join(self.command)}: exit {code}\n{''.join(self.printed[-40:])}")
        return time.monotonic() - self.started

    def answers(self):
        """What the script computed."""
        begin = next(n for n, line in enumerate(self.printed) if "bench: shell" in line)
        return [line.strip() for line in self.printed[begin:] if re.match(r"[0-9a-f.]+( |$|\s)", line)]


def boot(machine, images, engine, extra=()):
    guest = Boot(machine, images, engine, extra)
    shell = guest.until("bench: shell")
    done = guest.until("bench: done")
    resident = memory(guest.process.pid)
    answers = guest.answers()
    total = guest.finish()
    return {"shell": shell, "script": done - shell, "total": total, "memory": resident, "answers": answers}


def translation(options):
    """What the engine counted over one more boot: EngineStats of the report, and the time the hart ran."""
    images = prepare()
    if images is None:
        return None
    path = os.path.join(build.OUTPUT, "linux-report.json")
    boot("cops", images, options.engine, ["--engine-stats", "--json", path])
    with open(path, encoding="utf-8") as file:
        vcpus = json.load(file)["guests"][0]["vcpus"]
    return {**vcpus[0]["engine"], "run_ns": vcpus[0]["run_ns"], "instructions": vcpus[0]["instructions"]}


def measure(options, progress):
    """{"cops": [boots], "qemu": [boots]}, interleaved; None when Linux cannot be had."""
    images = prepare()
    if images is None:
        return None
    names = ["cops"] if options.no_qemu else ["cops", "qemu"]
    boots = {name: [] for name in names}
    for number in range(options.rounds):
        line = f"round {number + 1}/{options.rounds} linux"
        for name in names:
            one = boot(name, images, options.engine)
            boots[name].append(one)
            line += f"  {name}: shell {one['shell']:.2f} s, script {one['script']:.2f} s, total {one['total']:.2f} s"
        progress(line)
        expected = boots["cops"][0]["answers"]
        for name in names:
            if boots[name][-1]["answers"] != expected or len(expected) < 5:
                sys.exit(f"linux: the script's results differ: {boots[name][-1]['answers']} on {name}, {expected}")
    return boots
