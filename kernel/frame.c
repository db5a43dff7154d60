/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/frame.c - the frames of Pintle's fixed region: a map of their owners, searched next-fit.
 */
#include "kernel/frame.h"

#include "kernel/errno.h"
#include "kernel/junk.h"
#include "kernel/lock.h"
#include "kernel/panic.h"
#include "kernel/string.h"

/* [I] constant after frame_init  [F] frame_lock */
static struct spinlock frame_lock = SPINLOCK(FRAME);
/* [I] the region, which begins with this map  [F] a byte for each frame: its owner */
static uint8_t *frame_map;
static struct frame_stats frame_stats; /* [F] but total: [I] */
static size_t frame_next;              /* [F] where the next search starts */

static void frame_mark(size_t first, size_t count, enum frame_owner from, enum frame_owner to)
{
	memset(frame_map + first, (int)to, count);
	frame_stats.owned[from] -= count;
	frame_stats.owned[to] += count;
}

int frame_init(void *base, size_t count)
{
	size_t map_count = ALIGN_UP(count, PAGE_SIZE) / PAGE_SIZE;

	if (count <= map_count) {
		return -ENOMEM;
	}
	frame_map = base;
	frame_next = map_count;
	frame_stats = (struct frame_stats){.total = count, .owned[FRAME_FREE] = count};
	memset(frame_map, FRAME_FREE, count);
	frame_mark(0, map_count, FRAME_FREE, FRAME_MAP);
	junk_fill(frame_map + map_count * PAGE_SIZE, (count - map_count) * PAGE_SIZE);
	return 0;
}

/* The first of `count` free frames in a row at or after `from`; the region's size if none are. */
static size_t frame_find(size_t from, size_t count)
{
	size_t run = 0;

	for (size_t i = from; i < frame_stats.total; i++) {
		run = frame_map[i] == FRAME_FREE ? run + 1 : 0;
		if (run > 0 && run == count) {
			return i + 1 - count;
		}
	}
	return frame_stats.total;
}

void *frame_alloc(size_t count, enum frame_owner owner)
{
	uint64_t flags = lock_acquire(&frame_lock);
	size_t first = frame_find(frame_next, count);

	if (first == frame_stats.total) {
		first = frame_find(0, count);
	}
	if (first < frame_stats.total) {
		frame_mark(first, count, FRAME_FREE, owner);
		frame_next = first + count;
	}
	lock_release(&frame_lock, flags);
	if (first == frame_stats.total) {
		return NULL;
	}
	void *frames = frame_map + first * PAGE_SIZE;
	if (!junk_intact(frames, count * PAGE_SIZE)) {
		panic("%zu frames at %p: one was written to after it was freed", count, frames);
	}
	return memset(frames, 0, count * PAGE_SIZE);
}

void frame_free(void *frames, size_t count, enum frame_owner owner)
{
	/* Below the region it wraps, and so lies above it. */
	uintptr_t offset = (uintptr_t)frames - (uintptr_t)frame_map;
	size_t first = offset / PAGE_SIZE;
	bool good = offset % PAGE_SIZE == 0 && owner > FRAME_MAP && first < frame_stats.total &&
		count <= frame_stats.total - first;
	uint64_t flags = lock_acquire(&frame_lock);

	for (size_t i = first; good && i < first + count; i++) {
		good = frame_map[i] == owner;
	}
	if (!good) {
		panic("%zu frames at %p freed that are not all held as %s", count, frames,
			frame_owner_name(owner));
	}
	junk_fill(frames, count * PAGE_SIZE);
	frame_mark(first, count, owner, FRAME_FREE);
	lock_release(&frame_lock, flags);
}

void frame_stats_get(struct frame_stats *stats)
{
	uint64_t flags = lock_acquire(&frame_lock);

	*stats = frame_stats;
	lock_release(&frame_lock, flags);
}

const char *frame_owner_name(enum frame_owner owner)
{
	static const char *const names[] = {
#define X(id, name) name,
		FRAME_OWNERS(X)
#undef X
	};

	return names[owner];
}
