/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * boot/acpi.c - from the RSDP to a list of checked tables, and what Pintle needs of each.
 * Runs: at boot, on one CPU. At most one window is open at a time.
 *
 * Fields are read by offset and length in bytes, as the specifications print them: tables keep no
 * alignment, and older ones are shorter.
 */
#include "boot/acpi.h"

#include "kernel/basic.h"

/* Untrusted bytes: a table, or an entry of the one that `table` names. */
struct span {
	const char *table;
	const uint8_t *at;
	size_t size;
};

static void decode(struct acpi *acpi, int type, struct span bytes);

uint8_t acpi_sum(const uint8_t *bytes, size_t size)
{
	uint8_t sum = 0;
	for (size_t i = 0; i < size; i++) {
		sum = (uint8_t)(sum + bytes[i]);
	}
	return sum;
}

/* A field of up to eight bytes; 0 when the span does not hold all of it. */
static uint64_t get(struct span span, size_t offset, size_t size)
{
	uint64_t value = 0;
	if (offset + size <= span.size) {
		memcpy(&value, span.at + offset, size);
	}
	return value;
}

/* Report what does not hold, and is left out; hostile firmware does not fill the log. */
static bool check(struct acpi *acpi, const char *table, bool holds, const char *why, uint64_t where)
{
	acpi->refused += !holds;
	if (!holds && acpi->refused <= ACPI_REFUSED_SHOWN) {
		log_warning("ACPI: %s: %s 0x%lx", table, why, where);
	} else if (!holds && acpi->refused == ACPI_REFUSED_SHOWN + 1) {
		log_warning("ACPI: more faults in the tables are not shown");
	}
	return holds;
}

/* A Generic Address Structure; address 0 when Pintle can't reach it. */
static struct acpi_gas get_gas(struct acpi *acpi, struct span table, size_t at)
{
	uint64_t space = get(table, at, 1), address = get(table, at + 4, 8);
	bool reachable = space == 0 || (space == 1 && address <= UINT16_MAX) || address == 0;
	reachable = check(acpi, table.table, reachable, "no use for the register at", address);
	uint8_t width = (uint8_t)get(table, at + 1, 1);
	return (struct acpi_gas){space == 0, width, reachable ? address : 0};
}

static uint16_t get_port(struct acpi *acpi, struct span table, size_t at)
{
	uint64_t port = get(table, at, 4);
	bool sound = port <= UINT16_MAX;
	return check(acpi, table.table, sound, "no use for the port", port) ? (uint16_t)port : 0;
}

/* A register of ACPI's fixed hardware, a port on every PC: where its newer description names none,
 * the older one counts. */
static uint16_t get_fixed(struct acpi *acpi, struct span table, size_t newer, size_t older)
{
	struct acpi_gas gas = get_gas(acpi, table, newer);
	bool named = gas.address != 0 && !gas.in_memory;
	return named ? (uint16_t)gas.address : get_port(acpi, table, older);
}

static void decode_fadt(struct acpi *acpi, struct span table) /* ACPI 6.5, 5.2.9 */
{
	struct acpi_fadt *fadt = &acpi->fadt;
	uint64_t flags = get(table, 112, 4), dsdt = get(table, 140, 8);
	fadt->present = true;
	fadt->dsdt = hpa(dsdt != 0 ? dsdt : get(table, 40, 4));
	fadt->no_8042 = get(table, 8, 1) >= 3 && !(get(table, 109, 2) & BIT(1));
	if (!(flags & BIT(20))) { /* else, hardware-reduced, the fields of fixed hardware mean
				     nothing */
		fadt->smi_command = get_port(acpi, table, 48);
		fadt->acpi_enable = (uint8_t)get(table, 52, 1);
		fadt->pm1_event = get_fixed(acpi, table, 148, 56);
		fadt->pm1_control[0] = get_fixed(acpi, table, 172, 64);
		fadt->pm1_control[1] = get_fixed(acpi, table, 184, 68);
		fadt->pm_timer = get_fixed(acpi, table, 208, 76);
	}
	if (flags & BIT(10)) {
		fadt->reset = get_gas(acpi, table, 116);
		fadt->reset_value = (uint8_t)get(table, 128, 1);
	}
}

static void decode_hpet(struct acpi *acpi, struct span table) /* IA-PC HPET 1.0a, 3.2.4 */
{
	struct acpi_gas base = get_gas(acpi, table, 40);
	bool sound = base.in_memory && base.address != 0;
	check(acpi, table.table, sound, "it is not in memory, but at", base.address);
	acpi->hpet = hpa(sound ? base.address : 0);
}

