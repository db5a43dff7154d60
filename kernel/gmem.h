/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/gmem.h - a guest's memory seen from the hypervisor, a page at a time and only for a
 * moment.
 */
#pragma once

#include "kernel/insn.h"
#include "kernel/vcpu.h"

/* guest.c: a guest's page tables walked in every paging mode. */

/* The registers that decide a walk. */
struct guest_paging {
	uint64_t cr0, cr3, cr4, efer;
	uint8_t cpl;
	bool smap_override;   /* RFLAGS.AC, for CPL below 3 */
	uint8_t address_bits; /* of a physical address (CPUID 80000008h): more are reserved in
				 entries; 0: 52 */
};

enum guest_access {
	GUEST_READ,
	GUEST_WRITE,
	GUEST_FETCH
};

/*
 * Translate linear address `gva` (SDM vol. 3, 4; no paging, 32-bit, PAE, 4-level, 5-level). A/D
 * bits are not set. Returns 0 and *gpa; or -EFAULT and in *error the error code of the #PF, or
 * UINT32_MAX where the address is not canonical: a #GP(0), or #SS(0) if it was through SS.
 * Protection keys and shadow stacks are ignored. Implicit accesses of the CPU (to its descriptor
 * tables) are those of CPL 0 without override. Without long mode bits 63:32 of `gva` are ignored.
 * Entries where gmem_copy() finds no memory are all ones, as a bus where nothing answers.
 */
int guest_translate(struct vm *vm, const struct guest_paging *paging, uint64_t gva,
	enum guest_access access, uint64_t *gpa, uint32_t *error);

/*
 * Copy from guest-physical memory to `bytes`, as far as stage 2 maps it readable; or the other way,
 * to what is mapped writable and is RAM. False when part is not; what lies before it is copied.
 * Interrupts off.
 */
bool gmem_copy(struct vm *vm, uint64_t gpa, void *bytes, size_t size, bool write);

/* A write is to come: a page that the dirty log watches is opened. True: it can be written. */
bool gmem_open(struct vm *vm, uint64_t gpa);

/* Of guests' physical addresses, as in struct guest_paging. [I] after start */
extern uint8_t gmem_address_bits;

/*
 * Copy from linear address `at` to `bytes`, or the other way (GUEST_WRITE), as an access of the
 * vCPU itself; `bytes` NULL: only see whether it may. Where no memory is, reads are all ones and
 * writes are lost. Returns how many bytes were done; when that is less than `size`, *error is as
 * guest_translate() tells it. On the vCPU's CPU, interrupts off.
 */
size_t gmem_access(struct vcpu *vcpu, uint64_t at, void *bytes, size_t size,
	enum guest_access access, uint32_t *error);

/* The bytes at the vCPU's rip, at most INSN_MAX; returns how many could be read. */
size_t gmem_fetch(struct vcpu *vcpu, uint8_t *bytes);

/* The linear address of an offset in a segment; false when the segment forbids the access. */
bool gmem_linear(struct vcpu *vcpu, enum segment_name name, uint64_t offset, unsigned size,
	bool write, uint64_t *at);

/* The size of the vCPU's code: what insn.h wants to know. */
enum insn_mode gmem_mode(struct vcpu *vcpu);
