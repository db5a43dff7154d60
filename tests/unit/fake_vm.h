/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/fake_vm.h - a VM without KVM for the tests of pintle-vmm's devices: what they ask the
 * kernel for is kept, and an eventfd that is the kernel's is looked at when asked.
 */
#pragma once

#include "tests/unit/fake.h"

#include "service/vmm/vm.h"

#define FAKE_VM_MAX 256u

struct fake_vm {
	struct vm vm;
	unsigned sent;   /* messages, */
	struct msi last; /* the last of them */
	unsigned routes; /* calls that changed one */
	struct {
		int fd;
		uint32_t gsi;
	} irqfd[FAKE_VM_MAX];
	unsigned irqfd_count;
	struct {
		int fd;
		uint64_t address;
		uint32_t len;
	} ioeventfd[FAKE_VM_MAX];
	unsigned ioeventfd_count;
};

extern struct fake_vm fake_vm;
void fake_vm_reset(void);

/* As the kernel would: deliver what was written to irqfds. How many interrupts. */
unsigned fake_vm_deliver(void);

/* A guest's write: true when an ioeventfd took it. */
bool fake_vm_write(uint64_t address, uint32_t len);
