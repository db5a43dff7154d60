/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * drivers/ioapic.h - the I/O APICs: from global system interrupts (GSI) to vectors on CPUs; and
 * the two legacy 8259 interrupt controllers, only to silence them.
 */
#pragma once

#include "drivers/acpi.h"

/* Map the I/O APICs that the MADT lists and mask every pin. Once. One that does not answer is
 * reported and left out. */
void ioapic_init(const struct acpi_ioapic *list, unsigned count);

/*
 * Send what comes by `line` as `vector` to the CPU with `apic_id` (8 bits, without interrupt
 * remapping). Returns 0, or -ENOENT when no I/O APIC has its GSI or the APIC id is larger. Takes
 * ioapic_lock.
 */
int ioapic_route(const struct acpi_line *line, uint8_t vector, uint32_t apic_id);

/* Those that answer. [I] after ioapic_init() */
extern struct acpi_ioapic ioapics[ACPI_IOAPICS_MAX];
extern unsigned ioapic_count;

/* Write a pin's entry, unless it is the firmware's own way into SMM. Takes ioapic_lock. */
void ioapic_set_entry(unsigned n, unsigned pin, uint64_t entry);

/* The redirection entry of a pin as the hardware has it (82093AA, 3.2.4). Takes ioapic_lock. */
uint64_t ioapic_entry(unsigned n, unsigned pin);
#define IOAPIC_MASKED     BIT(16)
#define IOAPIC_LEVEL      BIT(15)
#define IOAPIC_ACTIVE_LOW BIT(13)

/* Move the 8259s' vectors off the exceptions' (a spurious one still comes) and mask every line.
 * Once, boot CPU. */
void pic_disable(void);
