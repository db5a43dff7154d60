/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * drivers/acpi.c - from the RSDP to a list of checked tables, and each of them to its decoder.
 * Runs: at boot, on one CPU. At most one range of memory is mapped at a time.
 */
#include "drivers/acpi.h"

#include "drivers/acpi_tables.h"
#include "kernel/errno.h"
#include "kernel/log.h"
#include "kernel/string.h"

struct rsdp {
	char signature[8];
	uint8_t checksum;
	char oem_id[6];
	uint8_t revision;
	uint32_t rsdt;
	uint32_t length; /* from here on only with revision 2 and later */
	uint64_t xsdt;
	uint8_t extended_checksum;
	uint8_t reserved[3];
} PACKED;
#define RSDP_V1_SIZE offsetof(struct rsdp, length)
STATIC_ASSERT(RSDP_V1_SIZE == 20, "ACPI 6.5, 5.2.5.3");
STATIC_ASSERT(sizeof(struct rsdp) == 36, "ACPI 6.5, 5.2.5.3");

#define FACS_SIZE_MIN 64u /* ACPI 6.5, 5.2.10 */

/* The FADT leads to the DSDT and the FACS, which come last: their places in the list are kept free.
 */
#define LISTED_MAX (ACPI_TABLES_MAX - 2)

static const struct {
	char signature[5];
	void (*decode)(struct acpi *acpi, const uint8_t *bytes, uint32_t size);
} decoders[] = {
	{"APIC", acpi_decode_madt},
	{"MCFG", acpi_decode_mcfg},
	{"HPET", acpi_decode_hpet},
	{"SPCR", acpi_decode_spcr},
	{"DMAR", acpi_decode_dmar},
	{"IVRS", acpi_decode_ivrs},
};

static bool checksum_holds(const uint8_t *bytes, size_t size)
{
	uint8_t sum = 0;
	for (size_t i = 0; i < size; i++) {
		sum = (uint8_t)(sum + bytes[i]);
	}
	return sum == 0;
}

/* What firmware calls text ends on a terminal: no control characters. `out` has room for a zero
 * byte more. */
