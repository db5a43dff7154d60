# SPDX-License-Identifier: GPL-2.0-only
"""Firmware that tells untruths: GRUB puts other ACPI tables in the place of the machine's."""

import re
import struct

import acpitables
from harness import check, test

CPUS_MAX = 512  # kernel/types.h
COM2 = 0x2F8


def boot_with_madt(bench, table, **setup):
    """Start with this MADT alone. A prompt may come between the lines of many CPUs."""
    machine = bench.start(exclude=["APIC"], tables=[table], **setup)
    machine.wait_for("service VM: none", machine.boot_seconds())
    machine.wait_for_prompt()
    return machine


def check_cpus(machine, online, left_out):
    """The monitor's count of CPUs."""
    output = machine.command("cpus")
    check(f"{online} online, {left_out} left out" in output, f"cpus says: {output[-200:]!r}")


@test
def an_injected_madt_is_believed(bench):
    """The proof that the tests here change what they mean to change."""
    check_cpus(boot_with_madt(bench, acpitables.madt([0, 1]), cpus=4), 2, 0)


@test
def a_madt_with_a_wrong_checksum_is_reported(bench):
    """And not used: the boot CPU alone comes up."""
    table = acpitables.with_bad_checksum(acpitables.madt([0, 1]))
    machine = boot_with_madt(bench, table)
    check(re.search("(warning|error): .*APIC.*checksum", machine.screen.text), "no word about it")
    check_cpus(machine, 1, 0)


@test
def a_machine_without_madt_comes_up_with_one_cpu(bench):
    """GRUB hides it."""
    machine = bench.boot(exclude=["APIC"])
    check(re.search("(warning|error): .*MADT", machine.screen.text), "no word about it")
    check_cpus(machine, 1, 0)


@test(cost=40)
def too_many_cpus_are_reported_and_the_rest_used(bench):
    """600 in the table; nearly all of them do not exist."""
    machine = boot_with_madt(bench, acpitables.madt(range(600)))
    check(re.search(rf"warning: .*{600 - CPUS_MAX}\b.*CPUs", machine.screen.text),
          "no word about the excess")
    check_cpus(machine, 2, 598)


@test(cost=5)
def cpus_that_do_not_exist_are_reported_and_left_out(bench):
    """The table lists four, the machine has two."""
    machine = boot_with_madt(bench, acpitables.madt([0, 1, 2, 77]))
    silent = re.findall(r"warning: .*APIC id (\d+) does not answer", machine.screen.text)
    check(silent == ["2", "77"], f"reported are {silent}")
    check_cpus(machine, 2, 2)


@test
def a_madt_with_a_broken_entry_is_survived(bench):
    """An entry of length zero, which would never end, after the good ones."""
    table = acpitables.madt([0, 1], tail=struct.pack("<BB6x", 0, 0))
    machine = boot_with_madt(bench, table)
    check(re.search("(warning|error): .*(MADT|APIC)", machine.screen.text), "no word about it")


@test
def the_same_cpu_twice_counts_once(bench):
    """Some firmware lists a CPU in both forms."""
    check_cpus(boot_with_madt(bench, acpitables.madt([0, 1, 1, 0])), 2, 0)


@test
def the_console_is_where_the_spcr_says(bench):
    """COM2 here, though there is a COM1 nowhere."""
    table = acpitables.spcr(acpitables.SPACE_PORT, COM2, irq=3)
    machine = bench.boot(tables=[table], com=2)
    check("by the SPCR" in machine.screen.text, "it was found another way")
    check_cpus(machine, 2, 0)


@test
def an_spcr_that_names_no_uart_is_survived(bench):
    """Port 0x80 holds none: the console then is COM1."""
    machine = bench.boot(tables=[acpitables.spcr(acpitables.SPACE_PORT, 0x80)])
    check("no UART answers where the SPCR says" in machine.screen.text, "no word about it")
    check_cpus(machine, 2, 0)


@test
def a_table_longer_than_memory_is_reported(bench):
    """GRUB copies what the file holds; the header claims 4 GiB."""
    table = acpitables.with_length(acpitables.spcr(acpitables.SPACE_PORT, COM2), 0xFFFFFFF0)
    machine = bench.boot(tables=[table])
    check(re.search("(warning|error): .*SPCR.*length", machine.screen.text), "no word about it")
    check_cpus(machine, 2, 0)
