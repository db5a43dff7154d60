/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * drivers/acpi.c - from the RSDP to a list of checked tables, and each of them to its decoder.
 * Runs: at boot, on one CPU. At most one window is open at a time.
 */
#include "drivers/acpi.h"

#include "drivers/acpi_tables.h"
#include "kernel/errno.h"
#include "kernel/log.h"
#include "kernel/paging.h"
#include "kernel/string.h"

#define RSDP_V1_SIZE FIELD_END(RSDP_RSDT)
#define RSDP_V2_SIZE 36u /* ACPI 6.5, 5.2.5.3 */
#define OEM_ID       10u /* offset in a table's header */

/* The FADT leads to the DSDT, which comes last: its place in the list is kept free. */
#define LISTED_MAX (ACPI_TABLES_MAX - 1)

uint8_t acpi_sum(const uint8_t *bytes, size_t size)
{
	uint8_t sum = 0;
	for (size_t i = 0; i < size; i++) {
		sum = (uint8_t)(sum + bytes[i]);
	}
	return sum;
}

/* What firmware calls text ends on a terminal: no control characters. `out` has room for a zero
 * byte more. */
static void text_copy(char *out, const uint8_t *text, size_t len)
{
	size_t used = strnlen((const char *)text, len);
	for (size_t i = 0; i < used; i++) {
		out[i] = text[i] >= ' ' && text[i] <= '~' ? (char)text[i] : '.';
	}
	out[used] = '\0';
}

static bool memory_copy(void *out, hpa_t base, size_t size)
{
	const void *bytes = window_map(base, size, 0);
	if (bytes == NULL) {
		return false;
	}
	memcpy(out, bytes, size);
	window_unmap(bytes, size);
	return true;
}

/* Of most kinds the first sound table counts. */
static bool is_wanted(const struct acpi *acpi, const char *signature)
{
	bool wanted = true;
	for (unsigned i = 0; i < acpi->table_count; i++) {
		wanted = wanted &&
			!(acpi->table[i].valid && strcmp(acpi->table[i].signature, signature) == 0);
	}
	return wanted || strcmp(signature, "SSDT") == 0;
}

/* Check the whole of a table, and decode it when it is sound. */
static bool table_read(struct acpi *acpi, const struct acpi_table *table)
{
	bool sane = table->size >= ACPI_HEADER_SIZE && table->size <= ACPI_TABLE_LIMIT;
	const uint8_t *bytes = sane ? window_map(table->base, table->size, 0) : NULL;
	if (bytes == NULL) {
		return false;
	}
	bool sound = acpi_sum(bytes, table->size) == 0;
	if (sound && is_wanted(acpi, table->signature)) {
		struct acpi_span span = {table->signature, bytes, table->size};
		acpi_decode(acpi, ACPI_TABLE, span);
	}
	window_unmap(bytes, table->size);
	return sound;
}

/* List the table at `base`, sound or not; NULL unless it is sound and has `signature` (NULL: any).
 */
static const struct acpi_table *table_add(struct acpi *acpi, hpa_t base, const char *signature)
{
	uint8_t header[ACPI_HEADER_SIZE];
	if (base.raw == 0 || !memory_copy(header, base, sizeof(header))) {
		acpi_refuse(acpi, signature != NULL ? signature : "root",
			"no memory where a table should be, at", base.raw);
		return NULL;
	}
	struct acpi_span span = {NULL, header, sizeof(header)};
	struct acpi_table *table = &acpi->table[acpi->table_count++];
	table->base = base;
	table->size = (uint32_t)acpi_get(span, HEADER_LENGTH);
	table->revision = (uint8_t)acpi_get(span, HEADER_REVISION);
	text_copy(table->signature, header, sizeof(table->signature) - 1);
	text_copy(table->oem_id, header + OEM_ID, sizeof(table->oem_id) - 1);
	table->valid = (signature == NULL || strcmp(table->signature, signature) == 0) &&
		table_read(acpi, table);
	if (!table->valid) {
		acpi_refuse(acpi, table->signature,
			"wrong signature, length or checksum of the table at", base.raw);
	}
	return table->valid ? table : NULL;
}

/* List what the root table leads to. */
static void root_walk(struct acpi *acpi, const struct acpi_table *root)
{
	size_t width = strcmp(root->signature, "XSDT") == 0 ? 8 : 4;
	size_t count = (root->size - ACPI_HEADER_SIZE) / width;
	size_t listed = min_u64(count, LISTED_MAX - acpi->table_count);
	for (size_t i = 0; i < listed; i++) {
		uint64_t base = 0;
		memory_copy(&base, hpa(root->base.raw + ACPI_HEADER_SIZE + i * width), width);
		table_add(acpi, hpa(base), NULL);
	}
	if (listed < count) {
		log_warning("ACPI: there are more tables than Pintle lists (%u)", LISTED_MAX);
	}
}

/* The XSDT, or where that can't be used the RSDT; NULL when there is neither. */
static const struct acpi_table *root_add(struct acpi *acpi, struct acpi_span rsdp)
{
	uint64_t length = acpi_get(rsdp, RSDP_LENGTH);
	const struct acpi_table *root = NULL;
	if (rsdp.size < RSDP_V1_SIZE || memcmp(rsdp.at, "RSD PTR ", 8) != 0 ||
		acpi_sum(rsdp.at, RSDP_V1_SIZE) != 0) {
		return NULL;
	}
	if (acpi_get(rsdp, RSDP_REVISION) >= 2) {
		bool sound = length >= RSDP_V2_SIZE && length <= rsdp.size &&
			acpi_sum(rsdp.at, length) == 0;
		root = sound ? table_add(acpi, hpa(acpi_get(rsdp, RSDP_XSDT)), "XSDT") : NULL;
		if (root == NULL) {
			log_warning("ACPI: no usable XSDT; the RSDT has to do");
		}
	}
	return root != NULL ? root : table_add(acpi, hpa(acpi_get(rsdp, RSDP_RSDT)), "RSDT");
}

int acpi_read(struct acpi *acpi, const uint8_t *rsdp, size_t size)
{
	struct acpi_fadt *fadt = &acpi->fadt;
	memset(acpi, 0, sizeof(*acpi));
	if (size == 0) {
		return trace_err(-ENOENT);
	}
	const struct acpi_table *root = root_add(acpi, (struct acpi_span){"RSDP", rsdp, size});
	if (root == NULL) {
		log_error("ACPI: the RSDP is broken, or leads to no usable XSDT or RSDT");
		return trace_err(-EBADMSG);
	}
	root_walk(acpi, root);
	if (fadt->present) {
		table_add(acpi, fadt->dsdt, "DSDT");
	}
	fadt->has_s5 = fadt->has_s5 && fadt->present; /* else there is no register to write it to */
	if (fadt->present && !fadt->has_s5) {
		log_warning("ACPI: no \\_S5 package: this machine can't be switched off");
	}
	if (acpi->refused > ACPI_REFUSED_SHOWN) {
		log_warning("ACPI: %u more faults in the tables are not shown",
			acpi->refused - ACPI_REFUSED_SHOWN);
	}
	return 0;
}

struct acpi_override acpi_isa_interrupt(const struct acpi *acpi, uint8_t irq)
{
	for (unsigned i = 0; i < acpi->override_count; i++) {
		if (acpi->override[i].irq == irq) {
			return acpi->override[i];
		}
	}
	return (struct acpi_override){.irq = irq, .gsi = irq};
}
