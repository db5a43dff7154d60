/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/pieces.h - the service VM's memory in pieces of 2 MiB, and what Pintle makes of those that
 * it is given: pools of pages for what a VM costs, and pages that both sides see.
 *
 * Of each piece it is known how many of its pages are mapped to guests, whether it is shared, and
 * whether it is deposited; a deposited one is neither, and is not mapped to the service VM. While
 * they are Pintle's to use, pieces are mapped at DIRECT_VA as its own memory is.
 */
#pragma once

#include "abi/pintle.h"
#include "kernel/types.h"

/* Take note of the machine's memory. Once, at boot, when the map is final: 0 or -ENOMEM. */
int pieces_init(void);

/* A page is mapped to a guest from now on: false when it is not the service VM's own memory. Or
 * `count` pages from `page` on are not any more. Any CPU. */
bool pieces_hold(uint64_t page);
void pieces_drop(uint64_t page, size_t count);

/* Share a piece, or not any more: 0; -EFAULT not the service VM's memory; -EBUSY in use in another
 * way; -EINVAL not shared; -ENOMEM. No locks. */
int piece_share(uint64_t piece, bool share);

/* A page of a shared piece, by its guest-physical address; `count` of them in a row. NULL: it is
 * not in one. It may be used until interrupts are on or this CPU answers others. */
void *shared_pages(uint64_t page, size_t count);

/* A page that is kept longer, until pieces_drop(): its piece stays shared. Or NULL. */
void *shared_keep(uint64_t page);

/* Nothing is shared any more, whoever keeps it. No locks. */
void pieces_reset(void);

/* A VM's own pieces; of one without any, the service VM's, the pages are Pintle's own frames.
 * Guarded by the VM's `busy`, but for the number of free pages. */
#define POOL_PIECES 64u
struct pool {
	uint64_t piece[POOL_PIECES];
	uint16_t fresh[POOL_PIECES]; /* of each its last pages, which were never used */
	unsigned count;
	size_t free;    /* pages in all */
	void *returned; /* a list through their first words */
};

/* One piece more: as piece_share(), or -ENOSPC. No locks, interrupts off: it leaves the service VM
 * on all CPUs. */
int pool_add(struct pool *pool, uint64_t piece);

/* `count` zeroed pages in a row, or NULL; and one of them back. */
void *pool_alloc(struct pool *pool, size_t count);
void pool_free(struct pool *pool, void *page);

/* All pieces go back to the service VM, cleared: nothing of the pool is in use. No locks. */
void pool_return(struct pool *pool);

extern size_t pieces_deposited; /* in all */
bool piece_is_deposited(uint64_t at);
