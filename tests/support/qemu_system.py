# SPDX-License-Identifier: Apache-2.0
"""QEMU's system emulator as benchmarks run it, beside us."""

import subprocess


def command(kernel, cmdline, harts=1, memory=128, more=()):
    """`memory` in MiB."""
    return ["qemu-system-riscv64", "-M", "virt", "-accel", "tcg,thread=multi", "-m", f"{memory}M",
            "-smp", str(harts), "-nographic", "-bios", "default", "-kernel", kernel, "-append", cmdline, *more]


def version():
    done = subprocess.run(["qemu-system-riscv64", "--version"], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[0]
