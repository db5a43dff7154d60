#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Make the hybrid ISO that boots Pintle through GRUB, on BIOS and UEFI, as CD-ROM and as disk.

ACPI tables can be left out and put in by GRUB, which is how the tests show Pintle a bad firmware.
Boot modules carry the service VM: one named `kernel`, whose arguments are Linux's command line, and
one named `initrd`.
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

# Only what grub.cfg uses: the ISO is then a quarter of the size.
MODULES = ("normal multiboot2 linux serial acpi terminal test echo reboot halt"
           " all_video")
EPOCH = "1577836800"  # any fixed date: as much of the ISO as possible is then the same each time

# On UEFI the firmware's console often is the serial line already; GRUB on both would write each
# character twice.
TERMINALS = """\
if [ "$grub_platform" = pc ]; then
	if serial --unit=0 --speed=115200; then
		terminal_input console serial
		terminal_output console serial
	fi
else
	insmod all_video # else UEFI's frame buffer is lost with UEFI's console
fi
"""


class IsoError(Exception):
    """grub-mkrescue failed."""


def quote(word):
    """One word, so that GRUB's shell takes it as it stands."""
    return "'" + word.replace("'", "'\\''") + "'"


def acpi_command(exclude, tables):
    """The GRUB command that replaces ACPI tables; empty when there is nothing to replace."""
    if not exclude and not tables:
        return ""
    words = ["acpi"]
    if exclude:
        words.append("--exclude=" + ",".join(exclude))
    words += [f"/boot/acpi{number}" for number in range(len(tables))]
    return " ".join(words) + "\n"


def native_config(timeout, modules):
    """The text of a grub.cfg that starts the service VM's Linux without Pintle."""
    (_, _, arguments), *initrd = modules
    return (TERMINALS + f"set timeout={timeout}\nmenuentry Linux {{\n"
            + " ".join(["\tlinux /boot/module0", *map(quote, arguments.split())]) + "\n"
            + "\tinitrd /boot/module1\n" * len(initrd) + "}\n")


def grub_config(cmdline, timeout, exclude, tables, modules):
    """The text of grub.cfg."""
    def line(command, path, options):
        return "\t" + " ".join([command, path, *map(quote, options)]) + "\n"

    def entry(title, options):
        text = f'menuentry "{title}" {{\n' + line("multiboot2", "/boot/pintle.elf", options)
        for number, (_, name, arguments) in enumerate(modules):
            text += line("module2", f"/boot/module{number}", [name, *arguments.split()])
        return text + "}\n"

    words = cmdline.split()
    return (TERMINALS + acpi_command(exclude, tables) + f"set timeout={timeout}\n"
            + entry("Pintle", words)
            + entry("Pintle (debug log)", [*words, "loglevel=debug"]))


def make_iso(elf, out, cmdline="", timeout=1, exclude=(), tables=(), modules=(),
             native=False):
    """Make the ISO `out` from the image `elf`.

    timeout: seconds the menu waits. exclude: signatures of ACPI tables that GRUB hides. tables:
    files with ACPI tables that GRUB adds. modules: (file, name, arguments) of each boot module.
    native: GRUB starts the modules' Linux itself, without Pintle.
    Raises IsoError with what grub-mkrescue said.
    """
    with tempfile.TemporaryDirectory(prefix="pintle-iso-") as folder:
        boot = pathlib.Path(folder) / "boot"
        (boot / "grub").mkdir(parents=True)
        shutil.copyfile(elf, boot / "pintle.elf")
        for number, table in enumerate(tables):
            shutil.copyfile(table, boot / f"acpi{number}")
        for number, (file, _, _) in enumerate(modules):
            shutil.copyfile(file, boot / f"module{number}")
        config = (native_config(timeout, modules) if native
                  else grub_config(cmdline, timeout, exclude, tables, modules))
        (boot / "grub" / "grub.cfg").write_text(config)
        command = ["grub-mkrescue", "-o", str(out), f"--install-modules={MODULES}",
                   "--fonts=", "--themes=", "--locales=", folder]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              env={**os.environ, "SOURCE_DATE_EPOCH": EPOCH}, check=False)
    if done.returncode != 0:
        raise IsoError(f"grub-mkrescue failed:\n{done.stdout}")


def main():
    """Read the command line and make the ISO."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--elf", required=True, help="the image, build/pintle.elf")
    parser.add_argument("--out", required=True, help="the ISO to write")
    parser.add_argument("--cmdline", default="", help="Pintle's options")
    parser.add_argument("--menu-timeout", type=int, default=1, metavar="N",
                        help="seconds (%(default)s)")
    parser.add_argument("--acpi-exclude", action="append", default=[], metavar="SIG",
                        help="hide the ACPI tables with this signature")
    parser.add_argument("--acpi", action="append", default=[], metavar="FILE",
                        help="add this ACPI table")
    parser.add_argument("--module", action="append", default=[], nargs=3,
                        metavar=("FILE", "NAME", "ARGS"), help="add this boot module")
    options = parser.parse_args()
    try:
        make_iso(options.elf, options.out, options.cmdline, options.menu_timeout,
                 options.acpi_exclude, options.acpi, options.module)
    except (IsoError, OSError) as error:
        sys.exit(f"mkiso: {error}")


if __name__ == "__main__":
    main()
