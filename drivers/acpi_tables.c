/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * drivers/acpi_tables.c - a decoder for each ACPI table that Pintle reads, and the search for \_S5.
 * Pure. Structures are copied out of the table before they are looked at: tables keep no alignment.
 */
#include "drivers/acpi_tables.h"

#include "kernel/log.h"
#include "kernel/string.h"

/* An entry of a table that is a list: `decode` gets at least `size` bytes. */
struct entry_kind {
	uint16_t type;
	uint16_t size;
	void (*decode)(struct acpi *acpi, const uint8_t *entry);
};

struct entry_list {
	const char *signature;
	uint32_t first; /* offset of the first entry */
	uint8_t type_bytes;
	uint8_t length_bytes; /* the length field's size and also, in all three tables, its offset
			       */
	uint8_t kind_count;
	const struct entry_kind *kinds;
};

static uint64_t bytes_get(const uint8_t *bytes, size_t count)
{
	uint64_t value = 0;
	memcpy(&value, bytes, count);
	return value;
}

static bool table_reaches(const uint8_t *bytes, uint32_t size, size_t size_min)
{
	if (size < size_min) {
		log_warning("ACPI: %.4s: %u bytes are too few", (const char *)bytes, size);
	}
	return size >= size_min;
}

/* Copy the fixed part of a table; what an older, shorter revision lacks is zero. */
static bool table_copy(
	void *out, size_t size_out, size_t size_min, const uint8_t *bytes, uint32_t size)
{
	if (!table_reaches(bytes, size, size_min)) {
		return false;
	}
	memset(out, 0, size_out);
	memcpy(out, bytes, min_u64(size, size_out));
	return true;
}

static void entry_decode(
	struct acpi *acpi, const struct entry_list *list, const uint8_t *entry, uint32_t length)
{
	uint64_t type = bytes_get(entry, list->type_bytes);
	for (unsigned i = 0; i < list->kind_count; i++) {
		const struct entry_kind *kind = &list->kinds[i];
		if (kind->type != type) {
			continue;
		}
		if (length < kind->size) {
			log_warning("ACPI: %s: an entry of type %u with %u bytes is too short",
				list->signature, kind->type, length);
			return;
		}
		kind->decode(acpi, entry);
		return;
	}
}

static void entries_decode(
	struct acpi *acpi, const struct entry_list *list, const uint8_t *bytes, uint32_t size)
{
	uint32_t head = 2u * list->length_bytes;
	uint32_t length = 0;
	if (!table_reaches(bytes, size, list->first)) {
		return;
	}
	for (uint32_t at = list->first; at < size; at += length) {
		const uint8_t *entry = bytes + at;
		size_t field = list->length_bytes;
		length = size - at < head ? 0 : (uint32_t)bytes_get(entry + field, field);
		if (length < head || length > size - at) {
			log_warning(
				"ACPI: %s: wrong length of the entry at offset %u, the rest is left out",
				list->signature, at);
			return;
		}
		entry_decode(acpi, list, entry, length);
	}
}

/* Space, port and memory addresses checked; address 0 when there is no register that Pintle can
 * reach. */
static struct acpi_gas gas_decode(struct gas raw, const char *what)
{
	bool reachable = raw.space == ACPI_SPACE_MEMORY ||
		(raw.space == ACPI_SPACE_PORT && raw.address <= UINT16_MAX);
	if (raw.address == 0) {
		return (struct acpi_gas){0};
	}
	if (!reachable) {
		log_warning("ACPI: %s: no use for address 0x%lx in space %u", what, raw.address,
			raw.space);
		return (struct acpi_gas){0};
	}
	return (struct acpi_gas){
		.space = raw.space,
		.width = raw.width,
		.access = raw.access <= 4 ? raw.access : 0,
		.address = raw.address,
	};
}

/* A register block of ACPI's fixed hardware: the 64-bit description where there is one, else the
 * port. */
