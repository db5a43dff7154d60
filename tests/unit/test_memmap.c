/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/test_memmap.c - the memory map, against hand-made maps and a model of one type a page.
 * Links: kernel/memmap.c
 */
#include "tests/unit/fake.h"

#include "kernel/errno.h"
#include "kernel/memmap.h"

#define LAST_PAGE 0xfffffffffffff000ull

static struct memmap map;

static void expect_ranges(const struct mem_range *want, unsigned count)
{
	assert_int_equal(map.count, count);
	for (unsigned i = 0; i < count; i++) {
		assert_int_equal(map.range[i].base, want[i].base);
		assert_int_equal(map.range[i].size, want[i].size);
		assert_int_equal(map.range[i].type, want[i].type);
	}
}

static int build(const struct mem_range *raw, unsigned count)
{
	map.count = 0;
	for (unsigned i = 0; i < count; i++) {
		int err = memmap_set(&map, raw[i].base, raw[i].size, raw[i].type);
		if (err == -ENOSPC) {
			return err;
		}
	}
	return memmap_bytes(&map, MEM_FREE) > 0 ? 0 : -ENOENT;
}

#define RANGES(...) ((const struct mem_range[]){__VA_ARGS__})
#define COUNT(...)  (unsigned)ARRAY_COUNT(RANGES(__VA_ARGS__))
#define BUILD(...)  build(RANGES(__VA_ARGS__), COUNT(__VA_ARGS__))
#define EXPECT(...) expect_ranges(RANGES(__VA_ARGS__), COUNT(__VA_ARGS__))

static void no_entries_build_an_empty_map_without_memory(void **state)
{
	(void)state;
	assert_int_equal(build(NULL, 0), -ENOENT);
	assert_int_equal(map.count, 0);
	assert_int_equal(memmap_bytes(&map, MEM_FREE), 0);
}

static void a_map_without_free_memory_is_refused_but_built(void **state)
{
	(void)state;
	assert_int_equal(BUILD({0, MIB, MEM_RESERVED}), -ENOENT);
	EXPECT({0, MIB, MEM_RESERVED});
}

static void unsorted_entries_are_sorted_and_holes_stay_holes(void **state)
{
	(void)state;
	assert_int_equal(BUILD({5 * GIB, GIB, MEM_FREE}, {MIB, MIB, MEM_FREE},
				 {3 * GIB, MIB, MEM_RESERVED}, {0, 0x9f000, MEM_FREE}),
		0);
	EXPECT({0, 0x9f000, MEM_FREE}, {MIB, MIB, MEM_FREE}, {3 * GIB, MIB, MEM_RESERVED},
		{5 * GIB, GIB, MEM_FREE});
	assert_int_equal(memmap_bytes(&map, MEM_FREE), 0x9f000 + MIB + GIB);
	assert_int_equal(memmap_bytes(&map, MEM_RESERVED), MIB);
	assert_int_equal(memmap_bytes(&map, MEM_NVS), 0);
}

static void adjacent_entries_of_one_type_are_merged(void **state)
{
	(void)state;
	assert_int_equal(BUILD({2 * MIB, MIB, MEM_FREE}, {0, MIB, MEM_FREE}, {MIB, MIB, MEM_FREE},
				 {3 * MIB, MIB, MEM_ACPI}),
		0);
	EXPECT({0, 3 * MIB, MEM_FREE}, {3 * MIB, MIB, MEM_ACPI});
}

static void free_memory_shrinks_to_pages_and_the_rest_grows(void **state)
{
	(void)state;
	assert_int_equal(BUILD({0x0001, 0x9fbfe, MEM_FREE}, {0x9fbff, 1, MEM_RESERVED},
				 {0xa1fff, 2, MEM_BAD}),
		0);
	EXPECT({0x1000, 0x9e000, MEM_FREE}, {0x9f000, 0x1000, MEM_RESERVED},
		{0xa1000, 0x2000, MEM_BAD});
}

