#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compiles every header alone: for the host, for the guest, or, where both share it, for both; the
wire headers as C too."""

import concurrent.futures
import os
import subprocess

from sources import ROOT, finish, tracked

HOST_ROOTS = ("vmm", "vmm/include", "virtio-cops", "virtio-cops/include", "host-tools", "tests/support")
GUEST_ROOTS = (
    "guest-kernel", "guest-kernel/include", "guest-runtime", "guest-runtime/include",
    "guest-runtime/executor/include", "virtio-cops", "virtio-cops/include",
)
TEST_ROOTS = tuple(sorted({os.path.dirname(name) for name in tracked(".hpp") if name.startswith("tests/")}))
# Places that the build tells the tests by definitions; any text serves here.
TEST_PATHS = tuple(f'-D{name}="."' for name in (
    "COPS_COMMAND", "COPS_SOURCE_DIR", "COPS_BINARY_DIR", "COPS_GUEST_PROGRAM_DIR"))
GUEST_TARGET = ["--target=riscv64-linux-gnu", "-march=rv64gc", "-mabi=lp64d", "-mcmodel=medany"]
GUEST_INCLUDES = ["-idirafter", "/usr/riscv64-linux-gnu/include"]
SHARED = ("virtio-cops/", "guest-runtime/executor/", "guest-kernel/include/")
HOST = ("vmm/", "host-tools/", "tests/")


def commands(header):
    """The compilations that must succeed for this header."""
    wire_c = header.startswith("virtio-cops/include/") and header.endswith(".h")
    # host-tools and tests may use exceptions; the rest is compiled as it is built.
    rules = [] if header.startswith(("host-tools/", "tests/")) else ["-fno-exceptions", "-fno-rtti"]
    cxx = ["clang++-19", "-xc++", "-std=c++23", *rules, "-DSPDLOG_NO_EXCEPTIONS",
           "-DSPDLOG_COMPILED_LIB", "-DSPDLOG_FMT_EXTERNAL", "-DCOPS_ASSERTIONS=1"]
    c = ["clang-19", "-xc", "-std=c17"]
    if header.startswith(HOST) or header.startswith(SHARED):
        roots = HOST_ROOTS
        if header.startswith(SHARED):
            roots += GUEST_ROOTS
        elif header.startswith("tests/"):
            # Helpers of tests meet both sides, and each other.
            roots += GUEST_ROOTS + TEST_ROOTS
        yield [*cxx, *TEST_PATHS, *[f"-I{root}" for root in roots]]
        if wire_c:
            yield [*c, *[f"-I{root}" for root in HOST_ROOTS]]
    if not header.startswith(HOST):
        includes = [f"-I{root}" for root in GUEST_ROOTS] + GUEST_INCLUDES
        yield [*cxx, *GUEST_TARGET, *includes]
        if wire_c:
            yield [*c, *GUEST_TARGET, *includes]


def check(header):
    problems = []
    for command in commands(header):
        # -Wno-...: a header is not a main file here, but `#pragma once` would warn as if it were.
        command += ["-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function",
                    "-Wno-pragma-once-outside-header", "-Wno-missing-designated-field-initializers",
                    "-Wno-unused-const-variable", header]
        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if run.returncode != 0:
            problems.append(f"{header}: does not compile alone: {' '.join(command)}\n{run.stderr}")
    return problems


def main():
    headers = [name for name in tracked(".hpp", ".h") if not name.startswith("tests/embed/")]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        problems = [problem for found in pool.map(check, headers) for problem in found]
    finish("check_headers", problems, len(headers))


if __name__ == "__main__":
    main()
