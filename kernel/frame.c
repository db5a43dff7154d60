/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/frame.c - the frames of Pintle's fixed region: a bitmap, searched next-fit.
 */
#include "kernel/frame.h"

#include "kernel/errno.h"
#include "kernel/junk.h"
#include "kernel/lock.h"
#include "kernel/panic.h"
#include "kernel/string.h"

#define FRAME_BITS 64u /* frames per word of the bitmap */

/* [I] constant after frame_init  [F] frame_lock */
static struct spinlock frame_lock = SPINLOCK(FRAME);
static uint8_t *frame_base; /* [I] */
static uint64_t *frame_map; /* [I] the pointer  [F] the bits: set where a frame is not free */
static struct frame_stats frame_stats; /* [F] but total and owned[FRAME_MAP]: [I] */
static size_t frame_next;              /* [F] where the next search starts */

static bool frame_used(size_t frame)
{
	return (frame_map[frame / FRAME_BITS] >> (frame % FRAME_BITS) & 1) != 0;
}

static void frame_flip(size_t first, size_t count)
{
	for (size_t i = first; i < first + count; i++) {
		frame_map[i / FRAME_BITS] ^= BIT(i % FRAME_BITS);
	}
}

static uint8_t *frame_address(size_t frame)
{
	return frame_base + frame * PAGE_SIZE;
}

int frame_init(void *base, size_t count)
{
	size_t map_count = ALIGN_UP(count, 8 * PAGE_SIZE) / (8 * PAGE_SIZE);

	if (count <= map_count) {
		return -ENOMEM;
	}
	frame_base = base;
	frame_map = base;
	memset(frame_map, 0, map_count * PAGE_SIZE);
	frame_flip(0, map_count);
	frame_next = map_count;
	frame_stats = (struct frame_stats){.total = count, .free = count - map_count};
	frame_stats.owned[FRAME_MAP] = map_count;
	junk_fill(frame_address(map_count), frame_stats.free * PAGE_SIZE);
	return 0;
}

/* The first of `count` free frames in a row at or after `from`; the region's size if none are. */
static size_t frame_find(size_t from, size_t count)
{
	size_t run = 0;

	for (size_t i = from; i < frame_stats.total; i++) {
		run = frame_used(i) ? 0 : run + 1;
		if (run == count) {
			return i + 1 - count;
		}
	}
	return frame_stats.total;
}

/* Take a run of free frames: its first frame, or the region's size. Takes frame_lock. */
static size_t frame_take(size_t count, enum frame_owner owner)
{
	uint64_t flags = lock_acquire(&frame_lock);
	size_t first = frame_find(frame_next, count);

	if (first == frame_stats.total) {
		first = frame_find(0, count);
	}
	if (first < frame_stats.total) {
		frame_flip(first, count);
		frame_next = first + count;
		frame_stats.free -= count;
		frame_stats.owned[owner] += count;
	}
	lock_release(&frame_lock, flags);
	return first;
}

void *frame_alloc(size_t count, enum frame_owner owner)
{
	size_t first = count == 0 ? frame_stats.total : frame_take(count, owner);

	if (first == frame_stats.total) {
		return NULL;
	}
	for (size_t i = first; i < first + count; i++) {
		if (!junk_intact(frame_address(i), PAGE_SIZE)) {
			panic("frame %p was written to after it was freed",
				(void *)frame_address(i));
		}
	}
	return memset(frame_address(first), 0, count * PAGE_SIZE);
}

void frame_free(void *frames, size_t count, enum frame_owner owner)
{
	/* Below the region it wraps, and so lies above it. */
	uintptr_t offset = (uintptr_t)frames - (uintptr_t)frame_base;
	size_t first = offset / PAGE_SIZE;

	if (offset % PAGE_SIZE != 0 || first < frame_stats.owned[FRAME_MAP] ||
		first >= frame_stats.total || count > frame_stats.total - first) {
		panic("frames freed that are none: %p, %zu of them", frames, count);
	}
	uint64_t flags = lock_acquire(&frame_lock);
	for (size_t i = first; i < first + count; i++) {
		if (!frame_used(i)) {
			panic("frame %p was freed twice", (void *)frame_address(i));
		}
	}
	if (count > frame_stats.owned[owner]) {
		panic("frame %p freed by a wrong owner: %s", frames, frame_owner_name(owner));
	}
	junk_fill(frames, count * PAGE_SIZE);
	frame_flip(first, count);
	frame_stats.free += count;
	frame_stats.owned[owner] -= count;
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
#define X(id, name) [FRAME_##id] = name,
		FRAME_OWNERS(X)
#undef X
	};

	return names[owner];
}
