/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * drivers/acpi_tables.c - a decoder for each ACPI table that Pintle reads, and the search for \_S5.
 * Pure. What a decoder refuses, it says in the log and leaves out.
 */
#include "drivers/acpi_tables.h"

#include "kernel/log.h"
#include "kernel/string.h"

#define FADT_BOOT_ARCH_8042        BIT(1)
#define FADT_FLAG_TIMER_32         BIT(8)
#define FADT_FLAG_RESET            BIT(10)
#define FADT_FLAG_HARDWARE_REDUCED BIT(20)
#define MADT_CPU_ENABLED           BIT(0)
#define ISA_IRQS                   16u
#define MPS_ACTIVE_LOW             0x3u /* of two bits each: MultiProcessor Specification 1.4, 4.3.4 */
#define MPS_LEVEL                  0xcu
#define SPCR_INTERRUPT_GSI         BIT(1)
#define MCFG_FIRST                 44u /* offset of the first entry */
#define MADT_FIRST                 44u
#define REMAPPERS_FIRST            48u /* of DMAR and IVRS */
#define SEGMENT_SIZE               16u
#define BUS_SIZE                   MIB /* of one bus's configuration space */

/* ACPI 6.5, 20.2: the AML encodings that an \_S5 package is made of. */
#define AML_ONE        0x01
#define AML_NAME       0x08
#define AML_BYTE       0x0a
#define AML_PACKAGE    0x12
#define AML_ROOT       0x5c /* a backslash */
#define SLEEP_TYPE_MAX 7u   /* SLP_TYP has three bits: ACPI 6.5, 4.8.3.2.1 */

struct decoder {
	char table[5];
	int type;        /* of an entry, or ACPI_TABLE_ */
	size_t size_min; /* what is shorter is refused */
	void (*decode)(struct acpi *acpi, struct acpi_span bytes);
};

void acpi_refuse(struct acpi *acpi, const char *table, const char *what, uint64_t where)
{
	if (acpi->refused++ < ACPI_REFUSED_SHOWN) {
		log_warning("ACPI: %s: %s 0x%lx", table, what, where);
	}
}

uint64_t acpi_get(struct acpi_span span, enum acpi_field field)
{
	uint64_t value = 0;
	if (FIELD_BYTES(field) <= sizeof(value) && FIELD_END(field) <= span.size) {
		memcpy(&value, span.at + FIELD_OFFSET(field), FIELD_BYTES(field));
	}
	return value;
}

/* What the span holds of the bytes from `offset` on, `size` at most. */
static struct acpi_span span_part(struct acpi_span span, size_t offset, size_t size)
{
	size_t start = min_u64(offset, span.size);
	return (struct acpi_span){span.table, span.at + start, min_u64(size, span.size - start)};
}

/* A Generic Address Structure or the bare number of a port; address 0 when Pintle can't reach it.
 */
static struct acpi_gas get_gas(struct acpi *acpi, struct acpi_span table, enum acpi_field field)
{
	struct acpi_gas gas = {.space = ACPI_SPACE_PORT, .address = acpi_get(table, field)};
	if (FIELD_BYTES(field) == GAS_SIZE) {
		struct acpi_span raw = span_part(table, FIELD_OFFSET(field), GAS_SIZE);
		gas.space = (uint8_t)acpi_get(raw, GAS_SPACE);
		gas.width = (uint8_t)acpi_get(raw, GAS_WIDTH);
		gas.address = acpi_get(raw, GAS_ADDRESS);
	}
	bool reachable = gas.space == ACPI_SPACE_MEMORY ||
		(gas.space == ACPI_SPACE_PORT && gas.address <= UINT16_MAX);
	if (gas.address != 0 && !reachable) {
		acpi_refuse(acpi, table.table, "no use for the register at", gas.address);
	}
	return gas.address != 0 && reachable ? gas : (struct acpi_gas){0};
}

/* A register of ACPI's fixed hardware: the 64-bit description where there is one, else the port. */
static struct acpi_gas get_fixed(
	struct acpi *acpi, struct acpi_span table, enum acpi_field extended, enum acpi_field port)
{
	struct acpi_gas gas = get_gas(acpi, table, extended);
	return gas.address != 0 ? gas : get_gas(acpi, table, port);
}

