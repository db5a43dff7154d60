/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * drivers/acpi_tables.h - private to ACPI: where the fields of the tables lie, and how they are
 * read and decoded.
 */
#pragma once

#include "drivers/acpi.h"

/* Untrusted bytes: a table, or a part of the one that `table` names. */
struct acpi_span {
	const char *table;
	const uint8_t *at;
	size_t size;
};

/*
 * Fields, as the specifications print them: offset in the table or entry, and length in bytes. Not
 * structures, since tables keep no alignment and older ones are shorter.
 */
#define FIELD(offset, bytes) ((offset) << 8 | (bytes))
#define FIELD_OFFSET(field)  ((size_t)(field) >> 8)
#define FIELD_BYTES(field)   ((size_t)(field)&0xff)
#define FIELD_END(field)     (FIELD_OFFSET(field) + FIELD_BYTES(field))
#define GAS_SIZE             12

enum acpi_field {
	RSDP_REVISION = FIELD(15, 1), /* ACPI 6.5, 5.2.5.3 */
	RSDP_RSDT = FIELD(16, 4),     /* ACPI 1.0 ends behind it */
	RSDP_LENGTH = FIELD(20, 4),
	RSDP_XSDT = FIELD(24, 8),

	HEADER_LENGTH = FIELD(4, 4), /* ACPI 6.5, 5.2.6 */
	HEADER_REVISION = FIELD(8, 1),

	GAS_SPACE = FIELD(0, 1), /* ACPI 6.5, 5.2.3.2 */
	GAS_WIDTH = FIELD(1, 1),
	GAS_ADDRESS = FIELD(4, 8),

	FADT_DSDT = FIELD(40, 4), /* ACPI 6.5, 5.2.9 */
	FADT_SMI_COMMAND = FIELD(48, 4),
	FADT_ACPI_ENABLE = FIELD(52, 1),
	FADT_PM1A_CNT = FIELD(64, 4),
	FADT_PM1B_CNT = FIELD(68, 4),
	FADT_PM_TIMER = FIELD(76, 4),
	FADT_BOOT_ARCH = FIELD(109, 2),
	FADT_FLAGS = FIELD(112, 4), /* ACPI 1.0 ends behind it */
	FADT_RESET = FIELD(116, GAS_SIZE),
	FADT_RESET_VALUE = FIELD(128, 1),
	FADT_X_DSDT = FIELD(140, 8),
	FADT_X_PM1A_CNT = FIELD(172, GAS_SIZE),
	FADT_X_PM1B_CNT = FIELD(184, GAS_SIZE),
	FADT_X_PM_TIMER = FIELD(208, GAS_SIZE),
	FADT_SLEEP_CONTROL = FIELD(244, GAS_SIZE),

	MADT_TYPE = FIELD(0, 1), /* of each entry: ACPI 6.5, 5.2.12 */
	MADT_LENGTH = FIELD(1, 1),
	LAPIC_UID = FIELD(2, 1), /* 5.2.12.2 */
	LAPIC_ID = FIELD(3, 1),
	LAPIC_FLAGS = FIELD(4, 4),
	X2APIC_ID = FIELD(4, 4), /* 5.2.12.12 */
	X2APIC_FLAGS = FIELD(8, 4),
	X2APIC_UID = FIELD(12, 4),
	IOAPIC_ID = FIELD(2, 1), /* 5.2.12.3 */
	IOAPIC_BASE = FIELD(4, 4),
	IOAPIC_GSI = FIELD(8, 4),
	OVERRIDE_BUS = FIELD(2, 1), /* 5.2.12.5 */
	OVERRIDE_IRQ = FIELD(3, 1),
	OVERRIDE_GSI = FIELD(4, 4),
	OVERRIDE_FLAGS = FIELD(8, 2),

	SEGMENT_BASE = FIELD(0, 8), /* PCI Firmware Specification 3.3, 4.1.2 */
	SEGMENT_NUMBER = FIELD(8, 2),
	SEGMENT_BUS_FIRST = FIELD(10, 1),
	SEGMENT_BUS_LAST = FIELD(11, 1),

	HPET_BASE = FIELD(40, GAS_SIZE), /* IA-PC HPET Specification 1.0a, 3.2.4 */

	SPCR_INTERFACE = FIELD(36, 1), /* SPCR 1.02 */
	SPCR_BASE = FIELD(40, GAS_SIZE),
	SPCR_INTERRUPT = FIELD(52, 1),
	SPCR_GSI = FIELD(54, 4),
	SPCR_BAUD = FIELD(58, 1),

	DMAR_TYPE = FIELD(0, 2), /* of each entry: VT-d 4.1, 8.2 */
	IVRS_TYPE = FIELD(0, 1), /* AMD IOMMU Specification 3.08, 5.2.2 */
	REMAPPER_LENGTH = FIELD(2, 2),
	REMAPPER_BASE = FIELD(8, 8),
};

#define ACPI_HEADER_SIZE 36u
#define MADT_FIRST       44u /* offset of the first entry */
#define MADT_LAPIC       0u  /* the entries that stand for a CPU */
#define MADT_X2APIC      9u

/* The sum of all bytes, 0 in what is sound. */
uint8_t acpi_sum(const uint8_t *bytes, size_t size);

/* The field's value; 0 when the span does not hold all of it. */
uint64_t acpi_get(struct acpi_span span, enum acpi_field field);

/* Report what is left out because it is wrong; hostile firmware does not fill the log. */
void acpi_refuse(struct acpi *acpi, const char *table, const char *what, uint64_t where);

/* Take what is needed from a table with a whole header and a right checksum, or from one of its
 * entries. type: an entry's. */
#define ACPI_TABLE (-1)
void acpi_decode(struct acpi *acpi, int type, struct acpi_span bytes);
