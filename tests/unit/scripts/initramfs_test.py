#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""mkinitramfs.py writes archives as the Linux documentation of the newc format describes them."""

import gzip
import os
import stat
import subprocess
import sys
import tempfile
import unittest

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support/mkinitramfs.py")


def unpack(data):
    """{path: (mode, rdev major, rdev minor, content)}, read independently of the writer."""
    entries, at = {}, 0
    while True:
        assert data[at : at + 6] == b"070701", "magic"
        fields = [int(data[at + 6 + 8 * i : at + 14 + 8 * i], 16) for i in range(13)]
        mode, size, name_size = fields[1], fields[6], fields[11]
        name = data[at + 110 : at + 110 + name_size - 1].decode()
        start = (at + 110 + name_size + 3) & ~3
        if name == "TRAILER!!!":
            return entries
        entries[name] = (mode, fields[9], fields[10], data[start : start + size])
        at = (start + size + 3) & ~3


class Initramfs(unittest.TestCase):
    def make(self, *specification, name="out.cpio"):
        with tempfile.TemporaryDirectory() as folder:
            source = os.path.join(folder, "source")
            with open(source, "wb") as file:
                file.write(b"abc")
            output = os.path.join(folder, name)
            words = [entry.replace("SOURCE", source) for entry in specification]
            run = subprocess.run(
                [sys.executable, SCRIPT, output, *words], capture_output=True, text=True, check=False
            )
            if run.returncode != 0:
                return run.stderr
            with open(output, "rb") as file:
                return file.read()

    def test_each_kind_of_entry(self):
        entries = unpack(self.make(
            "file bin/tool SOURCE 755", "link bin/sh tool", "char dev/console 5 1",
            r"text init 700 '#!/bin/sh\necho hi\n'", "dir proc",
        ))
        self.assertEqual(entries["bin/tool"], (stat.S_IFREG | 0o755, 0, 0, b"abc"))
        self.assertEqual(entries["bin/sh"], (stat.S_IFLNK | 0o777, 0, 0, b"tool"))
        self.assertEqual(entries["dev/console"], (stat.S_IFCHR | 0o600, 5, 1, b""))
        self.assertEqual(entries["init"], (stat.S_IFREG | 0o700, 0, 0, b"#!/bin/sh\necho hi\n"))
        self.assertEqual(entries["proc"][0], stat.S_IFDIR | 0o755)

    def test_parents_come_before_their_children(self):
        names = list(unpack(self.make("file a/b/c SOURCE")))
        self.assertEqual(names, ["a", "a/b", "a/b/c"])

    def test_gz_is_reproducible(self):
        first, second = (self.make("file f SOURCE", name="o.cpio.gz") for _ in range(2))
        self.assertEqual(first, second)
        self.assertIn("f", unpack(gzip.decompress(first)))

    def test_bad_entry_is_refused_by_name(self):
        self.assertIn("cannot understand entry: frobnicate x", self.make("frobnicate x"))


if __name__ == "__main__":
    unittest.main()