static void text_copy(char *out, const char *text, size_t len)
{
	size_t used = strnlen(text, len);
	for (size_t i = 0; i < used; i++) {
		out[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '.';
	}
	out[used] = '\0';
}

static bool memory_copy(const struct acpi_memory *memory, void *out, hpa_t base, size_t size)
{
	const void *bytes = memory->map(base, size);
	if (bytes == NULL) {
		log_warning("ACPI: no memory at 0x%lx", base.raw);
		return false;
	}
	memcpy(out, bytes, size);
	memory->unmap(bytes, size);
	return true;
}

static const uint8_t *table_map(const struct acpi_memory *memory, const struct acpi_table *table)
{
	const uint8_t *bytes = memory->map(table->base, table->size);
	if (bytes == NULL) {
		log_warning("ACPI: %s at 0x%lx: its %u bytes are not all in memory",
			table->signature, table->base.raw, table->size);
	}
	return bytes;
}

static bool signature_is(const struct acpi_table *table, const char *signature)
{
	return strcmp(table->signature, signature) == 0;
}

static bool table_check(const struct acpi_memory *memory, const struct acpi_table *table)
{
	bool facs = signature_is(table, "FACS");
	uint32_t size_min = facs ? FACS_SIZE_MIN : (uint32_t)sizeof(struct acpi_header);
	if (table->size < size_min || table->size > ACPI_TABLE_LIMIT) {
		log_warning("ACPI: %s at 0x%lx: a length of %u bytes is refused", table->signature,
			table->base.raw, table->size);
		return false;
	}
	const uint8_t *bytes = table_map(memory, table);
	if (bytes == NULL) {
		return false;
	}
	bool holds = facs || checksum_holds(bytes, table->size); /* the FACS has no checksum */
	memory->unmap(bytes, table->size);
	if (!holds) {
		log_warning("ACPI: %s at 0x%lx: wrong checksum", table->signature, table->base.raw);
	}
	return holds;
}

static bool table_listed(const struct acpi *acpi, hpa_t base)
{
	for (unsigned i = 0; i < acpi->table_count; i++) {
		if (acpi->table[i].base.raw == base.raw) {
			return true;
		}
	}
	return false;
}

/* List the table at `base`, sound or not; NULL unless it is sound and has `signature` (NULL: any).
 */
static const struct acpi_table *table_add(
	struct acpi *acpi, const struct acpi_memory *memory, hpa_t base, const char *signature)
{
	struct acpi_header header;
	if (base.raw == 0 || table_listed(acpi, base)) {
		log_warning("ACPI: a table's address is 0x%lx, %s", base.raw,
			base.raw == 0 ? "which is none" : "for the second time");
		return NULL;
	}
	if (!memory_copy(memory, &header, base, sizeof(header))) {
		return NULL;
	}
	struct acpi_table *table = &acpi->table[acpi->table_count++];
	table->base = base;
	table->size = header.length;
	text_copy(table->signature, header.signature, sizeof(header.signature));
	if (!signature_is(table, "FACS")) { /* which has only the first two fields in common */
		table->revision = header.revision;
		text_copy(table->oem_id, header.oem_id, sizeof(header.oem_id));
	}
	table->valid = table_check(memory, table);
	if (table->valid && signature != NULL && !signature_is(table, signature)) {
		log_warning(
			"ACPI: %s at 0x%lx should be a %s", table->signature, base.raw, signature);
		table->valid = false;
	}
	return table->valid ? table : NULL;
}

/* The first sound table with the signature, or NULL. */
static const struct acpi_table *table_find(const struct acpi *acpi, const char *signature)
{
	const struct acpi_table *found = NULL;
	for (unsigned i = 0; i < acpi->table_count; i++) {
		const struct acpi_table *table = &acpi->table[i];
		if (!table->valid || !signature_is(table, signature)) {
			continue;
		}
		if (found != NULL) {
			log_warning("ACPI: a second %s, at 0x%lx, is left out", signature,
				table->base.raw);
			continue;
		}
		found = table;
	}
	return found;
}

/* Copy and check the RSDP; rsdp->xsdt is 0 where the part that holds it is missing or broken. */
static int rsdp_copy(struct rsdp *rsdp, const uint8_t *bytes, size_t size)
{
	memset(rsdp, 0, sizeof(*rsdp));
	memcpy(rsdp, bytes, min_u64(size, sizeof(*rsdp)));
	if (size < RSDP_V1_SIZE ||
		memcmp(rsdp->signature, "RSD PTR ", sizeof(rsdp->signature)) != 0 ||
		!checksum_holds(bytes, RSDP_V1_SIZE)) {
		log_error("ACPI: the RSDP is broken");
		return trace_err(-EBADMSG);
	}
	if (rsdp->revision < 2) {
		return 0;
	}
	if (rsdp->length < sizeof(*rsdp) || rsdp->length > size ||
		!checksum_holds(bytes, rsdp->length)) {
		log_warning("ACPI: the extended part of the RSDP is broken");
		rsdp->xsdt = 0;
	}
	return 0;
}

static const struct acpi_table *root_add(
	struct acpi *acpi, const struct acpi_memory *memory, const struct rsdp *rsdp)
{
	if (rsdp->revision >= 2) {
		const struct acpi_table *xsdt = table_add(acpi, memory, hpa(rsdp->xsdt), "XSDT");
		if (xsdt != NULL) {
			return xsdt;
		}
		log_warning("ACPI: no usable XSDT; the RSDT has to do");
	}
	return table_add(acpi, memory, hpa(rsdp->rsdt), "RSDT");
}

static void root_walk(
	struct acpi *acpi, const struct acpi_memory *memory, const struct acpi_table *root)
{
	uint32_t width = signature_is(root, "XSDT") ? 8 : 4;
	for (uint32_t at = sizeof(struct acpi_header); root->size - at >= width; at += width) {
		if (acpi->table_count == LISTED_MAX) {
			log_warning(
				"ACPI: there are more tables than Pintle lists (%u)", LISTED_MAX);
			return;
		}
		uint64_t base = 0;
		if (memory_copy(memory, &base, hpa(root->base.raw + at), width)) {
			table_add(acpi, memory, hpa(base), NULL);
		}
	}
}

static void tables_decode(struct acpi *acpi, const struct acpi_memory *memory)
{
	for (size_t i = 0; i < ARRAY_COUNT(decoders); i++) {
		const struct acpi_table *table = table_find(acpi, decoders[i].signature);
		const uint8_t *bytes = table == NULL ? NULL : table_map(memory, table);
		if (bytes == NULL) {
			continue;
		}
		decoders[i].decode(acpi, bytes, table->size);
		memory->unmap(bytes, table->size);
	}
}

static void fadt_follow(struct acpi *acpi, const struct acpi_memory *memory)
{
	const struct acpi_table *table = table_find(acpi, "FACP");
	const uint8_t *bytes = table == NULL ? NULL : table_map(memory, table);
	if (bytes == NULL) {
		return;
	}
	struct acpi_links links = acpi_decode_fadt(&acpi->fadt, bytes, table->size);
	memory->unmap(bytes, table->size);
	if (!acpi->fadt.present) {
		return;
	}
	table_add(acpi, memory, links.dsdt, "DSDT");
	if (links.facs.raw != 0) { /* hardware-reduced machines may have none */
		table_add(acpi, memory, links.facs, "FACS");
	}
}

static bool s5_in_tables(struct acpi *acpi, const struct acpi_memory *memory, const char *signature)
{
	bool found = false;
	for (unsigned i = 0; i < acpi->table_count && !found; i++) {
		const struct acpi_table *table = &acpi->table[i];
		if (!table->valid || !signature_is(table, signature)) {
			continue;
		}
		const uint8_t *bytes = table_map(memory, table);
		if (bytes != NULL) {
			found = acpi_find_s5(&acpi->fadt, bytes, table->size);
			memory->unmap(bytes, table->size);
		}
	}
	return found;
}

int acpi_read(
	struct acpi *acpi, const uint8_t *rsdp_bytes, size_t size, const struct acpi_memory *memory)
{
	struct rsdp rsdp;
	memset(acpi, 0, sizeof(*acpi));
	if (size == 0) {
		return trace_err(-ENOENT);
	}
	int err = rsdp_copy(&rsdp, rsdp_bytes, size);
	if (err != 0) {
		return err;
	}
	acpi->revision = rsdp.revision;
	const struct acpi_table *root = root_add(acpi, memory, &rsdp);
	if (root == NULL) {
		log_error("ACPI: neither the XSDT nor the RSDT can be used");
		return trace_err(-EBADMSG);
	}
	root_walk(acpi, memory, root);
	tables_decode(acpi, memory);
	fadt_follow(acpi, memory);
	if (acpi->fadt.present && !s5_in_tables(acpi, memory, "DSDT") &&
		!s5_in_tables(acpi, memory, "SSDT")) {
		log_warning("ACPI: no \\_S5 package: this machine can't be switched off");
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
