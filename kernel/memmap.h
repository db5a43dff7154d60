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

/* Where two firmware entries overlap, the type further down in this list wins. */
#define MEM_TYPES(X)                                                                               \
	X(FREE, "free")          /* RAM that nothing holds: the guests' */                         \
	X(ACPI, "ACPI tables")   /* RAM with tables; a guest may reclaim it */                     \
	X(NVS, "ACPI NVS")       /* the firmware's, kept over sleep */                             \
	X(RESERVED, "reserved")  /* everything else that firmware lists */                         \
	X(BAD, "bad")            /* RAM with faults */                                             \
	X(MODULE, "boot module") /* what GRUB loaded for the service VM */                         \
	X(IMAGE, "Pintle image") /* Pintle's own text and data */                                  \
	X(OWN, "Pintle memory")  /* Pintle's fixed region */

enum mem_type {
#define X(id, name) MEM_##id,
	MEM_TYPES(X)
#undef X
	MEM_TYPE_COUNT
};

struct mem_range {
	uint64_t base; /* host-physical, bytes */
	uint64_t size; /* bytes; base + size never wraps inside a struct memmap */
	enum mem_type type;
};

#define MEMMAP_MAX 512u
#define MEMMAP_RAW_MAX                                                                             \
	1024u /* firmware entries; bounds the time of memmap_build, quadratic in them */

struct memmap {
	unsigned count;
	unsigned dropped; /* firmware entries that did not fit, held no whole page, or were cut
			     below 2^64 */
	struct mem_range range[MEMMAP_MAX];
};

/*
 * Build `map` from `count` firmware entries in any order. Entries that are empty are dropped and
 * counted; one that reaches into the last page below 2^64 is cut there. Each is rounded to pages by
 * itself. Returns 0, -ENOSPC when the result needs more than MEMMAP_MAX ranges (the map then holds
 * what fits, lowest first) or count is above MEMMAP_RAW_MAX (the map is then empty: an entry left
 * out may be the one that reserves), or -ENOENT when no free memory is left.
 */
int memmap_build(struct memmap *map, const struct mem_range *raw, unsigned count);

/*
 * Give [base, base + size) the type `type`, splitting and merging what is there; both are grown to
 * whole pages. Only the part that the map already covers changes, when `type` is MEM_FREE;
 * otherwise holes are filled too. Returns 0, -EINVAL for an empty or wrapping range, -ENOSPC when
 * the map would need too many ranges (unchanged). Works in one static scratch map: one CPU at a
 * time, at boot.
 */
int memmap_set(struct memmap *map, uint64_t base, uint64_t size, enum mem_type type);

/*
 * Find the highest (`top`) or lowest free range of `size` bytes, aligned to `align` (a power of
 * two, at least a page), inside [min, max). Changes nothing. Returns 0 and *base, -EINVAL, or
 * -ENOMEM when there is none.
 */
int memmap_find(const struct memmap *map, uint64_t size, uint64_t align, uint64_t min, uint64_t max,
	bool top, uint64_t *base);

/* Bytes that have `type`. */
uint64_t memmap_bytes(const struct memmap *map, enum mem_type type);

/* One past the highest byte that any range covers; 0 when the map is empty. */
uint64_t memmap_end(const struct memmap *map);

/* True when all of [base, base + size) lies in ranges of `type`; false when it is empty or wraps.
 */
bool memmap_covers(const struct memmap *map, uint64_t base, uint64_t size, enum mem_type type);

const char *memmap_type_name(enum mem_type type);
