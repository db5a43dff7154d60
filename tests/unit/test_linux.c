/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/test_linux.c - bzImages accepted and refused, where they go, and what they are told.
 * Links: boot/linux.c kernel/memmap.c
 */
#include "tests/unit/fake.h"

#include "tests/unit/linux_image.h"

#define assert_logged(text) assert_non_null(strstr(fake_log, text))

static struct boot_info boot; /* what the loader left */

/* Checks a copy of just `size` bytes, so that ASan sees what is read behind it. */
static int check(size_t size)
{
	uint8_t *copy = malloc(size + 1);
	assert_non_null(copy);
	memcpy(copy + 1, image, size);
	fake_log_clear();
	int err = linux_check(copy + 1, size, &kernel);
	free(copy);
	return err;
}

static void assert_refused(size_t offset, uint64_t value, size_t bytes, const char *why)
{
	image_start();
	image_set(offset, value, bytes);
	assert_int_equal(check(IMAGE_SIZE), -EINVAL);
	assert_logged(why);
}

static int set_map(const struct mem_range *raw, size_t count)
{
	map.count = 0;
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(memmap_set(&map, raw[i].base, raw[i].size, raw[i].type), 0);
	}
	return 0;
}

#define MAP(...)                                                                                   \
	set_map((const struct mem_range[]){__VA_ARGS__},                                           \
		ARRAY_COUNT(((const struct mem_range[]){__VA_ARGS__})))

/* A small PC with the kernel planned on it. */
static void plan_start(void)
{
	memset(&boot, 0, sizeof(boot));
	image_start();
	assert_int_equal(check(IMAGE_SIZE), 0);
	assert_int_equal(MAP({0, 0x9f000, MEM_FREE}, {0xf0000, 64 * KIB, MEM_RESERVED},
				 {MIB, 255 * MIB, MEM_FREE}, {4 * GIB, GIB, MEM_FREE}),
		0);
	assert_int_equal(linux_plan(&kernel, &map, 0), 0);
}

static int replan(void)
{
	fake_log_clear();
	return linux_plan(&kernel, &map, 0);
}

struct linux_setup {
	const struct memmap *map;
	const char *cmdline;
	uint64_t rsdp;
	struct boot_info *boot;
};

static int write_setup(const struct linux_setup *setup)
{
	static struct boot_info copy;
	copy = *setup->boot;
	strcpy(copy.kernel.args, setup->cmdline);
	kernel.rsdp = setup->rsdp;
	memcpy(kernel.head, image, sizeof(kernel.head));
	fake_log_clear();
	memset(params, 0xa5, sizeof(params));
	return linux_write_params(&kernel, &copy, setup->map, params);
}

static void assert_e820(unsigned index, uint64_t base, uint64_t size, uint32_t type)
{
	size_t at = 0x2d0 + 20 * (size_t)index;
	assert_true(index < params[0x1e8]);
	assert_int_equal(params_get(at, 8), base);
	assert_int_equal(params_get(at + 8, 8), size);
	assert_int_equal(params_get(at + 16, 4), type);
}

static void a_sound_kernel_is_accepted_with_what_its_header_says(void **state)
{
	(void)state;
	image_start();
	assert_int_equal(check(IMAGE_SIZE), 0);
	assert_string_equal(fake_log, "");
	assert_int_equal(kernel.payload, IMAGE_SETUP);
	assert_int_equal(kernel.payload_size, IMAGE_KERNEL);
	assert_int_equal(kernel.init_size, IMAGE_INIT);
	assert_int_equal(kernel.alignment, 2 * MIB);
	assert_int_equal(kernel.initrd_end, 4 * GIB);
}

static void a_file_of_any_length_is_checked_within_it(void **state)
{
	(void)state;
	image_start();
	for (size_t size = 0; size < IMAGE_SIZE; size++) {
		assert_int_equal(check(size), -EINVAL);
		assert_logged(size < 0x290 ? "not a Linux bzImage" : "cut off");
	}
}

