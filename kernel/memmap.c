/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/memmap.c - the machine's physical memory as sorted ranges, each with one type.
 * Runs: at boot, on one CPU.
 */
#include "kernel/memmap.h"

/* The last page below 2^64 is left out, so that the end of a range never wraps to 0. */
#define MEMMAP_TOP (UINT64_MAX - PAGE_MASK)

/* What memmap_set builds: too large for a stack, and the old map survives a failure. */
static struct memmap memmap_scratch;

/* Add [base, end), perhaps empty, above all that the map holds. One range too many is kept to show.
 */
static void memmap_append(struct memmap *map, uint64_t base, uint64_t end, enum mem_type type)
{
	struct mem_range *last = map->count > 0 ? &map->range[map->count - 1] : NULL;

	if (base < end && last != NULL && last->type == type && last->base + last->size == base) {
		last->size += end - base;
	} else if (base < end && map->count <= MEMMAP_MAX) {
		map->range[map->count++] = (struct mem_range){base, end - base, type};
	}
}

/* Append what `map` holds inside [low, high) with at least the type `least`, and `fill` between. */
static void memmap_append_part(struct memmap *out, const struct memmap *map, uint64_t low,
	uint64_t high, enum mem_type least, bool fill)
{
	for (unsigned i = 0; i < map->count; i++) {
		const struct mem_range *range = &map->range[i];
		uint64_t base = max_u64(range->base, low),
			 end = min_u64(range->base + range->size, high);
		if (range->type >= least && base < end) {
			memmap_append(out, low, fill ? base : 0, least);
			memmap_append(out, base, end, range->type);
			low = end;
		}
	}
	memmap_append(out, low, fill ? high : 0, least);
}

int memmap_set(struct memmap *map, uint64_t base, uint64_t size, enum mem_type type)
{
	struct memmap *out = &memmap_scratch;
	uint64_t low = min_u64(base, MEMMAP_TOP);
	uint64_t high = low + min_u64(size, MEMMAP_TOP - low);

	low = type == MEM_FREE ? ALIGN_UP(low, PAGE_SIZE) : ALIGN_DOWN(low, PAGE_SIZE);
	high = type == MEM_FREE ? ALIGN_DOWN(high, PAGE_SIZE) : ALIGN_UP(high, PAGE_SIZE);
	if (size == 0 || low >= high) {
		return -EINVAL;
	}
	out->count = 0;
	memmap_append_part(out, map, 0, low, 0, false);
	memmap_append_part(out, map, low, high, type, true);
	memmap_append_part(out, map, high, MEMMAP_TOP, 0, false);
	if (out->count > MEMMAP_MAX) {
		return -ENOSPC;
	}
	*map = *out;
	return 0;
}

int memmap_find(const struct memmap *map, uint64_t size, uint64_t align, uint64_t min, uint64_t max,
	uint64_t *base)
{
	for (unsigned i = map->count; i-- > 0;) {
		const struct mem_range *range = &map->range[i];
		uint64_t high = min_u64(range->base + range->size, max);
		if (range->type != MEM_FREE || high < size) {
			continue;
		}
		uint64_t at = ALIGN_DOWN(high - size, align);
		if (at >= max_u64(range->base, min)) {
			*base = at;
			return 0;
		}
	}
	return -ENOMEM;
}

uint64_t memmap_bytes(const struct memmap *map, enum mem_type type)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < map->count; i++) {
		bytes += map->range[i].type == type ? map->range[i].size : 0;
	}
	return bytes;
}

const char *const mem_type_names[] = {MEM_TYPES(LIST_NAME)};
