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
#define MPS_ACTIVE_LOW             0x3u /* of two bits each: MultiProcessor Specification 1.4, 4.3.4 */
#define MPS_LEVEL                  0xcu
#define SPCR_INTERRUPT_GSI         BIT(1)
#define MCFG_FIRST                 44u /* offset of the first entry */
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

static uint8_t get_byte(struct acpi_span span, size_t at)
{
	return at < span.size ? span.at[at] : 0;
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

static void decode_cpu(struct acpi *acpi, struct acpi_span entry)
{
	bool wide = acpi_get(entry, MADT_TYPE) == MADT_X2APIC;
	uint32_t id = (uint32_t)acpi_get(entry, wide ? X2APIC_ID : LAPIC_ID);
	uint32_t uid = (uint32_t)acpi_get(entry, wide ? X2APIC_UID : LAPIC_UID);
	uint64_t flags = acpi_get(entry, wide ? X2APIC_FLAGS : LAPIC_FLAGS);
	bool left_out = !(flags & MADT_CPU_ENABLED) || id == (wide ? UINT32_MAX : UINT8_MAX);
	for (unsigned i = 0; i < acpi->cpu_count; i++) {
		/* Some firmware lists a CPU in both forms. */
		left_out = left_out || acpi->cpu[i].apic_id == id;
	}
	if (!left_out && acpi->cpu_count == CPUS_MAX) {
		acpi->cpus_over++;
	} else if (!left_out) {
		acpi->cpu[acpi->cpu_count++] = (struct acpi_cpu){id, uid};
	}
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
	if (acpi_get(entry, OVERRIDE_BUS) != 0 || line.irq >= ACPI_ISA_IRQS ||
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

/* Decode the entries that follow one another, each with its type and length. */
static void decode_entries(struct acpi *acpi, struct acpi_span table)
{
	bool madt = strcmp(table.table, "APIC") == 0, dmar = strcmp(table.table, "DMAR") == 0;
	enum acpi_field type = madt ? MADT_TYPE : dmar ? DMAR_TYPE : IVRS_TYPE;
	enum acpi_field length = madt ? MADT_LENGTH : REMAPPER_LENGTH;
	acpi->has_madt = acpi->has_madt || madt;
	for (size_t at = madt ? MADT_FIRST : REMAPPERS_FIRST, size; at < table.size; at += size) {
		struct acpi_span rest = span_part(table, at, table.size);
		size = acpi_get(rest, length);
		if (size < FIELD_END(length) || size > rest.size) {
			acpi_refuse(acpi, table.table, "wrong length of the entry at offset", at);
			return;
		}
		acpi_decode(acpi, (int)acpi_get(rest, type), span_part(rest, 0, size));
	}
}

/*
 * Take the sleep types from the package that stands behind the name \_S5: integers in their
 * shortest form, which compilers choose. Bytes behind the end read as 0; the last check finds them.
 */
static bool s5_take(struct acpi_fadt *fadt, struct acpi_span aml)
{
	uint8_t type[2];
	size_t at = 2 + (get_byte(aml, 1) >> 6); /* behind PkgLength: 20.2.4 */
	bool sound = get_byte(aml, 0) == AML_PACKAGE && get_byte(aml, at++) >= 2;
	for (unsigned i = 0; i < 2; i++) {
		uint8_t byte = get_byte(aml, at++);
		type[i] = byte == AML_BYTE ? get_byte(aml, at++) : byte;
		sound = sound && type[i] <= (byte == AML_BYTE ? SLEEP_TYPE_MAX : AML_ONE);
	}
	sound = sound && at <= aml.size;
	if (sound) {
		fadt->has_s5 = true;
		fadt->s5_type_a = type[0];
		fadt->s5_type_b = type[1];
	}
	return sound;
}

/* Look for a sound \_S5, without AML: a name definition with these bytes is hardly anything else.
 */
static void decode_aml(struct acpi *acpi, struct acpi_span table)
{
	/* The DSDT comes last, and its \_S5 goes before that of an SSDT. */
	bool found = acpi->fadt.has_s5 && strcmp(table.table, "SSDT") == 0;
	for (size_t at = ACPI_HEADER_SIZE; at < table.size && !found; at++) {
		size_t name = at + 1 + (get_byte(table, at + 1) == AML_ROOT);
		struct acpi_span aml = span_part(table, name, table.size);
		found = table.at[at] == AML_NAME && aml.size > 4 &&
			memcmp(aml.at, "_S5_", 4) == 0 &&
			s5_take(&acpi->fadt, span_part(aml, 4, aml.size));
	}
}

static const struct decoder {
	char table[5];
	int type;        /* of an entry, or ACPI_TABLE */
	size_t size_min; /* what is shorter is refused */
	void (*decode)(struct acpi *acpi, struct acpi_span bytes);
} decoders[] = {
	{"FACP", ACPI_TABLE, FIELD_END(FADT_FLAGS), decode_fadt},
	{"DSDT", ACPI_TABLE, ACPI_HEADER_SIZE, decode_aml},
	{"SSDT", ACPI_TABLE, ACPI_HEADER_SIZE, decode_aml},
	{"HPET", ACPI_TABLE, 56, decode_hpet},
	{"SPCR", ACPI_TABLE, 80, decode_spcr},
	{"MCFG", ACPI_TABLE, MCFG_FIRST, decode_mcfg},
	{"APIC", ACPI_TABLE, MADT_FIRST, decode_entries},
	{"APIC", MADT_LAPIC, 8, decode_cpu},
	{"APIC", 1, 12, decode_ioapic},
	{"APIC", 2, 10, decode_override},
	{"APIC", MADT_X2APIC, 16, decode_cpu},
	{"DMAR", ACPI_TABLE, REMAPPERS_FIRST, decode_entries},
	{"DMAR", 0, 16, decode_remapper},
	{"IVRS", ACPI_TABLE, REMAPPERS_FIRST, decode_entries},
	{"IVRS", 0x10, 24, decode_remapper},
	{"IVRS", 0x11, 24, decode_remapper},
	{"IVRS", 0x40, 24, decode_remapper},
};

void acpi_decode(struct acpi *acpi, int type, struct acpi_span bytes)
{
	for (const struct decoder *row = decoders; row < decoders + ARRAY_COUNT(decoders); row++) {
		if (row->type != type || strcmp(row->table, bytes.table) != 0) {
			continue;
		}
		if (bytes.size >= row->size_min) {
			row->decode(acpi, bytes);
		} else {
			acpi_refuse(acpi, row->table, "table or entry too short:", bytes.size);
		}
	}
}