static void what_is_no_bzimage_is_refused(void **state)
{
	(void)state;
	assert_refused(0x1fe, 0xaa54, 2, "it is not a Linux bzImage");
	assert_refused(0x202, 0x53726449, 4, "it is not a Linux bzImage");
	assert_refused(0x211, 0xfe, 1, "it is not a Linux bzImage");
}

static void kernels_that_are_too_old_or_for_32_bits_are_refused(void **state)
{
	(void)state;
	assert_refused(0x206, 0x20b, 2, "older than Linux 3.8");
	assert_refused(0x236, 0xfffe, 2, "for 32-bit CPUs");
	image_start();
	image_set(0x206, 0x20c, 2);
	assert_int_equal(check(IMAGE_SIZE), 0);
}

static void a_kernel_that_is_cut_off_is_refused(void **state)
{
	(void)state;
	assert_refused(0x1f4, IMAGE_KERNEL / 16 + 1, 4, "cut off");
	assert_refused(0x1f4, UINT32_MAX, 4, "cut off");
	assert_refused(0x1f1, 255, 1, "cut off");
	image_start();
	image_set(0x1f4, 0, 4); /* even then there must be an entry */
	assert_int_equal(check(IMAGE_SETUP + 0x200), -EINVAL);
	assert_int_equal(check(IMAGE_SETUP + 0x201), 0);
}

static void setup_sects_of_0_stands_for_4(void **state)
{
	(void)state;
	image_start();
	image_set(0x1f1, 0, 1);
	assert_int_equal(check(IMAGE_SIZE), 0);
	assert_int_equal(kernel.payload, IMAGE_SETUP);
}

static void sizes_and_alignments_without_sense_are_refused(void **state)
{
	(void)state;
	assert_refused(0x260, IMAGE_KERNEL - 1, 4, "damaged");
	assert_refused(0x260, GIB + 1, 4, "damaged");
	assert_refused(0x230, 0, 4, "damaged");
	assert_refused(0x230, 2048, 4, "damaged");
	assert_refused(0x230, 3 * MIB, 4, "damaged");
	image_start();
	image_set(0x260, IMAGE_KERNEL, 4);
	image_set(0x230, 4096, 4);
	assert_int_equal(check(IMAGE_SIZE), 0);
}

static void the_preferred_place_is_taken_where_it_is_free(void **state)
{
	(void)state;
	plan_start();
	assert_int_equal(kernel.base, IMAGE_START);
	assert_int_equal(kernel.params, IMAGE_START + IMAGE_INIT);
	assert_int_equal(kernel.initrd_size, 0);
}

static void a_relocatable_kernel_goes_high_where_the_preferred_place_is_taken(void **state)
{
	(void)state;
	plan_start();
	assert_int_equal(memmap_set(&map, 20 * MIB, 4096, MEM_MODULE), 0);
	assert_int_equal(replan(), 0);
	/* 24 MiB and the parameters below 256 MiB, aligned to 2 MiB. */
	assert_int_equal(kernel.base, 230 * MIB);
	assert_int_equal(kernel.params, 254 * MIB);
	kernel.init_size -= 4095; /* the parameters begin on a page */
	assert_int_equal(replan(), 0);
	assert_int_equal(kernel.base, 230 * MIB);
	assert_int_equal(kernel.params, 254 * MIB);
}

/* A field of the header that was checked. */
static void head_set(size_t offset, uint64_t value, size_t bytes)
{
	memcpy(kernel.head + offset, &value, bytes);
}

static void a_kernel_is_never_loaded_below_where_it_would_move(void **state)
{
	(void)state;
	plan_start();
	head_set(0x258, 240 * MIB, 8);
	assert_int_equal(replan(), -ENOMEM); /* there is room below, and above 4 GiB */
	assert_logged("are free for it from 0xf000000");
	head_set(0x258, 4 * GIB, 8);
	assert_int_equal(replan(), -ENOMEM);
	head_set(0x258, UINT64_MAX - MIB + 1, 8);
	assert_int_equal(replan(), -ENOMEM);
}