static void decode_fadt(struct acpi *acpi, struct acpi_span table)
{
	struct acpi_fadt *fadt = &acpi->fadt;
	uint64_t flags = acpi_get(table, FADT_FLAGS);
	uint64_t dsdt = acpi_get(table, FADT_X_DSDT);
	fadt->present = true;
	fadt->dsdt = hpa(dsdt != 0 ? dsdt : acpi_get(table, FADT_DSDT));
	fadt->hardware_reduced = (flags & FADT_FLAG_HARDWARE_REDUCED) != 0;
	fadt->has_8042 = acpi_get(table, HEADER_REVISION) < 3 ||
		(acpi_get(table, FADT_BOOT_ARCH) & FADT_BOOT_ARCH_8042) != 0;
	if (!fadt->hardware_reduced) { /* else these fields mean nothing: ACPI 6.5, 5.2.9 */
		fadt->smi_command = (uint16_t)get_gas(acpi, table, FADT_SMI_COMMAND).address;
		fadt->acpi_enable = (uint8_t)acpi_get(table, FADT_ACPI_ENABLE);
		fadt->pm1a_control = get_fixed(acpi, table, FADT_X_PM1A_CNT, FADT_PM1A_CNT);
		fadt->pm1b_control = get_fixed(acpi, table, FADT_X_PM1B_CNT, FADT_PM1B_CNT);
		fadt->pm_timer = get_fixed(acpi, table, FADT_X_PM_TIMER, FADT_PM_TIMER);
		fadt->pm_timer_32 = (flags & FADT_FLAG_TIMER_32) != 0;
	}
	if ((flags & FADT_FLAG_RESET) != 0) {
		fadt->reset = get_gas(acpi, table, FADT_RESET);
		fadt->reset_value = (uint8_t)acpi_get(table, FADT_RESET_VALUE);
	}
	fadt->sleep_control = get_gas(acpi, table, FADT_SLEEP_CONTROL);
}

static void decode_hpet(struct acpi *acpi, struct acpi_span table)
{
	struct acpi_gas base = get_gas(acpi, table, HPET_BASE);
	if (base.address == 0 || base.space != ACPI_SPACE_MEMORY) {
		acpi_refuse(acpi, table.table, "it is not in memory, but at", base.address);
		return;
	}
	acpi->has_hpet = true;
	acpi->hpet_base = hpa(base.address);
}

static void decode_spcr(struct acpi *acpi, struct acpi_span table)
{
	static const uint32_t bauds[] = {[3] = 9600, [4] = 19200, [6] = 57600, [7] = 115200};
	struct acpi_spcr *spcr = &acpi->spcr;
	uint64_t interface = acpi_get(table, SPCR_INTERFACE);
	uint64_t baud = acpi_get(table, SPCR_BAUD);
	/* DBG2, table 3: 16550, its 16450 subset, and a 16550 whose registers lie as its GAS says.
	 */
	if (interface != 0x00 && interface != 0x01 && interface != 0x12) {
		acpi_refuse(acpi, table.table, "the console is not a 16550: type", interface);
		return;
	}
	spcr->base = get_gas(acpi, table, SPCR_BASE);
	spcr->present = spcr->base.address != 0;
	spcr->baud = baud < ARRAY_COUNT(bauds) ? bauds[baud] : 0;
	spcr->has_gsi = (acpi_get(table, SPCR_INTERRUPT) & SPCR_INTERRUPT_GSI) != 0;
	spcr->gsi = (uint32_t)acpi_get(table, SPCR_GSI);
}

static void cpu_add(struct acpi *acpi, struct acpi_span entry, enum acpi_field id_field,
	enum acpi_field uid_field, enum acpi_field flags_field)
{
	uint32_t id = (uint32_t)acpi_get(entry, id_field);
	uint32_t broadcast = UINT32_MAX >> (32 - 8 * FIELD_BYTES(id_field));
	if ((acpi_get(entry, flags_field) & MADT_CPU_ENABLED) == 0 || id == broadcast) {
		return;
	}
	for (unsigned i = 0; i < acpi->cpu_count; i++) {
		if (acpi->cpu[i].apic_id == id) {
			return; /* some firmware lists a CPU in both forms */
		}
	}
	if (acpi->cpu_count == CPUS_MAX) {
		acpi->cpus_over++;
		return;
	}
	acpi->cpu[acpi->cpu_count++] = (struct acpi_cpu){id, (uint32_t)acpi_get(entry, uid_field)};
}

static void decode_lapic(struct acpi *acpi, struct acpi_span entry)
{
	cpu_add(acpi, entry, LAPIC_ID, LAPIC_UID, LAPIC_FLAGS);
}

static void decode_x2apic(struct acpi *acpi, struct acpi_span entry)
{
	cpu_add(acpi, entry, X2APIC_ID, X2APIC_UID, X2APIC_FLAGS);
}

