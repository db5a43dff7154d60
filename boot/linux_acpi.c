/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * boot/linux_acpi.c - the ACPI tables that the service VM sees: the machine's own, without the
 * IOMMUs, and with only its CPUs. ACPI 6.5, 5.2. Pure.
 */
#include "boot/linux.h"

#include "drivers/acpi_tables.h"
#include "kernel/paging.h"
#include "kernel/string.h"

/* The RSDP, then an XSDT with room for all tables that are ever listed, then the MADT. */
#define XSDT_AT 0x40u
#define MADT_AT 0x280u
STATIC_ASSERT(XSDT_AT + ACPI_HEADER_SIZE + ACPI_TABLES_MAX * sizeof(uint64_t) <= MADT_AT,
	"the XSDT ends before the MADT");

#define HEADER_SUM    9u
#define MADT_CPU_BITS 0x3u /* of the flags of a CPU: enabled, online capable */

/* Set the byte at `where` so that all add up to 0. */
static void seal(uint8_t *bytes, size_t size, size_t where)
{
	bytes[where] = (uint8_t)(bytes[where] - acpi_sum(bytes, size));
}

/* Disable the CPUs that the guest does not have. Behind a broken entry nobody reads on. */
static void madt_filter(uint8_t *madt, size_t size, const uint32_t *apic_ids, unsigned cpu_count)
{
	for (size_t offset = MADT_FIRST, length; offset < size; offset += length) {
		struct acpi_span entry = {"APIC", madt + offset, size - offset};
		uint64_t type = acpi_get(entry, MADT_TYPE);
		bool wide = type == MADT_X2APIC;
		uint64_t id = acpi_get(entry, wide ? X2APIC_ID : LAPIC_ID);
		enum acpi_field flags = wide ? X2APIC_FLAGS : LAPIC_FLAGS;
		bool hidden = wide || type == MADT_LAPIC;
		length = acpi_get(entry, MADT_LENGTH);
		if (length < 2 || length > entry.size) {
			break;
		}
		for (unsigned i = 0; i < cpu_count; i++) {
			hidden = hidden && apic_ids[i] != id;
		}
		if (hidden && FIELD_END(flags) <= length) {
			madt[offset + FIELD_OFFSET(flags)] &= (uint8_t)~MADT_CPU_BITS;
		}
	}
	seal(madt, size, HEADER_SUM);
}

/* Whether the guest is to find the table in its XSDT. The DSDT it finds through the FADT. */
static bool table_shown(const struct acpi *acpi, const struct acpi_table *table)
{
	bool shown = table->valid;
	for (const char *hidden = "RSDTXSDTDSDTDMARIVRS"; *hidden != '\0'; hidden += 4) {
		shown = shown && memcmp(table->signature, hidden, 4) != 0;
	}
	for (const struct acpi_table *other = acpi->table; other < table; other++) {
		shown = shown && !(other->valid && other->base.raw == table->base.raw);
	}
	return shown;
}

size_t linux_write_acpi(const struct acpi *acpi, const uint32_t *apic_ids, unsigned cpu_count,
	uint64_t at, uint8_t *to, size_t size)
{
	uint8_t *xsdt = to + XSDT_AT;
	uint32_t xsdt_size = ACPI_HEADER_SIZE;
	size_t used = MADT_AT;
	uint64_t base = at + XSDT_AT;
	if (size < MADT_AT) {
		return 0;
	}
	memset(to, 0, MADT_AT);
	/* Signature, checksum, OEM, revision 2, no RSDT, length 36, XSDT. */
	memcpy(to, "RSD PTR \0PINTLE\2\0\0\0\0\44\0\0\0", FIELD_OFFSET(RSDP_XSDT));
	memcpy(to + FIELD_OFFSET(RSDP_XSDT), &base, sizeof(base));
	seal(to, 20, 8); /* ACPI 1.0's part, then all */
	seal(to, 36, 32);
	for (unsigned i = 0; i < acpi->table_count; i++) {
		const struct acpi_table *table = &acpi->table[i];
		bool madt = strcmp(table->signature, "APIC") == 0;
		if (!table_shown(acpi, table) || (madt && used > MADT_AT)) {
			continue; /* as in Pintle, only the first MADT counts */
		}
		base = table->base.raw;
		if (madt) {
			bool fits = table->size <= size - MADT_AT;
			const void *bytes = fits ? window_map(table->base, table->size, 0) : NULL;
			if (bytes == NULL) {
				return 0;
			}
			memcpy(to + MADT_AT, bytes, table->size);
			window_unmap(bytes, table->size);
			madt_filter(to + MADT_AT, table->size, apic_ids, cpu_count);
			base = at + MADT_AT;
			used += table->size;
		}
		memcpy(xsdt + xsdt_size, &base, sizeof(base));
		xsdt_size += (uint32_t)sizeof(base);
	}
	memcpy(xsdt, "XSDT\0\0\0\0\1\0PINTLE", 16); /* length to come, revision 1, checksum, OEM */
	memcpy(xsdt + FIELD_OFFSET(HEADER_LENGTH), &xsdt_size, sizeof(xsdt_size));
	seal(xsdt, xsdt_size, HEADER_SUM);
	return used;
}