static void decode_spcr(struct acpi *acpi, struct span table) /* SPCR 1.02 */
{
	static const uint32_t bauds[] = {[3] = 9600, [4] = 19200, [6] = 57600, [7] = 115200};
	uint64_t type = get(table, 36, 1), baud = get(table, 58, 1);
	/* DBG2, table 3: 16550, its 16450 subset, and a 16550 whose registers lie as its GAS says.
	 */
	bool usable = type == 0x00 || type == 0x01 || type == 0x12;
	if (check(acpi, table.table, usable, "the console is not a 16550: type", type)) {
		acpi->spcr.base = get_gas(acpi, table, 40);
		acpi->spcr.baud = baud < ARRAY_COUNT(bauds) ? bauds[baud] : 0;
		acpi->spcr.gsi =
			get(table, 52, 1) & BIT(1) ? (uint32_t)get(table, 54, 4) : UINT32_MAX;
	}
}

/* Of the MADT: ACPI 6.5, 5.2.12.2 and 5.2.12.12. The highest id is that of all CPUs. */
static void decode_cpu(struct acpi *acpi, struct span entry)
{
	bool wide = get(entry, 0, 1) == 9; /* an x2APIC */
	uint32_t id = (uint32_t)(wide ? get(entry, 4, 4) : get(entry, 3, 1));
	uint64_t enabled = get(entry, wide ? 8 : 4, 4) & BIT(0);
	bool wanted = enabled && id != (wide ? UINT32_MAX : UINT8_MAX);
	for (unsigned i = 0; i < acpi->cpu_count; i++) {
		/* Some firmware lists a CPU in both forms. */
		wanted = wanted && acpi->apic_id[i] != id;
	}
	if (wanted && acpi->cpu_count == CPUS_MAX) {
		acpi->cpus_over++;
	} else if (wanted) {
		acpi->apic_id[acpi->cpu_count++] = id;
	}
}

static void decode_ioapic(struct acpi *acpi, struct span entry) /* 5.2.12.3 */
{
	hpa_t base = hpa(get(entry, 4, 4));
	uint32_t gsi = (uint32_t)get(entry, 8, 4);
	bool sound = base.raw != 0 && acpi->ioapic_count < ACPI_IOAPICS_MAX;
	for (unsigned i = 0; i < acpi->ioapic_count; i++) {
		sound = sound && acpi->ioapic[i].base.raw != base.raw &&
			acpi->ioapic[i].gsi_base != gsi;
	}
	if (check(acpi, entry.table, sound, "unsound or too many: I/O APIC at", base.raw)) {
		acpi->ioapic[acpi->ioapic_count++] = (struct acpi_ioapic){
			.id = (uint8_t)get(entry, 2, 1), .base = base, .gsi_base = gsi};
	}
}

static void decode_override(struct acpi *acpi, struct span entry) /* 5.2.12.5 */
{
	uint64_t irq = get(entry, 3, 1), flags = get(entry, 8, 2);
	bool sound = get(entry, 2, 1) == 0 && irq < ACPI_ISA_IRQS && !acpi->isa[irq].overridden;
	if (check(acpi, entry.table, sound, "not ISA or there already: interrupt", irq)) {
		/* Of two bits each, 3 says so: MultiProcessor Specification 1.4, 4.3.4. */
		acpi->isa[irq] = (struct acpi_line){.gsi = (uint32_t)get(entry, 4, 4),
			.active_low = (flags & 3) == 3,
			.level = (flags & 12) == 12,
			.overridden = true};
	}
}

static void decode_segment(struct acpi *acpi, struct span entry) /* PCI Firmware 3.3, 4.1.2 */
{
	uint64_t base = get(entry, 0, 8); /* of 256 buses, a MiB each */
	bool sound = get(entry, 10, 1) <= get(entry, 11, 1) && base != 0 && base % MIB == 0 &&
		base <= UINT64_MAX - 256 * MIB;
	acpi->segment_count += check(acpi, entry.table, sound, "no use for the buses at", base);
}

/* VT-d 4.1, 8.3; AMD IOMMU Specification 3.08, 5.2.2.1. */
static void decode_remapper(struct acpi *acpi, struct span entry)
{
	uint64_t base = get(entry, 8, 8);
	bool sound = base != 0 && !(base & PAGE_MASK) && acpi->remapper_count < ACPI_REMAPPERS_MAX;
	for (unsigned i = 0; i < acpi->remapper_count; i++) {
		if (acpi->remapper[i].raw == base) {
			return; /* IVRS describes each IOMMU once for every generation of IVHD */
		}
	}
	if (check(acpi, entry.table, sound, "unsound or too many: IOMMU at", base)) {
		acpi->remapper[acpi->remapper_count++] = hpa(base);
	}
}

