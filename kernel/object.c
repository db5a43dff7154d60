/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/object.c - small objects, carved from frames in size classes.
 *
 * A page's header says which of its objects are free. Pages with room hang in their class's list,
 * full ones in none: an object's page is found from its address.
 */
#include "kernel/object.h"

#include "kernel/frame.h"
#include "kernel/junk.h"
#include "kernel/lock.h"
#include "kernel/panic.h"
#include "kernel/string.h"

#define OBJECT_CLASSES 6u /* 64, 128 ... 1024, and OBJECT_MAX in place of 2048 */
#define OBJECT_MAGIC   0x7463656a626f2e70ull

/* [I] constant while the page is held  [O] object_lock */
struct object_page {
	alignas(16) uint64_t magic; /* [I] OBJECT_MAGIC, flipped by the page's own address */
	uint64_t size;              /* [I] of each object */
	uint64_t all;               /* [I] a bit for each object */
	uint64_t free;              /* [O] a bit for each free one */
	struct object_page **list;  /* [I] of its class */
	struct object_page *next;   /* [O] in the list of those with room */
	struct object_page **link;  /* [O] what points to this page there */
};

STATIC_ASSERT(sizeof(struct object_page) % 16 == 0 && OBJECT_MAX % 16 == 0, "aligned to 16");
STATIC_ASSERT(sizeof(struct object_page) + 2 * OBJECT_MAX <= PAGE_SIZE, "two of the largest fit");
STATIC_ASSERT(OBJECT_MIN << (OBJECT_CLASSES - 1) >= OBJECT_MAX, "the last class takes the largest");
STATIC_ASSERT(PAGE_SIZE / OBJECT_MIN <= 64, "a bit is enough for each object");

static struct spinlock object_lock = SPINLOCK(OBJECT);
static struct object_page *object_room[OBJECT_CLASSES]; /* [O] pages with room, by class */
static atomic_size_t object_taken;                      /* [A] */

static void object_page_link(struct object_page *page)
{
	page->next = *page->list;
	page->link = page->list;
	if (page->next != NULL) {
		page->next->link = &page->next;
	}
	*page->link = page;
}

static void object_page_unlink(struct object_page *page)
{
	*page->link = page->next;
	if (page->next != NULL) {
		page->next->link = page->link;
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
	if (page != NULL) {
		page->magic = OBJECT_MAGIC ^ (uintptr_t)page;
		page->size = min_u64(OBJECT_MIN << order, OBJECT_MAX);
		page->all = BIT((PAGE_SIZE - sizeof(*page)) / page->size) - 1;
		page->free = page->all;
		page->list = &object_room[order];
		junk_fill(page + 1, PAGE_SIZE - sizeof(*page));
		object_page_link(page);
	}
	return page;
}

/* The first free object of a page with room, zeroed. */
static void *object_take(struct object_page *page)
{
	unsigned index = (unsigned)__builtin_ctzll(page->free);
	uint8_t *object = (uint8_t *)(page + 1) + index * page->size;

	page->free ^= BIT(index);
	if (page->free == 0) {
		object_page_unlink(page);
	}
	object_taken++;
	if (!junk_intact(object, page->size)) {
		panic("object %p was written to after it was freed", (void *)object);
	}
	return memset(object, 0, page->size);
}

void *object_alloc(size_t size)
{
	if (size == 0 || size > OBJECT_MAX) {
		return NULL;
	}
	uint64_t flags = lock_acquire(&object_lock);
	struct object_page *page = object_page_get(size);
	void *object = page != NULL ? object_take(page) : NULL;
	lock_release(&object_lock, flags);
	return object;
}

void object_free(void *object)
{
	if (object == NULL) {
		return;
	}
	struct object_page *page = (void *)((uint8_t *)object - (uintptr_t)object % PAGE_SIZE);
	size_t offset = (uintptr_t)object - (uintptr_t)(page + 1); /* wraps inside the header */
	uint64_t flags = lock_acquire(&object_lock);
	bool good = page->magic == (OBJECT_MAGIC ^ (uintptr_t)page) && offset < PAGE_SIZE &&
		offset % page->size == 0;
	uint64_t bit = good ? BIT(offset / page->size) : 0;
	if ((bit & page->all & ~page->free) == 0) {
		panic("object %p freed that is none, or free already", object);
	}
	if (page->free == 0) {
		object_page_link(page);
	}
	page->free |= bit;
	object_taken--;
	junk_fill(object, page->size);
	if (page->free == page->all) {
		object_page_unlink(page);
		frame_free(page, 1, FRAME_OBJECT);
	}
	lock_release(&object_lock, flags);
}

size_t object_count(void)
{
	return object_taken;
}
