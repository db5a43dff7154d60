/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/msix.h - a function's MSI-X vectors (PCI Local Bus 3.0, 6.8.2), each an eventfd.
 *
 * An unmasked vector's eventfd is the kernel's: written, it raises the interrupt without us. A
 * masked one's collects what is written, which is then the pending bit. Everything here is called
 * with the function's lock held.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "service/vmm/vm.h"

#define MSIX_ENTRY 16u /* bytes in the table */

struct msix_vector {
	int fd;
	uint32_t gsi;
	bool connected; /* the eventfd is the kernel's */
	uint32_t entry[4];
};

struct msix {
	struct vm *vm;
	bool enabled, masked; /* by the capability's control word */
	unsigned count;
	struct msix_vector *vector;
};

/* 0 or a negative errno. Destroy it whatever the result. */
int msix_create(struct msix *msix, struct vm *vm, unsigned count);
void msix_destroy(struct msix *msix);

/* As after a reset: disabled, all masked, nothing pending. */
void msix_reset(struct msix *msix);

void msix_control(struct msix *msix, bool enabled, bool masked);

/* Accesses to the table and to the pending bits: any offset, any length to 8. */
uint64_t msix_table(struct msix *msix, uint64_t offset, unsigned len, bool write, uint64_t value);
uint64_t msix_pending(const struct msix *msix, uint64_t offset);

/* Raise a vector, or keep it pending. One that is not there is ignored. */
void msix_raise(struct msix *msix, unsigned vector);
