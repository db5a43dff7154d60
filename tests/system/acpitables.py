# SPDX-License-Identifier: GPL-2.0-only
"""ACPI tables for GRUB to put in the place of the machine's own. ACPI 6.5, chapter 5; SPCR 1.10."""

import struct

LAPIC_BASE = 0xFEE00000
IOAPIC_BASE = 0xFEC00000
HEADER_SIZE = 36

SPACE_PORT = 1


def table(signature, revision, body):
    """A whole table: the common header (5.2.6) with a right checksum, and the body."""
    header = struct.pack(
        "<4sIBB6s8sI4sI", signature.encode(), HEADER_SIZE + len(body), revision, 0,
        b"PINTLE", b"SYSTESTS", 1, b"TEST", 1)
    data = bytearray(header + body)
    data[9] = -sum(data) % 256
    return bytes(data)


def with_bad_checksum(data):
    """The same table, but its bytes no longer add up to zero."""
    return data[:9] + bytes([data[9] ^ 0x55]) + data[10:]


def with_length(data, length):
    """The same table, but its header claims another length."""
    return data[:4] + struct.pack("<I", length) + data[8:]


def madt_cpu(apic_id):
    """One enabled CPU: a local APIC entry, or above 254 a local x2APIC entry (5.2.12.2, .12)."""
    if apic_id < 255:
        return struct.pack("<BBBBI", 0, 8, apic_id, apic_id, 1)
    return struct.pack("<BBHIII", 9, 16, 0, apic_id, 1, apic_id)


def madt(apic_ids, tail=b""):
    """A MADT of a PC with one I/O APIC; `tail` is added as it stands (5.2.12)."""
    body = struct.pack("<II", LAPIC_BASE, 1)
    body += b"".join(madt_cpu(apic_id) for apic_id in apic_ids)
    body += struct.pack("<BBBBII", 1, 12, 0, 0, IOAPIC_BASE, 0)
    body += struct.pack("<BBBBIH", 2, 10, 0, 0, 2, 0)  # ISA interrupt 0 is GSI 2
    return table("APIC", 5, body + tail)


def spcr(space, address, irq=4):
    """A serial port console: a 16550 at the address, 115200 bit/s."""
    body = struct.pack("<B3xBBBBQ", 0, space, 8, 0, 1, address)
    body += struct.pack("<BBIBBBBBBHHBBBIBI", 1, irq, 0, 7, 0, 1, 0, 0, 0, 0xFFFF, 0xFFFF,
                        0, 0, 0, 0, 0, 0)
    return table("SPCR", 2, body)