static void a_fixed_kernel_goes_to_its_place_or_nowhere(void **state)
{
	(void)state;
	plan_start();
	head_set(0x234, 0, 1);
	assert_int_equal(replan(), 0);
	assert_int_equal(kernel.base, IMAGE_START);
	assert_int_equal(memmap_set(&map, 20 * MIB, 4096, MEM_OWN), 0);
	assert_int_equal(replan(), -ENOMEM);
	assert_logged("at 0x1000000, below 4 GiB");
}

static void an_initrd_lies_where_the_kernel_reaches_it(void **state)
{
	(void)state;
	plan_start();
	assert_int_equal(linux_plan(&kernel, &map, MIB + 1), 0);
	assert_int_equal(kernel.initrd, 256 * MIB - MIB - 4096);
	assert_int_equal(kernel.initrd_size, MIB + 1);
	image_set(0x236, 1, 2); /* not above 4 GiB: now initrd_addr_max counts */
	image_set(0x22c, 128 * MIB - 1, 4);
	assert_int_equal(check(IMAGE_SIZE), 0);
	assert_int_equal(linux_plan(&kernel, &map, MIB), 0);
	assert_int_equal(kernel.initrd, 127 * MIB);
	/* Below the kernel, where it does not fit above. */
	image_set(0x22c, kernel.params + SERVICE_PARAMS_SIZE + MIB - 2, 4);
	assert_int_equal(check(IMAGE_SIZE), 0);
	assert_int_equal(linux_plan(&kernel, &map, MIB), 0);
	assert_int_equal(kernel.initrd, kernel.base - MIB);
	assert_int_equal(linux_plan(&kernel, &map, 16 * MIB), -ENOMEM);
	assert_logged("initrd: no 16384 KiB are free for it below");
	image_set(0x22c, MIB, 4);
	assert_int_equal(check(IMAGE_SIZE), 0);
	assert_int_equal(linux_plan(&kernel, &map, MIB), -ENOMEM);
	assert_int_equal(linux_plan(&kernel, &map, 0), 0);
}

static void the_zero_page_holds_the_header_and_all_addresses(void **state)
{
	(void)state;
	plan_start();
	assert_int_equal(linux_plan(&kernel, &map, 3 * MIB), 0);
	struct linux_setup setup = {
		.map = &map, .cmdline = "quiet", .rsdp = 0x123456789a, .boot = &boot};
	assert_int_equal(write_setup(&setup), 0);
	assert_int_equal(params_get(0x70, 8), 0x123456789a);
	assert_int_equal(params_get(0x206, 2), 0x20f);
	assert_int_equal(params_get(0x210, 1), 0xff);
	assert_int_equal(params_get(0x211, 1), 1);
	assert_int_equal(params_get(0x214, 4), kernel.base);
	assert_int_equal(params_get(0x218, 4), kernel.initrd);
	assert_int_equal(params_get(0xc0, 8), 0);
	assert_int_equal(params_get(0x21c, 4), 3 * MIB);
	assert_int_equal(params_get(0x228, 4), kernel.params + LINUX_CMDLINE);
	assert_int_equal(params_get(0xc8, 4), 0);
	assert_int_equal(
		params_get(0x1ef, 1), 0); /* the sentinel of a zero page that is not zero */
	assert_string_equal((char *)params + LINUX_CMDLINE, "quiet");
	assert_int_equal(params_get(0x0f, 1), 0); /* no screen */
}

static void only_the_header_is_copied(void **state)
{
	(void)state;
	plan_start();
	struct linux_setup setup = {.map = &map, .cmdline = "", .boot = &boot};
	image_set(0x26c, 0x11223344, 4); /* behind the header */
	assert_int_equal(write_setup(&setup), 0);
	assert_int_equal(params_get(0x264, 8), 0);
	assert_int_equal(params_get(0x26c, 4), 0);
	image_set(0x201, 0xff, 1); /* too long for it */
	assert_int_equal(write_setup(&setup), 0);
	assert_int_equal(params_get(0x26c, 4), 0x11223344);
	assert_int_equal(params_get(0x28c, 4), 0xcccccccc);
	assert_int_equal(params_get(0x290, 8), 0);
	image_set(0x201, 0, 1);
	assert_int_equal(write_setup(&setup), 0);
	assert_int_equal(params_get(0x202, 4), 0);
	for (size_t i = LINUX_ACPI; i < SERVICE_PARAMS_SIZE; i++) {
		assert_int_equal(params[i], 0xa5); /* the ACPI tables may be there already */
	}
}

