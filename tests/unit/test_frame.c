/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/test_frame.c - the frame allocator over a region of the host's memory.
 * Links: kernel/frame.c
 */
#include "tests/unit/fake.h"

#include "kernel/errno.h"
#include "kernel/frame.h"
#include "kernel/types.h"

#define REGION_FRAMES 100u

static uint8_t *region;

/* A fresh region; its end is the end of the host's allocation, so that ASan guards it. */
static void region_new(size_t frames)
{
	free(region);
	region = aligned_alloc(PAGE_SIZE, frames * PAGE_SIZE);
	assert_non_null(region);
	memset(region, 0xff, PAGE_SIZE);
}

static int region_setup(void **state)
{
	region_new(REGION_FRAMES);
	return frame_init(region, REGION_FRAMES) == 0 ? fake_setup(state) : -1;
}

static int region_teardown(void **state)
{
	free(region);
	region = NULL;
	return fake_teardown(state);
}

#define REGION_TEST(f) cmocka_unit_test_setup_teardown(f, region_setup, region_teardown)

static void expect_free(size_t want)
{
	size_t sum;

	assert_int_equal(frame_count(FRAME_FREE), want);
	sum = 0;
	for (unsigned i = 0; i < FRAME_OWNER_COUNT; i++) {
		sum += frame_count(i);
	}
	assert_int_equal(sum, frame_total);
}

static void a_region_without_room_for_one_frame_is_refused(void **state)
{
	(void)state;
	assert_int_equal(frame_init(region, 0), -ENOMEM);
	assert_int_equal(frame_init(region, 1), -ENOMEM);
	assert_int_equal(frame_init(region, 2), 0);
	assert_ptr_equal(frame_alloc(1, FRAME_CPU), region + PAGE_SIZE);
	assert_null(frame_alloc(1, FRAME_CPU));
}

static void the_map_takes_a_frame_for_4096(void **state)
{
	static const struct {
		size_t frames, map;
	} cases[] = {{4096, 1}, {4097, 2}};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		region_new(cases[i].frames);
		assert_int_equal(frame_init(region, cases[i].frames), 0);
		assert_int_equal(frame_total, cases[i].frames);
		assert_int_equal(frame_count(FRAME_MAP), cases[i].map);
		assert_int_equal(frame_count(FRAME_FREE), cases[i].frames - cases[i].map);
		size_t count = frame_count(FRAME_FREE);
		uint8_t *all = frame_alloc(count, FRAME_CPU);
		assert_ptr_equal(all, region + cases[i].map * PAGE_SIZE);
		expect_free(0);
		frame_free(all + (count - 1) * PAGE_SIZE, 1, FRAME_CPU);
		expect_free(1);
	}
}

static void frames_are_aligned_and_zeroed_also_when_used_before(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 2; round++) {
		uint8_t *frames = frame_alloc(REGION_FRAMES - 1, FRAME_CPU);
		assert_non_null(frames);
		assert_int_equal((uintptr_t)frames % PAGE_SIZE, 0);
		for (size_t i = 0; i < (REGION_FRAMES - 1) * PAGE_SIZE; i++) {
			assert_int_equal(frames[i], 0);
		}
		memset(frames, 0xa5, (REGION_FRAMES - 1) * PAGE_SIZE);
		frame_free(frames, REGION_FRAMES - 1, FRAME_CPU);
	}
}

static void no_frames_or_too_many_give_null(void **state)
{
	(void)state;
	assert_null(frame_alloc(0, FRAME_CPU));
	assert_null(frame_alloc(REGION_FRAMES, FRAME_CPU));
	assert_null(frame_alloc(SIZE_MAX, FRAME_CPU));
	expect_free(REGION_FRAMES - 1);
	assert_non_null(frame_alloc(REGION_FRAMES - 1, FRAME_CPU));
	assert_null(frame_alloc(0, FRAME_CPU));
	assert_null(frame_alloc(1, FRAME_CPU));
}

static void frames_are_counted_for_their_owner(void **state)
{
	(void)state;
	void *stack = frame_alloc(3, FRAME_STACK);
	void *table = frame_alloc(1, FRAME_PAGE_TABLE);
	assert_int_equal(frame_total, REGION_FRAMES);
	assert_int_equal(frame_count(FRAME_FREE), REGION_FRAMES - 5);
	assert_int_equal(frame_count(FRAME_MAP), 1);
	assert_int_equal(frame_count(FRAME_STACK), 3);
	assert_int_equal(frame_count(FRAME_PAGE_TABLE), 1);
	assert_int_equal(frame_count(FRAME_CPU), 0);
	frame_free(stack, 3, FRAME_STACK);
	frame_free(table, 1, FRAME_PAGE_TABLE);
	expect_free(REGION_FRAMES - 1);
}

