/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * drivers/pci.h - PCI configuration space, through ECAM where the MCFG lists it, else through
 * ports.
 */
#pragma once

#include "drivers/acpi.h"
#include "kernel/types.h"

struct pci_address {
	uint16_t segment;
	uint8_t bus;
	uint8_t device;   /* 0-31 */
	uint8_t function; /* 0-7 */
};

/* Remember where the ECAM regions are; `acpi` must stay. Once. */
void pci_init(const struct acpi *acpi);

/* A function that answers. */
struct pci_function {
	struct pci_address address;
	uint16_t vendor, device_id;
	uint32_t class_code; /* class, subclass, interface */
};

/* Take bus mastering from every function but bridges: what an earlier guest left must not write
 * memory. */
void pci_stop_dma(void);

/* Call visit for every function there is, by segment, bus, device and function. Takes pci.lock;
 * none may be held. */
void pci_scan(void (*visit)(void *context, const struct pci_function *function), void *context);