static void decode_ioapic(struct acpi *acpi, struct acpi_span entry)
{
	struct acpi_ioapic ioapic = {
		.id = (uint8_t)acpi_get(entry, IOAPIC_ID),
		.base = hpa(acpi_get(entry, IOAPIC_BASE)),
		.gsi_base = (uint32_t)acpi_get(entry, IOAPIC_GSI),
	};
	bool sound = ioapic.base.raw != 0 && acpi->ioapic_count < ACPI_IOAPICS_MAX;
	for (unsigned i = 0; i < acpi->ioapic_count; i++) {
		sound = sound && acpi->ioapic[i].base.raw != ioapic.base.raw &&
			acpi->ioapic[i].gsi_base != ioapic.gsi_base;
	}
	if (!sound) {
		acpi_refuse(acpi, entry.table, "unsound or too many: I/O APIC at", ioapic.base.raw);
		return;
	}
	acpi->ioapic[acpi->ioapic_count++] = ioapic;
}

static void decode_override(struct acpi *acpi, struct acpi_span entry)
{
	uint64_t flags = acpi_get(entry, OVERRIDE_FLAGS);
	struct acpi_override line = {
		.irq = (uint8_t)acpi_get(entry, OVERRIDE_IRQ),
		.gsi = (uint32_t)acpi_get(entry, OVERRIDE_GSI),
		.active_low = (flags & MPS_ACTIVE_LOW) == MPS_ACTIVE_LOW,
		.level = (flags & MPS_LEVEL) == MPS_LEVEL,
	};
	if (acpi_get(entry, OVERRIDE_BUS) != 0 || line.irq >= ISA_IRQS ||
		acpi->override_count == ACPI_OVERRIDES_MAX) {
		acpi_refuse(acpi, entry.table, "not ISA or too many: interrupt", line.irq);
		return;
	}
	acpi->override[acpi->override_count++] = line;
}

static void decode_mcfg(struct acpi *acpi, struct acpi_span table)
{
	for (size_t at = MCFG_FIRST; table.size - at >= SEGMENT_SIZE; at += SEGMENT_SIZE) {
		struct acpi_span entry = span_part(table, at, SEGMENT_SIZE);
		struct acpi_segment segment = {
			.base = hpa(acpi_get(entry, SEGMENT_BASE)),
			.segment = (uint16_t)acpi_get(entry, SEGMENT_NUMBER),
			.bus_first = (uint8_t)acpi_get(entry, SEGMENT_BUS_FIRST),
			.bus_last = (uint8_t)acpi_get(entry, SEGMENT_BUS_LAST),
		};
		bool sound = segment.bus_first <= segment.bus_last && segment.base.raw != 0 &&
			segment.base.raw % BUS_SIZE == 0 &&
			segment.base.raw <= UINT64_MAX - 256 * BUS_SIZE;
		if (sound && acpi->segment_count < ACPI_SEGMENTS_MAX) {
			acpi->segment[acpi->segment_count++] = segment;
		} else {
			acpi_refuse(acpi, table.table, "no use for the buses at", segment.base.raw);
		}
	}
}

static void decode_remapper(struct acpi *acpi, struct acpi_span entry)
{
	bool vtd = strcmp(entry.table, "DMAR") == 0;
	hpa_t base = hpa(acpi_get(entry, REMAPPER_BASE));
	for (unsigned i = 0; i < acpi->remapper_count; i++) {
		if (acpi->remapper[i].base.raw == base.raw) {
			return; /* IVRS describes each IOMMU once for every generation of IVHD */
		}
	}
	if (base.raw == 0 || base.raw % PAGE_SIZE != 0 ||
		acpi->remapper_count == ACPI_REMAPPERS_MAX) {
		acpi_refuse(acpi, entry.table, "unsound or too many: IOMMU at", base.raw);
		return;
	}
	acpi->remapper[acpi->remapper_count++] =
		(struct acpi_remapper){vtd ? ACPI_REMAPPER_VTD : ACPI_REMAPPER_AMDVI, base};
}

/* Decode the entries that follow one another from offset `at` on, each with its type and length. */
static void decode_entries(struct acpi *acpi, struct acpi_span table, size_t at,
	enum acpi_field type, enum acpi_field length)
{
	while (at < table.size) {
		struct acpi_span rest = span_part(table, at, table.size);
		size_t size = acpi_get(rest, length);
		if (size < FIELD_END(length) || size > rest.size) {
			acpi_refuse(acpi, table.table, "wrong length of the entry at offset", at);
			return;
		}
		acpi_decode(acpi, (int)acpi_get(rest, type), span_part(rest, 0, size));
		at += size;
	}
}

static void decode_madt(struct acpi *acpi, struct acpi_span table)
{
	acpi->has_madt = true;
	decode_entries(acpi, table, MADT_FIRST, MADT_TYPE, MADT_LENGTH);
}

