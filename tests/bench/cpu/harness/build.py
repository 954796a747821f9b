# SPDX-License-Identifier: Apache-2.0
"""Compiles the workloads once for the guest and once for the host, by the same compiler and flags."""

import hashlib
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
BUILD = os.environ.get("COPS_BENCH_BUILD", os.path.join(ROOT, "build", "release"))
OUTPUT = os.path.join(BUILD, "bench", "cpu")

COMPILER = "clang-19"
# No contraction: SSE2 has no fused multiply-add, and results are compared bit for bit. No built-ins: the
# compiler would turn loops into calls of the host's tuned C library on one side only.
COMMON = ["-std=gnu17", "-O2", "-g1", "-ffp-contract=off", "-fno-math-errno", "-ffreestanding", "-fno-builtin",
          "-fno-stack-protector", "-Wall", "-Wextra"]
GUEST = ["--target=riscv64-linux-gnu", "-march=rv64gc", "-mabi=lp64d", "-mcmodel=medany", "-fno-pic"]
NATIVE = ["-march=x86-64"] if os.uname().machine == "x86_64" else []
WORKLOADS = ["integer", "control", "memory", "float"]


def _run(command):
    done = subprocess.run(command, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit {done.returncode}")


def _compile(folder, flags, sources):
    os.makedirs(folder, exist_ok=True)
    objects = []
    for source in sources:
        target = os.path.join(folder, os.path.splitext(os.path.basename(source))[0] + ".o")
        _run([COMPILER, *COMMON, *flags, "-c", os.path.join(HERE, source), "-o", target])
        objects.append(target)
    return objects


def guest_image():
    image = os.path.join(OUTPUT, "guest.elf")
    sources = [f"workloads/{name}.c" for name in WORKLOADS]
    sources += [f"guest/{name}" for name in ("start.S", "traps.S", "main.c", "platform.c", "system.c", "user.c")]
    objects = _compile(os.path.join(OUTPUT, "guest"), GUEST, sources)
    _run([COMPILER, *GUEST, "-nostdlib", "-static", "-fuse-ld=lld-19", "-Wl,--build-id=none",
          f"-Wl,-T,{os.path.join(HERE, 'guest', 'guest.ld')}", *objects, "-o", image])
    return image


def native_program():
    program = os.path.join(OUTPUT, "native.bin")
    folder = os.path.join(OUTPUT, "native")
    objects = _compile(folder, NATIVE, [f"workloads/{name}.c" for name in WORKLOADS])
    main = os.path.join(folder, "main.o")
    _run([COMPILER, "-std=gnu17", "-O2", "-Wall", "-Wextra", "-c", os.path.join(HERE, "native", "main.c"), "-o", main])
    _run([COMPILER, *objects, main, "-pthread", "-o", program])
    return program


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()[:16]
