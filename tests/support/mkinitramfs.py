#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes a Linux initramfs (newc cpio, gzip when the name ends in .gz) without root or cpio(1).

usage: mkinitramfs.py OUTPUT ENTRY...

ENTRY is one of
  dir PATH                     a directory, mode 755
  file PATH SOURCE [MODE]      a copy of the host file SOURCE (mode as there, or octal MODE)
  text PATH MODE TEXT          a file with TEXT (backslash escapes: \\n, \\t, \\\\)
  link PATH TARGET             a symbolic link
  char PATH MAJOR MINOR [MODE] a character device (default mode 600)
each given as one argument, words separated by blanks as in a shell; `@FILE` reads entries from
FILE, one a line, `#` starts a comment. Parent directories are made as needed, so a shell's world is:

  mkinitramfs.py initrd.gz 'file bin/busybox build/debian/busybox' 'link bin/sh busybox' \\
      'char dev/console 5 1' 'file init my-init.sh 755'
"""

import gzip
import os
import shlex
import stat
import sys


class Archive:
    def __init__(self):
        self.data = bytearray()
        self.inode = 0
        self.directories = set()

    def add(self, path, mode, content=b"", device=(0, 0)):
        path = path.strip("/")
        parent = os.path.dirname(path)
        if parent and parent not in self.directories:
            self.add(parent, stat.S_IFDIR | 0o755)
        if stat.S_ISDIR(mode):
            if path in self.directories:
                return
            self.directories.add(path)
        self._entry(path, mode, content, device)

    def finish(self):
        self._entry("TRAILER!!!", 0, b"", (0, 0))
        self._pad(512)
        return bytes(self.data)

    def _entry(self, path, mode, content, device):
        self.inode += 1
        name = path.encode() + b"\0"
        # Fields of the newc header: ino mode uid gid nlink mtime filesize devmajor devminor
        # rdevmajor rdevminor namesize check. Time 0 keeps the archive reproducible.
        fields = (self.inode, mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(name), 0)
        self.data += b"070701" + "".join(f"{field:08X}" for field in fields).encode()
        self.data += name
        self._pad(4)
        self.data += content
        self._pad(4)

    def _pad(self, alignment):
        self.data += b"\0" * (-len(self.data) % alignment)


def add_entry(archive, words):
    kind, path, *rest = words
    if kind == "dir" and not rest:
        archive.add(path, stat.S_IFDIR | 0o755)
    elif kind == "file" and len(rest) in (1, 2):
        with open(rest[0], "rb") as source:
            content = source.read()
        permissions = int(rest[1], 8) if len(rest) == 2 else os.stat(rest[0]).st_mode & 0o777
        archive.add(path, stat.S_IFREG | permissions, content)
    elif kind == "text" and len(rest) == 2:
        text = rest[1].encode().decode("unicode_escape").encode("latin-1")
        archive.add(path, stat.S_IFREG | int(rest[0], 8), text)
    elif kind == "link" and len(rest) == 1:
        archive.add(path, stat.S_IFLNK | 0o777, rest[0].encode())
    elif kind == "char" and len(rest) in (2, 3):
        permissions = int(rest[2], 8) if len(rest) == 3 else 0o600
        archive.add(path, stat.S_IFCHR | permissions, device=(int(rest[0]), int(rest[1])))
    else:
        raise ValueError(f"cannot understand entry: {' '.join(words)}")


def entries(arguments):
    for argument in arguments:
        if argument.startswith("@"):
            with open(argument[1:], encoding="utf-8") as lines:
                for line in lines:
                    if words := shlex.split(line, comments=True):
                        yield words
        else:
            yield shlex.split(argument)


def main(arguments):
    if len(arguments) < 2:
        sys.exit(__doc__)
    output, *specification = arguments
    archive = Archive()
    try:
        for words in entries(specification):
            add_entry(archive, words)
        data = archive.finish()
        if output.endswith(".gz"):
            data = gzip.compress(data, compresslevel=6, mtime=0)
        temporary = f"{output}.{os.getpid()}"
        with open(temporary, "wb") as file:
            file.write(data)
        os.replace(temporary, output)
    except (OSError, ValueError) as error:
        sys.exit(f"mkinitramfs.py: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