static struct acpi_gas fixed_block(
	struct gas extended, uint32_t port, uint8_t width, const char *what)
{
	struct acpi_gas block = gas_decode(extended, what);
	if (block.address != 0) {
		return block;
	}
	return gas_decode(
		(struct gas){.space = ACPI_SPACE_PORT, .width = width, .address = port}, what);
}

struct acpi_links acpi_decode_fadt(struct acpi_fadt *fadt, const uint8_t *bytes, uint32_t size)
{
	struct fadt raw;
	if (!table_copy(&raw, sizeof(raw), FADT_V1_SIZE, bytes, size)) {
		return (struct acpi_links){{0}, {0}};
	}
	fadt->present = true;
	fadt->hardware_reduced = (raw.flags & FADT_FLAG_HARDWARE_REDUCED) != 0;
	fadt->has_8042 = raw.header.revision < 3 || (raw.boot_arch & FADT_BOOT_ARCH_8042) != 0;
	if (!fadt->hardware_reduced) { /* else these fields mean nothing: ACPI 6.5, 5.2.9 */
		struct gas smi = {.space = ACPI_SPACE_PORT, .width = 8, .address = raw.smi_command};
		fadt->smi_command = (uint16_t)gas_decode(smi, "SMI command").address;
		fadt->acpi_enable = raw.acpi_enable;
		fadt->pm1a_control = fixed_block(raw.x_pm1a_control, raw.pm1a_control, 16, "PM1a");
		fadt->pm1b_control = fixed_block(raw.x_pm1b_control, raw.pm1b_control, 16, "PM1b");
		fadt->pm_timer = fixed_block(raw.x_pm_timer, raw.pm_timer, 32, "PM timer");
		fadt->pm_timer_32 = (raw.flags & FADT_FLAG_TIMER_32) != 0;
	}
	if ((raw.flags & FADT_FLAG_RESET) != 0) {
		fadt->reset = gas_decode(raw.reset, "reset register");
		fadt->reset_value = raw.reset_value;
	}
	fadt->sleep_control = gas_decode(raw.sleep_control, "sleep control");
	return (struct acpi_links){
		.dsdt = hpa(raw.x_dsdt != 0 ? raw.x_dsdt : raw.dsdt),
		.facs = hpa(raw.x_facs != 0 ? raw.x_facs : raw.facs),
	};
}

static void cpu_add(struct acpi *acpi, uint32_t apic_id, uint32_t acpi_uid)
{
	for (unsigned i = 0; i < acpi->cpu_count; i++) {
		if (acpi->cpu[i].apic_id == apic_id) {
			log_debug("ACPI: MADT: APIC id %u is there twice", apic_id);
			return;
		}
	}
	if (acpi->cpu_count == CPUS_MAX) {
		acpi->cpus_over++;
		return;
	}
	acpi->cpu[acpi->cpu_count++] = (struct acpi_cpu){.apic_id = apic_id, .acpi_uid = acpi_uid};
}

static void madt_decode_lapic(struct acpi *acpi, const uint8_t *entry)
{
	struct madt_lapic raw;
	memcpy(&raw, entry, sizeof(raw));
	if ((raw.flags & MADT_CPU_ENABLED) != 0 && raw.apic_id != UINT8_MAX) { /* 0xff: all CPUs */
		cpu_add(acpi, raw.apic_id, raw.acpi_uid);
	}
}

static void madt_decode_x2apic(struct acpi *acpi, const uint8_t *entry)
{
	struct madt_x2apic raw;
	memcpy(&raw, entry, sizeof(raw));
	if ((raw.flags & MADT_CPU_ENABLED) != 0 && raw.apic_id != UINT32_MAX) {
		cpu_add(acpi, raw.apic_id, raw.acpi_uid);
	}
}