static void a_reserved_byte_takes_its_page_from_free_memory(void **state)
{
	(void)state;
	assert_int_equal(BUILD({0, 0x5000, MEM_FREE}, {0x2800, 1, MEM_NVS}), 0);
	EXPECT({0, 0x2000, MEM_FREE}, {0x2000, 0x1000, MEM_NVS}, {0x3000, 0x2000, MEM_FREE});
}

static void entries_without_a_whole_page_are_dropped(void **state)
{
	(void)state;
	assert_int_equal(BUILD({0x1000, 0, MEM_FREE}, {0x1800, 0, MEM_RESERVED},
				 {0x2001, 0x1ffe, MEM_FREE}, {0x5000, 0x1000, MEM_FREE},
				 {0x7100, 0x10, MEM_FREE}, {UINT64_MAX, 0, MEM_BAD}),
		0);
	EXPECT({0x5000, 0x1000, MEM_FREE});
}

static void wrapping_entries_are_cut_below_the_last_page(void **state)
{
	(void)state;
	for (enum mem_type type = 0; type < MEM_TYPE_COUNT; type++) {
		assert_int_equal(
			BUILD({0, MIB, MEM_FREE}, {LAST_PAGE - 0x3000, UINT64_MAX, type}), 0);
		EXPECT({0, MIB, MEM_FREE}, {LAST_PAGE - 0x3000, 0x3000, type});

		assert_int_equal(BUILD({0, MIB, MEM_FREE}, {LAST_PAGE - 0x1000, 0x1000, type}), 0);
		EXPECT({0, MIB, MEM_FREE}, {LAST_PAGE - 0x1000, 0x1000, type});

		/* Ends at 2^64 exactly, lies in the last page, is all that there is. */
		assert_int_equal(BUILD({0, MIB, MEM_FREE}, {LAST_PAGE - 0x1000, 0x2000, type},
					 {LAST_PAGE, 0x1000, type}, {UINT64_MAX, 1, type},
					 {UINT64_MAX, UINT64_MAX, type}, {LAST_PAGE + 1, 5, type}),
			0);
		EXPECT({0, MIB, MEM_FREE}, {LAST_PAGE - 0x1000, 0x1000, type});
	}
	assert_int_equal(BUILD({0, UINT64_MAX, MEM_FREE}), 0);
	EXPECT({0, LAST_PAGE, MEM_FREE});
}

static void memory_above_512_gib_is_kept(void **state)
{
	(void)state;
	assert_int_equal(BUILD({600 * GIB, 1500 * GIB, MEM_FREE}, {4 * GIB, 500 * GIB, MEM_FREE},
				 {700 * GIB + 1, 1, MEM_BAD}),
		0);
	EXPECT({4 * GIB, 500 * GIB, MEM_FREE}, {600 * GIB, 100 * GIB, MEM_FREE},
		{700 * GIB, PAGE_SIZE, MEM_BAD},
		{700 * GIB + PAGE_SIZE, 1400 * GIB - PAGE_SIZE, MEM_FREE});
}

/* Free pages, each with a hole behind it, written from the highest down. */
static struct mem_range comb[MEMMAP_MAX + 1];

static void comb_fill(unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		comb[i] = (struct mem_range){(count - 1 - i) * 2 * PAGE_SIZE, PAGE_SIZE, MEM_FREE};
	}
}

static void as_many_ranges_as_are_bounded_fit(void **state)
{
	(void)state;
	comb_fill(MEMMAP_MAX);
	assert_int_equal(build(comb, MEMMAP_MAX), 0);
	assert_int_equal(map.count, MEMMAP_MAX);
	for (unsigned i = 0; i < MEMMAP_MAX / 2; i++) {
		comb[i].base += PAGE_SIZE;
		comb[i].type = MEM_BAD;
	}
	comb[7] = (struct mem_range){0, 4 * MEMMAP_MAX * PAGE_SIZE, MEM_FREE};
	assert_int_equal(build(comb, MEMMAP_MAX / 2), 0);
	assert_int_equal(map.count, MEMMAP_MAX - 1);
}