/*
 * Decode the entries that follow one another. The first half of an entry's head is its type, in
 * IVRS with flags, the second its length; those of MCFG have no head, and one length.
 */
static void decode_entries(struct acpi *acpi, struct span table)
{
	bool madt = *table.table == 'A', dmar = *table.table == 'D', mcfg = *table.table == 'M';
	size_t half = madt ? 1 : 2;
	for (size_t at = madt || mcfg ? 44 : 48, size; at < table.size; at += size) {
		struct span entry = {table.table, table.at + at, table.size - at};
		uint64_t type = mcfg ? 0 : get(entry, 0, dmar ? 2 : 1);
		size = mcfg ? 16 : get(entry, half, half);
		if (!check(acpi, table.table, size >= 2 * half && size <= entry.size,
			    "wrong length of the entry at offset", at)) {
			return;
		}
		entry.size = size;
		decode(acpi, (int)type, entry);
	}
}

/*
 * Take the sleep types from the package at `at`, behind the name \_S5: integers in their shortest
 * form, which compilers choose (ACPI 6.5, 20.2). Bytes behind the end read as 0; the last check
 * finds them.
 */
static bool s5_take(struct acpi_fadt *fadt, struct span aml, size_t at)
{
	uint8_t type[2];
	size_t inside = at + 2 + (get(aml, at + 1, 1) >> 6); /* behind PkgLength: 20.2.4 */
	bool sound = get(aml, at, 1) == 0x12 && get(aml, inside++, 1) >= ARRAY_COUNT(type);
	for (unsigned i = 0; i < ARRAY_COUNT(type); i++) {
		uint8_t byte = (uint8_t)get(aml, inside++, 1);
		bool prefixed = byte == 0x0a; /* else it is 0 or 1 itself */
		type[i] = prefixed ? (uint8_t)get(aml, inside++, 1) : byte;
		sound = sound && type[i] <= (prefixed ? 7 : 1); /* SLP_TYP: 4.8.3.2.1 */
	}
	sound = sound && inside <= aml.size;
	if (sound) {
		fadt->has_s5 = true;
		memcpy(fadt->s5_type, type, sizeof(type));
	}
	return sound;
}

/* Look for a sound \_S5, without AML: a name definition with these bytes is hardly anything else.
 */
static void decode_aml(struct acpi *acpi, struct span table)
{
	/* The DSDT comes last, and its \_S5 goes before that of an SSDT. */
	bool found = acpi->fadt.has_s5 && *table.table == 'S';
	for (size_t at = ACPI_HEADER_SIZE; at < table.size && !found; at++) {
		size_t name = at + 1 + (get(table, at + 1, 1) == '\\');
		found = table.at[at] == 0x08 && get(table, name, 4) == 0x5f35535f && /* "_S5_" */
			s5_take(&acpi->fadt, table, name + 4);
	}
}

#define TABLE (-1)
static const struct decoder {
	char table[5];
	int type;        /* of an entry, or TABLE */
	size_t size_min; /* what is shorter is refused */
	void (*decode)(struct acpi *acpi, struct span bytes);
} decoders[] = {{"FACP", TABLE, 116, decode_fadt}, /* as long as that of ACPI 1.0 */
	{"DSDT", TABLE, ACPI_HEADER_SIZE, decode_aml},
	{"SSDT", TABLE, ACPI_HEADER_SIZE, decode_aml}, {"HPET", TABLE, 56, decode_hpet},
	{"SPCR", TABLE, 80, decode_spcr}, {"MCFG", TABLE, 44, decode_entries},
	{"MCFG", 0, 16, decode_segment}, {"APIC", TABLE, 44, decode_entries},
	{"APIC", 0, 8, decode_cpu}, {"APIC", 1, 12, decode_ioapic},
	{"APIC", 2, 10, decode_override}, {"APIC", 9, 16, decode_cpu},
	{"DMAR", TABLE, 48, decode_entries}, {"DMAR", 0, 16, decode_remapper},
	{"IVRS", TABLE, 48, decode_entries}, {"IVRS", 0x10, 24, decode_remapper},
	{"IVRS", 0x11, 24, decode_remapper}, {"IVRS", 0x40, 24, decode_remapper}};

static void decode(struct acpi *acpi, int type, struct span bytes)
{
	for (const struct decoder *row = decoders; row < decoders + ARRAY_COUNT(decoders); row++) {
		bool is = row->type == type && strcmp(row->table, bytes.table) == 0;
		if (is &&
			check(acpi, bytes.table, bytes.size >= row->size_min,
				"table or entry too short:", bytes.size)) {
			row->decode(acpi, bytes);
		}
	}
}

