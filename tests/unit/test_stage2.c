/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/test_stage2.c - stage-2 tables, in an EPT-like and an NPT-like format.
 *
 * Links: kernel/stage2.c tests/unit/stage2_world.c
 */
#include "tests/unit/fake.h"
#include "tests/unit/stage2_world.h"

#include "kernel/errno.h"
#include "kernel/paging.h"

#define RWX STAGE2_ALL
#define RX  (STAGE2_READ | STAGE2_EXECUTE)

static const struct stage2_format *const formats[] = {&world_ept, &world_npt};

static int ept_setup(void **state)
{
	world_begin(&world_ept, true);
	return fake_setup(state);
}

static int npt_setup(void **state)
{
	world_begin(&world_npt, true);
	return fake_setup(state);
}

static int ept_2m_setup(void **state)
{
	world_begin(&world_ept, false);
	return fake_setup(state);
}

static int world_teardown(void **state)
{
	world_end();
	return fake_teardown(state);
}

#define BOTH_TEST(f)                                                                               \
	{#f " (EPT)", f, ept_setup, world_teardown, NULL},                                         \
	{                                                                                          \
#f " (NPT)", f, npt_setup, world_teardown, NULL                                    \
	}
#define EPT_2M_TEST(f) cmocka_unit_test_setup_teardown(f, ept_2m_setup, world_teardown)

static bool map(uint64_t gpa, uint64_t to, uint64_t size, unsigned rights)
{
	bool flush = false;
	assert_int_equal(stage2_map(&world, gpa, hpa(to), size, rights, STAGE2_WB, &flush), 0);
	return flush;
}

static bool unmap(uint64_t gpa, uint64_t size)
{
	bool flush = false;
	assert_int_equal(stage2_unmap(&world, gpa, size, &flush), 0);
	return flush;
}

static bool protect(uint64_t gpa, uint64_t size, unsigned rights)
{
	bool flush = false;
	assert_int_equal(stage2_protect(&world, gpa, size, rights, &flush), 0);
	return flush;
}

static void expect(uint64_t gpa, uint64_t to, uint64_t size, unsigned rights)
{
	struct stage2_translation t;
	struct world_page page;
	uint64_t walked;
	assert_true(stage2_query(&world, gpa, &t));
	assert_int_equal(t.hpa.raw, to);
	assert_int_equal(t.size, size);
	assert_int_equal(t.rights, rights);
	assert_int_equal(t.cache, STAGE2_WB);
	assert_true(world_walk(world.root, gpa, &page, &walked));
	assert_int_equal(page.hpa, to);
	assert_int_equal(walked, size);
	assert_int_equal(page.rights, rights);
}

static void expect_hole(uint64_t gpa)
{
	struct stage2_translation t;
	assert_false(stage2_query(&world, gpa, &t));
}

static void expect_tables(size_t tables)
{
	stage2_reclaim(&world, stage2_retired(&world));
	assert_int_equal(world.tables, tables);
	assert_int_equal(world_pages_used, tables);
}

static void a_query_may_stand_in_a_table_that_is_taken_out(void **state)
{
	(void)state;
	map(0x40000000, 0x1000, PAGE_SIZE, RX);
	uint64_t seen = world.root[0]; /* by a query, before what follows */
	unmap(0x40000000, PAGE_SIZE);
	assert_int_equal(world.root[0], 0);
	world.root[0] = seen;
	for (uint64_t gpa = 0; gpa < 16 * GIB; gpa += GIB) {
		expect_hole(gpa);
	}
	world.root[0] = 0;
	expect_tables(1);
}

static void the_largest_page_that_fits_is_used(void **state)
{
	(void)state;
	assert_false(map(0, 0, 4 * GIB, RWX));
	expect(3 * GIB + 17, 3 * GIB + 17, GIB, RWX);
	expect_tables(2);
	assert_false(map(5 * GIB, 5 * GIB + 2 * MIB, GIB, RX));
	expect(5 * GIB, 5 * GIB + 2 * MIB, 2 * MIB, RX);
	expect_tables(3);
	assert_false(map(7 * GIB, 7 * GIB + PAGE_SIZE, 2 * MIB, STAGE2_READ));
	expect(7 * GIB + 2 * MIB - 1, 7 * GIB + 2 * MIB + PAGE_SIZE - 1, PAGE_SIZE, STAGE2_READ);
	expect_tables(5);
	expect_hole(4 * GIB);
	expect_hole(7 * GIB + 2 * MIB);
	expect_hole(BIT(48) - 1);
	expect_hole(BIT(48));
	expect_hole(UINT64_MAX);
}

static void without_1g_pages_2m_pages_are_used(void **state)
{
	(void)state;
	assert_false(map(0, 0, 2 * GIB, RWX));
	expect(GIB, GIB, 2 * MIB, RWX);
	expect_tables(4);
	unmap(GIB, PAGE_SIZE);
	expect_tables(5);
	map(GIB, GIB, PAGE_SIZE, RWX);
	expect_tables(4);
}

static void a_split_page_keeps_its_rest_and_merges_again(void **state)
{
	(void)state;
	map(GIB, GIB, GIB, RX);
	assert_true(unmap(GIB + 6 * MIB + 3 * PAGE_SIZE, PAGE_SIZE));
	expect(GIB, GIB, 2 * MIB, RX);
	expect(GIB + 6 * MIB, GIB + 6 * MIB, PAGE_SIZE, RX);
	expect_hole(GIB + 6 * MIB + 3 * PAGE_SIZE);
	expect_tables(4);
	assert_true(
		map(GIB + 6 * MIB + 3 * PAGE_SIZE, GIB + 6 * MIB + 3 * PAGE_SIZE, PAGE_SIZE, RX));
	assert_int_equal(world.tables, 4); /* retired, not given back */
	expect_tables(2);
	expect(GIB, GIB, GIB, RX);
}

static void tables_that_were_taken_out_serve_until_they_are_reclaimed(void **state)
{
	uint64_t size, gpa = GIB + 6 * MIB;
	struct world_page page;
	(void)state;
	map(GIB, GIB, GIB, RWX);
	unmap(gpa, PAGE_SIZE);
	uint64_t stale[512] = {0};
	stale[0] = world.root[0];
	uint64_t *level2 = phys_to_virt(hpa(stale[0] & 0xffffffffff000)), old = level2[1];
	assert_true(map(gpa, gpa, PAGE_SIZE, RWX));
	assert_int_not_equal(level2[1], old);
	uint64_t now = level2[1];
	level2[1] = old; /* as a CPU that remembers it */
	for (uint64_t offset = 0; offset < 8 * MIB; offset += PAGE_SIZE) {
		assert_true(world_walk(stale, GIB + offset, &page, &size));
		assert_int_equal(page.hpa, GIB + offset);
	}
	level2[1] = now;
	expect_tables(2);
}

static void many_retired_tables_all_come_back(void **state)
{
	(void)state;
	map(0, PAGE_SIZE, GIB, RWX);
	expect_tables(2 + 1 + 512);
	assert_true(map(0, 0, GIB, RWX));
	assert_int_equal(world_pages_used, 2 + 1 + 512);
	expect_tables(2);
	unmap(0, BIT(48));
	expect_tables(1);
}

static void rights_change_in_part_of_a_page(void **state)
{
	(void)state;
	map(0, 0, GIB, RWX);
	assert_true(protect(2 * MIB, 2 * MIB, STAGE2_READ));
	expect(2 * MIB, 2 * MIB, 2 * MIB, STAGE2_READ);
	expect(4 * MIB, 4 * MIB, 2 * MIB, RWX);
	expect_tables(3);
	protect(0, 4 * GIB, STAGE2_READ | STAGE2_WRITE); /* holes too */
	expect(2 * MIB, 2 * MIB, GIB, STAGE2_READ | STAGE2_WRITE);
	expect_hole(GIB);
	expect_tables(2);
	assert_true(protect(0, GIB, 0));
	expect_tables(1);
}

static void what_is_so_already_costs_nothing(void **state)
{
	bool flush = false;
	(void)state;
	map(0, 0, GIB, RX);
	world_pages_left = 0;
	assert_false(map(5 * PAGE_SIZE, 5 * PAGE_SIZE, 7 * PAGE_SIZE, RX));
	assert_false(protect(5 * PAGE_SIZE, 3 * MIB, RX));
	assert_false(unmap(GIB + PAGE_SIZE, GIB));
	assert_false(unmap(GIB, 0));
	assert_int_equal(stage2_map(&world, 0, hpa(0), 0, RX, STAGE2_WB, &flush), 0);
	expect_tables(2);
}

static void flush_is_never_cleared(void **state)
{
	bool flush = true;
	(void)state;
	assert_int_equal(stage2_map(&world, 0, hpa(0), GIB, RWX, STAGE2_WB, &flush), 0);
	assert_true(flush);
}

static void the_bits_that_the_cpu_sets_do_not_matter(void **state)
{
	(void)state;
	uint64_t cpu_sets = world.format == &world_ept ? 0x300 : 0x60;
	map(0, 0, 2 * MIB, RWX);
	uint64_t *level2 = phys_to_virt(hpa(world.root[0] & 0xffffffffff000));
	uint64_t *level1 = phys_to_virt(hpa(level2[0] & 0xffffffffff000));
	level1[0] |= cpu_sets;
	assert_false(map(0, 0, 2 * MIB, RWX));
	unmap(PAGE_SIZE, PAGE_SIZE);
	uint64_t *level0 = phys_to_virt(hpa(level1[0] & 0xffffffffff000));
	level0[3] |= cpu_sets;
	map(PAGE_SIZE, PAGE_SIZE, PAGE_SIZE, RWX);
	expect(0, 0, 2 * MIB, RWX);
	expect_tables(3);
}

static void every_memory_type_comes_back(void **state)
{
	(void)state;
	static const uint8_t types[] = {0, 1, 4, 5, 6};
	for (unsigned i = 0; i < ARRAY_COUNT(types); i++) {
		struct stage2_translation t;
		bool flush = false;
		uint64_t gpa = i * PAGE_SIZE;
		assert_int_equal(
			stage2_map(&world, gpa, hpa(gpa), PAGE_SIZE, RX, types[i], &flush), 0);
		assert_true(stage2_query(&world, gpa, &t));
		assert_int_equal(t.cache, types[i]);
	}
}

static void bad_arguments_are_refused(void **state)
{
	static const struct {
		uint64_t gpa, hpa, size;
		unsigned rights, cache;
	} bad[] = {
		{1, 0, 4096, RWX, STAGE2_WB},
		{0, 1, 4096, RWX, STAGE2_WB},
		{0, 0, 4095, RWX, STAGE2_WB},
		{BIT(48), 0, 4096, RWX, STAGE2_WB},
		{BIT(48) - 4096, 0, 8192, RWX, STAGE2_WB},
		{0, BIT(48) - 4096, 8192, RWX, STAGE2_WB},
		{4096, 0, UINT64_MAX - 4095, RWX, STAGE2_WB},
		{UINT64_MAX - 4095, 0, 4096, RWX, STAGE2_WB},
		{0, UINT64_MAX - 4095, 8192, RWX, STAGE2_WB},
		{0, 0, 4096, 0, STAGE2_WB},
		{0, 0, 4096, STAGE2_WRITE, STAGE2_WB},
		{0, 0, 4096, STAGE2_EXECUTE, STAGE2_WB},
		{0, 0, 4096, 8 | RWX, STAGE2_WB},
		{0, 0, 4096, RWX, 2},
		{0, 0, 4096, RWX, 3},
		{0, 0, 4096, RWX, 7},
		{0, 0, 4096, RWX, UINT32_MAX},
	};
	bool flush = false;
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
		assert_int_equal(stage2_map(&world, bad[i].gpa, hpa(bad[i].hpa), bad[i].size,
					 bad[i].rights, (enum stage2_cache)bad[i].cache, &flush),
			-EINVAL);
	}
	assert_int_equal(stage2_unmap(&world, 1, 4096, &flush), -EINVAL);
	assert_int_equal(stage2_unmap(&world, BIT(48), 4096, &flush), -EINVAL);
	assert_int_equal(stage2_protect(&world, 0, 4096, STAGE2_WRITE, &flush), -EINVAL);
	assert_int_equal(stage2_protect(&world, 0, 4096, 16, &flush), -EINVAL);
	assert_false(flush);
	expect_tables(1);
}