static void entries_that_merge_become_one_range(void **state)
{
	(void)state;
	comb_fill(MEMMAP_MAX);
	comb[MEMMAP_MAX] = (struct mem_range){0, 2 * MEMMAP_MAX * PAGE_SIZE, MEM_FREE};
	assert_int_equal(build(comb, MEMMAP_MAX + 1), 0);
	EXPECT({0, 2 * MEMMAP_MAX * PAGE_SIZE, MEM_FREE});
}

static void one_range_more_than_are_bounded_is_refused(void **state)
{
	(void)state;
	comb_fill(MEMMAP_MAX + 1);
	assert_int_equal(build(comb, MEMMAP_MAX + 1), -ENOSPC);
	/* Between reserved pages one entry becomes many ranges. */
	comb_fill(MEMMAP_MAX);
	for (unsigned i = 0; i < MEMMAP_MAX; i++) {
		comb[i].type = MEM_BAD;
	}
	comb[MEMMAP_MAX] = (struct mem_range){0, UINT64_MAX, MEM_FREE};
	assert_int_equal(build(comb, MEMMAP_MAX + 1), -ENOSPC);
	assert_int_equal(map.count, MEMMAP_MAX);
}

static void set_splits_and_merges_what_is_there(void **state)
{
	(void)state;
	assert_int_equal(BUILD({0, 16 * MIB, MEM_FREE}), 0);
	assert_int_equal(memmap_set(&map, 2 * MIB, MIB, MEM_OWN), 0);
	EXPECT({0, 2 * MIB, MEM_FREE}, {2 * MIB, MIB, MEM_OWN}, {3 * MIB, 13 * MIB, MEM_FREE});
	assert_int_equal(memmap_set(&map, 3 * MIB, MIB, MEM_OWN), 0);
	EXPECT({0, 2 * MIB, MEM_FREE}, {2 * MIB, 2 * MIB, MEM_OWN}, {4 * MIB, 12 * MIB, MEM_FREE});
	assert_int_equal(memmap_set(&map, 0, 16 * MIB, MEM_IMAGE), 0);
	EXPECT({0, 2 * MIB, MEM_IMAGE}, {2 * MIB, 2 * MIB, MEM_OWN},
		{4 * MIB, 12 * MIB, MEM_IMAGE});
}

static void set_gives_no_lower_type(void **state)
{
	(void)state;
	assert_int_equal(BUILD({0, MIB, MEM_FREE}, {MIB, MIB, MEM_BAD}), 0);
	assert_int_equal(memmap_set(&map, MIB / 2, 2 * MIB, MEM_ACPI), 0);
	EXPECT({0, MIB / 2, MEM_FREE}, {MIB / 2, MIB / 2, MEM_ACPI}, {MIB, MIB, MEM_BAD},
		{2 * MIB, MIB / 2, MEM_ACPI});
}

static void set_rounds_to_whole_pages(void **state)
{
	(void)state;
	assert_int_equal(BUILD({0, 0x10000, MEM_FREE}), 0);
	assert_int_equal(memmap_set(&map, 0x1fff, 2, MEM_MODULE), 0);
	EXPECT({0, 0x1000, MEM_FREE}, {0x1000, 0x2000, MEM_MODULE}, {0x3000, 0xd000, MEM_FREE});
	assert_int_equal(memmap_set(&map, 0x1fff, 2, MEM_FREE), -EINVAL); /* this shrinks */
	assert_int_equal(memmap_set(&map, 0xffff, 0x1ffe, MEM_FREE), 0);
	EXPECT({0, 0x1000, MEM_FREE}, {0x1000, 0x2000, MEM_MODULE}, {0x3000, 0xe000, MEM_FREE});
}

