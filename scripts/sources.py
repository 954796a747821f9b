# SPDX-License-Identifier: Apache-2.0
"""What the check scripts share: the tracked files, and how problems are reported."""

import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

COMPONENTS = ("virtio-cops", "vmm", "guest-kernel", "guest-runtime", "host-tools", "tests")
CODE = (".cpp", ".hpp", ".c", ".h", ".S")


def tracked(*suffixes):
    """Tracked (or new and not ignored) files with one of the suffixes, relative to the root."""
    listing = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        check=True, capture_output=True, text=True,
    ).stdout
    return sorted(
        name for name in listing.split("\0")
        if name and name.endswith(suffixes) and os.path.exists(os.path.join(ROOT, name))
    )


def read(name):
    with open(os.path.join(ROOT, name), encoding="utf-8") as file:
        return file.read()


def finish(what, problems, checked):
    """Prints problems as compilers do, and ends the script."""
    for problem in problems:
        print(problem)
    print(f"{what}: {checked} files, {len(problems)} problems")
    sys.exit(1 if problems else 0)