static void the_memory_map_is_told_as_the_guest_sees_it(void **state)
{
	(void)state;
	plan_start();
	assert_int_equal(MAP({0, 0x9f000, MEM_FREE}, {0x9f000, 4096, MEM_RESERVED},
				 {MIB, 63 * MIB, MEM_FREE}, {64 * MIB, MIB, MEM_ACPI},
				 {65 * MIB, MIB, MEM_NVS}, {66 * MIB, MIB, MEM_BAD},
				 {GIB, 4096, MEM_RESERVED}, {4 * GIB, GIB, MEM_FREE}),
		0);
	assert_int_equal(memmap_set(&map, 2 * MIB, MIB, MEM_IMAGE), 0);
	assert_int_equal(memmap_set(&map, 3 * MIB, MIB, MEM_OWN), 0);
	assert_int_equal(memmap_set(&map, 5 * MIB, MIB, MEM_MODULE), 0);
	assert_int_equal(memmap_set(&map, kernel.params, SERVICE_PARAMS_SIZE, MEM_ACPI), 0);
	struct linux_setup setup = {.map = &map, .cmdline = "", .boot = &boot};
	assert_int_equal(write_setup(&setup), 0);
	assert_int_equal(params[0x1e8], 15);
	assert_e820(0, 0, 0x9f000, 1);
	assert_e820(1, 0x9f000, 4096, 2);
	assert_e820(2, MIB, MIB, 1);
	assert_e820(3, 2 * MIB, MIB, 2);
	assert_e820(4, 3 * MIB, MIB, 2);
	assert_e820(5, 4 * MIB, MIB, 1);
	assert_e820(6, 5 * MIB, MIB, 2);
	assert_e820(7, 6 * MIB, 34 * MIB, 1);
	assert_e820(8, 40 * MIB, SERVICE_PARAMS_SIZE, 3);
	assert_e820(9, 40 * MIB + SERVICE_PARAMS_SIZE, 24 * MIB - SERVICE_PARAMS_SIZE, 1);
	assert_e820(10, 64 * MIB, MIB, 3);
	assert_e820(11, 65 * MIB, MIB, 4);
	assert_e820(12, 66 * MIB, MIB, 5);
	assert_e820(13, GIB, 4096, 2);
	assert_e820(14, 4 * GIB, GIB, 1);
}

static void a_memory_map_of_128_pieces_is_told_and_a_longer_one_refused(void **state)
{
	(void)state;
	plan_start();
	struct linux_setup setup = {.map = &map, .cmdline = "", .boot = &boot};
	map.count = 0;
	for (uint64_t i = 0; i < 128; i++) {
		assert_int_equal(memmap_set(&map, i * 2 * MIB, MIB, MEM_FREE), 0);
	}
	assert_int_equal(write_setup(&setup), 0);
	assert_int_equal(params[0x1e8], 128);
	assert_e820(127, 254 * MIB, MIB, 1);
	assert_int_equal(params_get(0xcd0, 8), 0);
	assert_int_equal(memmap_set(&map, 255 * MIB, MIB, MEM_FREE), 0); /* the last, longer */
	assert_int_equal(write_setup(&setup), 0);
	assert_int_equal(memmap_set(&map, 300 * MIB, MIB, MEM_FREE), 0);
	assert_int_equal(write_setup(&setup), -E2BIG);
	assert_logged("in more than 128 pieces");
}

