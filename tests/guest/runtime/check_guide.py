#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The programs in docs/programming-guide.md are those that are built: guest-runtime/examples."""

import pathlib
import re
import sys

root = pathlib.Path(__file__).resolve().parents[3]
guide = (root / "docs/programming-guide.md").read_text()
files = {path.stem: path for path in (root / "guest-runtime/examples").glob("*.cpp")}
shown = dict(re.findall(r"<!-- example: (\w+) -->\n```cpp\n(.*?)```", guide, re.DOTALL))

problems = [f"{name} is not in the guide" for name in files.keys() - shown.keys()]
problems += [f"{name} is shown and not built" for name in shown.keys() - files.keys()]
for name in files.keys() & shown.keys():
    if re.sub(r"^// SPDX.*\n", "", files[name].read_text()) != shown[name]:
        problems.append(f"{name} differs from {files[name].relative_to(root)}")
if guide.count("```cpp") != len(shown):
    problems.append("a C++ block without an example behind it")

for problem in problems:
    print(f"check_guide: {problem}", file=sys.stderr)
print(f"check_guide: {len(shown)} examples")
sys.exit(1 if problems or not shown else 0)
