/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/test_mbi.c - the Multiboot2 boot information: what is read and left out.
 * Links: boot/mbi.c kernel/memmap.c
 */
#include "tests/unit/fake.h"

#include "tests/unit/mbi_image.h"

static void every_known_tag_is_copied(void **state)
{
	(void)state;
	image_whole();
	assert_quiet();
	assert_string_equal(info.cmdline, "console=com1 loglevel=debug");
	assert_int_equal(info.kernel.base, 0x1000000);
	assert_int_equal(info.kernel.size, 0x800000);
	assert_string_equal(info.kernel.args, "root=/dev/sda1 quiet");
	assert_int_equal(info.initrd.base, 0x2000000);
	assert_int_equal(info.initrd.size, 0x123);
	assert_string_equal(info.initrd.args, "");
	assert_int_equal(info.memmap.count, 7); /* free memory, cut by two modules */
	assert_int_equal(info.memmap.range[1].base, 0x9f000);
	assert_int_equal(info.memmap.range[1].size, 0x1000);
	assert_int_equal(info.memmap.range[1].type, MEM_RESERVED);
	assert_int_equal(info.memmap.range[2].base, 0x100000);
	assert_int_equal(info.memmap.range[2].size, 0xf00000);
	assert_int_equal(info.memmap.range[2].type, MEM_FREE);
	assert_int_equal(info.memmap.range[3].base, 0x1000000);
	assert_int_equal(info.memmap.range[3].type, MEM_MODULE);
	assert_int_equal(info.memmap.range[5].base, 0x2000000);
	assert_int_equal(info.memmap.range[5].size, 0x1000);
	assert_int_equal(info.memmap.range[5].type, MEM_MODULE);
	assert_int_equal(info.screen.base, 0xfd000000);
	assert_int_equal(info.screen.pitch, 4096);
	assert_int_equal(info.screen.width, 1024);
	assert_int_equal(info.screen.height, 768);
	assert_int_equal(info.screen.bpp, 32);
	assert_int_equal(info.screen.type, BOOT_SCREEN_RGB);
	assert_memory_equal(info.screen.colours, "\x10\x08\x08\x08\0\x08", 6);
	assert_int_equal(info.efi_table, 0x123456789abcdef0);
	assert_int_equal(info.efi_count, 1);
	assert_int_equal(info.efi[0].type, 6);
	assert_int_equal(info.efi[0].base, 0x7f000000);
	assert_int_equal(info.efi[0].pages, 0x123);
	assert_int_equal(info.efi[0].attributes, 0xf);
	assert_int_equal(info.rsdp_size, 36);
	assert_memory_equal(info.rsdp, "RSD PTR abcdefghijklmnopqrstuvwxyz01", 36);
}

static void what_is_absent_is_empty(void **state)
{
	(void)state;
	image_start();
	image_map(24, 0);
	image_end();
	assert_quiet();
	assert_string_equal(info.cmdline, "");
	assert_int_equal(info.kernel.size, 0);
	assert_int_equal(info.initrd.size, 0);
	assert_int_equal(info.memmap.count, 0);
	assert_int_equal(info.rsdp_size, 0);
	assert_int_equal(info.screen.width, 0);
	assert_int_equal(info.efi_table, 0);
	assert_int_equal(info.efi_count, 0);
}

static void memory_types_without_a_meaning_are_reserved(void **state)
{
	static const struct {
		uint32_t number;
		enum mem_type type;
	} cases[] = {
		{0, MEM_RESERVED},
		{1, MEM_FREE},
		{2, MEM_RESERVED},
		{3, MEM_ACPI},
		{4, MEM_NVS},
		{5, MEM_BAD},
		{6, MEM_RESERVED},
		{7, MEM_RESERVED},
		{0x101, MEM_RESERVED},
		{UINT32_MAX, MEM_RESERVED},
	};
	(void)state;
	image_start();
	uint32_t map = image_map(24, ARRAY_COUNT(cases));
	for (uint32_t i = 0; i < ARRAY_COUNT(cases); i++) {
		image_entry(map + 8 + 24 * i, 2 * i * PAGE_SIZE, PAGE_SIZE, cases[i].number);
	}
	image_end();
	assert_quiet();
	assert_int_equal(info.memmap.count, ARRAY_COUNT(cases));
	for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
		assert_int_equal(info.memmap.range[i].base, 2 * i * PAGE_SIZE);
		assert_int_equal(info.memmap.range[i].size, PAGE_SIZE);
		assert_int_equal(info.memmap.range[i].type, cases[i].type);
	}
}

