/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/test_mbi_broken.c - the Multiboot2 boot information: what is broken is refused, and
 * why.
 *
 * Links: boot/mbi.c kernel/memmap.c
 */
#include "tests/unit/fake.h"

#include "tests/unit/mbi_image.h"

static void impossible_memory_map_entry_sizes_are_refused(void **state)
{
	static const uint32_t sizes[] = {0, 1, 8, 16, 20, 23, 25, 28, 97, UINT32_MAX, 0x80000001};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(sizes); i++) {
		image_start();
		put_u32(image_map(24, 4), sizes[i]);
		image_end();
		assert_refused("tag 6 at offset 0x8 is malformed");
	}
}

static void a_memory_map_that_ends_inside_an_entry_is_refused(void **state)
{
	static const uint32_t sizes[] = {32, 48, 0x80000000, 0xfffffff8};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(sizes); i++) {
		image_start();
		put_u32(image_map(24, 3), sizes[i]);
		image_end();
		assert_refused("tag 6 at offset 0x8 is malformed");
	}
	for (uint32_t cut = 1; cut < 24; cut++) {
		image_start();
		uint32_t map = image_map(24, 3);
		put_u32(map - 4, 8 + 8 + 72 - cut);
		image_size = ALIGN_UP(map + 8 + 72 - cut, 8u);
		image_end();
		assert_refused("tag 6 at offset 0x8 is malformed");
	}
}

static void a_frame_buffer_without_its_colours_is_refused(void **state)
{
	(void)state;
	for (uint32_t size = 22; size <= 30; size++) {
		image_start();
		uint32_t screen = image_tag(8, size);
		memset(image + screen, 0, size);
		image[screen + 21] = BOOT_SCREEN_RGB;
		image_end();
		if (size == 30) {
			assert_quiet();
		} else {
			assert_refused("tag 8 at offset 0x8 is malformed");
		}
	}
}

static void impossible_uefi_memory_maps_are_refused(void **state)
{
	static const uint32_t sizes[] = {0, 1, 24, 39, 41, 79, 81, UINT32_MAX, 0x80000001};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(sizes); i++) {
		image_start();
		put_u32(image_efi_map(40, 2) - 8, sizes[i]);
		image_end();
		assert_refused("tag 17 at offset 0x8 is malformed");
	}
	for (uint32_t size = 0; size < 8; size++) {
		image_start();
		image_tag(17, size);
		image_end();
		assert_refused("tag 17 at offset 0x8 is malformed");
	}
}

static void a_missing_memory_map_has_no_memory(void **state)
{
	(void)state;
	image_start();
	image_end();
	image_map(24, 1); /* behind the end */
	assert_quiet();
	assert_int_equal(info.memmap.count, 0);
}

static void what_follows_the_end_tag_is_not_read(void **state)
{
	(void)state;
	image_start();
	image_map(24, 0);
	image_end();
	image_text(1, "late");
	put_u32(image_tag(3, 0) - 4, 0);
	assert_quiet();
	assert_string_equal(info.cmdline, "");
}

static void tags_shorter_than_their_type_needs_are_refused(void **state)
{
	static const struct {
		uint32_t type;
		uint32_t size_min;
	} cases[] = {{1, 1}, {3, 9}, {6, 8}, {8, 22}, {12, 8}, {14, 20}, {15, 36}};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
		for (uint32_t size = 0; size < cases[i].size_min; size++) {
			char text[80];
			image_start();
			memset(image + image_tag(cases[i].type, size), 0, size);
			image_map(24, 0);
			image_end();
			snprintf(text, sizeof(text), "tag %u at offset 0x8 is malformed",
				cases[i].type);
			assert_refused(text);
		}
		if (cases[i].type == 6) {
			continue; /* needs more than its fixed part */
		}
		image_start();
		memset(image + image_tag(cases[i].type, cases[i].size_min), 0, cases[i].size_min);
		image_map(24, 0);
		image_end();
		assert_quiet();
	}
}

static void a_tag_size_below_its_head_is_refused(void **state)
{
	(void)state;
	for (uint32_t size = 0; size < 8; size++) {
		for (uint32_t type = 0; type < 20; type++) {
			char text[80];
			image_start();
			image_map(24, 0);
			uint32_t at = image_tag(type, 8) - 8;
			put_u32(at + 4, size);
			image_end();
			snprintf(text, sizeof(text), "tag %u at offset 0x18 is malformed", type);
			assert_refused(text);
		}
	}
}

static void a_tag_past_the_end_is_refused(void **state)
{
	static const uint32_t sizes[] = {
		17, 24, 4096, INT32_MAX, 0x80000000, 0xfffffff0, 0xfffffff8, UINT32_MAX};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(sizes); i++) {
		for (uint32_t type = 0; type < 20; type++) {
			char text[96];
			image_start();
			image_map(24, 0);
			uint32_t at = image_tag(type, 8) - 8;
			put_u32(at + 4, sizes[i]);
			snprintf(text, sizeof(text), "tag %u at offset 0x18 is malformed", type);
			assert_refused(text);
		}
	}
}

