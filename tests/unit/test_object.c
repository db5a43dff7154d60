/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/test_object.c - small objects, over the real frame allocator.
 * Links: kernel/object.c kernel/frame.c
 */
#include "tests/unit/fake.h"

#include "kernel/frame.h"
#include "kernel/object.h"

#define REGION_FRAMES 64u
#define OBJECT_HEADER 64u

static uint8_t *region;

static int region_setup(void **state)
{
	region = aligned_alloc(PAGE_SIZE, REGION_FRAMES * PAGE_SIZE);
	if (region == NULL || frame_init(region, REGION_FRAMES) != 0) {
		return -1;
	}
	return fake_setup(state);
}

static void expect_stats(size_t objects, size_t pages)
{
	struct frame_stats frames;

	assert_int_equal(object_count(), objects);
	frame_stats_get(&frames);
	assert_int_equal(frames.owned[FRAME_OBJECT], pages);
	assert_int_equal(frames.owned[FRAME_FREE], REGION_FRAMES - 1 - pages);
}

/* The allocator outlives a test: each has to give back all that it took. */
static int region_teardown(void **state)
{
	expect_stats(0, 0);
	free(region);
	return fake_teardown(state);
}

#define REGION_TEST(f) cmocka_unit_test_setup_teardown(f, region_setup, region_teardown)

static size_t class_of(size_t size)
{
	size_t bytes = OBJECT_MIN;

	while (bytes < size) {
		bytes *= 2;
	}
	return bytes > OBJECT_MAX ? OBJECT_MAX : bytes;
}

static void sizes_of_none_or_too_many_bytes_give_null(void **state)
{
	(void)state;
	assert_null(object_alloc(0));
	assert_null(object_alloc(OBJECT_MAX + 1));
	assert_null(object_alloc(SIZE_MAX));
}

static void each_size_is_zeroed_aligned_and_apart_from_its_neighbour(void **state)
{
	(void)state;
	for (size_t size = 1; size <= OBJECT_MAX; size++) {
		uint8_t *pair[2];
		for (unsigned i = 0; i < 2; i++) {
			pair[i] = object_alloc(size);
			assert_non_null(pair[i]);
			assert_int_equal((uintptr_t)pair[i] % 16, 0);
			for (size_t b = 0; b < size; b++) {
				assert_int_equal(pair[i][b], 0);
			}
			memset(pair[i], 0x10 + (int)i, class_of(size));
		}
		for (size_t b = 0; b < size; b++) {
			assert_int_equal(pair[0][b], 0x10);
		}
		expect_stats(2, 1);
		object_free(pair[0]);
		object_free(pair[1]);
	}
}

static void a_freed_object_is_zeroed_when_it_comes_again(void **state)
{
	(void)state;
	uint8_t *keep = object_alloc(64);
	uint8_t *first = object_alloc(64);
	memset(first, 0xa5, 64);
	object_free(first);
	uint8_t *again = object_alloc(64);
	assert_ptr_equal(again, first);
	for (size_t b = 0; b < 64; b++) {
		assert_int_equal(again[b], 0);
	}
	object_free(again);
	object_free(keep);
}

static void a_page_is_filled_before_the_next_one_is_taken(void **state)
{
	static const struct {
		size_t size, per_page;
	} cases[] = {{16, 63}, {64, 63}, {65, 31}, {128, 31}, {256, 15}, {512, 7}, {1000, 3},
		{1025, 2}, {2000, 2}};
	static void *objects[64];

	(void)state;
	for (size_t c = 0; c < ARRAY_COUNT(cases); c++) {
		size_t n = cases[c].per_page;
		for (size_t i = 0; i < n; i++) {
			objects[i] = object_alloc(cases[c].size);
			expect_stats(i + 1, 1);
		}
		objects[n] = object_alloc(cases[c].size);
		expect_stats(n + 1, 2);
		object_free(objects[n]);
		expect_stats(n, 1);
		object_free(objects[n / 2]);
		assert_ptr_equal(object_alloc(cases[c].size), objects[n / 2]);
		for (size_t i = 0; i < n; i++) {
			object_free(objects[i]);
		}
		expect_stats(0, 0);
	}
}

static void classes_do_not_share_pages(void **state)
{
	(void)state;
	void *small = object_alloc(16);
	void *large = object_alloc(65);
	expect_stats(2, 2);
	object_free(small);
	expect_stats(1, 1);
	object_free(large);
}

/* Three full pages, then each of the middle, last and first gets room: all places in the list. */
static void pages_leave_and_join_the_list_at_any_place(void **state)
{
	void *objects[6];

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		objects[i] = object_alloc(OBJECT_MAX);
	}
	expect_stats(6, 3);
	object_free(objects[0]);
	object_free(objects[2]);
	object_free(objects[4]);
	object_free(objects[3]); /* empties the middle one of the list */
	expect_stats(2, 2);
	object_free(objects[1]); /* the last one */
	expect_stats(1, 1);
	void *again = object_alloc(OBJECT_MAX);
	assert_ptr_equal(again, objects[4]);
	object_free(again);
	object_free(objects[5]);
}

static void no_frame_left_gives_null_and_loses_nothing(void **state)
{
	(void)state;
	void *frames = frame_alloc(REGION_FRAMES - 2, FRAME_TEST);
	void *one = object_alloc(OBJECT_MAX);
	void *two = object_alloc(OBJECT_MAX);
	assert_non_null(two);
	assert_null(object_alloc(OBJECT_MAX));
	assert_null(object_alloc(16));
	object_free(one);
	one = object_alloc(OBJECT_MAX);
	assert_non_null(one);
	object_free(one);
	object_free(two);
	frame_free(frames, REGION_FRAMES - 2, FRAME_TEST);
}

