/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * drivers/pci.h - PCI configuration space: what there is on segment 0.
 */
#pragma once

#include "kernel/types.h"

/* A function that answers. */
struct pci_function {
	uint16_t address; /* bus in bits 15:8, device in 7:3, function in 2:0 */
	uint16_t vendor, device_id;
	uint32_t class_code; /* class, subclass, interface */
};

/* Take bus mastering from every function but bridges: what an earlier guest left must not write
 * memory. */
void pci_stop_dma(void);

/* Call visit for every function there is, by address. Takes pci.lock; none may be held. */
void pci_scan(void (*visit)(void *context, const struct pci_function *function), void *context);
