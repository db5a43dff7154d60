// SPDX-License-Identifier: GPL-2.0-only
/*
 * service/module/shared.c - pages that Pintle and this module both see, cut from shared pieces.
 */
#include <linux/bitmap.h>
#include <linux/gfp.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/slab.h>

#include "service/module/hypercall.h"
#include "service/module/shared.h"

#define PIECE_ORDER get_order(PINTLE_PIECE)
#define PIECE_PAGES (PINTLE_PIECE / PAGE_SIZE)

struct shared_piece {
	struct list_head node;
	void *base;
	DECLARE_BITMAP(used, PIECE_PAGES);
};

static DEFINE_MUTEX(shared_lock);
static LIST_HEAD(shared_list);    /* [shared_lock], as all fields */
static unsigned int shared_count; /* [shared_lock] of the list */

/* Lock held. */
static struct shared_piece *shared_new(void)
{
	struct shared_piece *piece = kzalloc(sizeof(*piece), GFP_KERNEL);
	struct page *pages =
		alloc_pages(GFP_KERNEL | __GFP_RETRY_MAYFAIL | __GFP_NOWARN, PIECE_ORDER);

	if (!piece || !pages) {
		goto fail;
	}
	if (pintle_call_alone(SHARE, page_to_phys(pages)) != 0) {
		goto fail;
	}
	piece->base = page_address(pages);
	list_add(&piece->node, &shared_list);
	shared_count++;
	return piece;
fail:
	if (pages) {
		__free_pages(pages, PIECE_ORDER);
	}
	kfree(piece);
	return NULL;
}

/* Lock held. One that Pintle does not let go is lost, rather than given to others. */
static void shared_drop(struct shared_piece *piece)
{
	long err = pintle_call_alone(UNSHARE, virt_to_phys(piece->base));

	list_del(&piece->node);
	shared_count--;
	if (err == 0) {
		free_pages((unsigned long)piece->base, PIECE_ORDER);
	} else {
		pr_err("pintle: a shared piece does not come back: %ld\n", err);
	}
	kfree(piece);
}

static void *shared_take(struct shared_piece *piece, unsigned int pages)
{
	unsigned long at = bitmap_find_next_zero_area(piece->used, PIECE_PAGES, 0, pages, 0);

	if (at >= PIECE_PAGES) {
		return NULL;
	}
	bitmap_set(piece->used, at, pages);
	return memset(piece->base + at * PAGE_SIZE, 0, pages * PAGE_SIZE);
}

void *shared_alloc(unsigned int pages)
{
	struct shared_piece *piece;
	void *found = NULL;

	if (pages == 0 || pages > PIECE_PAGES) {
		return NULL;
	}
	mutex_lock(&shared_lock);
	list_for_each_entry(piece, &shared_list, node)
	{
		found = shared_take(piece, pages);
		if (found) {
			break;
		}
	}
	if (!found) {
		piece = shared_new();
		found = piece ? shared_take(piece, pages) : NULL;
	}
	mutex_unlock(&shared_lock);
	return found;
}

void shared_free(void *address, unsigned int pages)
{
	struct shared_piece *piece;

	if (!address) {
		return;
	}
	mutex_lock(&shared_lock);
	list_for_each_entry(piece, &shared_list, node)
	{
		size_t offset = address - piece->base;

		if (address >= piece->base && offset < PINTLE_PIECE) {
			bitmap_clear(piece->used, offset / PAGE_SIZE, pages);
			/* One is kept, so that a single VM that comes and goes asks for none. */
			if (shared_count > 1 && bitmap_empty(piece->used, PIECE_PAGES)) {
				shared_drop(piece);
			}
			break;
		}
	}
	mutex_unlock(&shared_lock);
}

unsigned int shared_pieces(void)
{
	return READ_ONCE(shared_count);
}

void shared_exit(void)
{
	struct shared_piece *piece, *next;

	mutex_lock(&shared_lock);
	list_for_each_entry_safe(piece, next, &shared_list, node)
	{
		if (bitmap_empty(piece->used, PIECE_PAGES)) {
			shared_drop(piece);
		} else {
			pr_warn("pintle: memory of a VM that lives on is lost\n");
		}
	}
	mutex_unlock(&shared_lock);
}