static void decode_dmar(struct acpi *acpi, struct acpi_span table)
{
	decode_entries(acpi, table, REMAPPERS_FIRST, DMAR_TYPE, REMAPPER_LENGTH);
}

static void decode_ivrs(struct acpi *acpi, struct acpi_span table)
{
	decode_entries(acpi, table, REMAPPERS_FIRST, IVRS_TYPE, REMAPPER_LENGTH);
}

/* The next byte, or -1 behind the last. */
static int aml_next(struct acpi_span *aml)
{
	if (aml->size == 0) {
		return -1;
	}
	aml->size--;
	return *aml->at++;
}

/* An integer below 256 in its shortest form, which compilers choose; or -1. */
static int aml_integer(struct acpi_span *aml)
{
	int byte = aml_next(aml);
	if (byte == AML_BYTE) {
		return aml_next(aml);
	}
	return byte <= AML_ONE ? byte : -1;
}

/* Take the sleep types from the package that stands behind the name \_S5. */
static bool s5_take(struct acpi_fadt *fadt, struct acpi_span aml)
{
	if (aml_next(&aml) != AML_PACKAGE) {
		return false;
	}
	for (int more = aml_next(&aml) >> 6; more > 0; more--) { /* PkgLength: 20.2.4 */
		aml_next(&aml);
	}
	int element_count = aml_next(&aml);
	unsigned type_a = (unsigned)aml_integer(&aml);
	unsigned type_b = (unsigned)aml_integer(&aml);
	if (element_count < 2 || type_a > SLEEP_TYPE_MAX || type_b > SLEEP_TYPE_MAX) {
		return false;
	}
	fadt->has_s5 = true;
	fadt->s5_type_a = (uint8_t)type_a;
	fadt->s5_type_b = (uint8_t)type_b;
	return true;
}

/* Look for a sound \_S5, without AML: a name definition with these bytes is hardly anything else.
 */
static void decode_aml(struct acpi *acpi, struct acpi_span table)
{
	/* The DSDT comes last, and its \_S5 goes before that of an SSDT. */
	bool found = acpi->fadt.has_s5 && strcmp(table.table, "SSDT") == 0;
	for (size_t at = ACPI_HEADER_SIZE; at < table.size && !found; at++) {
		struct acpi_span aml = span_part(table, at, table.size);
		if (aml_next(&aml) != AML_NAME) {
			continue;
		}
		if (aml.size > 0 && aml.at[0] == AML_ROOT) {
			aml_next(&aml);
		}
		found = aml.size > 4 && memcmp(aml.at, "_S5_", 4) == 0 &&
			s5_take(&acpi->fadt, span_part(aml, 4, aml.size));
	}
}

static const struct decoder decoders[] = {
	{"FACP", ACPI_TABLE_FIRST, FIELD_END(FADT_FLAGS), decode_fadt},
	{"DSDT", ACPI_TABLE_FIRST, ACPI_HEADER_SIZE, decode_aml},
	{"SSDT", ACPI_TABLE_FIRST, ACPI_HEADER_SIZE, decode_aml},
	{"SSDT", ACPI_TABLE_MORE, ACPI_HEADER_SIZE, decode_aml},
	{"HPET", ACPI_TABLE_FIRST, 56, decode_hpet},
	{"SPCR", ACPI_TABLE_FIRST, 80, decode_spcr},
	{"MCFG", ACPI_TABLE_FIRST, MCFG_FIRST, decode_mcfg},
	{"APIC", ACPI_TABLE_FIRST, MADT_FIRST, decode_madt},
	{"APIC", 0, 8, decode_lapic},
	{"APIC", 1, 12, decode_ioapic},
	{"APIC", 2, 10, decode_override},
	{"APIC", 9, 16, decode_x2apic},
	{"DMAR", ACPI_TABLE_FIRST, REMAPPERS_FIRST, decode_dmar},
	{"DMAR", 0, 16, decode_remapper},
	{"IVRS", ACPI_TABLE_FIRST, REMAPPERS_FIRST, decode_ivrs},
	{"IVRS", 0x10, 24, decode_remapper},
	{"IVRS", 0x11, 24, decode_remapper},
	{"IVRS", 0x40, 24, decode_remapper},
};

void acpi_decode(struct acpi *acpi, int type, struct acpi_span bytes)
{
	for (size_t i = 0; i < ARRAY_COUNT(decoders); i++) {
		const struct decoder *row = &decoders[i];
		if (row->type != type || strcmp(row->table, bytes.table) != 0) {
			continue;
		}
		if (bytes.size < row->size_min) {
			acpi_refuse(acpi, row->table, "table or entry too short:", bytes.size);
			return;
		}
		row->decode(acpi, bytes);
	}
}
