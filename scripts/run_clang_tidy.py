#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs clang-tidy-19 over the product's .cpp files (not tests), in parallel, longest first, with the
compile commands of the release preset: build/release for the host, build/release/guest for the guest."""

import concurrent.futures
import json
import os
import subprocess
import sys
import time

from sources import ROOT, finish

BUILDS = ("build/release", "build/release/guest")
# Programs that test a guest from inside, and the guide's examples, are tests too.
TESTS = ("guest-runtime/apps/test_", "guest-runtime/examples/")
FOLDERS = ("virtio-cops/", "vmm/", "host-tools/", "guest-kernel/", "guest-runtime/")


def units():
    """(build, file), each file once: virtio-cops is compiled for both sides."""
    seen = {}
    for build in BUILDS:
        database = os.path.join(ROOT, build, "compile_commands.json")
        if not os.path.exists(database):
            continue
        with open(database, encoding="utf-8") as file:
            for entry in json.load(file):
                name = os.path.relpath(entry["file"], ROOT)
                if name.startswith(FOLDERS) and not name.startswith(TESTS) and name.endswith(".cpp"):
                    seen.setdefault(name, build)
    return sorted(seen.items(), key=lambda unit: -os.path.getsize(os.path.join(ROOT, unit[0])))


def check(unit):
    name, build = unit
    start = time.monotonic()
    run = subprocess.run(
        ["clang-tidy-19", "--quiet", "-p", build, name],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )
    return name, time.monotonic() - start, run.returncode, run.stdout + (run.stderr if run.returncode else "")


def main():
    only = sys.argv[1:]
    todo = [unit for unit in units() if not only or unit[0] in only]
    problems = []
    done = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for future in concurrent.futures.as_completed([pool.submit(check, unit) for unit in todo]):
            name, seconds, status, output = future.result()
            done += 1
            print(f"[{done}/{len(todo)}] {name} ({seconds:.1f} s)", flush=True)
            if status != 0:
                print(output, flush=True)
                problems.append(f"{name}: see above")
    finish("clang-tidy", problems, len(todo))


if __name__ == "__main__":
    main()
