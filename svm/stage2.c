/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * svm/stage2.c - the bits of a nested page table. APM vol. 2, 15.25.
 */
#include "svm/svm.h"

/* A nested table is an ordinary one of long mode (5.4.1), and all accesses of a guest are those of
 * a user. */
#define PRESENT       BIT(0)
#define USER          BIT(2)
#define WRITE_THROUGH BIT(3)
#define UNCACHED      BIT(4)
#define ACCESSED      BIT(5)

/* Accessed and dirty are set from the start: nobody reads them, and the CPU need not write them. */
const struct stage2_format svm_stage2_format = {
	.table = PRESENT | BIT(1) | USER | ACCESSED,
	.read = PRESENT | USER | ACCESSED | BIT(6),
	.write = BIT(1),
	.no_execute = BIT(63),
	.large = BIT(7),
	/*
	 * Through the host's PAT at its reset value: WB, WT, UC-, UC. It has no WC: UC- lets the
	 * guest's own PAT choose it (15.25.8). It has no WP: WT caches reads only too.
	 */
	.cache = {[STAGE2_UC] = UNCACHED | WRITE_THROUGH,
		[STAGE2_WC] = UNCACHED,
		[STAGE2_WT] = WRITE_THROUGH,
		[STAGE2_WP] = WRITE_THROUGH,
		[STAGE2_WB] = 0},
	.present = PRESENT,
};
