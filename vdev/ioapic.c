/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vdev/ioapic.c - the virtual I/O APIC: what the guest reads and writes (82093AA data sheet, 3.1
 * and 3.2; ICH9 data sheet, 13.5). The owner brings the entries to the real one.
 */
#include "vdev/ioapic.h"

#define SELECT 0x00u
#define DATA   0x10u

#define REG_ID    0x00u
#define REG_ENTRY 0x10u /* two for each pin */
#define ID_SHIFT  24

STATIC_ASSERT((UINT8_MAX - REG_ENTRY) / 2 < VIOAPIC_PINS_MAX, "what can be selected is there");

void vioapic_init(struct vioapic *v, uint8_t id, unsigned pins)
{
	*v = (struct vioapic){.id = id, .pins = pins};
	for (unsigned pin = 0; pin < VIOAPIC_PINS_MAX; pin++) {
		v->entry[pin] = BIT(16); /* masked */
	}
}

uint32_t vioapic_read(struct vioapic *v, unsigned offset)
{
	/* What is below the entries wraps to a pin that no one has. */
	unsigned pin = (v->select - REG_ENTRY) / 2;
	if (offset != DATA) {
		return offset == SELECT ? v->select : 0;
	}
	if (pin < v->pins) {
		return (uint32_t)(v->entry[pin] >> 32 * (v->select & 1));
	}
	if (v->select == 1) { /* the version: without an EOI register */
		return 0x11 | (v->pins - 1) << 16;
	}
	bool has_id = v->select == REG_ID || v->select == 2; /* arbitration */
	return has_id ? (uint32_t)v->id << ID_SHIFT : 0;
}

int vioapic_write(struct vioapic *v, unsigned offset, uint32_t value)
{
	unsigned pin = (v->select - REG_ENTRY) / 2, shift = 32 * (v->select & 1u);
	if (offset == SELECT) {
		v->select = (uint8_t)value;
	} else if (offset == DATA && v->select == REG_ID) {
		v->id = (uint8_t)(value >> ID_SHIFT);
	} else if (offset == DATA && pin < v->pins) {
		/* All but delivery status and remote IRR. */
		uint64_t writable = 0xff0000000001afffull & (uint64_t)UINT32_MAX << shift;
		uint64_t entry =
			(v->entry[pin] & ~writable) | ((uint64_t)value << shift & writable);
		/* An edge has no remote IRR; without an EOI register, Linux clears it by way of an
		 * edge. */
		v->entry[pin] = entry & BIT(15) ? entry : entry & ~BIT(14);
		return (int)pin;
	}
	return -1;
}
