#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Build the guests for the scheduler: tests/vms/NAME.c becomes OUT/NAME.bin, a flat image."""

import argparse
import pathlib
import subprocess

FOLDER = pathlib.Path(__file__).resolve().parent
LOAD_ADDRESS = 0x7c00
FLAGS = ("-std=gnu17 -O2 -Wall -Wextra -Werror -ffreestanding -mgeneral-regs-only -mno-red-zone"
         " -fno-pic -fno-pie -fno-stack-protector -fno-asynchronous-unwind-tables"
         " -fcf-protection=none -fno-reorder-functions -nostdlib -static -Wl,--build-id=none"
         " -Wl,--omagic -Wl,--no-warn-rwx-segments -Wl,-e,start").split()


def names():
    """All guests."""
    return sorted({path.stem for path in FOLDER.glob("*.c")} - {"guest", "host"})


def source_of(name):
    """The source of a guest; tests/bench has some for measurements."""
    folders = (FOLDER, FOLDER.parent / "bench")
    return next(path for path in (folder / f"{name}.c" for folder in folders) if path.exists())


def build(name, out):
    """Make one guest in the folder `out`; returns its path. Raises CalledProcessError."""
    out = pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    elf, flat = out / f"{name}.elf", out / f"{name}.bin"
    subprocess.run(["gcc", *FLAGS, "-I", FOLDER.parents[1], f"-Wl,-Ttext={LOAD_ADDRESS:#x}",
                    "-o", elf, FOLDER / "start.S", FOLDER / "guest.c", source_of(name)], check=True)
    subprocess.run(["objcopy", "-O", "binary", "-R", ".note*", "-R", ".comment",
                    "--set-section-flags", ".bss=alloc,load,contents", elf, flat], check=True)
    return flat


def main():
    """Build those named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default=FOLDER.parents[1] / "build" / "vms")
    parser.add_argument("name", nargs="*")
    options = parser.parse_args()
    for name in options.name or names():
        print(build(name, options.out))


if __name__ == "__main__":
    main()