static void set_fills_holes(void **state)
{
	(void)state;
	assert_int_equal(BUILD({MIB, MIB, MEM_FREE}, {3 * MIB, MIB, MEM_NVS}), 0);
	assert_int_equal(memmap_set(&map, 0, 8 * MIB, MEM_RESERVED), 0);
	EXPECT({0, 8 * MIB, MEM_RESERVED});
	assert_int_equal(memmap_set(&map, 16 * MIB, MIB, MEM_IMAGE), 0);
	EXPECT({0, 8 * MIB, MEM_RESERVED}, {16 * MIB, MIB, MEM_IMAGE});
}

static void set_refuses_empty_ranges_and_cuts_wrapping_ones(void **state)
{
	(void)state;
	assert_int_equal(BUILD({0, MIB, MEM_FREE}), 0);
	assert_int_equal(memmap_set(&map, 0, 0, MEM_OWN), -EINVAL);
	assert_int_equal(memmap_set(&map, 0x1800, 0, MEM_OWN), -EINVAL);
	assert_int_equal(memmap_set(&map, LAST_PAGE, PAGE_SIZE, MEM_OWN), -EINVAL);
	assert_int_equal(memmap_set(&map, UINT64_MAX, 1, MEM_OWN), -EINVAL);
	assert_int_equal(memmap_set(&map, UINT64_MAX, UINT64_MAX, MEM_FREE), -EINVAL);
	EXPECT({0, MIB, MEM_FREE});
	assert_int_equal(memmap_set(&map, LAST_PAGE - 1, 2, MEM_OWN), 0);
	EXPECT({0, MIB, MEM_FREE}, {LAST_PAGE - PAGE_SIZE, PAGE_SIZE, MEM_OWN});
	assert_int_equal(memmap_set(&map, PAGE_SIZE, UINT64_MAX, MEM_OWN), 0);
	EXPECT({0, PAGE_SIZE, MEM_FREE}, {PAGE_SIZE, LAST_PAGE - PAGE_SIZE, MEM_OWN});
}

static void set_leaves_a_full_map_as_it_was(void **state)
{
	static struct memmap before;

	(void)state;
	assert_int_equal(BUILD({2 * (MEMMAP_MAX - 1) * PAGE_SIZE, 4 * PAGE_SIZE, MEM_FREE}), 0);
	for (unsigned i = 0; i < MEMMAP_MAX - 1; i++) {
		assert_int_equal(memmap_set(&map, 2 * i * PAGE_SIZE, PAGE_SIZE, MEM_FREE), 0);
	}
	assert_int_equal(map.count, MEMMAP_MAX);
	before = map;
	uint64_t last = map.range[MEMMAP_MAX - 1].base;
	assert_int_equal(memmap_set(&map, last, PAGE_SIZE, MEM_OWN), -ENOSPC);
	assert_int_equal(memmap_set(&map, last + PAGE_SIZE, PAGE_SIZE, MEM_OWN), -ENOSPC);
	assert_int_equal(memmap_set(&map, last + 9 * PAGE_SIZE, PAGE_SIZE, MEM_OWN), -ENOSPC);
	assert_int_equal(memmap_set(&map, PAGE_SIZE, PAGE_SIZE, MEM_OWN), -ENOSPC);
	assert_memory_equal(&map, &before, sizeof(map));
	/* What needs no more ranges is done, though a step in between might need one. */
	assert_int_equal(memmap_set(&map, 0, PAGE_SIZE, MEM_OWN), 0);
	assert_int_equal(memmap_set(&map, PAGE_SIZE, 2 * PAGE_SIZE, MEM_OWN), 0);
	assert_int_equal(map.count, MEMMAP_MAX - 1);
}

static int find(uint64_t size, uint64_t align, uint64_t min, uint64_t max, uint64_t *base)
{
	*base = 0xdead;
	return memmap_find(&map, size, align, min, max, base);
}

#define FIND(want, ...)                                                                            \
	do {                                                                                       \
		uint64_t found;                                                                    \
		assert_int_equal(find(__VA_ARGS__, &found), 0);                                    \
		assert_int_equal(found, want);                                                     \
	} while (0)
