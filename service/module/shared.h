/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/module/shared.h - pages that Pintle and this module both see: records, events, lists.
 */
#pragma once

#include <linux/io.h>
#include <linux/types.h>

/* Zeroed pages that lie together, 1 to 512; NULL: no memory. May sleep. */
void *shared_alloc(unsigned int pages);

/* Pintle does not use them any more. May sleep; NULL is nothing. */
void shared_free(void *address, unsigned int pages);

/* How Pintle knows such a page. */
static inline u64 shared_address(const void *page)
{
	return virt_to_phys((void *)page);
}

unsigned int shared_pieces(void);

/* At the module's end, when all are free. */
void shared_exit(void);
