/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vdev/ioapic.h - a virtual I/O APIC (82093AA) in front of a real one. Pure.
 */
#pragma once

#include "kernel/types.h"

#define VIOAPIC_PINS_MAX 240u

struct vioapic {
	uint8_t id;
	uint8_t select;
	unsigned pins;
	uint64_t entry[VIOAPIC_PINS_MAX]; /* as the guest wrote them; remote IRR is the owner's to
					     set; gone with level */
};

void vioapic_init(struct vioapic *v, uint8_t id, unsigned pins); /* every pin masked */

/* A read at `offset` of its page (registers 0 and 10h). Other offsets read 0. */
uint32_t vioapic_read(struct vioapic *v, unsigned offset);

/* The pin whose entry the write changed; -1: none. */
int vioapic_write(struct vioapic *v, unsigned offset, uint32_t value);
