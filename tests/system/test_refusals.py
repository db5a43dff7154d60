# SPDX-License-Identifier: GPL-2.0-only
"""Pintle says why it cannot start, and goes on where it can."""

import struct
import time

from harness import BootInformation, Failure, check, test

MEMORY_FREE = 1
MEMORY_RESERVED = 2


def expect_refusal(machine, pattern):
    """One sentence on the serial line, and no prompt."""
    machine.wait_for(rf"error: cannot start: [^\n]*{pattern}[^\n]*\n", machine.boot_seconds())
    check(not machine.emulator.ended(), "the emulator has ended")


@test
def a_wrong_boot_magic_is_refused(bench):
    """Another loader, or none."""
    with bench.stopped_at_boot_main() as stub:
        stub.set_register("rdi", 0x2BADB002)
    expect_refusal(bench.machine, "[Mm]ultiboot")


@test
def a_fault_before_the_console_is_known_is_still_reported(bench):
    """Code that is not there, at the first instruction of boot_main's work."""
    with bench.stopped_at_boot_main(function="mbi_parse") as stub:
        stub.set_register("rip", 0x800000000000)
    bench.machine.wait_for(r"PANIC on cpu 0: (?:general protection|page fault)",
                           bench.machine.boot_seconds())
    bench.machine.wait_for("panic> ", bench.machine.command_seconds())


@test
def a_cut_boot_information_is_refused(bench):
    """The total size ends inside the first tag."""
    with bench.stopped_at_boot_main() as stub:
        BootInformation(stub).set_size(12)
    expect_refusal(bench.machine, "boot information")


@test
def a_tag_that_is_too_long_is_refused(bench):
    """Its size reaches beyond the whole."""
    with bench.stopped_at_boot_main() as stub:
        information = BootInformation(stub)
        address, _ = information.tag(information.MMAP)
        stub.write(address + 4, struct.pack("<I", 0xFFFFFFF0))
    expect_refusal(bench.machine, "boot information")


@test
def a_machine_without_free_memory_is_refused(bench):
    """Every free range in the map becomes a reserved one."""
    with bench.stopped_at_boot_main() as stub:
        information = BootInformation(stub)
        address, size = information.tag(information.MMAP)
        entry_size = struct.unpack("<I", stub.read(address + 8, 4))[0]
        for entry in range(address + 16, address + size, entry_size):
            if struct.unpack("<I", stub.read(entry + 16, 4))[0] == MEMORY_FREE:
                stub.write(entry + 16, struct.pack("<I", MEMORY_RESERVED))
    expect_refusal(bench.machine, "memory")


@test
def a_machine_without_serial_port_says_so_on_its_screen(bench):
    """There is no other place; it keeps running."""
    machine = bench.start(com=0)
    limit = time.monotonic() + machine.boot_seconds()
    while "serial" not in machine.vga_text():
        machine.read_some(0.2)
        check(time.monotonic() < limit, f"the screen holds: {machine.vga_text().strip()!r}")
    machine.screen.feed(machine.vga_text().encode("latin-1"))  # for the log file
    check(machine.emulator.qmp("query-status")["running"], "the machine has stopped")


@test
def a_broken_rsdp_is_reported(bench):
    """Its checksum is wrong in both forms."""
    with bench.stopped_at_boot_main() as stub:
        information = BootInformation(stub)
        for address, _ in information.tags(*information.RSDP):
            stub.write(address + 8 + 8, b"\x5a\xa5")
    machine = bench.machine
    text = machine.wait_for_prompt()
    check("RSDP" in text, "no word about the RSDP")
    check("1 online" in machine.command("cpus"), "the boot CPU is not online alone")


@test
def a_madt_damaged_in_memory_is_reported(bench):
    """The table where the firmware put it has a wrong checksum."""
    with bench.stopped_at_boot_main() as stub:
        address = find_table(stub, b"APIC")
        checksum = stub.read(address + 9, 1)[0]
        stub.write(address + 9, bytes([checksum ^ 0xFF]))
    machine = bench.machine
    check("APIC" in machine.wait_for_prompt(), "no word about the table")
    check("1 online" in machine.command("cpus"), "the boot CPU is not online alone")


def find_table(stub, signature):
    """The address of an ACPI table, by way of the RSDT (SeaBIOS has an ACPI 1 RSDP only)."""
    information = BootInformation(stub)
    address, _ = information.tag(information.RSDP[0])
    rsdt = struct.unpack("<I", stub.read(address + 8 + 16, 4))[0]
    length = struct.unpack("<I", stub.read(rsdt + 4, 4))[0]
    for entry in range(rsdt + 36, rsdt + length, 4):
        table = struct.unpack("<I", stub.read(entry, 4))[0]
        if stub.read(table, 4) == signature:
            return table
    raise Failure(f"the machine has no {signature.decode()} table")