static void longer_memory_map_entries_are_stepped_over(void **state)
{
	(void)state;
	image_start();
	uint32_t map = image_map(40, 2);
	image_entry(map + 8, 0x1000, 0x2000, 1);
	image_entry(map + 48, 0x5000, 0x6000, 4);
	image_end();
	assert_quiet();
	assert_int_equal(info.memmap.count, 2);
	assert_int_equal(info.memmap.range[1].base, 0x5000);
	assert_int_equal(info.memmap.range[1].type, MEM_NVS);
}

static void a_later_memory_map_version_is_read(void **state)
{
	(void)state;
	image_start();
	uint32_t map = image_map(24, 1);
	put_u32(map + 4, 7);
	image_entry(map + 8, 0x1000, 0x2000, 1);
	image_end();
	assert_quiet();
	assert_int_equal(info.memmap.range[0].size, 0x2000);
}

static void a_memory_map_with_too_many_pieces_is_refused(void **state)
{
	(void)state;
	for (uint32_t over = 0; over < 2; over++) {
		image_start();
		uint32_t map = image_map(24, MEMMAP_MAX + over);
		for (uint32_t i = 0; i < MEMMAP_MAX + over; i++) {
			image_entry(map + 8 + 24 * i, 2 * i * PAGE_SIZE, PAGE_SIZE, 1);
		}
		image_end();
		if (over == 0) {
			assert_quiet();
			assert_int_equal(info.memmap.count, MEMMAP_MAX);
		} else {
			assert_refused("tag 6 at offset 0x8 is malformed or too long");
		}
	}
}

static void entries_without_a_page_are_no_reason_to_refuse(void **state)
{
	(void)state;
	image_start();
	uint32_t map = image_map(24, 3);
	image_entry(map + 8, 0x1000, 0, 1);
	image_entry(map + 32, UINT64_MAX, UINT64_MAX, 2);
	image_entry(map + 56, 0x5000, 0x1000, 1);
	image_end();
	assert_quiet();
	assert_int_equal(info.memmap.count, 1);
	assert_int_equal(info.memmap.range[0].base, 0x5000);
}

static void what_uefi_keeps_is_read_without_what_is_free(void **state)
{
	(void)state;
	image_start();
	uint32_t map = image_efi_map(40, 16);
	for (uint32_t type = 0; type < 16; type++) {
		image_efi(map + 40 * type, type, type * MIB, type);
	}
	image_end();
	assert_quiet();
	static const uint32_t kept[] = {0, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15};
	assert_int_equal(info.efi_count, ARRAY_COUNT(kept));
	for (unsigned i = 0; i < ARRAY_COUNT(kept); i++) {
		assert_int_equal(info.efi[i].type, kept[i]);
		assert_int_equal(info.efi[i].base, kept[i] * MIB);
		assert_int_equal(info.efi[i].pages, kept[i]);
	}
}

static void a_part_of_what_uefi_keeps_is_worth_nothing(void **state)
{
	(void)state;
	for (uint32_t over = 0; over < 2; over++) {
		image_start();
		uint32_t map = image_efi_map(40, BOOT_EFI_MAX + over);
		for (uint32_t i = 0; i < BOOT_EFI_MAX + over; i++) {
			image_efi(map + 40 * i, 5, i, 1);
		}
		image_end();
		assert_int_equal(parse(), 0);
		assert_int_equal(info.efi_count, over == 0 ? BOOT_EFI_MAX : 0);
		assert_int_equal(fake_log[0] != '\0', over);
	}
	assert_logged("warning: boot information: UEFI keeps more than 64 ranges");
}

static void the_last_of_a_repeated_tag_counts(void **state)
{
	(void)state;
	image_whole();
	image_size -= 8;
	image_text(1, "second");
	image_module(0x2000000, 0x2001000, "initrd");
	memset(image + image_tag(8, 24), 0, 24);
	image_end();
	assert_quiet();
	assert_string_equal(info.cmdline, "second");
	assert_int_equal(info.screen.width, 0);
	assert_int_equal(info.initrd.size, 0x1000);
}

static void the_newer_rsdp_wins_in_either_order(void **state)
{
	static const char old[] = "RSD PTR old.........";
	static const char new[] = "RSD PTR new.........................";
	(void)state;
	for (int new_first = 0; new_first < 2; new_first++) {
		image_start();
		image_map(24, 0);
		image_bytes(new_first ? 15 : 14, new_first ? new : old, new_first ? 36 : 20);
		image_bytes(new_first ? 14 : 15, new_first ? old : new, new_first ? 20 : 36);
		image_end();
		assert_quiet();
		assert_int_equal(info.rsdp_size, 36);
		assert_memory_equal(info.rsdp, new, 36);
	}
	image_start();
	image_map(24, 0);
	image_bytes(14, old, 20);
	image_end();
	assert_quiet();
	assert_int_equal(info.rsdp_size, 20);
	assert_memory_equal(info.rsdp, old, 20);
}