#define FIND_NOT(...)                                                                              \
	do {                                                                                       \
		uint64_t found;                                                                    \
		assert_int_equal(find(__VA_ARGS__, &found), -ENOMEM);                              \
		assert_int_equal(found, 0xdead);                                                   \
	} while (0)

static void find_takes_the_highest_place(void **state)
{
	(void)state;
	assert_int_equal(BUILD({0x1000, 0x3000, MEM_FREE}, {MIB, 16 * MIB, MEM_FREE},
				 {17 * MIB, GIB, MEM_RESERVED}, {4 * GIB, 3 * MIB, MEM_FREE}),
		0);
	FIND(4 * GIB + 3 * MIB - PAGE_SIZE, PAGE_SIZE, PAGE_SIZE, 0, UINT64_MAX);
	FIND(4 * GIB + 3 * MIB - PAGE_SIZE, 1, PAGE_SIZE, 0, UINT64_MAX);
	FIND(MIB, 16 * MIB, PAGE_SIZE, 0, UINT64_MAX);
	FIND(0x3000, 0x1000, PAGE_SIZE, 0, MIB);
	FIND_NOT(16 * MIB + 1, PAGE_SIZE, 0, UINT64_MAX);
	FIND_NOT(UINT64_MAX, PAGE_SIZE, 0, UINT64_MAX);
}

static void find_aligns_inside_the_range(void **state)
{
	(void)state;
	assert_int_equal(BUILD({MIB, 8 * MIB, MEM_FREE}), 0);
	FIND(6 * MIB, LARGE_SIZE, LARGE_SIZE, 0, UINT64_MAX);
	FIND(8 * MIB, MIB, LARGE_SIZE, 0, UINT64_MAX);
	FIND(8 * MIB, MIB, 8 * MIB, 0, UINT64_MAX);
	FIND_NOT(MIB + 1, 8 * MIB, 0, UINT64_MAX);
	FIND_NOT(PAGE_SIZE, BIT(63), 0, UINT64_MAX);
}

static void find_stays_inside_min_and_max(void **state)
{
	(void)state;
	assert_int_equal(BUILD({MIB, 8 * MIB, MEM_FREE}), 0);
	FIND(4 * MIB, MIB, PAGE_SIZE, 0, 5 * MIB);
	FIND(4 * MIB - PAGE_SIZE, MIB, PAGE_SIZE, 0, 5 * MIB - 1);
	FIND(4 * MIB, MIB, PAGE_SIZE, 4 * MIB, 5 * MIB);
	FIND_NOT(MIB, PAGE_SIZE, 4 * MIB + 1, 5 * MIB);
	FIND_NOT(MIB, PAGE_SIZE, 4 * MIB, 5 * MIB - 1);
	FIND_NOT(MIB, PAGE_SIZE, 5 * MIB, 4 * MIB);
	FIND_NOT(MIB, PAGE_SIZE, 5 * MIB, 5 * MIB);
	FIND_NOT(MIB, PAGE_SIZE, 9 * MIB, UINT64_MAX);
	FIND_NOT(MIB, PAGE_SIZE, UINT64_MAX, UINT64_MAX);
	FIND_NOT(MIB, PAGE_SIZE, 0, MIB);
}

static void find_survives_the_top_of_the_address_space(void **state)
{
	(void)state;
	assert_int_equal(BUILD({LAST_PAGE - 0x3000, 0x3000, MEM_FREE}), 0);
	FIND(LAST_PAGE - 0x1000, 0x1000, 0x1000, 0, UINT64_MAX);
	FIND(LAST_PAGE - 0x3000, 0x3000, 0x1000, 0, UINT64_MAX);
	FIND_NOT(0x1000, MIB, 0, UINT64_MAX);
}

static void each_type_has_its_name(void **state)
{
	(void)state;
#define X(id, name) assert_string_equal(mem_type_names[MEM_##id], name);
	MEM_TYPES(X)
#undef X
}

