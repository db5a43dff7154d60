/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/frame.c - the frames of Pintle's fixed region: a map of their owners, searched first-fit.
 */
#include "kernel/basic.h"

/* [I] constant after frame_init  [F] frame_lock */
static struct spinlock frame_lock = SPINLOCK(FRAME);
/* [I] the region, which begins with this map  [F] a byte for each frame: its owner */
static uint8_t *frame_map;
size_t frame_total;

/* What debug builds leave in freed frames, so that a later write to them shows. Eight of these are
 * no canonical address (SDM vol. 1, ch. 3): a pointer read from junk faults. */
#define JUNK_BYTE 0x6b

static void junk_fill(void *memory, size_t len)
{
	if (DEBUG_BUILD) {
		memset(memory, JUNK_BYTE, len);
	}
}

int frame_init(void *base, size_t count)
{
	size_t map_count = ALIGN_UP(count, PAGE_SIZE) / PAGE_SIZE;

	if (count <= map_count) {
		return -ENOMEM;
	}
	frame_map = base;
	frame_total = count;
	memset(frame_map, FRAME_FREE, count);
	memset(frame_map, FRAME_MAP, map_count);
	junk_fill(frame_map + map_count * PAGE_SIZE, (count - map_count) * PAGE_SIZE);
	return 0;
}

void *frame_alloc(size_t count, enum frame_owner owner)
{
	uint64_t flags = lock_acquire(&frame_lock);
	size_t run = 0, end = 0;

	while (run < count && end < frame_total) {
		run = frame_map[end++] == FRAME_FREE ? run + 1 : 0;
	}
	bool found = run == count && count != 0;
	if (found) {
		memset(frame_map + end - count, (int)owner, count);
	}
	lock_release(&frame_lock, flags);
	if (!found) {
		return NULL;
	}
	uint8_t *frames = frame_map + (end - count) * PAGE_SIZE;
	size_t len = count * PAGE_SIZE;
	if (DEBUG_BUILD && (frames[0] != JUNK_BYTE || memcmp(frames, frames + 1, len - 1) != 0)) {
		panic("%zu frames at %p: one was written to after it was freed", count, frames);
	}
	return memset(frames, 0, len);
}

void frame_free(void *frames, size_t count, enum frame_owner owner)
{
	/* Below the region it wraps, and so lies above it. */
	uintptr_t offset = (uintptr_t)frames - (uintptr_t)frame_map;
	size_t first = offset / PAGE_SIZE;
	bool good = offset % PAGE_SIZE == 0 && owner > FRAME_MAP && first < frame_total &&
		count <= frame_total - first;
	LOCK_HOLD(&frame_lock);

	for (size_t i = first; good && i < first + count; i++) {
		good = frame_map[i] == owner;
	}
	if (!good) {
		panic("%zu frames at %p freed that are not all held as %s", count, frames,
			frame_owner_names[owner]);
	}
	junk_fill(frames, count * PAGE_SIZE);
	memset(frame_map + first, FRAME_FREE, count);
}

size_t frame_count(enum frame_owner owner)
{
	size_t count = 0;
	for (size_t i = 0; i < frame_total; i++) {
		count += frame_map[i] == owner;
	}
	return count;
}

const char *const frame_owner_names[] = {FRAME_OWNERS(LIST_NAME)};