static void madt_decode_ioapic(struct acpi *acpi, const uint8_t *entry)
{
	struct madt_ioapic raw;
	memcpy(&raw, entry, sizeof(raw));
	bool twice = false;
	for (unsigned i = 0; i < acpi->ioapic_count; i++) {
		const struct acpi_ioapic *other = &acpi->ioapic[i];
		twice |= other->base.raw == raw.base || other->gsi_base == raw.gsi_base;
	}
	if (raw.base == 0 || twice || acpi->ioapic_count == ACPI_IOAPICS_MAX) {
		log_warning(
			"ACPI: MADT: I/O APIC %u at 0x%x, GSI %u is left out: no address, twice or too many",
			raw.id, raw.base, raw.gsi_base);
		return;
	}
	acpi->ioapic[acpi->ioapic_count++] = (struct acpi_ioapic){
		.id = raw.id,
		.base = hpa(raw.base),
		.gsi_base = raw.gsi_base,
	};
}

static void madt_decode_override(struct acpi *acpi, const uint8_t *entry)
{
	struct madt_override raw;
	memcpy(&raw, entry, sizeof(raw));
	bool twice = false;
	for (unsigned i = 0; i < acpi->override_count; i++) {
		twice |= acpi->override[i].irq == raw.irq;
	}
	if (raw.bus != 0 || raw.irq >= ISA_IRQS || twice) {
		log_warning(
			"ACPI: MADT: the override of interrupt %u of bus %u is left out: not ISA, or twice",
			raw.irq, raw.bus);
		return;
	}
	STATIC_ASSERT(ACPI_OVERRIDES_MAX >= ISA_IRQS, "there is room for one of each");
	acpi->override[acpi->override_count++] = (struct acpi_override){
		.irq = raw.irq,
		.gsi = raw.gsi,
		.active_low = (raw.flags & MPS_POLARITY_MASK) == MPS_ACTIVE_LOW,
		.level = (raw.flags & MPS_TRIGGER_MASK) == MPS_LEVEL,
	};
}

static void madt_decode_lapic_base(struct acpi *acpi, const uint8_t *entry)
{
	struct madt_lapic_base raw;
	memcpy(&raw, entry, sizeof(raw));
	acpi->lapic_base = hpa(raw.base);
}

void acpi_decode_madt(struct acpi *acpi, const uint8_t *bytes, uint32_t size)
{
	static const struct entry_kind kinds[] = {
		{0, sizeof(struct madt_lapic), madt_decode_lapic},
		{1, sizeof(struct madt_ioapic), madt_decode_ioapic},
		{2, sizeof(struct madt_override), madt_decode_override},
		{5, sizeof(struct madt_lapic_base), madt_decode_lapic_base},
		{9, sizeof(struct madt_x2apic), madt_decode_x2apic},
	};
	static const struct entry_list list = {
		"MADT", sizeof(struct madt), 1, 1, ARRAY_COUNT(kinds), kinds};
	struct madt raw;
	if (!table_copy(&raw, sizeof(raw), sizeof(raw), bytes, size)) {
		return;
	}
	acpi->has_madt = true;
	acpi->has_8259 = (raw.flags & MADT_FLAG_8259) != 0;
	acpi->lapic_base = hpa(raw.lapic_base);
	entries_decode(acpi, &list, bytes, size);
	if (acpi->cpus_over != 0) {
		log_warning("ACPI: MADT: %u CPUs beyond the first %u are left out", acpi->cpus_over,
			CPUS_MAX);
	}
}

void acpi_decode_mcfg(struct acpi *acpi, const uint8_t *bytes, uint32_t size)
{
	struct mcfg_segment raw;
	if (!table_reaches(bytes, size, MCFG_FIRST)) {
		return;
	}
	for (uint32_t at = MCFG_FIRST; size - at >= sizeof(raw); at += sizeof(raw)) {
		memcpy(&raw, bytes + at, sizeof(raw));
		bool sound = raw.bus_first <= raw.bus_last && raw.base != 0 &&
			raw.base % BUS_SIZE == 0 && raw.base <= UINT64_MAX - 256 * BUS_SIZE;
		if (!sound || acpi->segment_count == ACPI_SEGMENTS_MAX) {
			log_warning(
				"ACPI: MCFG: segment %u, buses %u to %u, at 0x%lx is left out: %s",
				raw.segment, raw.bus_first, raw.bus_last, raw.base,
				sound ? "too many" : "unsound");
			continue;
		}
		acpi->segment[acpi->segment_count++] = (struct acpi_segment){
			.base = hpa(raw.base),
			.segment = raw.segment,
			.bus_first = raw.bus_first,
			.bus_last = raw.bus_last,
		};
	}
}