/* The model: one type a page, MEM_TYPE_COUNT for a hole, over a few pages at a place of its own. */
#define MODEL_PAGES 40u
static enum mem_type model[MODEL_PAGES];
static uint64_t model_base;

static void model_build(const struct mem_range *raw, unsigned count)
{
	for (unsigned page = 0; page < MODEL_PAGES; page++) {
		uint64_t low = model_base + page * PAGE_SIZE;
		uint64_t high = low + PAGE_SIZE;
		model[page] = MEM_TYPE_COUNT;
		for (unsigned i = 0; i < count; i++) {
			uint64_t base = raw[i].base;
			uint64_t end = base + raw[i].size;
			bool all = base <= low && end >= high;
			bool some = base < high && end > low && base < end;
			bool taken = raw[i].type == MEM_FREE ? all : some;
			if (taken && (model[page] == MEM_TYPE_COUNT || raw[i].type > model[page])) {
				model[page] = raw[i].type;
			}
		}
	}
}

static void model_set(const struct mem_range *set)
{
	for (unsigned page = 0; page < MODEL_PAGES; page++) {
		uint64_t low = model_base + page * PAGE_SIZE;
		uint64_t high = low + PAGE_SIZE;
		bool all = set->base <= low && set->base + set->size >= high;
		bool some = set->base < high && set->base + set->size > low;
		bool lower = model[page] == MEM_TYPE_COUNT || set->type > model[page];
		if ((set->type == MEM_FREE ? all : some) && lower) {
			model[page] = set->type;
		}
	}
}

static void model_compare(void)
{
	unsigned range = 0;

	for (unsigned page = 0; page < MODEL_PAGES; range++) {
		unsigned first = page;
		while (page < MODEL_PAGES && model[page] == model[first]) {
			page++;
		}
		if (model[first] == MEM_TYPE_COUNT) {
			range--;
			continue;
		}
		assert_true(range < map.count);
		assert_int_equal(map.range[range].base, model_base + first * PAGE_SIZE);
		assert_int_equal(map.range[range].size, (page - first) * PAGE_SIZE);
		assert_int_equal(map.range[range].type, model[first]);
	}
	assert_int_equal(map.count, range);
}

/* Every relation that two intervals can have, in both orders, with each pair of types. */
static void overlapping_entries_take_the_more_restrictive_type(void **state)
{
	(void)state;
	model_base = 0;
	for (unsigned n = 0; n < 5 * 5 * 5 * 5 * MEM_TYPE_COUNT * MEM_TYPE_COUNT; n++) {
		unsigned types = n / (5 * 5 * 5 * 5);
		struct mem_range raw[2] = {
			{n % 5 * PAGE_SIZE, n / 5 % 5 * PAGE_SIZE, types % MEM_TYPE_COUNT},
			{n / 25 % 5 * PAGE_SIZE, n / 125 % 5 * PAGE_SIZE, types / MEM_TYPE_COUNT},
		};
		model_build(raw, 2);
		build(raw, 2);
		model_compare();
	}
}

static void model_compare_find(uint64_t size, uint64_t align, uint64_t min, uint64_t max)
{
	uint64_t want = 0, found;
	bool any = false;

	for (unsigned page = 0; page < MODEL_PAGES; page++) {
		uint64_t at = model_base + page * PAGE_SIZE;
		bool fits = at % align == 0 && at >= min && at + size <= max;
		for (uint64_t b = 0; b < size; b += PAGE_SIZE) {
			uint64_t i = page + b / PAGE_SIZE;
			fits = fits && i < MODEL_PAGES && model[i] == MEM_FREE;
		}
		if (fits) {
			want = at;
			any = true;
		}
	}
	int err = memmap_find(&map, size, align, min, max, &found);
	assert_int_equal(err, any ? 0 : -ENOMEM);
	if (any) {
		assert_int_equal(found, want);
	}
}

static unsigned random_state = 1;

static unsigned random_below(unsigned limit)
{
	random_state = random_state * 1103515245u + 12345u;
	return (random_state >> 8) % limit;
}

