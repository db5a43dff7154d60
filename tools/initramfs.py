# SPDX-License-Identifier: GPL-2.0-only
"""The archive that Linux takes as its initial file system (its buffer-format.rst, "newc")."""

import gzip
import os
import pathlib
import stat


def archive_entry(number, name, mode, data):
    """One file of a cpio archive."""
    def padded(text):
        return text + bytes(-len(text) % 4)

    fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields)
    return padded(head + name.encode() + b"\0") + padded(data)


class Archive:
    """Files by name; the bytes are the same for the same files, whenever and in which order they came."""

    def __init__(self):
        self._entries = {}

    def add(self, name, data, mode=0o644):
        """A file, in folders that come of themselves."""
        self._add_folders(name)
        self._entries[name] = (stat.S_IFREG | mode, data)

    def add_file(self, name, path, mode=0o644):
        """A copy of a file; scripts and programs may be run."""
        data = pathlib.Path(path).read_bytes()
        runs = data.startswith((b"#!", b"\x7fELF")) and not name.endswith((".ko", ".so"))
        self.add(name, data, 0o755 if runs else mode)

    def add_link(self, name, target):
        """A symbolic link."""
        self._add_folders(name)
        self._entries[name] = (stat.S_IFLNK | 0o777, target.encode())

    def add_folder(self, name, mode=0o755):
        """An empty folder."""
        self._add_folders(name)
        self._entries[name] = (stat.S_IFDIR | mode, b"")

    def add_tree(self, folder, below=""):
        """All files below a folder."""
        folder = pathlib.Path(folder)
        for path in folder.rglob("*"):
            if path.is_file():
                self.add_file(below + str(path.relative_to(folder)), path)

    def _add_folders(self, name):
        for folder in list(pathlib.PurePosixPath(name).parents)[:-1]:
            self._entries.setdefault(str(folder), (stat.S_IFDIR | 0o755, b""))

    def packed(self, level=6):
        """The archive, compressed."""
        # A folder comes before what is in it: so do their names in this order.
        entries = [(name, *entry) for name, entry in sorted(self._entries.items())]
        entries.append(("TRAILER!!!", 0, b""))
        text = b"".join(archive_entry(number, *entry) for number, entry in enumerate(entries, 1))
        return gzip.compress(text, level, mtime=0)


def write(path, data):
    """Write a file, which is there as a whole or not at all; its time says when it last changed."""
    path = pathlib.Path(path)
    if path.is_file() and path.read_bytes() == data:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(path.name + ".part")
    half.write_bytes(data)
    os.replace(half, path)
