/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * drivers/pci.h - PCI configuration space: what there is on segment 0.
 */
#pragma once

#include "kernel/types.h"

/* address: bus in bits 15:8, device in 7:3, function in 2:0; id: device, vendor; class_code: class,
 * subclass, interface. */
typedef void pci_visit(uint32_t address, uint32_t id, uint32_t class_code);

/* Call visit for every function that answers, by address. Takes pci.lock; none may be held. */
void pci_scan(pci_visit *visit);

/* Take bus mastering from every function but bridges: what an earlier guest left must not write
 * memory. */
void pci_stop_dma(void);