static void the_lowest_run_that_is_long_enough_is_taken(void **state)
{
	(void)state;
	uint8_t *all = frame_alloc(REGION_FRAMES - 1, FRAME_CPU);
	frame_free(all + 5 * PAGE_SIZE, 1, FRAME_CPU);
	frame_free(all + 10 * PAGE_SIZE, 3, FRAME_CPU);
	frame_free(all + 20 * PAGE_SIZE, 2, FRAME_CPU);
	assert_ptr_equal(frame_alloc(2, FRAME_CPU), all + 10 * PAGE_SIZE);
	assert_ptr_equal(frame_alloc(1, FRAME_CPU), all + 5 * PAGE_SIZE);
	assert_ptr_equal(frame_alloc(2, FRAME_CPU), all + 20 * PAGE_SIZE);
	assert_ptr_equal(frame_alloc(1, FRAME_CPU), all + 12 * PAGE_SIZE);
	assert_null(frame_alloc(1, FRAME_CPU));
}

static void a_run_never_goes_around_the_end(void **state)
{
	(void)state;
	uint8_t *all = frame_alloc(REGION_FRAMES - 1, FRAME_CPU);
	frame_free(all, 1, FRAME_CPU);
	frame_free(all + (REGION_FRAMES - 2) * PAGE_SIZE, 1, FRAME_CPU);
	expect_free(2);
	assert_null(frame_alloc(2, FRAME_CPU));
	assert_non_null(frame_alloc(1, FRAME_CPU));
	assert_non_null(frame_alloc(1, FRAME_CPU));
}

static void a_run_may_be_freed_in_parts(void **state)
{
	(void)state;
	uint8_t *run = frame_alloc(5, FRAME_CPU);
	frame_free(run + PAGE_SIZE, 3, FRAME_CPU);
	expect_free(REGION_FRAMES - 3);
	frame_free(run, 1, FRAME_CPU);
	frame_free(run + 4 * PAGE_SIZE, 1, FRAME_CPU);
	expect_free(REGION_FRAMES - 1);
}

static void freeing_twice_panics_and_changes_nothing(void **state)
{
	(void)state;
	uint8_t *run = frame_alloc(3, FRAME_CPU);
	frame_free(run + 2 * PAGE_SIZE, 1, FRAME_CPU);
	expect_panic(frame_free(run + 2 * PAGE_SIZE, 1, FRAME_CPU));
	expect_panic(frame_free(run, 3, FRAME_CPU));
	expect_free(REGION_FRAMES - 3);
	run[0] = 1;
	frame_free(run, 2, FRAME_CPU);
	expect_panic(frame_free(run, 1, FRAME_CPU));
	expect_free(REGION_FRAMES - 1);
}

static void freeing_for_another_owner_panics(void **state)
{
	(void)state;
	uint8_t *run = frame_alloc(3, FRAME_STACK);
	assert_non_null(frame_alloc(2, FRAME_CPU));
	expect_panic(frame_free(run, 3, FRAME_CPU));
	assert_non_null(strstr(fake_panic_text, "per-CPU areas"));
	expect_panic(frame_free(run, 1, FRAME_CPU));
	expect_panic(frame_free(run, 1, FRAME_VM));
	expect_panic(frame_free(run, 1, FRAME_FREE));
	expect_free(REGION_FRAMES - 6);
	frame_free(run, 3, FRAME_STACK);
}

#define EXPECT_FOREIGN(...)                                                                        \
	do {                                                                                       \
		expect_panic(frame_free(__VA_ARGS__));                                             \
		assert_non_null(strstr(fake_panic_text, "not all held as"));                       \
	} while (0)

static void freeing_what_is_no_frame_panics(void **state)
{
	(void)state;
	uint8_t *all = frame_alloc(REGION_FRAMES - 1, FRAME_CPU);
	EXPECT_FOREIGN(NULL, 1, FRAME_CPU);
	EXPECT_FOREIGN(all + 8, 1, FRAME_CPU);
	EXPECT_FOREIGN(all + PAGE_SIZE - 1, 1, FRAME_CPU);
	EXPECT_FOREIGN(region, 1, FRAME_CPU);
	EXPECT_FOREIGN(region, 1, FRAME_MAP);
	EXPECT_FOREIGN((void *)((uintptr_t)region - PAGE_SIZE), 1, FRAME_CPU);
	EXPECT_FOREIGN(region + REGION_FRAMES * PAGE_SIZE, 1, FRAME_CPU);
	EXPECT_FOREIGN((void *)UINTPTR_MAX, 1, FRAME_CPU);
	EXPECT_FOREIGN(all, REGION_FRAMES, FRAME_CPU);
	EXPECT_FOREIGN(all + PAGE_SIZE, REGION_FRAMES - 1, FRAME_CPU);
	EXPECT_FOREIGN(all + PAGE_SIZE, SIZE_MAX, FRAME_CPU);
	expect_free(0);
	frame_free(all, REGION_FRAMES - 1, FRAME_CPU);
	expect_free(REGION_FRAMES - 1);
}

