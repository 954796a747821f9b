# SPDX-License-Identifier: Apache-2.0
"""Bytes of a coroutine that sleeps, by owner."""

import re
import subprocess
import sys

from harness import build

COUNT = 100_000


def _host_bytes(pid):
    """Resident bytes of the process outside of the guest's RAM; a page that is mapped twice counts once."""
    total, counts = 0, True
    with open(f"/proc/{pid}/smaps", encoding="utf-8") as file:
        for line in file:
            if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
                counts = "cops-guest-ram" not in line
            elif counts and line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    return total


def measure(options):
    """{"before": fields, "after": fields, "count": coroutines}"""
    app = build.guest_app("memory")
    command = [build.COPS, "run", "--engine", options.engine, "--", app, str(COUNT)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    data, text = {"count": COUNT}, []
    for line in child.stdout:
        text.append(line)
        for fields in build.lines(line, "memory"):
            data[fields["subject"]] = {**fields, "host": _host_bytes(child.pid)}
            child.stdin.write("\n")
            child.stdin.flush()
    if child.wait() != 0 or text[-1:] != ["end\n"]:
        sys.exit(f"{' '.join(command)}: exit {child.returncode}\n{''.join(text[-20:])}")
    return data


def report(data, floors):
    del floors  # nothing is promised
    before, after = data["before"], data["after"]

    def each(name):
        return (after[name] - before[name]) / data["count"]

    runtime = each("segments")
    owners = {
        "frame": each("heap") - runtime,
        "runtime": runtime,
        "kernel": -each("free") - each("heap"),
        "host": each("host"),
    }
    meaning = {"frame": "malloc's block of the smallest frame", "runtime": "task table",
               "kernel": "page tables, and pages not full",
               "host": "cops beyond the guest's RAM, and what it translated meanwhile"}
    print(f"\nbytes of a sleeping coroutine by owner, of {data['count']}")
    for owner, size in owners.items():
        print(f"  {owner:9}{size:8.1f}   {meaning[owner]}")
    print(f"  {'all':9}{sum(owners.values()):8.1f}")
    return owners
