/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/mtrr.h - the memory types that the firmware gave to the machine's addresses (SDM vol.
 * 3, 12.11).
 */
#pragma once

#include "kernel/stage2.h"

/* The MSRs. All CPUs have the same. */
struct mtrrs {
	uint64_t type;      /* IA32_MTRR_DEF_TYPE */
	uint64_t fixed[11]; /* a byte for each of 88 ranges below 1 MiB */
	struct {
		uint64_t base, mask;
	} range[32];
};
extern struct mtrrs mtrrs; /* [I] after mtrr_read() */

void mtrr_read(void);

/* The type at `at`, and where the range ends for which this says so. */
enum stage2_cache mtrr_type(uint64_t at, uint64_t *end);

/* stage2_map() of a range to itself, each piece with its type; after an error a part may be there.
 */
int mtrr_map_identity(struct stage2 *s, uint64_t base, uint64_t size, bool *flush);
