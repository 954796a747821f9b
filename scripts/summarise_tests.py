#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""summarise_tests.py JUNIT.xml...: sums ctest's reports; the last line is

    N passed, N failed, N skipped

A report that is missing or names no test is a failure: its step did not run. Skipped tests are named
with their reason. Exit 1 when anything failed.
"""

import os
import re
import sys
import xml.etree.ElementTree as xml


def reason(case, skipped):
    """What the test itself said about being skipped, else ctest's word for it."""
    output = case.findtext("system-out") or ""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    for number, line in enumerate(lines):
        if re.search(r": Skipped$", line) and number + 1 < len(lines):  # GTEST_SKIP() << reason
            return lines[number + 1]
        if "SKIPPED:" in line:
            return line.split("SKIPPED:", 1)[1].strip()
    return skipped.get("message", "")


def main(paths):
    passed, failed, skipped = 0, [], []
    for path in paths:
        step = os.path.basename(path).removesuffix(".xml")
        try:
            cases = xml.parse(path).getroot().findall("testcase")
        except (OSError, xml.ParseError):
            cases = []
        if not cases:
            failed.append(f"{step}: the step did not run its tests")
        for case in cases:
            name = f"{step}: {case.get('name')}"
            skip = case.find("skipped")
            if case.get("status") == "run":
                passed += 1
            elif skip is not None and skip.get("message", "").startswith("SKIP_"):
                skipped.append(f"{name}: {reason(case, skip)}")
            else:
                failed.append(name)
    for line in skipped:
        print(f"skipped  {line}")
    for line in failed:
        print(f"FAILED   {line}")
    print(f"{passed} passed, {len(failed)} failed, {len(skipped)} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
