/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/memmap.h - the machine's physical memory as sorted ranges, each with one type.
 *
 * The firmware's map is untrusted: unsorted, overlapping, adjacent, empty and wrapping entries all
 * occur. The map built from it is sorted, free of overlaps and merged; ranges of free memory are
 * whole pages (shrunk inwards), all others grown outwards. What no range covers does not exist.
 * Pure: no locks, no hardware, no allocation.
 */
#pragma once

#include "kernel/types.h"

/* Where two ranges overlap, the type further down in this list wins. */
#define MEM_TYPES(X)                                                                               \
	X(FREE, "free")          /* RAM that nothing holds: the guests' */                         \
	X(ACPI, "ACPI tables")   /* RAM with tables; a guest may reclaim it */                     \
	X(NVS, "ACPI NVS")       /* the firmware's, kept over sleep */                             \
	X(RESERVED, "reserved")  /* everything else that firmware lists */                         \
	X(BAD, "bad")            /* RAM with faults */                                             \
	X(MODULE, "boot module") /* what GRUB loaded for the service VM */                         \
	X(IMAGE, "Pintle image") /* Pintle's own text and data */                                  \
	X(OWN, "Pintle memory")  /* Pintle's fixed region */

#define MEM_ID(id, name) MEM_##id,
enum mem_type {
	MEM_TYPES(MEM_ID) MEM_TYPE_COUNT
};

struct mem_range {
	uint64_t base; /* host-physical, bytes */
	uint64_t size; /* bytes; base + size never wraps inside a struct memmap */
	enum mem_type type;
};

#define MEMMAP_MAX 512u /* ranges */

struct memmap {
	unsigned count;
	struct mem_range range[MEMMAP_MAX + 1]; /* one more for memmap_set while it works */
};

/*
 * Give [base, base + size) the type `type`, but where it has a type further down in the list; it is
 * rounded to pages (free memory inwards, all else outwards), and what reaches into the last page
 * below 2^64 or wraps is cut there. Returns 0, -EINVAL when no page remains, -ENOSPC when the map
 * would need too many ranges (both: unchanged). Works in one static scratch map: one CPU at a time,
 * at boot.
 */
int memmap_set(struct memmap *map, uint64_t base, uint64_t size, enum mem_type type);

/*
 * Find the highest free range of `size` bytes, not 0, aligned to `align` (a power of two, at least
 * a page), inside [min, max). Changes nothing. Returns 0 and *base, or -ENOMEM when there is none.
 */
int memmap_find(const struct memmap *map, uint64_t size, uint64_t align, uint64_t min, uint64_t max,
	uint64_t *base);

/* Bytes that have `type`. */
uint64_t memmap_bytes(const struct memmap *map, enum mem_type type);

extern const char *const mem_type_names[];
