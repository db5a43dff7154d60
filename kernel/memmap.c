/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/memmap.c - the machine's physical memory as sorted ranges, each with one type.
 * Runs: at boot, on one CPU.
 */
#include "kernel/memmap.h"

#include "kernel/errno.h"
#include "kernel/string.h"

/* The last page below 2^64 is left out, so that the end of a range never wraps to 0. */
#define MEMMAP_TOP (UINT64_MAX - PAGE_MASK)

/* What memmap_set builds: too large for a stack, and the old map survives a failure. */
static struct memmap memmap_scratch;

static uint64_t memmap_range_end(const struct mem_range *range)
{
	return range->base + range->size;
}

/* The pages [*base, *end) of a firmware entry; false when there are none or some were cut away. */
static bool memmap_round(const struct mem_range *raw, uint64_t *base, uint64_t *end)
{
	uint64_t start = min_u64(raw->base, MEMMAP_TOP);
	uint64_t size = min_u64(raw->size, MEMMAP_TOP - start);

	if (raw->type == MEM_FREE) {
		*base = ALIGN_UP(start, PAGE_SIZE);
		*end = ALIGN_DOWN(start + size, PAGE_SIZE);
	} else {
		*base = ALIGN_DOWN(start, PAGE_SIZE);
		*end = size == 0 ? *base : ALIGN_UP(start + size, PAGE_SIZE);
	}
	return *base < *end && size == raw->size;
}

/* The type that wins at `at`, MEM_TYPE_COUNT in a hole; no entry starts or ends before *next. */
static enum mem_type memmap_probe(
	const struct mem_range *raw, unsigned count, uint64_t at, uint64_t *next)
{
	enum mem_type type = MEM_TYPE_COUNT;

	*next = MEMMAP_TOP;
	for (unsigned i = 0; i < count; i++) {
		uint64_t base, end;
		memmap_round(&raw[i], &base, &end);
		if (base > at) {
			*next = min_u64(*next, base);
		} else if (end > at) {
			*next = min_u64(*next, end);
			if (type == MEM_TYPE_COUNT || raw[i].type > type) {
				type = raw[i].type;
			}
		}
	}
	return type;
}

/* Add [base, end), perhaps empty, above all that the map holds; false when it is full. */
static bool memmap_append(struct memmap *map, uint64_t base, uint64_t end, enum mem_type type)
{
	if (base >= end) {
		return true;
	}
	if (map->count > 0) {
		struct mem_range *last = &map->range[map->count - 1];
		if (last->type == type && memmap_range_end(last) == base) {
			last->size += end - base;
			return true;
		}
	}
	if (map->count == MEMMAP_MAX) {
		return false;
	}
	map->range[map->count++] = (struct mem_range){base, end - base, type};
	return true;
}

int memmap_build(struct memmap *map, const struct mem_range *raw, unsigned count)
{
	uint64_t at = 0;

	map->count = 0;
	map->dropped = 0;
	if (count > MEMMAP_RAW_MAX) {
		map->dropped = count;
		return -ENOSPC;
	}
	while (at < MEMMAP_TOP) {
		uint64_t next;
		enum mem_type type = memmap_probe(raw, count, at, &next);
		if (type != MEM_TYPE_COUNT && !memmap_append(map, at, next, type)) {
			break;
		}
		at = next;
	}
	for (unsigned i = 0; i < count; i++) {
		uint64_t base, end;
		if (!memmap_round(&raw[i], &base, &end) || end > at) {
			map->dropped++;
		}
	}
	if (at < MEMMAP_TOP) {
		return -ENOSPC;
	}
	return memmap_bytes(map, MEM_FREE) > 0 ? 0 : -ENOENT;
}

/* Append what `map` holds inside [low, high), as free memory or with the types it has. */
static bool memmap_append_part(
	struct memmap *out, const struct memmap *map, uint64_t low, uint64_t high, bool as_free)
{
	for (unsigned i = 0; i < map->count; i++) {
		const struct mem_range *range = &map->range[i];
		uint64_t base = max_u64(range->base, low);
		uint64_t end = min_u64(memmap_range_end(range), high);
		if (!memmap_append(out, base, end, as_free ? MEM_FREE : range->type)) {
			return false;
		}
	}
	return true;
}

int memmap_set(struct memmap *map, uint64_t base, uint64_t size, enum mem_type type)
{
	struct memmap *out = &memmap_scratch;

	if (size == 0 || base > MEMMAP_TOP || size > MEMMAP_TOP - base) {
		return -EINVAL;
	}
	uint64_t low = ALIGN_DOWN(base, PAGE_SIZE);
	uint64_t high = ALIGN_UP(base + size, PAGE_SIZE);

	out->count = 0;
	out->dropped = map->dropped;
	bool fits = memmap_append_part(out, map, 0, low, false);
	if (type == MEM_FREE) {
		fits = fits && memmap_append_part(out, map, low, high, true);
	} else {
		fits = fits && memmap_append(out, low, high, type);
	}
	fits = fits && memmap_append_part(out, map, high, MEMMAP_TOP, false);
	if (!fits) {
		return -ENOSPC;
	}
	memcpy(map, out, sizeof(*map));
	return 0;
}

int memmap_find(const struct memmap *map, uint64_t size, uint64_t align, uint64_t min, uint64_t max,
	bool top, uint64_t *base)
{
	int err = -ENOMEM;

	if (size == 0 || align < PAGE_SIZE || (align & (align - 1)) != 0) {
		return -EINVAL;
	}
	for (unsigned i = 0; i < map->count; i++) {
		const struct mem_range *range = &map->range[i];
		uint64_t low = max_u64(range->base, min);
		uint64_t high = min_u64(memmap_range_end(range), max);
		if (range->type != MEM_FREE || high < size) {
			continue;
		}
		/* ALIGN_UP may wrap to 0, which is then below `low`. */
		uint64_t at = top ? ALIGN_DOWN(high - size, align) : ALIGN_UP(low, align);
		if (at < low || at > high - size) {
			continue;
		}
		*base = at;
		err = 0;
		if (!top) {
			break;
		}
	}
	return err;
}

uint64_t memmap_bytes(const struct memmap *map, enum mem_type type)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < map->count; i++) {
		if (map->range[i].type == type) {
			bytes += map->range[i].size;
		}
	}
	return bytes;
}

uint64_t memmap_end(const struct memmap *map)
{
	return map->count == 0 ? 0 : memmap_range_end(&map->range[map->count - 1]);
}

bool memmap_covers(const struct memmap *map, uint64_t base, uint64_t size, enum mem_type type)
{
	/* Neighbours of one type are merged: one range holds it all, or none does. */
	for (unsigned i = 0; i < map->count; i++) {
		const struct mem_range *range = &map->range[i];
		if (range->type == type && base >= range->base && size <= range->size &&
			base - range->base <= range->size - size) {
			return size > 0;
		}
	}
	return false;
}

const char *memmap_type_name(enum mem_type type)
{
	static const char *const names[] = {
#define X(id, name) [MEM_##id] = name,
		MEM_TYPES(X)
#undef X
	};

	return names[type];
}
