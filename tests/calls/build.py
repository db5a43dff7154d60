#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Build service VMs in C: tests/calls/NAME.c becomes OUT/NAME.bin, a bzImage for GRUB."""

import argparse
import pathlib
import subprocess

FOLDER = pathlib.Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]
HEADER_ADDRESS = 0x1000000 - 0x400  # as in tests/guest/build.py
SHARED = ("service", "guest")
FLAGS = ("-std=gnu17 -O2 -Wall -Wextra -Werror -ffreestanding -mgeneral-regs-only -mno-red-zone"
         " -fno-pic -fno-pie -fno-stack-protector -fno-asynchronous-unwind-tables"
         " -fcf-protection=none -nostdlib -static -Wl,--build-id=none -Wl,--omagic"
         " -Wl,--no-warn-rwx-segments").split()


def names():
    """All of them."""
    return sorted({path.stem for path in FOLDER.glob("*.c")} - set(SHARED))


def build(name, out, folder=FOLDER):
    """Make one of `folder` in the folder `out`; returns its path. Raises CalledProcessError."""
    out = pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    elf, flat = out / f"{name}.elf", out / f"{name}.bin"
    sources = [FOLDER / "start.S", *(FOLDER / f"{source}.c" for source in SHARED),
               folder / f"{name}.c"]
    subprocess.run(["gcc", *FLAGS, "-I", ROOT, "-I", ROOT / "tests" / "guest",
                    f"-Wl,-Ttext={HEADER_ADDRESS:#x}", "-Wl,-e,entry", "-o", elf, *sources],
                   check=True)
    subprocess.run(["objcopy", "-O", "binary", "-R", ".note*", "-R", ".comment",
                    "--set-section-flags", ".bss=alloc,load,contents", elf, flat], check=True)
    return flat


def main():
    """Build those named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default=ROOT / "build" / "calls")
    parser.add_argument("name", nargs="*")
    options = parser.parse_args()
    for name in options.name or names():
        print(build(name, options.out))


if __name__ == "__main__":
    main()
