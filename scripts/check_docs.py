#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Documents stay true to the tree: relative links and their anchors exist, and so does every path
written as a code span (`vmm/io`), because Code Maps decay unnoticed otherwise."""

import os
import re

from sources import ROOT, finish, read, tracked

FENCE = re.compile(r"^(```|~~~).*?^\1\s*$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
SPAN = re.compile(r"`([^`\n]+)`")
PATH = re.compile(r"[\w.+-]+(?:/[\w.+-]+)+/?|[\w-]+/")
ROOT_FILE = re.compile(r"[A-Z][A-Za-z]+\.(?:md|txt|json)")


def anchors(text):
    """GitHub's anchors of a document's headings."""
    found = set()
    for heading in re.findall(r"^#+\s+(.*?)\s*$", FENCE.sub("", text), re.MULTILINE):
        plain = re.sub(r"[^\w\- ]", "", heading.lower())
        found.add(plain.replace(" ", "-"))
    return found


def check(name, text, top):
    folder = os.path.dirname(name)
    prose = FENCE.sub("", text)
    for target in LINK.findall(prose):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = os.path.normpath(os.path.join(folder, path)) if path else name
        if not os.path.exists(os.path.join(ROOT, file)):
            yield f"{name}: link to {target}: no such file"
        elif anchor and file.endswith(".md") and anchor not in anchors(read(file)):
            yield f"{name}: link to {target}: no such heading"
    for span in SPAN.findall(prose):
        if PATH.fullmatch(span) and span.split("/")[0] in top:
            if not os.path.exists(os.path.join(ROOT, span)):
                yield f"{name}: `{span}`: no such path"
        elif ROOT_FILE.fullmatch(span) and not os.path.exists(os.path.join(ROOT, span)):
            if not os.path.exists(os.path.join(ROOT, folder, span)):
                yield f"{name}: `{span}`: no such file"


def main():
    top = {path.split("/")[0] for path in tracked("") if "/" in path}
    names = tracked(".md")
    problems = [problem for name in names for problem in check(name, read(name), top)]
    finish("check_docs", problems, len(names))


if __name__ == "__main__":
    main()
