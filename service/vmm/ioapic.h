/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/ioapic.h - the I/O APIC (82093AA data sheet; with the EOI register of its
 * successors). Pure: what is to be sent comes out as a set of pins, a bit for each, whose messages
 * the caller then sends.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "service/vmm/vm.h"

#define IOAPIC_BASE UINT64_C(0xfec00000)
#define IOAPIC_SIZE UINT64_C(0x1000)

struct ioapic {
	uint8_t id;
	uint8_t select;
	uint32_t lines; /* pins that are asserted */
	uint64_t entry[VM_IOAPIC_PINS];
};

void ioapic_reset(struct ioapic *io); /* lines stay as they are */

uint32_t ioapic_read(const struct ioapic *io, uint64_t offset);
uint32_t ioapic_write(struct ioapic *io, uint64_t offset, uint32_t value);

/* The line of a pin is now asserted, or not. */
uint32_t ioapic_set_line(struct ioapic *io, unsigned pin, bool asserted);

/* A CPU has ended the interrupt of this vector. */
uint32_t ioapic_eoi(struct ioapic *io, uint8_t vector);

struct msi ioapic_message(const struct ioapic *io, unsigned pin);

/* Its ends of interrupt matter: it is level-triggered and has a vector. */
bool ioapic_wants_eoi(const struct ioapic *io, unsigned pin);
