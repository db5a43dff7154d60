/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/vcpu.h - the vCPUs: a thread for each, which runs it and does what it asks for.
 */
#pragma once

#include <stdint.h>

#include "service/vmm/vm.h"

#define VCPU_MAX 254u /* local APIC ids of 8 bits, without the broadcast */

/* How the first vCPU begins. Segments are flat. */
enum vcpu_mode {
	VCPU_MODE_32, /* protected mode, no paging */
	VCPU_MODE_64, /* paging by the tables at cr3 */
};

struct vcpu_start {
	enum vcpu_mode mode;
	uint64_t rip, rsp, rax, rbx, rsi;
	uint64_t cr3; /* and the GDT of VCPU_GDT_SIZE bytes */
	uint64_t gdt;
};

/* Three slots: none, unused, then code at selector 10h and data at 18h. */
#define VCPU_GDT_ENTRIES 4u
void vcpu_write_gdt(uint64_t gdt[VCPU_GDT_ENTRIES], enum vcpu_mode mode);

/* Make them, off. 0 or a negative errno after a message. */
int vcpus_create(struct vm *vm, unsigned count);

/* Put all into the state after a reset, the first at its start. While none runs. */
int vcpus_reset(const struct vcpu_start *start);

/* Let them run; stop them all, and wait until none runs; end their threads. From one thread only.
 */
int vcpus_run(void);
void vcpus_pause(void);
void vcpus_destroy(void);
