#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The wire's layout, as every compiler that meets it sees it, against layout.golden.

layout.py            compares; fails on any difference between compilers or from the golden table
layout.py --update   rewrites the table. Changing or removing a line of it breaks drivers that exist,
                     so that demands a new VIRTIO_COPS_VERSION; adding lines does not.
"""

import argparse
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2] / "scripts"))

import wire_layout as wire  # noqa: E402

GOLDEN = HERE / "layout.golden"


def describe(compiler):
    headers = wire.COPS + wire.VIRTIO
    structures, names = {}, []
    for header in headers:
        structures.update(wire.structs(header))
        names += wire.constants(header)
    prologue = "#define _Alignof alignof\n" if "-xc++" in compiler else ""
    expressions = {name: name for name in names} | dict(wire.layout_expressions(structures))
    return wire.evaluate(compiler, prologue + wire.includes(headers), expressions)


def read_golden():
    lines = [line.split() for line in GOLDEN.read_text().splitlines() if line[:1] not in ("", "#")]
    return {name: int(value) for name, value in lines}


def update(table):
    old = read_golden() if GOLDEN.exists() else {}
    broken = sorted(name for name, value in old.items() if table.get(name) != value)
    version = "VIRTIO_COPS_VERSION"
    if broken and old.get(version) == table[version]:
        sys.exit(f"layout.py: {', '.join(broken)} changed: raise {version} first")
    lines = [f"{name} {value}" for name, value in table.items()]
    GOLDEN.write_text("# Constants, sizes, alignments and offsets of the wire. Made by layout.py --update.\n"
                      + "\n".join(lines) + "\n")


def differences(what, table, golden):
    for name in sorted(golden.keys() | table.keys()):
        if golden.get(name) != table.get(name):
            yield f"{what}: {name} is {table.get(name)}, layout.golden says {golden.get(name)}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--update", action="store_true")
    if parser.parse_args().update:
        update(describe(wire.COMPILERS["clang"]))
    golden = read_golden()
    problems = []
    for what, compiler in wire.COMPILERS.items():
        problems += differences(what, describe(compiler), golden)
    for problem in problems:
        print(problem)
    print(f"layout: {len(golden)} values, {len(wire.COMPILERS)} compilers, {len(problems)} differences")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