static void without_pages_nothing_changes(void **state)
{
	bool flush = false;
	(void)state;
	map(0, 0, GIB, RWX);
	for (size_t left = 0; left < 4; left++) {
		world_pages_left = left; /* two splits of two tables; the first of a page cut in its
					    middle is shared */
		int want = left < 3 ? -ENOMEM : 0;
		assert_int_equal(
			stage2_unmap(&world, 2 * MIB - PAGE_SIZE, 2 * PAGE_SIZE, &flush), want);
		assert_int_equal(flush, want == 0);
		if (want != 0) {
			expect(0, 0, GIB, RWX);
			assert_int_equal(world_pages_used, 2);
			assert_null(world.retired);
		}
	}
	world_pages_left = SIZE_MAX;
	expect_tables(5);
}

static void no_page_for_the_root_is_reported(void **state)
{
	struct stage2 s;
	(void)state;
	world_pages_left = 0;
	assert_int_equal(stage2_init(&s, world.format, &world.pages, true), -ENOMEM);
	assert_int_equal(s.tables, 0);
}

static void two_pages_at_a_border_need_six_tables(void **state)
{
	(void)state;
	map(512 * GIB - PAGE_SIZE, 0, 2 * PAGE_SIZE, RWX);
	expect_tables(1 + 6);
}