static void a_command_line_longer_than_the_kernel_takes_is_refused(void **state)
{
	(void)state;
	static char text[BOOT_CMDLINE_MAX];
	plan_start();
	struct linux_setup setup = {.map = &map, .cmdline = text, .boot = &boot};
	memset(text, 'x', sizeof(text) - 1);
	assert_int_equal(write_setup(&setup), 0);
	assert_string_equal((char *)params + LINUX_CMDLINE, text);
	image_set(0x238, sizeof(text) - 1, 4);
	assert_int_equal(write_setup(&setup), 0);
	image_set(0x238, sizeof(text) - 2, 4);
	assert_int_equal(write_setup(&setup), -E2BIG);
	assert_logged("command line is too long");
}

/* Walk the tables as a CPU does. */
static uint64_t translate(uint64_t address)
{
	const uint64_t address_bits = 0xffffffffff000;
	uint64_t table = kernel.params + SERVICE_PAGE_TABLES;
	for (unsigned shift = 39; shift > 21; shift -= 9) {
		uint64_t entry =
			params_get(table - kernel.params + (address >> shift & 511) * 8, 8);
		assert_int_equal(entry & 0x83, 3);
		table = entry & address_bits;
		assert_in_range(table, kernel.params + SERVICE_PAGE_TABLES,
			kernel.params + LINUX_ACPI - 4096);
	}
	uint64_t leaf = params_get(table - kernel.params + (address >> 21 & 511) * 8, 8);
	assert_int_equal(leaf & ~address_bits, 0x83);
	return (leaf & address_bits) | (address & (LARGE_SIZE - 1));
}

static void the_page_tables_map_4_gib_at_their_own_address(void **state)
{
	(void)state;
	plan_start();
	struct linux_setup setup = {.map = &map, .cmdline = "", .boot = &boot};
	assert_int_equal(write_setup(&setup), 0);
	for (uint64_t address = 0x123; address < 4 * GIB; address += LARGE_SIZE) {
		assert_int_equal(translate(address), address);
	}
	for (size_t i = 1; i < 512; i++) {
		assert_int_equal(params_get(SERVICE_PAGE_TABLES + 8 * i, 8), 0);
		assert_true(i < 4 || params_get(SERVICE_PAGE_TABLES + 4096 + 8 * i, 8) == 0);
	}
	assert_int_equal(params_get(SERVICE_GDT + 0x10, 8), 0x00af9b000000ffff);
	assert_int_equal(params_get(SERVICE_GDT + 0x18, 8), 0x00cf93000000ffff);
}

static const struct boot_screen text_screen = {
	0xb8000, 160, 80, 25, 16, BOOT_SCREEN_TEXT, {0}, {0}};
static const struct boot_screen frame_buffer = {
	0xc0000000, 4100, 1025, 768, 32, BOOT_SCREEN_RGB, {0}, {16, 8, 8, 7, 0, 6}};

static void write_screen(const struct boot_screen *screen)
{
	struct linux_setup setup = {.map = &map, .cmdline = "", .boot = &boot};
	boot.screen = *screen;
	assert_int_equal(write_setup(&setup), 0);
}

static void a_text_screen_is_told(void **state)
{
	(void)state;
	plan_start();
	write_screen(&text_screen);
	assert_int_equal(params_get(0x06, 1), 3);
	assert_int_equal(params_get(0x07, 1), 80);
	assert_int_equal(params_get(0x0e, 1), 25);
	assert_int_equal(params_get(0x0f, 1), 1);
	assert_int_equal(params_get(0x10, 2), 16);
	assert_int_equal(params_get(0x12, 8), 0);
}