static void a_missing_end_tag_is_refused(void **state)
{
	(void)state;
	image_start();
	image_map(24, 0);
	assert_refused("no end tag up to its end at offset 0x18");
	image_tag(99, 3); /* its padding reaches the very end */
	assert_refused("no end tag up to its end at offset 0x28");
}

static void texts_without_an_end_are_refused(void **state)
{
	(void)state;
	for (uint32_t size = 0; size < 20; size++) {
		image_start();
		memset(image + image_tag(1, size), 'x', size);
		image_map(24, 0);
		image_end();
		assert_refused("tag 1 at offset 0x8 is malformed");
	}
	for (uint32_t size = 8; size < 20; size++) {
		image_start();
		uint32_t at = image_tag(3, size);
		put_u64(at, 0);
		memset(image + at + 8, 'x', size - 8);
		image_map(24, 0);
		image_end();
		assert_refused("tag 3 at offset 0x8 is malformed");
	}
}

static void a_module_that_ends_before_it_starts_is_refused(void **state)
{
	static const uint32_t spans[][2] = {
		{1, 0}, {UINT32_MAX, 0}, {UINT32_MAX, UINT32_MAX - 1}, {0x80000000, 0x7fffffff}};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(spans); i++) {
		image_start();
		image_map(24, 0);
		image_module(spans[i][0], spans[i][1], "m");
		image_end();
		assert_refused("tag 3 at offset 0x18 is malformed");
	}
}

static void a_total_size_out_of_range_is_refused(void **state)
{
	(void)state;
	image_whole();
	for (uint32_t total = 0; total < 8; total++) {
		put_u32(0, total);
		assert_refused("bytes, is not in 8 to");
	}
	for (uint32_t over = 1; over < 16; over++) {
		put_u32(0, image_size + over);
		assert_refused("bytes, is not in 8 to");
	}
	put_u32(0, UINT32_MAX);
	assert_refused("bytes, is not in 8 to");
}

static void a_limit_too_small_is_refused(void **state)
{
	(void)state;
	image_whole();
	for (size_t limit = 0; limit < image_size; limit++) {
		assert_int_equal(parse_limit(limit), -EBADMSG);
		assert_logged("bytes, is not in 8 to");
	}
}

static void bytes_behind_the_information_are_not_read(void **state)
{
	(void)state;
	image_whole();
	assert_int_equal(parse_limit(image_size + 64), 0);
	assert_string_equal(fake_log, "");
}

static void an_unaligned_address_is_read(void **state)
{
	(void)state;
	image_whole();
	for (size_t shift = 1; shift < 8; shift++) {
		memmove(image + shift, image + shift - 1, image_size);
		assert_int_equal(mbi_parse(image + shift, image_size, &info), 0);
		assert_int_equal(info.memmap.count, 7);
	}
}

static void every_shorter_total_is_refused(void **state)
{
	(void)state;
	image_whole();
	for (uint32_t total = image_size - 1; total >= 8; total--) {
		put_u32(0, total);
		assert_int_equal(parse_limit(total), -EBADMSG);
		assert_logged("error: ");
	}
}

/* Not what it makes of each, but that it stays inside and says why whenever it refuses. */
static void any_byte_may_take_any_hostile_value(void **state)
{
	static const uint8_t values[] = {0x00, 0x01, 0x07, 0x08, 0x7f, 0x80, 0xf8, 0xff};
	(void)state;
	image_whole();
	for (uint32_t at = 0; at < image_size; at++) {
		uint8_t saved = image[at];
		for (unsigned i = 0; i < ARRAY_COUNT(values); i++) {
			image[at] = values[i];
			int err = parse();
			assert_true(err == 0 || err == -EBADMSG);
			assert_int_equal(strstr(fake_log, "error: ") != NULL, err != 0);
		}
		image[at] = saved;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_TEST(impossible_memory_map_entry_sizes_are_refused),
		FAKE_TEST(a_memory_map_that_ends_inside_an_entry_is_refused),
		FAKE_TEST(a_frame_buffer_without_its_colours_is_refused),
		FAKE_TEST(impossible_uefi_memory_maps_are_refused),
		FAKE_TEST(a_missing_memory_map_has_no_memory),
		FAKE_TEST(what_follows_the_end_tag_is_not_read),
		FAKE_TEST(tags_shorter_than_their_type_needs_are_refused),
		FAKE_TEST(a_tag_size_below_its_head_is_refused),
		FAKE_TEST(a_tag_past_the_end_is_refused),
		FAKE_TEST(a_missing_end_tag_is_refused),
		FAKE_TEST(texts_without_an_end_are_refused),
		FAKE_TEST(a_module_that_ends_before_it_starts_is_refused),
		FAKE_TEST(a_total_size_out_of_range_is_refused),
		FAKE_TEST(a_limit_too_small_is_refused),
		FAKE_TEST(bytes_behind_the_information_are_not_read),
		FAKE_TEST(an_unaligned_address_is_read),
		FAKE_TEST(every_shorter_total_is_refused),
		FAKE_TEST(any_byte_may_take_any_hostile_value),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
