/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/frame.h - the frames (4 KiB pages) of Pintle's fixed region.
 *
 * The region is chosen once at boot and never grows. Every frame has an owner, so that a
 * leak shows as a count that does not return to what it was. Debug builds fill freed frames with
 * junk and check it on allocation. A frame handed out is zeroed.
 */
#pragma once

#include "kernel/types.h"

#define FRAME_OWNERS(X)                                                                            \
	X(FREE, "free")                                                                            \
	X(MAP, "allocator's map")                                                                  \
	X(PAGE_TABLE, "own page tables")                                                           \
	X(CPU, "per-CPU areas")                                                                    \
	X(STACK, "stacks")                                                                         \
	X(VM, "service VM")

#define FRAME_ID(id, name) FRAME_##id,
enum frame_owner { FRAME_OWNERS(FRAME_ID) FRAME_OWNER_COUNT };

/*
 * Take over the region of `count` frames that is mapped at `base` (page aligned); its first frames
 * hold the map. Called once, before any other function here, on one CPU. Returns 0, or -ENOMEM
 * when the region is too small.
 */
int frame_init(void *base, size_t count);

/*
 * `count` frames in a row, zeroed, or NULL when there is no such run (or count is 0). Bounded by
 * the region's size. Any CPU; takes frame.lock.
 */
void *frame_alloc(size_t count, enum frame_owner owner);

/*
 * Give back `count` frames that one frame_alloc gave (all of a run, or any part of it) to the same
 * owner. Panics when one of them is not that owner's. Takes frame.lock.
 */
void frame_free(void *frames, size_t count, enum frame_owner owner);

extern size_t frame_total; /* [I] frames in the region */

/* Frames that `owner` holds. Takes no lock: an idle machine is exact. */
size_t frame_count(enum frame_owner owner);
extern const char *const frame_owner_names[];
