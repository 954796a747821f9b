#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Rules on single files that no compiler checks: SPDX line, length, no unfinished work, no capturing
lambda that is a coroutine, and the freestanding header list of shared code."""

import re

from sources import CODE, finish, read, tracked

MAX_LINES = 700
SPDX = "SPDX-License-Identifier: Apache-2.0"
NEEDS_SPDX = CODE + (".py", ".sh", ".cmake", "CMakeLists.txt", ".ld", ".in", "dev", ".ci/run")

# Wire headers are compiled by the host, by the guest's kernel and user code, and as C.
FREESTANDING = {
    "array", "atomic", "bit", "compare", "concepts", "coroutine", "cstddef", "cstdint", "limits",
    "new", "optional", "span", "type_traits", "utility", "expected",
    "stdint.h", "stddef.h",
}
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
INCLUDE = re.compile(r"^\s*#\s*include\s*<([^>]+)>", re.MULTILINE)
LAMBDA = re.compile(r"\[([^\[\]]+)\]\s*(?:\([^()]*(?:\([^()]*\)[^()]*)*\))?[^;{}()\[\]]*\{")


def block_end(text, start):
    """Index past the brace that closes the one at start."""
    depth = 0
    for index in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[index], 0)
        if depth == 0:
            return index + 1
    return len(text)


def capturing_coroutines(text):
    """Lines of lambdas that capture and are coroutines: their frame outlives the closure (see
    docs/traps/capturing-coroutine-lambdas.md)."""
    code = re.sub(r"//[^\n]*|\"(?:\\.|[^\"\\\n])*\"", lambda m: " " * len(m.group()), text)
    for match in LAMBDA.finditer(code):
        before = code[: match.start()].rstrip()
        if before and (before[-1].isalnum() or before[-1] in "_)]"):
            continue  # an index, not a capture list
        body = code[match.end() - 1 : block_end(code, match.end() - 1)]
        if re.search(r"\bco_(await|return|yield)\b", body):
            yield code.count("\n", 0, match.start()) + 1


def check(name, text):
    if SPDX not in "\n".join(text.splitlines()[:3]):
        yield f"{name}:1: no line '{SPDX}'"
    lines = text.count("\n")
    if name.endswith(CODE) and lines > MAX_LINES:
        yield f"{name}:{lines}: {lines} lines; split it where the logic has a seam (limit {MAX_LINES})"
    if name != "scripts/check_sources.py":
        for match in UNFINISHED.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            yield f"{name}:{line}: {match.group()}: finish it or open an issue"
    if name.endswith((".cpp", ".hpp")):
        for line in capturing_coroutines(text):
            yield f"{name}:{line}: a capturing lambda must not be a coroutine"
    if name.startswith("virtio-cops/include/"):
        for header in INCLUDE.findall(text):
            if "/" not in header and header not in FREESTANDING:
                yield f"{name}:1: <{header}> is not freestanding"


def main():
    names = [name for name in tracked(*NEEDS_SPDX) if read(name).strip()]
    problems = [problem for name in names for problem in check(name, read(name))]
    finish("check_sources", problems, len(names))


if __name__ == "__main__":
    main()
