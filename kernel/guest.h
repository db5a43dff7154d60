/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/guest.h - a guest's memory, by guest-virtual address: its page tables walked in every
 * paging mode.
 */
#pragma once

#include "kernel/types.h"

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

/* Reads 8 (or 4) aligned bytes of guest-physical memory; false: nothing there, taken for all ones.
 */
struct guest_memory {
	bool (*read)(void *context, uint64_t gpa, void *to, size_t size);
	void *context;
};

/*
 * Translate linear address `gva` (SDM vol. 3, 4; no paging, 32-bit, PAE, 4-level, 5-level). A/D
 * bits are not set. Returns 0 and *gpa; or -EFAULT and in *error the error code of the #PF, or
 * UINT32_MAX where the address is not canonical: a #GP(0), or #SS(0) if it was through SS.
 * Protection keys and shadow stacks are ignored. Implicit accesses of the CPU (to its descriptor
 * tables) are those of CPL 0 without override. Without long mode bits 63:32 of `gva` are ignored.
 * Pure.
 */
int guest_translate(const struct guest_paging *paging, const struct guest_memory *memory,
	uint64_t gva, enum guest_access access, uint64_t *gpa, uint32_t *error);
