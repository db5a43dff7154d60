/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/test_mtrr.c - memory types by fixed and variable ranges (SDM vol. 3, 12.11), and the
 * pieces that are mapped.
 */
#include "tests/unit/fake.h"

#include "kernel/mtrr.c"

#define ENABLED 0x800u
#define FIXED   0x400u
#define UC      0u
#define WC      1u
#define WT      4u
#define WP      5u
#define WB      6u
#define VALID   0x800u

/* Of a CPU with 36 address bits, as the manual's example. */
static void range(unsigned n, uint64_t base, uint64_t size, unsigned type)
{
	mtrrs.range[n].base = base | type;
	mtrrs.range[n].mask = (((1ull << 36) - 1) & ~(size - 1)) | VALID;
}

static void begin(unsigned type)
{
	memset(&mtrrs, 0, sizeof(mtrrs));
	mtrrs.type = type;
}

static void assert_type(uint64_t at, unsigned type, uint64_t end)
{
	uint64_t got;
	enum stage2_cache cache = mtrr_type(at, &got);
	if (cache != type || got != end) {
		fail_msg("0x%lx: type %d up to 0x%lx", at, cache, got);
	}
}

static void switched_off_they_make_all_uncached(void **state)
{
	(void)state;
	begin(FIXED | WB);
	range(0, 0, 64 * MIB, WB);
	assert_type(0, UC, UINT64_MAX);
	assert_type(GIB, UC, UINT64_MAX);
}

static void what_is_in_no_range_has_the_default_type(void **state)
{
	(void)state;
	static const unsigned types[] = {UC, WC, WT, WP, WB};
	for (size_t i = 0; i < ARRAY_COUNT(types); i++) {
		begin(ENABLED | types[i]);
		range(0, GIB, MIB, WC);
		assert_type(0, types[i], GIB);
		assert_type(GIB - 1, types[i], GIB);
		assert_type(GIB + MIB, types[i], UINT64_MAX);
	}
	begin(ENABLED | 3); /* reserved */
	assert_type(0, UC, UINT64_MAX);
}

static void a_range_that_is_not_valid_counts_nothing(void **state)
{
	(void)state;
	begin(ENABLED | WB);
	range(3, 0, GIB, UC);
	mtrrs.range[3].mask &= ~(uint64_t)VALID;
	assert_type(0, WB, UINT64_MAX);
}

/* Like the example in 12.11.3.1: memory in two ranges, a hole for devices in it, a frame buffer. */
static void the_examples_of_the_manual_come_out_right(void **state)
{
	(void)state;
	begin(ENABLED | UC);
	range(0, 0, 64 * MIB, WB);
	range(1, 64 * MIB, 32 * MIB, WB);
	range(2, 64 * MIB, 4 * MIB, UC);
	range(3, 0xf0000000 - MIB, MIB, WC);
	assert_type(0, WB, 64 * MIB);
	assert_type(64 * MIB - 1, WB, 64 * MIB);
	assert_type(64 * MIB, UC, 68 * MIB);
	assert_type(68 * MIB, WB, 96 * MIB);
	assert_type(96 * MIB, UC, 0xf0000000 - MIB);
	assert_type(0xf0000000 - MIB, WC, 0xf0000000);
	assert_type(0xf0000000, UC, UINT64_MAX);
}

static void overlaps_are_by_the_rules(void **state)
{
	(void)state;
	static const struct {
		unsigned count, types[3], result;
	} cases[] = {
		{2, {WB, WB}, WB}, {2, {WC, WC}, WC},                    /* equal */
		{2, {UC, WB}, UC}, {2, {WB, UC}, UC}, {2, {WC, UC}, UC}, /* UC wins */
		{2, {WT, WB}, WT}, {2, {WB, WT}, WT},                    /* WT over WB */
		{3, {WB, WT, UC}, UC}, {3, {UC, WT, WB}, UC}, {3, {WB, WT, WB}, WT},
		{2, {WC, WB}, UC}, {2, {WP, WB}, UC}, {2, {WP, WT}, UC}, /* undefined */
	};
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		begin(ENABLED | WP);
		for (unsigned n = 0; n < cases[i].count; n++) {
			range(n, 0, GIB << n, cases[i].types[n]);
		}
		assert_type(0, cases[i].result, GIB);
		assert_type(GIB << (cases[i].count - 1), WP, UINT64_MAX);
	}
}

