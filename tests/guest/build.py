#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Assemble the few-byte guests: tests/guest/NAME.S becomes OUT/NAME.bin, a bzImage for GRUB."""

import argparse
import pathlib
import subprocess

FOLDER = pathlib.Path(__file__).resolve().parent
HEADER_ADDRESS = 0x1000000 - 0x400  # the payload behind it is loaded at LOAD_ADDRESS of guest.inc


def source_of(name):
    """The source of a guest. Those in ends/ do not live; broken/ shows what does not work yet."""
    folders = (FOLDER, FOLDER / "ends", FOLDER / "broken", FOLDER.parent / "bench")
    return next(path for path in (folder / f"{name}.S" for folder in folders) if path.exists())


def names():
    """All guests that are to pass."""
    return sorted(path.stem for path in FOLDER.glob("*.S"))


def build(name, out):
    """Make one guest in the folder `out`; returns its path. Raises CalledProcessError."""
    out = pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    obj, elf, flat = (out / f"{name}.{end}" for end in ("o", "elf", "bin"))
    subprocess.run(["gcc", "-c", "-m64", "-I", FOLDER, "-o", obj, source_of(name)], check=True)
    subprocess.run(["ld", "-m", "elf_x86_64", "--omagic",
                    "--no-warn-rwx-segments", f"-Ttext={HEADER_ADDRESS:#x}",
                    "-e", "entry", "-o", elf, obj], check=True)
    subprocess.run(["objcopy", "-O", "binary", "-R", ".note*", elf, flat], check=True)
    return flat


def main():
    """Build those named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default=FOLDER.parents[1] / "build" / "guest")
    parser.add_argument("name", nargs="*")
    options = parser.parse_args()
    for name in options.name or names():
        print(build(name, options.out))


if __name__ == "__main__":
    main()