static void freeing_null_does_nothing(void **state)
{
	(void)state;
	object_free(NULL);
}

static void freeing_twice_panics(void **state)
{
	(void)state;
	uint8_t *keep = object_alloc(100);
	uint8_t *object = object_alloc(100);
	object_free(object);
	expect_panic(object_free(object));
	expect_panic(object_free(keep + 5 * 128));
	expect_panic(object_free(keep + 31 * 128));
	expect_stats(1, 1);
	object_free(keep);
	expect_panic(object_free(keep));
	expect_stats(0, 0);
}

/* Try every address in the page of a lone object. */
static void free_all_but_the_object(size_t size)
{
	uint8_t *object = object_alloc(size);
	uint8_t *page = object - (uintptr_t)object % PAGE_SIZE;

	for (size_t offset = 0; offset < PAGE_SIZE; offset++) {
		if (page + offset != object) {
			expect_panic(object_free(page + offset));
			assert_non_null(strstr(fake_panic_text, "none"));
		}
	}
	expect_stats(1, 1);
	object_free(object);
}

static void freeing_any_other_address_panics(void **state)
{
	(void)state;
	free_all_but_the_object(16);
	free_all_but_the_object(100);
	free_all_but_the_object(OBJECT_MAX);
}

static void freeing_in_a_page_of_others_panics(void **state)
{
	(void)state;
	uint8_t *object = object_alloc(100);
	uint8_t *page = object - (uintptr_t)object % PAGE_SIZE;
	uint8_t *frame = frame_alloc(1, FRAME_TEST);
	expect_panic(object_free(frame));
	memcpy(frame, page, PAGE_SIZE); /* a header that is another page's */
	expect_panic(object_free(frame + (object - page)));
	frame_free(frame, 1, FRAME_TEST);
	expect_stats(1, 1);
	object_free(object);
}

static void a_write_after_free_is_found_on_allocation(void **state)
{
	static const size_t places[] = {0, 63, 127};

	(void)state;
	uint8_t *keep = object_alloc(128);
	for (size_t i = 0; i < ARRAY_COUNT(places); i++) {
		uint8_t *object = object_alloc(128);
		char name[32];
		snprintf(name, sizeof(name), "%p", (void *)object);
		object_free(object);
		object[places[i]] ^= 1;
		expect_panic(object_alloc(128));
		assert_non_null(strstr(fake_panic_text, name));
		object_free(object); /* taken before it was checked */
	}
	object_free(keep);
}

/* Objects come and go at random; each is full of a byte of its own. */
#define SLOTS 200u
static uint8_t *slots[SLOTS];
static size_t sizes[SLOTS];
static size_t slots_used, slots_bytes;

static void slot_toggle(size_t slot, size_t size)
{
	if (slots[slot] == NULL) {
		slots[slot] = object_alloc(size);
		if (slots[slot] == NULL) {
			return;
		}
		for (size_t b = 0; b < size; b++) {
			assert_int_equal(slots[slot][b], 0);
		}
		sizes[slot] = size;
		memset(slots[slot], (int)slot + 1, size);
		slots_used++;
		slots_bytes += class_of(size);
		return;
	}
	for (size_t b = 0; b < sizes[slot]; b++) {
		assert_int_equal(slots[slot][b], slot + 1);
	}
	object_free(slots[slot]);
	slots[slot] = NULL;
	slots_used--;
	slots_bytes -= class_of(sizes[slot]);
}

static void random_objects_keep_their_bytes_and_all_return(void **state)
{
	unsigned seed = 1;
	struct frame_stats stats;

	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		seed = seed * 1103515245u + 12345u;
		size_t slot = (seed >> 8) % SLOTS;
		size_t limit = OBJECT_MIN << (seed >> 16) % 8;
		size_t size = 1 + (seed >> 4) % (limit < OBJECT_MAX ? limit : OBJECT_MAX);
		slot_toggle(slot, size);
		frame_stats_get(&stats);
		size_t pages = stats.owned[FRAME_OBJECT];
		expect_stats(slots_used, pages);
		assert_true(pages <= slots_used);
		assert_true(pages * PAGE_SIZE >= slots_bytes);
	}
	for (size_t slot = 0; slot < SLOTS; slot++) {
		if (slots[slot] != NULL) {
			slot_toggle(slot, 0);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		REGION_TEST(sizes_of_none_or_too_many_bytes_give_null),
		REGION_TEST(each_size_is_zeroed_aligned_and_apart_from_its_neighbour),
		REGION_TEST(a_freed_object_is_zeroed_when_it_comes_again),
		REGION_TEST(a_page_is_filled_before_the_next_one_is_taken),
		REGION_TEST(classes_do_not_share_pages),
		REGION_TEST(pages_leave_and_join_the_list_at_any_place),
		REGION_TEST(no_frame_left_gives_null_and_loses_nothing),
		REGION_TEST(freeing_null_does_nothing),
		REGION_TEST(freeing_twice_panics),
		REGION_TEST(freeing_any_other_address_panics),
		REGION_TEST(freeing_in_a_page_of_others_panics),
		REGION_TEST(a_write_after_free_is_found_on_allocation),
		REGION_TEST(random_objects_keep_their_bytes_and_all_return),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
