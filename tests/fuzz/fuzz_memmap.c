/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/fuzz/fuzz_memmap.c - a firmware's memory map of arbitrary bytes, then changes and searches.
 * Links: kernel/memmap.c
 *
 * Input: a byte that says how many records are firmware entries (255: all), then the records of 17
 * bytes: base, size (both little-endian) and type. The rest is set, one record after the other.
 */
#include "tests/unit/fake.h"

#include "kernel/errno.h"
#include "kernel/memmap.h"

#define RECORD_SIZE 17u
#define RECORDS_MAX 600u

static struct memmap map;
static struct mem_range records[RECORDS_MAX];

static void check(bool holds)
{
	if (!holds) {
		abort();
	}
}

static unsigned decode(const uint8_t *data, size_t size)
{
	unsigned count = 0;

	while (size >= RECORD_SIZE && count < RECORDS_MAX) {
		struct mem_range *record = &records[count++];
		memcpy(&record->base, data, 8);
		memcpy(&record->size, data + 8, 8);
		record->type = data[16] % MEM_TYPE_COUNT;
		data += RECORD_SIZE;
		size -= RECORD_SIZE;
	}
	return count;
}

static void check_shape(void)
{
	uint64_t bytes = 0;

	check(map.count <= MEMMAP_MAX);
	for (unsigned i = 0; i < map.count; i++) {
		const struct mem_range *range = &map.range[i];
		check(range->size > 0 && range->base + range->size > range->base);
		check(range->base % PAGE_SIZE == 0 && range->size % PAGE_SIZE == 0);
		check((unsigned)range->type < MEM_TYPE_COUNT);
		if (i > 0) {
			uint64_t end = range[-1].base + range[-1].size;
			check(range->base >= end);
			check(range->base > end || range->type != range[-1].type);
		}
	}
	for (enum mem_type type = 0; type < MEM_TYPE_COUNT; type++) {
		bytes += memmap_bytes(&map, type);
	}
	check(bytes <= memmap_end(&map));
}

/* The type that the page at `low` must have, from the entries alone; MEM_TYPE_COUNT in a hole. */
static enum mem_type page_type(unsigned count, uint64_t low)
{
	unsigned __int128 start = low, stop = start + PAGE_SIZE;
	enum mem_type type = MEM_TYPE_COUNT;

	for (unsigned i = 0; i < count; i++) {
		unsigned __int128 base = records[i].base, end = base + records[i].size;
		bool some = base < end && base < stop && end > start;
		bool all = base <= start && end >= stop;
		if (!(records[i].type == MEM_FREE ? all : some)) {
			continue;
		}
		if (type == MEM_TYPE_COUNT || records[i].type > type) {
			type = records[i].type;
		}
	}
	return type;
}

static void check_page(unsigned count, uint64_t at)
{
	uint64_t page = at & ~PAGE_MASK;

	if (page == (UINT64_MAX & ~PAGE_MASK)) {
		return;
	}
	enum mem_type want = page_type(count, page);
	for (enum mem_type type = 0; type < MEM_TYPE_COUNT; type++) {
		check(memmap_covers(&map, page, PAGE_SIZE, type) == (type == want));
	}
}

static void check_build(unsigned count)
{
	int err = memmap_build(&map, records, count);

	check_shape();
	check(map.dropped <= count);
	check(err != -ENOSPC || map.count == MEMMAP_MAX);
	check((err == -ENOENT) == (err != -ENOSPC && memmap_bytes(&map, MEM_FREE) == 0));
	for (unsigned i = 0; err != -ENOSPC && i < min_u64(count, 64); i++) {
		uint64_t end = records[i].base + records[i].size;
		check_page(count, records[i].base);
		check_page(count, records[i].base - PAGE_SIZE);
		check_page(count, end);
		check_page(count, end - 1);
		check_page(count, end + PAGE_SIZE);
	}
}

static void check_set(const struct mem_range *set)
{
	uint64_t page = set->base & ~PAGE_MASK;
	bool held = memmap_bytes(&map, MEM_FREE) > 0;
	int err = memmap_set(&map, set->base, set->size, set->type);

	check_shape();
	check(err == 0 || err == -EINVAL || err == -ENOSPC);
	if (err == 0 && set->type != MEM_FREE) {
		check(memmap_covers(&map, page, set->base - page + set->size, set->type));
	}
	check(err == 0 || (memmap_bytes(&map, MEM_FREE) > 0) == held);
}

static void check_find(uint64_t size, uint64_t align, uint64_t min, uint64_t max)
{
	uint64_t low = 0, high = 0;
	int err = memmap_find(&map, size, align, min, max, false, &low);

	check(memmap_find(&map, size, align, min, max, true, &high) == err);
	if (err == 0) {
		check(low % align == 0 && high % align == 0);
		check(min <= low && low <= high && high <= max && max - high >= size);
		check(memmap_covers(&map, low, size, MEM_FREE));
		check(memmap_covers(&map, high, size, MEM_FREE));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0) {
		return 0;
	}
	unsigned count = decode(data + 1, size - 1);
	unsigned built = (unsigned)min_u64(count, data[0] == UINT8_MAX ? count : data[0]);

	check_build(built);
	for (unsigned i = built; i < count; i++) {
		check_set(&records[i]);
	}
	for (unsigned i = 0; i < min_u64(count, 64); i++) {
		uint64_t align = BIT(records[i].base % 64);
		check_find(records[i].size, align, 0, UINT64_MAX);
		check_find(PAGE_SIZE, align, records[i].base, records[i].size);
		check_find(1, PAGE_SIZE, records[i].size, records[i].base);
	}
	return 0;
}
