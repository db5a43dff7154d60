/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vdev/ioapic.h - a virtual I/O APIC (82093AA) in front of a real one. Pure.
 */
#pragma once

#include "kernel/types.h"

#define VIOAPIC_PINS_MAX 240u

struct vioapic {
	uint8_t id;
	uint8_t version; /* of the real one */
	uint8_t select;
	unsigned pins;
	uint64_t entry[VIOAPIC_PINS_MAX]; /* as the guest wrote them; remote IRR is the owner's to
					     set; gone with level */
};

void vioapic_init(
	struct vioapic *v, uint8_t id, uint8_t version, unsigned pins); /* every pin masked */

/* A read at `offset` of its page (registers 0, 10h, 40h: EOI). Other offsets read 0. */
uint32_t vioapic_read(struct vioapic *v, unsigned offset);

/* What a write changed: a pin's entry, or an EOI of a vector (register 40h). */
enum vioapic_effect_kind {
	VIOAPIC_NOTHING,
	VIOAPIC_ENTRY,
	VIOAPIC_EOI
};
struct vioapic_effect {
	enum vioapic_effect_kind kind;
	unsigned pin;
	uint8_t vector;
};
void vioapic_write(
	struct vioapic *v, unsigned offset, uint32_t value, struct vioapic_effect *effect);