void acpi_decode_hpet(struct acpi *acpi, const uint8_t *bytes, uint32_t size)
{
	struct hpet raw;
	if (!table_copy(&raw, sizeof(raw), sizeof(raw), bytes, size)) {
		return;
	}
	if (raw.base.space != ACPI_SPACE_MEMORY || raw.base.address == 0) {
		log_warning("ACPI: HPET: no use for address 0x%lx in space %u", raw.base.address,
			raw.base.space);
		return;
	}
	acpi->has_hpet = true;
	acpi->hpet_base = hpa(raw.base.address);
}

void acpi_decode_spcr(struct acpi *acpi, const uint8_t *bytes, uint32_t size)
{
	static const uint32_t bauds[] = {[3] = 9600, [4] = 19200, [6] = 57600, [7] = 115200};
	struct spcr raw;
	if (!table_copy(&raw, sizeof(raw), sizeof(raw), bytes, size)) {
		return;
	}
	/* DBG2, table 3: 16550, its 16450 subset, and a 16550 whose registers lie as its GAS says.
	 */
	if (raw.interface != 0x00 && raw.interface != 0x01 && raw.interface != 0x12) {
		log_warning("ACPI: SPCR: the console (type %u) is not a 16550", raw.interface);
		return;
	}
	acpi->spcr.base = gas_decode(raw.base, "SPCR");
	if (acpi->spcr.base.address == 0) {
		return;
	}
	acpi->spcr.present = true;
	acpi->spcr.baud = raw.baud < ARRAY_COUNT(bauds) ? bauds[raw.baud] : 0;
	acpi->spcr.has_gsi = (raw.interrupt_type & SPCR_INTERRUPT_GSI) != 0;
	acpi->spcr.gsi = acpi->spcr.has_gsi ? raw.gsi : 0;
}

static void remapper_add(struct acpi *acpi, struct acpi_remapper remapper)
{
	for (unsigned i = 0; i < acpi->remapper_count; i++) {
		if (acpi->remapper[i].base.raw == remapper.base.raw) {
			return; /* IVRS describes each IOMMU once for every generation of IVHD */
		}
	}
	bool sound = remapper.base.raw != 0 && remapper.base.raw % PAGE_SIZE == 0;
	if (!sound || acpi->remapper_count == ACPI_REMAPPERS_MAX) {
		log_warning("ACPI: the IOMMU at 0x%lx of segment %u is left out: %s",
			remapper.base.raw, remapper.segment,
			sound ? "too many" : "unsound address");
		return;
	}
	acpi->remapper[acpi->remapper_count++] = remapper;
}

static void dmar_decode_drhd(struct acpi *acpi, const uint8_t *entry)
{
	struct drhd raw;
	memcpy(&raw, entry, sizeof(raw));
	remapper_add(acpi, (struct acpi_remapper){ACPI_REMAPPER_VTD, raw.segment, hpa(raw.base)});
}

static void ivrs_decode_ivhd(struct acpi *acpi, const uint8_t *entry)
{
	struct ivhd raw;
	memcpy(&raw, entry, sizeof(raw));
	remapper_add(acpi, (struct acpi_remapper){ACPI_REMAPPER_AMDVI, raw.segment, hpa(raw.base)});
}

void acpi_decode_dmar(struct acpi *acpi, const uint8_t *bytes, uint32_t size)
{
	static const struct entry_kind kinds[] = {{0, sizeof(struct drhd), dmar_decode_drhd}};
	static const struct entry_list list = {"DMAR", DMAR_FIRST, 2, 2, ARRAY_COUNT(kinds), kinds};
	entries_decode(acpi, &list, bytes, size);
}

