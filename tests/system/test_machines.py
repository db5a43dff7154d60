# SPDX-License-Identifier: GPL-2.0-only
"""Pintle comes up, works and goes down on every kind of machine: one group of tests for each."""

import functools
import re

from harness import add_group, check

TICKS_MAX = 30_000_000  # until the prompt, on Bochs with two CPUs: one tick is one instruction


def comes_up_with_every_cpu(bench, setup):
    """The first step of every group: it starts the machine."""
    machine = bench.boot(**setup)
    output = machine.command("cpus")
    online = 1 if has_no_acpi(setup) else setup["cpus"]
    check(f"{online} online, 0 left out" in output, f"cpus says: {output.strip()[-200:]!r}")
    check(f"on {setup['firmware'].upper()}," in machine.command("version"), "the wrong firmware")


def says_that_there_is_no_acpi(bench):
    """OVMF in Bochs has no tables to give: one CPU, and a word about it."""
    check("warning: acpi: no tables" in bench.machine.screen.text, "no word about ACPI")


def maps_nothing_writable_and_executable(bench):
    """The monitor reads the real page tables for this."""
    output = bench.machine.command("map")
    check("nothing is both writable and executable" in output, f"map says: {output[-200:]!r}")


def has_forgotten_its_boot_code(bench):
    """What is executable begins behind boot/'s text."""
    found = re.findall(r"^([0-9a-f]+)-([0-9a-f]+) .* r.x.$", bench.machine.command("map"), re.M)
    symbol = bench.workshop.symbol
    wanted = [(f"{symbol('boot_end'):016x}", f"{symbol('text_end') - 1:016x}")]
    check(found == wanted, f"executable are {found}, not {wanted}")


def passes_its_own_tests(bench):
    """The self-test of the image, on the machine itself."""
    output = bench.machine.command("selftest", bench.machine.boot_seconds())
    found = re.search(r"selftest: (\d+) passed, (\d+) failed", output)
    check(found and int(found[1]) > 0 and found[2] == "0", f"it says: {output[-300:]!r}")
    return f"{found[1]} of them"


def boots_in_few_instructions(bench):
    """A budget that shows when the start-up begins to do needless work."""
    output = bench.machine.command("version")
    found = re.search(r"boot took (\d+) TSC ticks", output)
    check(found, f"version says: {output!r}")
    check(int(found[1]) <= TICKS_MAX, f"boot took {int(found[1]):,} ticks, over {TICKS_MAX:,}")
    return f"{int(found[1]):,} ticks"


def survives_a_panic_with_its_monitor(bench):
    """The report names functions, and the monitor still answers."""
    machine = bench.machine
    machine.send_line("panic")
    machine.wait_for(r"PANIC on cpu 0: ", machine.command_seconds())
    machine.wait_for(r"#\d+ [0-9a-f]{16} panic_here\+0x[0-9a-f]+\n", machine.command_seconds())
    machine.wait_for("panic> ", machine.command_seconds())
    check("boot took" in machine.command("version"), "version is silent after a panic")


def restarts_from_the_panic_prompt(bench):
    """A reset, and all of it again."""
    bench.machine.send_line("reboot")
    bench.machine.wait_for("pintle> ", bench.machine.boot_seconds())


def says_that_it_cannot_switch_itself_off(bench):
    """Without ACPI nothing tells how; the monitor goes on."""
    output = bench.machine.command("poweroff")
    check("cannot switch this machine off" in output, f"poweroff says: {output!r}")


def powers_off(bench):
    """ACPI S5; the emulator then ends. What was printed last is not lost in the UART."""
    bench.machine.send_line("poweroff")
    bench.machine.wait_until_off()
    check("Switching off." in bench.machine.screen.text, "the last words were cut off")


def has_no_acpi(setup):
    """True for the one pair of emulator and firmware that knows no ACPI tables."""
    return (setup["emulator"], setup["firmware"]) == ("bochs", "uefi")


def add_machine(emulator, firmware, cpus, long=False):
    """Add the group of tests for one kind of machine."""
    setup = {"emulator": emulator, "firmware": firmware, "cpus": cpus}
    first = functools.partial(comes_up_with_every_cpu, setup=setup)
    functools.update_wrapper(first, comes_up_with_every_cpu)
    steps = [first, maps_nothing_writable_and_executable, has_forgotten_its_boot_code,
             passes_its_own_tests]
    if has_no_acpi(setup):
        steps += [says_that_there_is_no_acpi, says_that_it_cannot_switch_itself_off,
                  survives_a_panic_with_its_monitor]
    else:
        if emulator == "bochs" and cpus == 2:
            steps.append(boots_in_few_instructions)
        steps += [survives_a_panic_with_its_monitor, restarts_from_the_panic_prompt, powers_off]
    add_group(f"{emulator}_{firmware}_{cpus}_cpus", steps, long=long,
              cost=cpus + {"qemu": 0, "bochs": 50}[emulator] + {"bios": 0, "uefi": 10}[firmware])


for count in (1, 2, 4, 16):
    add_machine("qemu", "bios", count)
    add_machine("qemu", "uefi", count)
add_machine("qemu", "bios", 64)
add_machine("qemu", "uefi", 64, long=True)
for count in (1, 2, 4):
    add_machine("bochs", "bios", count)
add_machine("bochs", "bios", 8, long=True)
add_machine("bochs", "uefi", 1)
