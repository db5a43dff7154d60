/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/object.c - small objects, carved from frames in size classes.
 *
 * A page's header says which of its objects are taken. Pages with room hang in their class's list,
 * full ones in none: an object's page is found from its address.
 */
#include "kernel/object.h"

#include "kernel/frame.h"
#include "kernel/junk.h"
#include "kernel/lock.h"
#include "kernel/panic.h"
#include "kernel/string.h"

#define OBJECT_CLASSES  8u /* 16, 32 ... 1024, and OBJECT_MAX in place of 2048 */
#define OBJECT_HEADER   96u
#define OBJECT_PER_PAGE ((PAGE_SIZE - OBJECT_HEADER) / OBJECT_MIN) /* in the smallest class */
#define OBJECT_BITS     64u
#define OBJECT_WORDS    ((OBJECT_PER_PAGE + OBJECT_BITS - 1) / OBJECT_BITS)
#define OBJECT_MAGIC    0x7463656a626f2e70ull

/* [I] constant while the page is held  [O] object_lock */
struct object_page {
	uint64_t magic;                  /* [I] OBJECT_MAGIC, flipped by the page's own address */
	uint64_t size;                   /* [I] of each object */
	struct object_page **list;       /* [I] of its class */
	struct object_page *next, *prev; /* [O] in the list; prev is NULL in its first page */
	uint64_t taken_count;            /* [O] */
	uint64_t taken[OBJECT_WORDS];    /* [O] one bit an object */
};

STATIC_ASSERT(sizeof(struct object_page) <= OBJECT_HEADER, "the header ends before the objects");
STATIC_ASSERT(OBJECT_HEADER + 2 * OBJECT_MAX <= PAGE_SIZE, "two of the largest fit");
STATIC_ASSERT(OBJECT_MIN << (OBJECT_CLASSES - 1) >= OBJECT_MAX, "the last class takes the largest");
STATIC_ASSERT(OBJECT_HEADER % 16 == 0 && OBJECT_MAX % 16 == 0, "objects are aligned to 16");

static struct spinlock object_lock = SPINLOCK(OBJECT);
static struct object_page *object_room[OBJECT_CLASSES]; /* [O] pages with room, by class */
static struct object_stats object_stats;                /* [O] */

static uint8_t *object_address(struct object_page *page, uint64_t index)
{
	return (uint8_t *)page + OBJECT_HEADER + index * page->size;
}

static uint64_t object_page_magic(const struct object_page *page)
{
	return OBJECT_MAGIC ^ (uintptr_t)page;
}

static bool object_page_full(const struct object_page *page)
{
	return page->taken_count == (PAGE_SIZE - OBJECT_HEADER) / page->size;
}

static void object_page_link(struct object_page *page)
{
	page->prev = NULL;
	page->next = *page->list;
	if (page->next != NULL) {
		page->next->prev = page;
	}
	*page->list = page;
}

static void object_page_unlink(struct object_page *page)
{
	if (page->prev != NULL) {
		page->prev->next = page->next;
	} else {
		*page->list = page->next;
	}
	if (page->next != NULL) {
		page->next->prev = page->prev;
	}
}

/* A page with room in the class that `size` falls into, or NULL. */
static struct object_page *object_page_get(size_t size)
{
	unsigned order = 0;

	while (size > OBJECT_MIN << order) {
		order++;
	}
	if (object_room[order] != NULL) {
		return object_room[order];
	}
	struct object_page *page = frame_alloc(1, FRAME_OBJECT);
	if (page == NULL) {
		return NULL;
	}
	page->magic = object_page_magic(page);
	page->size = min_u64(OBJECT_MIN << order, OBJECT_MAX);
	page->list = &object_room[order];
	junk_fill(object_address(page, 0), PAGE_SIZE - OBJECT_HEADER);
	object_page_link(page);
	object_stats.pages++;
	return page;
}

static void object_page_put(struct object_page *page)
{
	object_page_unlink(page);
	frame_free(page, 1, FRAME_OBJECT);
	object_stats.pages--;
}

/* Take the lowest free object of a page with room. */
static uint8_t *object_take(struct object_page *page)
{
	unsigned word = 0;

	while (page->taken[word] == UINT64_MAX) {
		word++;
	}
	unsigned bit = (unsigned)__builtin_ctzll(~page->taken[word]);
	page->taken[word] |= BIT(bit);
	page->taken_count++;
	if (object_page_full(page)) {
		object_page_unlink(page);
	}
	object_stats.objects++;
	object_stats.bytes += page->size;
	return object_address(page, word * OBJECT_BITS + bit);
}

void *object_alloc(size_t size)
{
	if (size == 0 || size > OBJECT_MAX) {
		return NULL;
	}
	uint8_t *object = NULL;
	uint64_t flags = lock_acquire(&object_lock);
	struct object_page *page = object_page_get(size);
	if (page != NULL) {
		object = object_take(page);
		if (!junk_intact(object, page->size)) {
			panic("object %p was written to after it was freed", (void *)object);
		}
		memset(object, 0, page->size);
	}
	lock_release(&object_lock, flags);
	return object;
}

void object_free(void *object)
{
	if (object == NULL) {
		return;
	}
	uintptr_t offset = (uintptr_t)object % PAGE_SIZE;
	struct object_page *page = (void *)((uint8_t *)object - offset);
	uint64_t flags = lock_acquire(&object_lock);
	if (page->magic != object_page_magic(page) || offset < OBJECT_HEADER ||
		(offset - OBJECT_HEADER) % page->size != 0) {
		panic("object %p freed that is none", object);
	}
	uint64_t index = (offset - OBJECT_HEADER) / page->size;
	if ((page->taken[index / OBJECT_BITS] & BIT(index % OBJECT_BITS)) == 0) {
		panic("object %p was freed twice", object);
	}
	if (object_page_full(page)) {
		object_page_link(page);
	}
	page->taken[index / OBJECT_BITS] ^= BIT(index % OBJECT_BITS);
	page->taken_count--;
	object_stats.objects--;
	object_stats.bytes -= page->size;
	junk_fill(object, page->size);
	if (page->taken_count == 0) {
		object_page_put(page);
	}
	lock_release(&object_lock, flags);
}

void object_stats_get(struct object_stats *stats)
{
	uint64_t flags = lock_acquire(&object_lock);

	*stats = object_stats;
	lock_release(&object_lock, flags);
}
