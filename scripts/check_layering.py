#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Dependencies point one way (docs/architecture.md). Fails on an include that the table below does
not allow, on an include that cannot be found, and on a cycle in the table itself."""

import os
import re

from sources import CODE, ROOT, finish, read, tracked

# Layer: the layers it may include, beside itself. A file belongs to the layer with the longest
# matching path. Adding an edge here is a decision: say why in docs/adr/.
WIRE = "virtio-cops/include"
ALLOWED = {
    WIRE: set(),
    "virtio-cops/driver": {WIRE},
    "virtio-cops/device": {WIRE},
    "vmm/include": {WIRE},
    "vmm/memory": {"vmm/include"},
    "vmm/cpu/riscv": {"vmm/memory", "vmm/include", WIRE},
    "vmm/cpu": {"vmm/cpu/riscv", "vmm/memory", "vmm/include", WIRE},
    # What engines share that is about how they work, not about the architecture.
    "vmm/cpu/common": {"vmm/cpu", "vmm/cpu/riscv", "vmm/memory", "vmm/include"},
    "vmm/cpu/interp": {"vmm/cpu/common", "vmm/cpu/riscv", "vmm/cpu", "vmm/memory", "vmm/include", WIRE},
    # What generated code touches: shared by the back end that emits it and the runtime around it.
    "vmm/cpu/dbt/runtime/hart_state": {
        "vmm/cpu/dbt/runtime/tlb", "vmm/cpu/dbt/runtime/float_constants",
    },
    "vmm/cpu/dbt/runtime/float_constants": {"vmm/cpu/riscv"},
    "vmm/cpu/dbt/runtime/tlb": {"vmm/cpu/common"},
    "vmm/cpu/dbt/ir": {"vmm/cpu/riscv"},
    "vmm/cpu/dbt/frontend": {"vmm/cpu/dbt/ir", "vmm/cpu/riscv"},
    "vmm/cpu/dbt/opt": {"vmm/cpu/dbt/ir", "vmm/cpu/riscv"},
    "vmm/cpu/dbt/x64": {
        "vmm/cpu/dbt/ir", "vmm/cpu/dbt/runtime/hart_state", "vmm/cpu/dbt/runtime/tlb",
        "vmm/cpu/dbt/runtime/float_constants", "vmm/cpu/riscv", "vmm/cpu",
    },
    "vmm/cpu/dbt/runtime": {
        "vmm/cpu/dbt/x64", "vmm/cpu/dbt/runtime/hart_state", "vmm/cpu/dbt/runtime/tlb",
        "vmm/cpu/dbt/runtime/float_constants",
        "vmm/cpu/dbt/ir", "vmm/cpu/dbt/frontend", "vmm/cpu/dbt/opt", "vmm/cpu/interp",
        "vmm/cpu/common", "vmm/cpu/riscv", "vmm/cpu", "vmm/memory", "vmm/include", WIRE,
    },
    # Chooses an engine by name: the one file of cpu/ that knows them.
    "vmm/cpu/engine": {"vmm/cpu/interp", "vmm/cpu/dbt/runtime", "vmm/cpu", "vmm/memory", "vmm/include"},
    "vmm/devices": {"vmm/memory", "vmm/include", "virtio-cops/device", WIRE},
    "vmm/io": {"vmm/memory", "vmm/include"},
    "vmm/sched/policy": set(),
    "vmm/sched": {"vmm/sched/policy", "vmm/io", "vmm/cpu", "vmm/memory", "vmm/include"},
    "vmm/machine": {
        "vmm/cpu/engine", "vmm/cpu/riscv", "vmm/cpu", "vmm/devices", "vmm/io", "vmm/memory",
        "vmm/include", "virtio-cops/device", WIRE,
    },
    # A debugger's protocol over an interface; knows registers, and neither machines nor engines.
    "vmm/debug": {"vmm/cpu/riscv", "vmm/memory", "vmm/include", WIRE},
    # Puts machines, workers and a policy together; shows a guest to a debugger.
    "vmm/fleet": {
        "vmm/machine", "vmm/sched", "vmm/sched/policy", "vmm/cpu/engine", "vmm/cpu",
        "vmm/cpu/riscv", "vmm/debug", "vmm/devices", "vmm/io", "vmm/memory", "vmm/include", "virtio-cops/device", WIRE,
    },
    "guest-kernel/include": {WIRE},
    "guest-runtime/executor": {WIRE, "guest-kernel/include"},
    "guest-runtime": {"guest-runtime/executor", "guest-kernel/include", WIRE},
    "guest-kernel": {"guest-kernel/include", "guest-runtime/executor", "virtio-cops/driver", WIRE},
    "host-tools": {"vmm/include"},
}

# Where `#include <x>` and `#include "x"` are looked up, by top-level folder.
ROOTS = {
    "virtio-cops": ("virtio-cops", "virtio-cops/include"),
    "vmm": ("vmm", "vmm/include", "virtio-cops", "virtio-cops/include"),
    "guest-kernel": (
        "guest-kernel", "guest-kernel/include", "guest-runtime", "guest-runtime/executor/include",
        "virtio-cops", "virtio-cops/include",
    ),
    "guest-runtime": (
        "guest-runtime", "guest-runtime/include", "guest-runtime/executor/include",
        "guest-kernel/include", "virtio-cops/include",
    ),
    "host-tools": ("host-tools", "vmm", "vmm/include", "virtio-cops", "virtio-cops/include"),
}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)


def layer_of(path):
    stem = os.path.splitext(path)[0]
    fitting = [layer for layer in ALLOWED if stem == layer or path.startswith(layer + "/")]
    return max(fitting, key=len, default=None)


def resolve(includer, quote, target):
    """Path in the tree of an included file; None when it belongs to a library or the system."""
    folders = list(ROOTS[includer.split("/")[0]])
    if quote == '"':
        folders.insert(0, os.path.dirname(includer))
    for folder in folders:
        path = os.path.normpath(os.path.join(folder, target))
        if os.path.isfile(os.path.join(ROOT, path)):
            return path
    return None


def find_cycle():
    finished, path = set(), []

    def visit(layer):
        if layer in finished:
            return None
        if layer in path:
            return path[path.index(layer):] + [layer]
        path.append(layer)
        for below in ALLOWED[layer]:
            if cycle := visit(below):
                return cycle
        path.pop()
        finished.add(layer)
        return None

    for layer in ALLOWED:
        if cycle := visit(layer):
            return cycle
    return None


def check(name, text):
    layer = layer_of(name)
    if layer is None:
        yield f"{name}:1: belongs to no layer of scripts/check_layering.py"
        return
    for match in INCLUDE.finditer(text):
        quote, target = match.groups()
        line = text.count("\n", 0, match.start(1)) + 1
        path = resolve(name, quote, target)
        if path is None:
            if quote == '"':
                yield f'{name}:{line}: "{target}" is not found from its include roots'
            elif layer == "vmm/sched/policy" and ("/" in target or target.endswith(".h")):
                yield f"{name}:{line}: policies include nothing but the standard library: <{target}>"
            continue
        used = layer_of(path)
        if used != layer and used not in ALLOWED[layer]:
            yield f"{name}:{line}: {layer} may not include {used} ({target})"


def main():
    problems = []
    if cycle := find_cycle():
        problems.append("cycle in the table of layers: " + " -> ".join(cycle))
    names = [name for name in tracked(*CODE) if name.split("/")[0] in ROOTS]
    for name in names:
        problems.extend(check(name, read(name)))
    finish("check_layering", problems, len(names))


if __name__ == "__main__":
    main()