static void a_frame_buffer_is_told(void **state)
{
	static const uint8_t colours[] = {8, 16, 7, 8, 6, 0, 0, 0};
	(void)state;
	plan_start();
	write_screen(&frame_buffer);
	assert_int_equal(params_get(0x06, 2), 0);
	assert_int_equal(params_get(0x0e, 1), 0); /* nothing is to be written as text */
	assert_int_equal(params_get(0x0f, 1), 0x23);
	assert_int_equal(params_get(0x12, 2), 1025);
	assert_int_equal(params_get(0x14, 2), 768);
	assert_int_equal(params_get(0x16, 2), 32);
	assert_int_equal(params_get(0x18, 4), 0xc0000000);
	assert_int_equal(params_get(0x1c, 4), 49); /* 48.05 times 64 KiB */
	assert_int_equal(params_get(0x24, 2), 4100);
	assert_memory_equal(params + 0x26, colours, sizeof(colours));
	assert_int_equal(params_get(0x36, 8), 0);
}

static void a_frame_buffer_of_uefi_is_told_in_bytes_and_anywhere(void **state)
{
	(void)state;
	plan_start();
	boot.efi_table = 1;
	struct boot_screen high = frame_buffer;
	high.base = 0x412345678000;
	write_screen(&high);
	assert_int_equal(params_get(0x0f, 1), 0x70);
	assert_int_equal(params_get(0x18, 4), 0x45678000);
	assert_int_equal(params_get(0x1c, 4), 4100 * 768);
	assert_int_equal(params_get(0x36, 4), 2);
	assert_int_equal(params_get(0x3a, 4), 0x4123);
}

static void screens_that_linux_cannot_use_are_not_told(void **state)
{
	static const struct boot_screen screens[] = {
		{0, 0, 0, 0, 0, 0, {0}, {0}},
		{0xc0000000, 1024, 1024, 768, 8, 0, {0}, {0}},
		{0xc0000000, 4096, 1024, 768, 32, 3, {0}, {0}},
		{0xb8000, 160, 256, 25, 16, BOOT_SCREEN_TEXT, {0}, {0}},
		{0xb8000, 160, 80, 256, 16, BOOT_SCREEN_TEXT, {0}, {0}},
		{0xc0000000, 4095, 1024, 768, 32, BOOT_SCREEN_RGB, {0}, {0}},
		{0xc0000000, 0xffff, 0x10000, 768, 1, BOOT_SCREEN_RGB, {0}, {0}},
		{0xc0000000, 4096, 1024, 0x10000, 32, BOOT_SCREEN_RGB, {0}, {0}},
		{0xc0000000, 0x10000, 1024, 768, 32, BOOT_SCREEN_RGB, {0}, {0}},
		{0xc0000000, 1, 0xffffffff, 1, 255, BOOT_SCREEN_RGB, {0}, {0}},
	};
	(void)state;
	plan_start();
	for (size_t i = 0; i < ARRAY_COUNT(screens); i++) {
		write_screen(&screens[i]);
		for (size_t at = 0; at < 0x40; at++) {
			assert_int_equal(params_get(at, 1), 0);
		}
	}
}

static void uefi_is_told_with_a_memory_map_as_the_guest_sees_it(void **state)
{
	(void)state;
	plan_start();
	boot.efi_table = 0x123456789abcdef0;
	boot.efi[0] = (struct efi_memory){6, 0, 0x7f000000, 0, 3, BIT(63)};
	boot.efi[1] = (struct efi_memory){11, 0, 0xffc00000, 0, 0x400, 1};
	boot.efi_count = 2;
	assert_int_equal(memmap_set(&map, 128 * MIB, MIB, MEM_OWN), 0);
	struct linux_setup setup = {.map = &map, .cmdline = "", .boot = &boot};
	assert_int_equal(write_setup(&setup), 0);
	assert_memory_equal(params + 0x1c0, "EL64", 4);
	assert_int_equal(params_get(0x1c4, 4), 0x9abcdef0);
	assert_int_equal(params_get(0x1c8, 4), 40);
	assert_int_equal(params_get(0x1cc, 4), 1);
	assert_int_equal(params_get(0x1d0, 4), kernel.params + LINUX_EFI_MAP);
	assert_int_equal(params_get(0x1d4, 4), 6 * 40);
	assert_int_equal(params_get(0x1d8, 4), 0x12345678);
	assert_int_equal(params_get(0x1dc, 4), 0);
	static const uint64_t ram[][2] = {{0, 0x9f000}, {MIB, 127 * MIB}, {129 * MIB, 127 * MIB},
		{4 * GIB, GIB}}; /* what is Pintle's is not among it */
	assert_memory_equal(params + LINUX_EFI_MAP, boot.efi, 80);
	for (size_t i = 0; i < ARRAY_COUNT(ram); i++) {
		size_t at = LINUX_EFI_MAP + 80 + 40 * i;
		assert_int_equal(params_get(at, 8), 7);
		assert_int_equal(params_get(at + 8, 8), ram[i][0]);
		assert_int_equal(params_get(at + 16, 8), 0);
		assert_int_equal(params_get(at + 24, 8), ram[i][1] / 4096);
		assert_int_equal(params_get(at + 32, 8), 8);
	}
}