/* Check the whole of a table, and decode it when it is sound; of most kinds only the first. */
static bool table_read(struct acpi *acpi, const struct acpi_table *table)
{
	bool sane = table->size >= ACPI_HEADER_SIZE && table->size <= ACPI_TABLE_LIMIT;
	const uint8_t *bytes = sane ? window_map(table->base, table->size, 0) : NULL;
	if (bytes == NULL) {
		return false;
	}
	bool sound = acpi_sum(bytes, table->size) == 0, first = true;
	for (const struct acpi_table *other = acpi->table; other < table; other++) {
		first = first && !(other->valid && strcmp(other->signature, table->signature) == 0);
	}
	if (sound && (first || strcmp(table->signature, "SSDT") == 0)) {
		decode(acpi, TABLE, (struct span){table->signature, bytes, table->size});
	}
	window_unmap(bytes, table->size);
	return sound;
}

/* List the table at `base`, sound or not; NULL unless it is sound and has `signature` (NULL: any).
 */
static const struct acpi_table *table_add(struct acpi *acpi, uint64_t base, const char *signature)
{
	uint8_t bytes[ACPI_HEADER_SIZE];
	struct span header = {signature != NULL ? signature : "root", bytes, sizeof(bytes)};
	if (!check(acpi, header.table, base != 0 && window_copy(bytes, hpa(base), sizeof(bytes)),
		    "no memory where a table should be, at", base)) {
		return NULL;
	}
	struct acpi_table *table = &acpi->table[acpi->table_count++];
	table->base = hpa(base);
	table->size = (uint32_t)get(header, 4, 4);
	for (unsigned i = 0; i < 4; i++) { /* it comes to a terminal: no control characters */
		table->signature[i] = bytes[i] >= ' ' && bytes[i] <= '~' ? (char)bytes[i] : '.';
	}
	table->valid = (signature == NULL || strcmp(table->signature, signature) == 0) &&
		table_read(acpi, table);
	check(acpi, table->signature, table->valid,
		"wrong signature, length or checksum of the table at", base);
	return table->valid ? table : NULL;
}

/* The XSDT, or where that can't be used the RSDT (ACPI 6.5, 5.2.5.3); NULL when there is neither.
 */
static const struct acpi_table *root_add(struct acpi *acpi, struct span rsdp)
{
	uint64_t length = get(rsdp, 20, 4);
	const struct acpi_table *root = NULL;
	if (rsdp.size < 20 || memcmp(rsdp.at, "RSD PTR ", 8) != 0 || acpi_sum(rsdp.at, 20) != 0) {
		return NULL;
	}
	if (get(rsdp, 15, 1) >= 2) { /* else it ends before the length */
		bool sound = length >= 36 && length <= rsdp.size && acpi_sum(rsdp.at, length) == 0;
		root = sound ? table_add(acpi, get(rsdp, 24, 8), "XSDT") : NULL;
		check(acpi, rsdp.table, root != NULL, "no usable XSDT at", get(rsdp, 24, 8));
	}
	return root != NULL ? root : table_add(acpi, get(rsdp, 16, 4), "RSDT");
}

int acpi_read(struct acpi *acpi, const uint8_t *rsdp, size_t size)
{
	struct acpi_fadt *fadt = &acpi->fadt;
	memset(acpi, 0, sizeof(*acpi));
	for (uint32_t irq = 0; irq < ACPI_ISA_IRQS; irq++) {
		acpi->isa[irq].gsi = irq;
	}
	if (size == 0) {
		return trace_err(-ENOENT);
	}
	const struct acpi_table *root = root_add(acpi, (struct span){"RSDP", rsdp, size});
	if (root == NULL) {
		log_error("ACPI: the RSDP is broken, or leads to no usable XSDT or RSDT");
		return trace_err(-EBADMSG);
	}
	size_t width = root->signature[0] == 'X' ? 8 : 4;
	size_t count = (root->size - ACPI_HEADER_SIZE) / width;
	/* The DSDT comes last: its place is kept free. */
	size_t listed = min_u64(count, ACPI_TABLES_MAX - 1 - acpi->table_count);
	check(acpi, root->signature, listed == count, "more tables than Pintle lists:", count);
	for (size_t i = 0; i < listed; i++) {
		uint64_t base = 0;
		window_copy(&base, hpa(root->base.raw + ACPI_HEADER_SIZE + i * width), width);
		table_add(acpi, base, NULL);
	}
	if (fadt->present) {
		table_add(acpi, fadt->dsdt.raw, "DSDT");
		check(acpi, "FACP", fadt->has_s5,
			"this machine can't be switched off: no \\_S5 in the DSDT at",
			fadt->dsdt.raw);
	}
	fadt->has_s5 = fadt->has_s5 && fadt->present; /* else there is no register to write it to */
	return 0;
}