void acpi_decode_ivrs(struct acpi *acpi, const uint8_t *bytes, uint32_t size)
{
	static const struct entry_kind kinds[] = {
		{0x10, sizeof(struct ivhd), ivrs_decode_ivhd},
		{0x11, sizeof(struct ivhd), ivrs_decode_ivhd},
		{0x40, sizeof(struct ivhd), ivrs_decode_ivhd},
	};
	static const struct entry_list list = {"IVRS", IVRS_FIRST, 1, 2, ARRAY_COUNT(kinds), kinds};
	entries_decode(acpi, &list, bytes, size);
}

/* ACPI 6.5, 20.2 and 20.3: the AML encodings that an \_S5 package is made of. */
#define AML_ZERO    0x00u
#define AML_ONE     0x01u
#define AML_NAME    0x08u
#define AML_BYTE    0x0au
#define AML_WORD    0x0bu
#define AML_DWORD   0x0cu
#define AML_QWORD   0x0eu
#define AML_PACKAGE 0x12u
#define AML_ROOT    0x5cu /* a backslash */

#define SLEEP_TYPE_MAX 7u /* SLP_TYP has three bits: ACPI 6.5, 4.8.3.2.1 */

struct aml {
	const uint8_t *at;
	const uint8_t *end;
};

static bool aml_get(struct aml *aml, size_t count, uint64_t *value)
{
	if ((size_t)(aml->end - aml->at) < count) {
		return false;
	}
	*value = bytes_get(aml->at, count);
	aml->at += count;
	return true;
}

static bool aml_get_sleep_type(struct aml *aml, uint8_t *type)
{
	static const uint8_t prefixed[] = {
		[AML_BYTE] = 1, [AML_WORD] = 2, [AML_DWORD] = 4, [AML_QWORD] = 8};
	uint64_t value = 0;
	if (!aml_get(aml, 1, &value) || value >= ARRAY_COUNT(prefixed)) {
		return false;
	}
	if (value != AML_ZERO && value != AML_ONE) {
		size_t count = prefixed[value];
		if (count == 0 || !aml_get(aml, count, &value)) {
			return false;
		}
	}
	*type = (uint8_t)value;
	return value <= SLEEP_TYPE_MAX;
}

/* Enter a package that lies wholly inside: aml then spans its elements. */
static bool aml_enter_package(struct aml *aml, uint64_t *element_count)
{
	uint64_t opcode = 0;
	uint64_t length = 0;
	uint64_t high = 0;
	if (!aml_get(aml, 1, &opcode) || opcode != AML_PACKAGE) {
		return false;
	}
	const uint8_t *start = aml->at; /* PkgLength counts itself: ACPI 6.5, 20.2.4 */
	if (!aml_get(aml, 1, &length)) {
		return false;
	}
	size_t more = length >> 6;
	if (more != 0) {
		if (!aml_get(aml, more, &high)) {
			return false;
		}
		length = (length & 0xf) | (high << 4);
	}
	if (length < 1 + more || length > (size_t)(aml->end - start)) {
		return false;
	}
	aml->end = start + length;
	return aml_get(aml, 1, element_count);
}

bool acpi_find_s5(struct acpi_fadt *fadt, const uint8_t *bytes, uint32_t size)
{
	static const uint8_t name[] = {'_', 'S', '5', '_'};
	uint32_t code = sizeof(struct acpi_header);
	for (uint32_t at = code + 1; at + sizeof(name) <= size; at++) {
		const uint8_t *found = bytes + at;
		bool named = found[-1] == AML_NAME ||
			(found[-1] == AML_ROOT && at - code >= 2 && found[-2] == AML_NAME);
		if (!named || memcmp(found, name, sizeof(name)) != 0) {
			continue;
		}
		struct aml aml = {.at = found + sizeof(name), .end = bytes + size};
		uint64_t element_count = 0;
		uint8_t type[2];
		if (aml_enter_package(&aml, &element_count) && element_count >= 2 &&
			aml_get_sleep_type(&aml, &type[0]) && aml_get_sleep_type(&aml, &type[1])) {
			fadt->has_s5 = true;
			fadt->s5_type_a = type[0];
			fadt->s5_type_b = type[1];
			return true;
		}
	}
	return false;
}
