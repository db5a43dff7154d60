/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * svm/stage2.c - the bits of a nested page table. APM vol. 2, 15.25.
 */
#include "svm/svm.h"

/* A nested table is an ordinary one of long mode (5.4.1), and all accesses of a guest are those of
 * a user. */
#define PRESENT  BIT(0)
#define USER     BIT(2)
#define ACCESSED BIT(5)

/*
 * Accessed and dirty are set from the start: nobody reads them, and the CPU need not write them.
 * Memory types are all write-back: the guest's PAT and the MTRRs decide (15.25.8).
 */
const struct stage2_format svm_stage2_format = {
	.table = PRESENT | BIT(1) | USER | ACCESSED,
	.read = PRESENT | USER | ACCESSED | BIT(6),
	.write = BIT(1),
	.no_execute = BIT(63),
	.large = BIT(7),
	.large_1g = true, /* wherever the CPU has them */
	.cache_shift = 9, /* for stage2_query(): bits that the CPU leaves to software */
};
