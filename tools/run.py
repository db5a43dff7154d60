#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Run Pintle in an emulator, with this terminal at its serial line."""

import argparse
import contextlib
import os
import pathlib
import re
import sys
import termios
import tty

import emulator

HELP = """
You are at the serial line of a machine that starts now: Pintle, then its service VM, then the demo guest beside that.
  Ctrl-\\    between the service VM's console and Pintle's monitor (`help` lists its commands)
  Ctrl-X    from a guest's console back to the service VM (`pintle console demo` goes there)
  Ctrl-A X  pulls the plug; `poweroff` is kinder. Ctrl-A Ctrl-A sends one Ctrl-A
The first prompt comes after about {seconds} seconds.
"""
SECONDS = {"qemu": 30, "bochs": 200}

BOOTING = re.compile(rb"Booting `[^\n]*\n")  # GRUB's last words, when it has cleared the screen

PREFIX = 0x01  # Ctrl-A
QUIT = b"xX"


@contextlib.contextmanager
def raw_terminal():
    """Let every key come through at once, and give the terminal back as it was."""
    if not sys.stdin.isatty():
        yield
        return
    before = termios.tcgetattr(sys.stdin)
    try:
        tty.setraw(sys.stdin)
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


class Keys:
    """Takes what is typed, and tells what of it is for the machine."""

    def __init__(self):
        self._prefix = False
        self.quit = False

    def feed(self, typed):
        """The bytes for the machine out of `typed`; sets `quit` at Ctrl-A X."""
        passed = bytearray()
        for byte in typed:
            if not self._prefix:
                self._prefix = byte == PREFIX
                if not self._prefix:
                    passed.append(byte)
                continue
            self._prefix = False
            if byte in QUIT:
                self.quit = True
            elif byte == PREFIX:
                passed.append(PREFIX)
            else:
                passed += bytes((PREFIX, byte))
        return passed


class Greeting:
    """Puts a text between what the machine writes: where GRUB does not wipe it out."""

    def __init__(self, text):
        self._text = text.replace("\n", "\r\n").encode()
        self._seen = b""

    def feed(self, data):
        """`data` as it is to be shown."""
        if not self._text:
            return data
        self._seen += data
        found = BOOTING.search(self._seen)
        if found is None:
            return data
        place = len(data) - (len(self._seen) - found.end())
        text, self._text = self._text, b""
        return data[:place] + text + data[place:]


def write_out(data):
    """Put the machine's bytes on our output as they are."""
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def connect(machine):
    """Copy between terminal and machine until one of them ends it; True when the user did."""
    keys = Keys()
    greeting = Greeting(HELP.format(seconds=SECONDS[machine.setup.emulator]) if sys.stdin.isatty() else "")
    keys_only = sys.stdin.isatty()
    outgoing = bytearray()
    inputs = [sys.stdin.fileno()]
    while True:
        ended = machine.ended()  # asked first: what it wrote last is then there to read
        received, ready = machine.exchange(outgoing, emulator.POLL_SECONDS, inputs)
        write_out(greeting.feed(received))
        if ready:
            typed = os.read(inputs[0], 4096)
            outgoing += keys.feed(typed) if keys_only else typed
            if not typed:
                inputs = []
        if keys.quit:
            return True
        if ended and not received:
            return False


def read_options():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--emu", choices=("qemu", "bochs"), default="qemu")
    parser.add_argument("--firmware", choices=("bios", "uefi"), default="bios")
    parser.add_argument("--cpus", type=int, default=2)
    parser.add_argument("--mem", type=int, default=512, help="MiB (%(default)s)")
    parser.add_argument("--accel", choices=("tcg", "kvm"), default="tcg")
    parser.add_argument("--iso", type=pathlib.Path, default=pathlib.Path("build/pintle.iso"))
    parser.add_argument("--data", type=pathlib.Path, help="disk image for guests' disks; made if it is not there")
    parser.add_argument("--debug", action="store_true",
                        help="wait for a debugger before the first instruction (QEMU)")
    options = parser.parse_args()
    if not options.iso.is_file():
        parser.error(f"no such file: {options.iso}")
    if options.accel == "kvm" and not emulator.kvm_possible():
        parser.error("this machine's CPU has no hardware virtualisation: use --accel=tcg")
    return options


def run(options):
    """Run the machine; returns the exit status."""
    if options.data and not options.data.exists():
        emulator.make_data_disk(options.data)
    setup = emulator.Setup(
        iso=options.iso.resolve(), emulator=options.emu, firmware=options.firmware,
        cpus=options.cpus, memory=options.mem, accel=options.accel, gdb=options.debug,
        vms=True, network=True, data=options.data)
    with emulator.Emulator(setup) as machine:
        print(machine.describe())
        if options.debug:
            print("The machine waits for:  gdb build/pintle.elf "
                  f"-ex 'target remote {machine.gdb_path()}'")
        sys.stdout.flush()
        with raw_terminal():
            by_user = connect(machine)
        print()
        if by_user or machine.powered_off():
            return 0
        sys.stderr.write(machine.output()[-2000:])
        return 1


def main():
    """Run what the command line asks for."""
    emulator.end_on_signals()
    try:
        sys.exit(run(read_options()))
    except KeyboardInterrupt:
        sys.exit(130)
    except emulator.EmulatorError as error:
        sys.exit(f"run: {error}")


if __name__ == "__main__":
    main()