static uint64_t random_address(void)
{
	uint64_t page = model_base + random_below(MODEL_PAGES) * PAGE_SIZE;
	static const uint64_t offsets[] = {0, 0, 0, 1, 0x800, 0xfff};

	return page + offsets[random_below(ARRAY_COUNT(offsets))];
}

static struct mem_range random_range(void)
{
	uint64_t a = random_address();
	uint64_t b = random_address();
	unsigned type = random_below(2 * MEM_TYPE_COUNT);
	struct mem_range range = {min_u64(a, b), max_u64(a, b) - min_u64(a, b),
		type < MEM_TYPE_COUNT ? type : MEM_FREE};

	return range;
}

static void random_maps_agree_with_the_model(void **state)
{
	static const uint64_t places[] = {0, 4 * GIB - 20 * PAGE_SIZE, 512 * GIB - 5 * PAGE_SIZE,
		LAST_PAGE - MODEL_PAGES * PAGE_SIZE};
	static const uint64_t steps[] = {1, PAGE_SIZE - 1, PAGE_SIZE, 3 * PAGE_SIZE};

	(void)state;
	for (unsigned round = 0; round < 4000; round++) {
		struct mem_range raw[24];
		unsigned count = random_below(ARRAY_COUNT(raw));
		model_base = places[round % ARRAY_COUNT(places)];
		for (unsigned i = 0; i < count; i++) {
			raw[i] = random_range();
		}
		model_build(raw, count);
		int err = build(raw, count);
		assert_int_equal(err, memmap_bytes(&map, MEM_FREE) > 0 ? 0 : -ENOENT);
		model_compare();
		for (unsigned i = 0; i < 6; i++) {
			struct mem_range set = random_range();
			err = memmap_set(&map, set.base, set.size, set.type);
			if (set.size > 0) { /* without a whole page, free memory changes none */
				model_set(&set);
			}
			assert_true(err == 0 ||
				(err == -EINVAL && (set.size == 0 || set.type == MEM_FREE)));
			model_compare();
			model_compare_find(steps[random_below(4)] + random_below(2) * PAGE_SIZE,
				PAGE_SIZE << random_below(3), random_address(), random_address());
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_TEST(no_entries_build_an_empty_map_without_memory),
		FAKE_TEST(a_map_without_free_memory_is_refused_but_built),
		FAKE_TEST(unsorted_entries_are_sorted_and_holes_stay_holes),
		FAKE_TEST(adjacent_entries_of_one_type_are_merged),
		FAKE_TEST(overlapping_entries_take_the_more_restrictive_type),
		FAKE_TEST(free_memory_shrinks_to_pages_and_the_rest_grows),
		FAKE_TEST(a_reserved_byte_takes_its_page_from_free_memory),
		FAKE_TEST(entries_without_a_whole_page_are_dropped),
		FAKE_TEST(wrapping_entries_are_cut_below_the_last_page),
		FAKE_TEST(memory_above_512_gib_is_kept),
		FAKE_TEST(as_many_ranges_as_are_bounded_fit),
		FAKE_TEST(entries_that_merge_become_one_range),
		FAKE_TEST(one_range_more_than_are_bounded_is_refused),
		FAKE_TEST(set_splits_and_merges_what_is_there),
		FAKE_TEST(set_gives_no_lower_type),
		FAKE_TEST(set_rounds_to_whole_pages),
		FAKE_TEST(set_fills_holes),
		FAKE_TEST(set_refuses_empty_ranges_and_cuts_wrapping_ones),
		FAKE_TEST(set_leaves_a_full_map_as_it_was),
		FAKE_TEST(find_takes_the_highest_place),
		FAKE_TEST(find_aligns_inside_the_range),
		FAKE_TEST(find_stays_inside_min_and_max),
		FAKE_TEST(find_survives_the_top_of_the_address_space),
		FAKE_TEST(each_type_has_its_name),
		FAKE_TEST(random_maps_agree_with_the_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
