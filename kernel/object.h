/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/object.h - small objects, carved from frames in size classes of powers of two.
 *
 * A page holds objects of one class; its header lies at its start. A page whose objects are all
 * free goes back to the frame allocator. Debug builds fill freed objects with junk and check it on
 * allocation.
 */
#pragma once

#include "kernel/types.h"

#define OBJECT_MIN 64u
#define OBJECT_MAX 2000u /* the largest object: two to a page */

/* `size` zeroed bytes (1..OBJECT_MAX), aligned to 16, or NULL. Any CPU; takes object.lock, then
 * frame.lock. */
void *object_alloc(size_t size);

/* Give an object back; NULL is ignored. Panics on what object_alloc did not give or what is free
 * already. */
void object_free(void *object);

/* How many objects are handed out now. */
size_t object_count(void);
