/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * svm/stage2.c - the bits of a nested page table. APM vol. 2, 15.25.
 */
#include "svm/svm.h"

/* A nested table is an ordinary one of long mode (5.4.1), and all accesses of a guest are those of
 * a user. */
#define NPT_PRESENT       BIT(0)
#define NPT_WRITE         BIT(1)
#define NPT_USER          BIT(2)
#define NPT_WRITE_THROUGH BIT(3)
#define NPT_UNCACHED      BIT(4)
#define NPT_ACCESSED      BIT(5)
#define NPT_DIRTY         BIT(6)
#define NPT_LARGE         BIT(7)
#define NPT_NO_EXECUTE    BIT(63)

/* Accessed and dirty are set from the start: nobody reads them, and the CPU need not write them. */
const struct stage2_format svm_stage2_format = {
	.table = NPT_PRESENT | NPT_WRITE | NPT_USER | NPT_ACCESSED,
	.read = NPT_PRESENT | NPT_USER | NPT_ACCESSED | NPT_DIRTY,
	.write = NPT_WRITE,
	.no_execute = NPT_NO_EXECUTE,
	.large = NPT_LARGE,
	/*
	 * Through the host's PAT at its reset value: WB, WT, UC-, UC. It has no WC: UC- lets the
	 * guest's own PAT choose it (15.25.8). It has no WP: WT caches reads only too.
	 */
	.cache =
		{
			[STAGE2_UC] = NPT_UNCACHED | NPT_WRITE_THROUGH,
			[STAGE2_WC] = NPT_UNCACHED,
			[STAGE2_WT] = NPT_WRITE_THROUGH,
			[STAGE2_WP] = NPT_WRITE_THROUGH,
			[STAGE2_WB] = 0,
		},
	.present = NPT_PRESENT,
};
