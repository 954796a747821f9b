#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every constant and struct of our <virtio/...> headers against rust-vmm's virtio-bindings.

check_virtio_bindings.py [FOLDER]   FOLDER holds the crate's src/; without it, Debian trixie's
                                    librust-virtio-bindings-dev is fetched (exit 77: no network)
"""

import pathlib
import re
import subprocess
import sys

import wire_layout as wire

CONSTANT = re.compile(r"pub const (\w+): u32 = (\d+);")
SIZE = re.compile(r'\["(Size|Alignment) of (\w+)"\]\s*\[[^-]*- (\d+)usize\]')
OFFSET = re.compile(r'\["Offset of field: (\w+)::(\w+)"\]\s*\[[^-]*- (\d+)usize\]')

# Ours alone: virtio 1.2 defines them, Linux (and so the crate) has no name for them.
NOT_IN_LINUX = {"VIRTIO_MMIO_QUEUE_RESET", "VIRTIO_MMIO_MAGIC", "VIRTIO_MMIO_CURRENT_VERSION"}


def sources(arguments):
    if arguments:
        return pathlib.Path(arguments[0])
    fetch = wire.ROOT / "tests/support/fetch_debian.sh"
    result = subprocess.run([fetch], stdout=subprocess.PIPE, text=True, check=False)
    if result.returncode != 0:
        print("check_virtio_bindings: SKIPPED, Debian's package could not be fetched")
        sys.exit(result.returncode)
    return pathlib.Path(result.stdout.strip()) / "virtio-bindings/src"


def bindings(folder):
    """Names as in wire_layout -> values, of all the crate's files that we have a header for."""
    found = {}
    for header in wire.VIRTIO:
        path = folder / (pathlib.PurePath(header).stem + ".rs")
        text = path.read_text()
        found |= {name: int(value) for name, value in CONSTANT.findall(text)}
        for what, struct, value in SIZE.findall(text):
            found[f"{struct}:{'size' if what == 'Size' else 'align'}"] = int(value)
        for struct, field, value in OFFSET.findall(text):
            found[f"{struct}.{field}"] = int(value)
    return found


def ours():
    structures, names = {}, []
    for header in wire.VIRTIO:
        structures |= wire.structs(header)
        names += wire.constants(header)
    expressions = {name: name for name in names} | dict(wire.layout_expressions(structures))
    return wire.evaluate(wire.COMPILERS["clang"], wire.includes(wire.VIRTIO), expressions)


def main():
    theirs, own = bindings(sources(sys.argv[1:])), ours()
    problems = []
    for name, value in own.items():
        if name in NOT_IN_LINUX:
            continue
        if name not in theirs:
            problems.append(f"{name} is not in virtio-bindings")
        elif theirs[name] != value:
            problems.append(f"{name} is {value} here and {theirs[name]} in virtio-bindings")
    problems += [f"{name} is in virtio-bindings after all: compare it" for name in NOT_IN_LINUX & theirs.keys()]
    for problem in problems:
        print(f"check_virtio_bindings: {problem}")
    print(f"check_virtio_bindings: {len(own) - len(NOT_IN_LINUX)} values compared, {len(problems)} problems")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
