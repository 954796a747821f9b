#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every MUST of virtio-cops/SPEC.md has a contract test, and every test named after a clause has its
clause. A clause is a list item that begins `- **VC-m.n**`; its tests are TEST(VC_m_n, ...)."""

import argparse
import collections
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
CLAUSE = re.compile(r"^- \*\*(VC-\d+\.\d+)\*\*", re.MULTILINE)
TEST = re.compile(r"^TEST(?:_[FP])?\((VC_\d+_\d+),\s*(\w+)\)", re.MULTILINE)
REFERENCE = re.compile(r"VC-\d+\.\d+")
SECTION = re.compile(r"^#", re.MULTILINE)


def clauses(text):
    """Clause id -> its text, up to the next clause or heading."""
    found = {}
    starts = list(CLAUSE.finditer(text))
    for match, following in zip(starts, starts[1:] + [None]):
        end = following.start() if following else len(text)
        heading = SECTION.search(text, match.end(), end)
        if match.group(1) in found:
            yield_duplicate(match.group(1))
        found[match.group(1)] = text[match.start() : heading.start() if heading else end]
    return found


def yield_duplicate(clause):
    sys.exit(f"check_spec_coverage: {clause} is defined twice")


def tests(folder):
    """Clause id -> names of its tests."""
    found = collections.defaultdict(list)
    for path in sorted(folder.rglob("*.cpp")):
        for suite, name in TEST.findall(path.read_text()):
            found[suite.replace("_", "-", 1).replace("_", ".")].append(name)
    return found


def check(spec, folder):
    text = spec.read_text()
    known = clauses(text)
    tested = tests(folder)
    required = {clause: body.count("MUST") for clause, body in known.items() if "MUST" in body}
    for clause, count in required.items():
        if len(tested.get(clause, ())) < count:
            yield f"{clause} has {count} MUST and {len(tested.get(clause, ()))} tests"
    for clause in tested:
        if clause not in known:
            yield f"{clause} has tests ({', '.join(tested[clause])}) and is no clause of {spec.name}"
    for clause in sorted(set(REFERENCE.findall(text)) - set(known)):
        yield f"{spec.name} refers to {clause}, which it does not define"
    if not required:
        yield f"{spec} holds no MUST: is it the right file?"
    print(f"check_spec_coverage: {len(known)} clauses, {sum(required.values())} MUST, "
          f"{sum(map(len, tested.values()))} tests")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spec", type=pathlib.Path, default=ROOT / "virtio-cops/SPEC.md")
    parser.add_argument("--tests", type=pathlib.Path, default=ROOT / "tests/contract/virtio_cops")
    arguments = parser.parse_args()
    problems = list(check(arguments.spec, arguments.tests))
    for problem in problems:
        print(f"check_spec_coverage: {problem}", file=sys.stderr)
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
