/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/irq.h - interrupt lines: the I/O APIC between devices and the VM. Any thread; its
 * lock is a leaf but for the VM's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "service/vmm/vm.h"

/* Pins: as on a PC, with 16 and on for PCI. */
#define IRQ_TIMER    2u /* ISA's interrupt 0, as on PCs */
#define IRQ_SERIAL   4u
#define IRQ_RTC      8u
#define IRQ_ACPI     9u
#define IRQ_PCI      16u
#define IRQ_PCI_PINS 8u

/* Once: the I/O APIC answers at its place. 0 or a negative errno. */
int irq_create(struct vm *vm);

void irq_reset(void);

/* A device's line; several may lead to one pin. */
struct irq_source {
	unsigned pin;  /* the device's */
	bool asserted; /* irq.c's */
};
void irq_set(struct irq_source *source, bool asserted);

/* A vCPU reports the end of this vector's interrupt. */
void irq_eoi(uint8_t vector);
