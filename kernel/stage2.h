/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/stage2.h - stage-2 tables: from guest-physical to host-physical addresses, for EPT and NPT
 * alike.
 *
 * Four levels, pages of 4 KiB, 2 MiB and 1 GiB; a mapping uses the largest that fits, changing part
 * of a large page splits it, and a table whose entries have become one large page again is merged.
 * Table pages come from and go back to `pages`. Each call's work is bounded by the size it is
 * given.
 *
 * One caller at a time; stage2_query() and the CPUs may use the tables meanwhile. *flush is set,
 * and never cleared, when something that was there is gone or has changed, or a table was taken
 * out: nobody may rely on it before a flush, and stage2_reclaim() may be called only after it.
 * Until then tables that were taken out stay as they were, and count.
 */
#pragma once

#include "kernel/backend.h"

enum stage2_rights {
	STAGE2_READ = 1,
	STAGE2_WRITE = 2,
	STAGE2_EXECUTE = 4
};
#define STAGE2_ALL (STAGE2_READ | STAGE2_WRITE | STAGE2_EXECUTE)

/* Where table pages come from: zeroed, page aligned, reached at its address; NULL when there is
 * none. */
struct stage2_pages {
	void *(*alloc)(void *context);
	void (*free)(void *context, void *page);
	void *context;
};

struct stage2 {
	const struct stage2_format *format;
	struct stage2_pages pages;
	uint64_t *root;
	bool large_1g;      /* the CPU has 1 GiB pages in stage 2 */
	size_t tables;      /* pages held, the root and retired ones included */
	uint64_t *retired;  /* tables that were taken out and not yet given back */
	uint64_t same_mask; /* what leaves of this format are compared by */
	uint64_t rights_mask;
};

/* 0 or -ENOMEM. */
int stage2_init(struct stage2 *s, const struct stage2_format *format,
	const struct stage2_pages *pages, bool large_1g);
void stage2_destroy(struct stage2 *s); /* nobody uses the tables any more */

/* The tables that were taken out since the last call of this, and giving them back: between the two
 * all CPUs flush. */
uint64_t *stage2_retired(struct stage2 *s);
void stage2_reclaim(struct stage2 *s, uint64_t *retired);

/*
 * Map [gpa, gpa + size) to [hpa, ...) with `rights` (at least read) and `cache`; what was mapped
 * there is replaced. All page aligned, below 2^48. Returns 0; -EINVAL; or -ENOMEM; after an error
 * nothing has changed.
 */
int stage2_map(struct stage2 *s, uint64_t gpa, hpa_t hpa, uint64_t size, unsigned rights,
	enum stage2_cache cache, bool *flush);

/* Unmap; holes are fine. Returns 0, -EINVAL, or -ENOMEM when a large page cannot be split; after an
 * error nothing has changed. */
int stage2_unmap(struct stage2 *s, uint64_t gpa, uint64_t size, bool *flush);

/* Change the rights of what is mapped in the range (none: unmap); holes are fine. Same returns. */
int stage2_protect(struct stage2 *s, uint64_t gpa, uint64_t size, unsigned rights, bool *flush);

/* What `gpa` is mapped to; `size` is that of the page it lies in. False: not mapped. */
struct stage2_translation {
	hpa_t hpa; /* of gpa itself */
	uint64_t size;
	unsigned rights;
	enum stage2_cache cache;
};
bool stage2_query(const struct stage2 *s, uint64_t gpa, struct stage2_translation *translation);

/* mtrr.c: stage2_map() of a range to itself, each piece with the memory type that the firmware's
 * MTRRs give it, which mtrr_read() has read; after an error a part may be there. */
void mtrr_read(void);
int stage2_map_identity(struct stage2 *s, uint64_t base, uint64_t size, bool *flush);
