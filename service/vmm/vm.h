/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/vm.h - the VM that /dev/kvm gives: memory slots, interrupt routes, notifications.
 *
 * Only what Pintle's /dev/kvm offers too is used: the interrupt controllers in front of the local
 * APICs are ours (split irqchip).
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "service/vmm/memory.h"

#define VM_IOAPIC_PINS 24u
#define VM_GSI_MAX     512u /* the pins, then the vectors of MSI-X */

struct msi {
	uint64_t address;
	uint32_t data;
};

/* [I] constant after vm_create()  [L] lock, a leaf */
struct vm {
	int kvm, fd;                      /* [I] */
	size_t run_size;                  /* [I] bytes of a vCPU's run page */
	bool tsc_deadline;                /* [I] */
	pthread_mutex_t lock;             /* */
	uint32_t gsi_count;               /* [L] given out so far */
	bool gsi_routed[VM_GSI_MAX];      /* [L] */
	struct msi gsi_route[VM_GSI_MAX]; /* [L] */
};

/* Open /dev/kvm at `path` and make a VM with this memory. 0, or a negative errno after a message.
 */
int vm_create(struct vm *vm, const char *path, const struct memory *memory);

void vm_destroy(struct vm *vm);

/* A vCPU's descriptor, or a negative errno after a message. */
int vm_create_vcpu(struct vm *vm, unsigned id);

/* Send an interrupt message now. */
void vm_send(struct vm *vm, const struct msi *msi);

/* A global interrupt number above the pins, for an irqfd; -ENOSPC when all are used. */
int vm_new_gsi(struct vm *vm);

/* What the number means from now on; the kernel is told when it is news. 0 or a negative errno. */
int vm_route(struct vm *vm, uint32_t gsi, const struct msi *msi);
/* ... nothing any more. */
int vm_unroute(struct vm *vm, uint32_t gsi);

/* From now on (or no longer) a write to the eventfd raises gsi. 0 or a negative errno. */
int vm_irqfd(struct vm *vm, int eventfd, uint32_t gsi, bool on);

/*
 * From now on (or no longer) a guest's write of len bytes at this address adds to the eventfd and
 * goes nowhere else. 0 or a negative errno.
 */
int vm_ioeventfd(struct vm *vm, int eventfd, uint64_t address, uint32_t len, bool on);