static void a_command_line_too_long_is_refused_and_a_name_cut(void **state)
{
	char text[BOOT_CMDLINE_MAX + 1];
	(void)state;
	memset(text, 'x', BOOT_CMDLINE_MAX);
	text[BOOT_CMDLINE_MAX] = '\0';

	image_start();
	image_map(24, 0);
	image_text(1, text + 1);
	image_end();
	assert_quiet();
	assert_int_equal(strlen(info.cmdline), BOOT_CMDLINE_MAX - 1);

	image_start();
	image_map(24, 0);
	image_text(1, text);
	image_end();
	assert_refused("tag 1 at offset 0x18 is malformed or too long");
}

static void a_module_is_named_by_its_first_word(void **state)
{
	static const struct {
		const char *text, *kernel, *initrd; /* their args; NULL: it is not that one */
	} cases[] = {
		{"", NULL, NULL},
		{" ", NULL, NULL},
		{"kernel", "", NULL},
		{"kernel ", "", NULL},
		{"kernel quiet", "quiet", NULL},
		{"kernel a  b ", "a  b ", NULL},
		{" kernel", NULL, NULL},
		{"kernels", NULL, NULL},
		{"kerne", NULL, NULL},
		{"Kernel", NULL, NULL},
		{"initrd", NULL, ""},
		{"initrd x", NULL, "x"},
		{"initrdx", NULL, NULL},
	};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
		image_start();
		image_map(24, 0);
		image_module(0x5000, 0x5fff, cases[i].text);
		image_end();
		assert_quiet();
		assert_int_equal(info.memmap.count, 1); /* whatever its name */
		assert_int_equal(info.memmap.range[0].base, 0x5000);
		assert_int_equal(info.memmap.range[0].size, 0x1000);
		assert_int_equal(info.memmap.range[0].type, MEM_MODULE);
		assert_int_equal(info.kernel.size, cases[i].kernel != NULL ? 0xfff : 0);
		assert_string_equal(info.kernel.args, cases[i].kernel ?: "");
		assert_int_equal(info.initrd.size, cases[i].initrd != NULL ? 0xfff : 0);
		assert_string_equal(info.initrd.args, cases[i].initrd ?: "");
	}
}

static void module_arguments_too_long_are_refused(void **state)
{
	char text[7 + BOOT_CMDLINE_MAX + 1];
	(void)state;
	for (unsigned over = 0; over < 2; over++) {
		memset(text, 'n', sizeof(text));
		memcpy(text, "kernel ", 7);
		text[7 + BOOT_CMDLINE_MAX - 1 + over] = '\0';
		image_start();
		image_map(24, 0);
		image_module(0, 1, text);
		image_end();
		if (over == 0) {
			assert_quiet();
			assert_int_equal(strlen(info.kernel.args), BOOT_CMDLINE_MAX - 1);
		} else {
			assert_refused("tag 3 at offset 0x18 is malformed or too long");
		}
	}
}

static void modules_in_too_many_pieces_are_refused(void **state)
{
	(void)state;
	for (uint32_t over = 0; over < 2; over++) {
		image_start();
		image_map(24, 0);
		for (uint32_t i = 0; i < MEMMAP_MAX + over; i++) {
			image_module(i * 0x2000, i * 0x2000 + 1, "m");
		}
		image_end();
		if (over == 0) {
			assert_quiet();
		} else {
			assert_refused("is malformed or too long");
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_TEST(every_known_tag_is_copied),
		FAKE_TEST(what_is_absent_is_empty),
		FAKE_TEST(memory_types_without_a_meaning_are_reserved),
		FAKE_TEST(longer_memory_map_entries_are_stepped_over),
		FAKE_TEST(a_later_memory_map_version_is_read),
		FAKE_TEST(a_memory_map_with_too_many_pieces_is_refused),
		FAKE_TEST(entries_without_a_page_are_no_reason_to_refuse),
		FAKE_TEST(what_uefi_keeps_is_read_without_what_is_free),
		FAKE_TEST(a_part_of_what_uefi_keeps_is_worth_nothing),
		FAKE_TEST(the_last_of_a_repeated_tag_counts),
		FAKE_TEST(the_newer_rsdp_wins_in_either_order),
		FAKE_TEST(a_command_line_too_long_is_refused_and_a_name_cut),
		FAKE_TEST(a_module_is_named_by_its_first_word),
		FAKE_TEST(module_arguments_too_long_are_refused),
		FAKE_TEST(modules_in_too_many_pieces_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
