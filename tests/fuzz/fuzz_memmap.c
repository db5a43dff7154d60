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
#define RECORDS_MAX 600u /* more than fit */

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

/* True when one range of `type` holds all of [base, base + size): neighbours are merged. */
static bool covers(uint64_t base, uint64_t size, enum mem_type type)
{
	for (unsigned i = 0; i < map.count; i++) {
		const struct mem_range *range = &map.range[i];
		if (range->type == type && base >= range->base && size <= range->size &&
			base - range->base <= range->size - size) {
			return true;
		}
	}
	return false;
}

static void check_shape(void)
{
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
		check(covers(page, PAGE_SIZE, type) == (type == want));
	}
}

static void check_build(unsigned count)
{
	map.count = 0;
	for (unsigned i = 0; i < count; i++) {
		int err = memmap_set(&map, records[i].base, records[i].size, records[i].type);
		check_shape();
		if (err == -ENOSPC) {
			return;
		}
	}
	for (unsigned i = 0; i < min_u64(count, 64); i++) {
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
	static struct memmap before;
	uint64_t low = set->base & ~PAGE_MASK, high = set->base + set->size;

	before = map;
	int err = memmap_set(&map, set->base, set->size, set->type);
	check_shape();
	check(err == 0 || err == -EINVAL || err == -ENOSPC);
	check(err == 0 || memcmp(&map, &before, sizeof(map)) == 0);
	if (err != 0 || high < set->base) {
		return;
	}
	if (set->type == MEM_FREE) {
		low = ALIGN_UP(set->base, PAGE_SIZE);
		high = ALIGN_DOWN(high, PAGE_SIZE);
	}
	for (unsigned i = 0; i < map.count; i++) {
		const struct mem_range *range = &map.range[i];
		check(range->type >= set->type || range->base + range->size <= low ||
			range->base >= high);
	}
}

static void check_find(uint64_t size, uint64_t align, uint64_t min, uint64_t max)
{
	uint64_t base = 0;

	if (size != 0 && align >= PAGE_SIZE &&
		memmap_find(&map, size, align, min, max, &base) == 0) {
		check(base % align == 0);
		check(min <= base && base <= max && max - base >= size);
		check(covers(base, size, MEM_FREE));
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