/* The panic names the run that was to be handed out. */
static void write_after_free(size_t place)
{
	char name[32];

	assert_int_equal(frame_init(region, REGION_FRAMES), 0);
	uint8_t *run = frame_alloc(3, FRAME_CPU);
	snprintf(name, sizeof(name), "%p", (void *)run);
	frame_free(run, 3, FRAME_CPU);
	run[PAGE_SIZE + place] ^= 1;
	expect_panic(frame_alloc(REGION_FRAMES - 1, FRAME_CPU));
	assert_non_null(strstr(fake_panic_text, name));
}

static void a_write_after_free_is_found_on_allocation(void **state)
{
	(void)state;
	write_after_free(0);
	write_after_free(1);
	write_after_free(2047);
	write_after_free(PAGE_SIZE - 1);
}

static void a_write_to_a_frame_never_allocated_is_found_too(void **state)
{
	(void)state;
	region[5 * PAGE_SIZE + 5] = 0;
	expect_panic(frame_alloc(REGION_FRAMES - 1, FRAME_CPU));
}

static void each_owner_has_its_name(void **state)
{
	(void)state;
#define X(id, name) assert_string_equal(frame_owner_names[FRAME_##id], name);
	FRAME_OWNERS(X)
#undef X
}

/* Runs come and go at random; a byte a frame says who has it. */
static void random_runs_never_overlap_and_all_return(void **state)
{
	static uint8_t *runs[REGION_FRAMES];
	static size_t counts[REGION_FRAMES];
	static uint8_t used[REGION_FRAMES];
	unsigned seed = 1;
	size_t left = REGION_FRAMES - 1;

	(void)state;
	memset(used, 0, sizeof(used));
	for (unsigned round = 0; round < 20000; round++) {
		seed = seed * 1103515245u + 12345u;
		size_t slot = (seed >> 8) % REGION_FRAMES;
		enum frame_owner owner = FRAME_PAGE_TABLE + slot % 4;
		if (runs[slot] != NULL) {
			size_t first = (size_t)(runs[slot] - region) / PAGE_SIZE;
			for (size_t i = 0; i < counts[slot]; i++) {
				assert_int_equal(runs[slot][i * PAGE_SIZE + slot], slot + 1);
				used[first + i] = 0;
			}
			frame_free(runs[slot], counts[slot], owner);
			left += counts[slot];
			runs[slot] = NULL;
			continue;
		}
		counts[slot] = 1 + (seed >> 20) % 7;
		runs[slot] = frame_alloc(counts[slot], owner);
		size_t longest = 0, run = 0;
		for (size_t i = 1; i < REGION_FRAMES; i++) {
			run = used[i] ? 0 : run + 1;
			longest = run > longest ? run : longest;
		}
		assert_int_equal(runs[slot] != NULL, longest >= counts[slot]);
		if (runs[slot] == NULL) {
			continue;
		}
		size_t first = (size_t)(runs[slot] - region) / PAGE_SIZE;
		for (size_t i = 0; i < counts[slot]; i++) {
			assert_int_equal(used[first + i], 0);
			used[first + i] = 1;
			runs[slot][i * PAGE_SIZE + slot] = (uint8_t)(slot + 1);
		}
		left -= counts[slot];
		expect_free(left);
	}
	for (size_t slot = 0; slot < REGION_FRAMES; slot++) {
		if (runs[slot] != NULL) {
			frame_free(runs[slot], counts[slot], FRAME_PAGE_TABLE + slot % 4);
		}
	}
	expect_free(REGION_FRAMES - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		REGION_TEST(a_region_without_room_for_one_frame_is_refused),
		REGION_TEST(the_map_takes_a_frame_for_4096),
		REGION_TEST(frames_are_aligned_and_zeroed_also_when_used_before),
		REGION_TEST(no_frames_or_too_many_give_null),
		REGION_TEST(frames_are_counted_for_their_owner),
		REGION_TEST(the_lowest_run_that_is_long_enough_is_taken),
		REGION_TEST(a_run_never_goes_around_the_end),
		REGION_TEST(a_run_may_be_freed_in_parts),
		REGION_TEST(freeing_twice_panics_and_changes_nothing),
		REGION_TEST(freeing_for_another_owner_panics),
		REGION_TEST(freeing_what_is_no_frame_panics),
		REGION_TEST(a_write_after_free_is_found_on_allocation),
		REGION_TEST(a_write_to_a_frame_never_allocated_is_found_too),
		REGION_TEST(each_owner_has_its_name),
		REGION_TEST(random_runs_never_overlap_and_all_return),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