static uint32_t seed;
static uint8_t random_byte(void)
{
	seed = seed * 1664525u + 1013904223u;
	return (uint8_t)(seed >> 24);
}

/* Mostly valid changes, on all borders, with and without pages. */
static void random_input(uint8_t *input)
{
	for (unsigned i = 0; i < WORLD_STEP; i++) {
		input[i] = random_byte();
	}
	if (random_byte() < 230) {
		input[0] = (uint8_t)((input[0] & 3) |
			(random_byte() < 150 ? 7 : random_byte() % 4) << 2);
		input[1] = (input[1] & 6) | 1;
		input[2] = input[2] & 1 ? STAGE2_WB : (uint8_t)(input[2] % 3 + 4);
		input[3] %= 5;
		input[3] |= random_byte() & 0x80;
		input[8] = 0;
		input[9] = random_byte() < 200 ? 0x7e : input[3];
	}
	if (random_byte() < 128) {
		input[4] = 0; /* aligned to 1 MiB or 512 MiB */
		input[7] = 0;
	}
}

static void random_changes_agree_with_the_model(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		world_begin(formats[i % 2], i < 2);
		seed = i + 1;
		unsigned done = 0, short_of_pages = 0;
		for (unsigned round = 0; round < 1500; round++) {
			uint8_t input[WORLD_STEP];
			random_input(input);
			int err = world_step(input);
			done += err == 0;
			short_of_pages += err == -ENOMEM;
			if (round % 8 == 0 || err == -ENOMEM) {
				world_check();
			}
		}
		assert_true(done > 1000 && short_of_pages > 20);
		unmap(0, BIT(48));
		expect_tables(1);
		world_end();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH_TEST(the_largest_page_that_fits_is_used),
		BOTH_TEST(a_query_may_stand_in_a_table_that_is_taken_out),
		EPT_2M_TEST(without_1g_pages_2m_pages_are_used),
		BOTH_TEST(a_split_page_keeps_its_rest_and_merges_again),
		BOTH_TEST(tables_that_were_taken_out_serve_until_they_are_reclaimed),
		BOTH_TEST(many_retired_tables_all_come_back),
		BOTH_TEST(rights_change_in_part_of_a_page),
		BOTH_TEST(what_is_so_already_costs_nothing),
		BOTH_TEST(flush_is_never_cleared),
		BOTH_TEST(the_bits_that_the_cpu_sets_do_not_matter),
		BOTH_TEST(every_memory_type_comes_back),
		BOTH_TEST(bad_arguments_are_refused),
		BOTH_TEST(without_pages_nothing_changes),
		BOTH_TEST(no_page_for_the_root_is_reported),
		BOTH_TEST(two_pages_at_a_border_need_six_tables),
		FAKE_TEST(random_changes_agree_with_the_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