static void the_fixed_ranges_rule_below_1_mib(void **state)
{
	(void)state;
	begin(ENABLED | FIXED | UC);
	range(0, 0, GIB, WB);
	mtrrs.fixed[0] = 0x0606060606060604; /* 64 KiB each from 0 */
	mtrrs.fixed[1] = 0x0606060606060605; /* 16 KiB each from 0x80000 */
	mtrrs.fixed[2] = 0x0100000000000000; /* from 0xa0000 */
	mtrrs.fixed[3] = 0x0506060606060606; /* 4 KiB each from 0xc0000 */
	mtrrs.fixed[10] = 0x0400000000000000;
	assert_type(0, WT, 0x10000);
	assert_type(0xffff, WT, 0x10000);
	assert_type(0x10000, WB, 0x20000);
	assert_type(0x7f000, WB, 0x80000);
	assert_type(0x80000, WP, 0x84000);
	assert_type(0x84000, WB, 0x88000);
	assert_type(0xa0000, UC, 0xa4000);
	assert_type(0xbd000, WC, 0xc0000);
	assert_type(0xc0000, WB, 0xc1000);
	assert_type(0xc7000, WP, 0xc8000);
	assert_type(0xff000, WT, 0x100000);
	assert_type(0x100000, WB, GIB);
	mtrrs.type = ENABLED | UC; /* without the fixed ones */
	assert_type(0, WB, GIB);
}

static void the_largest_range_has_no_end(void **state)
{
	(void)state;
	begin(ENABLED | UC);
	mtrrs.range[0].base = WB;
	mtrrs.range[0].mask = VALID;
	assert_type(0, WB, UINT64_MAX);
	assert_type(1ull << 50, WB, UINT64_MAX);
}

/* The pieces that are mapped. */
static struct {
	uint64_t base, size;
	enum stage2_cache cache;
} mapped[8];
static unsigned mapped_count;
static int result;

int stage2_map(struct stage2 *s, uint64_t gpa, hpa_t hpa, uint64_t size, unsigned rights,
	enum stage2_cache cache, bool *flush)
{
	(void)s;
	*flush = true;
	assert_int_equal(gpa, hpa.raw);
	assert_int_equal(rights, STAGE2_ALL);
	mapped[mapped_count].base = gpa;
	mapped[mapped_count].size = size;
	mapped[mapped_count++].cache = cache;
	return result;
}

static void a_range_is_mapped_piece_by_piece(void **state)
{
	(void)state;
	bool flush = false;
	begin(ENABLED | WB);
	range(0, 0x80000000, GIB, UC);
	range(1, 0xa0000000, 16 * MIB, UC);
	mapped_count = 0;
	result = 0;
	assert_int_equal(stage2_map_identity(NULL, 0x7ff00000, 0x50100000, &flush), 0);
	assert_true(flush);
	assert_int_equal(mapped_count, 5);
	assert_int_equal(mapped[0].base, 0x7ff00000);
	assert_int_equal(mapped[0].size, MIB);
	assert_int_equal(mapped[0].cache, STAGE2_WB);
	for (unsigned i = 1; i < 4; i++) {
		assert_int_equal(mapped[i].base, mapped[i - 1].base + mapped[i - 1].size);
		assert_int_equal(mapped[i].cache, STAGE2_UC);
	}
	assert_int_equal(mapped[4].base, 0xc0000000);
	assert_int_equal(mapped[4].size, 0x10000000);
	assert_int_equal(mapped[4].cache, STAGE2_WB);
	result = -12;
	assert_int_equal(stage2_map_identity(NULL, 0, 4 * GIB, &flush), -12);
	assert_int_equal(mapped_count, 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_TEST(switched_off_they_make_all_uncached),
		FAKE_TEST(what_is_in_no_range_has_the_default_type),
		FAKE_TEST(a_range_that_is_not_valid_counts_nothing),
		FAKE_TEST(the_examples_of_the_manual_come_out_right),
		FAKE_TEST(overlaps_are_by_the_rules),
		FAKE_TEST(the_fixed_ranges_rule_below_1_mib),
		FAKE_TEST(the_largest_range_has_no_end),
		FAKE_TEST(a_range_is_mapped_piece_by_piece),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