static void the_largest_uefi_memory_map_fits(void **state)
{
	(void)state;
	plan_start();
	map.count = 0;
	for (uint64_t i = 0; i < 128; i++) {
		assert_int_equal(memmap_set(&map, i * 2 * MIB, MIB, MEM_FREE), 0);
	}
	boot.efi_table = 1;
	boot.efi_count = BOOT_EFI_MAX;
	struct linux_setup setup = {.map = &map, .cmdline = "", .boot = &boot};
	assert_int_equal(write_setup(&setup), 0);
	assert_int_equal(params_get(0x1d4, 4), (BOOT_EFI_MAX + 128) * 40);
	assert_int_equal(params[LINUX_ACPI], 0xa5);
}

static void uefi_that_is_not_whole_or_not_wanted_is_not_told(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		plan_start();
		boot.efi_table = i != 0;
		boot.efi_count = i != 1;
		struct linux_setup setup = {.map = &map, .cmdline = "", .boot = &boot};
		assert_int_equal(write_setup(&setup), 0);
		assert_int_equal(params_get(0x1c0, 4), 0);
		assert_int_equal(params_get(0x1d4, 4), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_TEST(a_sound_kernel_is_accepted_with_what_its_header_says),
		FAKE_TEST(a_file_of_any_length_is_checked_within_it),
		FAKE_TEST(what_is_no_bzimage_is_refused),
		FAKE_TEST(kernels_that_are_too_old_or_for_32_bits_are_refused),
		FAKE_TEST(a_kernel_that_is_cut_off_is_refused),
		FAKE_TEST(setup_sects_of_0_stands_for_4),
		FAKE_TEST(sizes_and_alignments_without_sense_are_refused),
		FAKE_TEST(the_preferred_place_is_taken_where_it_is_free),
		FAKE_TEST(a_relocatable_kernel_goes_high_where_the_preferred_place_is_taken),
		FAKE_TEST(a_kernel_is_never_loaded_below_where_it_would_move),
		FAKE_TEST(a_fixed_kernel_goes_to_its_place_or_nowhere),
		FAKE_TEST(an_initrd_lies_where_the_kernel_reaches_it),
		FAKE_TEST(the_zero_page_holds_the_header_and_all_addresses),
		FAKE_TEST(only_the_header_is_copied),
		FAKE_TEST(the_memory_map_is_told_as_the_guest_sees_it),
		FAKE_TEST(a_memory_map_of_128_pieces_is_told_and_a_longer_one_refused),
		FAKE_TEST(a_command_line_longer_than_the_kernel_takes_is_refused),
		FAKE_TEST(the_page_tables_map_4_gib_at_their_own_address),
		FAKE_TEST(a_text_screen_is_told),
		FAKE_TEST(a_frame_buffer_is_told),
		FAKE_TEST(a_frame_buffer_of_uefi_is_told_in_bytes_and_anywhere),
		FAKE_TEST(screens_that_linux_cannot_use_are_not_told),
		FAKE_TEST(uefi_is_told_with_a_memory_map_as_the_guest_sees_it),
		FAKE_TEST(the_largest_uefi_memory_map_fits),
		FAKE_TEST(uefi_that_is_not_whole_or_not_wanted_is_not_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
