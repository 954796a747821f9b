# SPDX-License-Identifier: Apache-2.0
"""Where things are, and how the programs of this bench are made."""

import glob
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
BUILD = os.environ.get("COPS_BENCH_BUILD", os.path.join(ROOT, "build", "release"))
OUTPUT = os.path.join(BUILD, "bench", "guest")
COPS = os.path.join(BUILD, "bin", "cops")
APPS = os.path.join(BUILD, "share", "cops", "apps")


RUNTIME = os.path.join(ROOT, "guest-runtime")
EXECUTOR = os.path.join(RUNTIME, "executor")
INCLUDES = [f"-I{os.path.join(ROOT, folder)}" for folder in
            ("guest-runtime/include", "guest-runtime/executor/include", "guest-kernel/include", "virtio-cops/include")]
GUEST = ["--target=riscv64-linux-gnu", "-march=rv64gc", "-mabi=lp64d", "-mcmodel=medany"]
NATIVE = ["-march=x86-64"] if os.uname().machine == "x86_64" else []
CXX = ["clang++-19", "-std=c++23", "-O2", "-fno-exceptions", "-fno-rtti", "-Wall", "-Wextra"]
# Those of executor.cmake.
EXECUTOR_FLAGS = ["-ffreestanding", "-fno-builtin", "-mno-implicit-float", "-fno-threadsafe-statics",
                  "-fno-asynchronous-unwind-tables", "-fno-stack-protector", "-fPIC", "-fvisibility=protected"]


def progress(text):
    print(text, file=sys.stderr, flush=True)


def run(command, timeout=600, codes=(0,)):
    """The finished process; ends the benchmark when it fails or does not come to its end."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                              timeout=timeout, check=False)
    except subprocess.TimeoutExpired:
        sys.exit(f"{' '.join(command)}: did not end in {timeout} s")
    if done.returncode not in codes:
        sys.exit(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done


def source_of(name):
    return os.path.join(HERE, "programs", name)


def _output(name):
    os.makedirs(OUTPUT, exist_ok=True)
    return os.path.join(OUTPUT, name)


def guest_app(name):
    """programs/NAME.cpp with libcops, as an application is linked."""
    app = _output(name)
    libraries = sorted(glob.glob(os.path.join(BUILD, "guest", "lib", "libcops*.a")), key=len)
    run([*CXX, *GUEST, *INCLUDES, "-static", "-fuse-ld=lld-19", source_of(f"{name}.cpp"), *libraries, "-o", app])
    return app


def native_app(name):
    """programs/NAME.cpp with the executor's sources, by the same compiler and flags, for this host."""
    app = _output(f"{name}-native")
    objects = []
    for source in sorted(glob.glob(os.path.join(EXECUTOR, "*.cpp"))):
        objects.append(_output(f"native-{os.path.basename(source)}.o"))
        run([*CXX, *NATIVE, *EXECUTOR_FLAGS, *INCLUDES, "-c", source, "-o", objects[-1]])
    library = [os.path.join(RUNTIME, "library", f"{name}.cpp")
               for name in ("cancellation", "groups", "inheritance", "sync", "timers")]
    run([*CXX, *NATIVE, *INCLUDES, source_of(f"{name}.cpp"), source_of("native_runtime.cpp"), *library, *objects, "-o", app])
    return app


def linux_images(program, what):
    """(kernel, initrd with the C program of that path as /init), or None when Debian's packages cannot be had: then `what`
    is skipped."""
    support = os.path.join(ROOT, "tests", "support")
    done = subprocess.run([os.path.join(support, "fetch_debian.sh")], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        progress(f"SKIPPED: {what}: Debian's riscv64 kernel could not be fetched")
        return None
    name = os.path.splitext(os.path.basename(program))[0]
    init, initrd = _output(name), _output(f"{name}.cpio.gz")
    run(["clang-19", "-std=gnu17", "-O2", "-Wall", "-Wextra", *GUEST, "-static", "-pthread", "-fuse-ld=lld-19",
         program, "-o", init])
    run([os.path.join(support, "mkinitramfs.py"), initrd, "char dev/console 5 1", f"file init {init} 755"])
    return os.path.join(done.stdout.strip(), "Image"), initrd


def lines(text, word):
    """[{"name": value}] of the lines `word SUBJECT name=value ...`; numbers as numbers, SUBJECT as "subject"."""
    found = []
    for line in text.splitlines():
        words = line.split()
        if len(words) > 1 and words[0] == word:
            pairs = [one.split("=", 1) for one in words[2:] if "=" in one]
            found.append({"subject": words[1], **{name: _number(value) for name, value in pairs}})
    return found


def _number(value):
    try:
        return float(value)
    except ValueError:
        return value
