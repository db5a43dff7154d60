/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/mbi_image.h - a Multiboot2 boot information, built tag by tag and parsed, for the
 * tests of boot/mbi.c.
 */
#pragma once

#include "tests/unit/fake.h"

#include "boot/mbi.h"
#include "kernel/errno.h"

/* The boot information under construction; tags are put one after the other, each at its alignment.
 */
static _Alignas(8) uint8_t image[65536];
static uint32_t image_size;
static struct boot_info info;

static inline void put_u32(uint32_t at, uint32_t value)
{
	memcpy(image + at, &value, sizeof(value));
}

static inline void put_u64(uint32_t at, uint64_t value)
{
	memcpy(image + at, &value, sizeof(value));
}

static inline void image_start(void)
{
	memset(image, 0xee, sizeof(image));
	put_u32(0, 8);
	put_u32(4, 0);
	image_size = 8;
}

/* Returns the offset of the body; `size` is the body's. */
static inline uint32_t image_tag(uint32_t type, uint32_t size)
{
	uint32_t at = image_size;
	put_u32(at, type);
	put_u32(at + 4, 8 + size);
	image_size = ALIGN_UP(at + 8 + size, 8u);
	assert_true(image_size <= sizeof(image));
	put_u32(0, image_size);
	return at + 8;
}

static inline uint32_t image_bytes(uint32_t type, const void *body, size_t size)
{
	uint32_t at = image_tag(type, (uint32_t)size);
	memcpy(image + at, body, size);
	return at;
}

static inline uint32_t image_text(uint32_t type, const char *text)
{
	return image_bytes(type, text, strlen(text) + 1);
}

static inline uint32_t image_module(uint32_t start, uint32_t end, const char *text)
{
	uint32_t at = image_tag(3, (uint32_t)(8 + strlen(text) + 1));
	put_u32(at, start);
	put_u32(at + 4, end);
	memcpy(image + at + 8, text, strlen(text) + 1);
	return at;
}

static inline uint32_t image_map(uint32_t entry_size, uint32_t count)
{
	uint32_t at = image_tag(6, 8 + entry_size * count);
	put_u32(at, entry_size);
	put_u32(at + 4, 0);
	return at;
}

static inline void image_entry(uint32_t at, uint64_t base, uint64_t size, uint32_t type)
{
	put_u64(at, base);
	put_u64(at + 8, size);
	put_u32(at + 16, type);
}

/* Returns the offset of the first descriptor. */
static inline uint32_t image_efi_map(uint32_t entry_size, uint32_t count)
{
	uint32_t at = image_tag(17, 8 + entry_size * count);
	put_u32(at, entry_size);
	put_u32(at + 4, 1);
	return at + 8;
}

static inline void image_efi(uint32_t at, uint32_t type, uint64_t base, uint64_t pages)
{
	put_u32(at, type);
	put_u64(at + 8, base);
	put_u64(at + 24, pages);
	put_u64(at + 32, 0xf);
}

static inline void image_end(void)
{
	image_tag(0, 0);
}

/* Parse a copy that ends where the information may no longer be read, so that ASan sees every step
 * beyond. */
static inline int parse_limit(size_t limit)
{
	uint8_t *tight = malloc(limit);
	assert_non_null(tight);
	memcpy(tight, image, limit);
	memset(&info, 0xaa, sizeof(info));
	fake_log_clear();
	int err = mbi_parse(tight, limit, &info);
	free(tight);
	return err;
}

static inline int parse(void)
{
	return parse_limit(image_size);
}

static inline void assert_logged(const char *text)
{
	if (strstr(fake_log, text) == NULL) {
		fail_msg("\"%s\" is not in the log:\n%s", text, fake_log);
	}
}

/* Refused with one error that holds `text`. */
static inline void assert_refused(const char *text)
{
	assert_int_equal(parse(), -EBADMSG);
	assert_logged("error: boot information: ");
	assert_logged(text);
}

static inline void assert_quiet(void)
{
	assert_int_equal(parse(), 0);
	assert_string_equal(fake_log, "");
}

/* A whole one: what GRUB leaves on a UEFI machine, in short. */
static inline void image_whole(void)
{
	static const uint8_t network[5] = {1, 2, 3, 4, 5};
	image_start();
	image_text(1, "console=com1 loglevel=debug");
	image_text(2, "GRUB 2.06");
	image_module(0x1000000, 0x1800000, "kernel root=/dev/sda1 quiet");
	image_module(0x2000000, 0x2000123, "initrd");
	uint32_t map = image_map(24, 3);
	image_entry(map + 8, 0, 0x9fc00, 1);
	image_entry(map + 32, 0x9fc00, 0x400, 2);
	image_entry(map + 56, 0x100000, 0x7ff00000, 1);
	uint32_t screen = image_tag(8, 24 + 6);
	put_u64(screen, 0xfd000000);
	put_u32(screen + 8, 4096);
	put_u32(screen + 12, 1024);
	put_u32(screen + 16, 768);
	image[screen + 20] = 32;
	image[screen + 21] = 1;
	memcpy(image + screen + 24, "\x10\x08\x08\x08\0\x08", 6);
	uint32_t table = image_tag(12, 8);
	put_u64(table, 0x123456789abcdef0);
	image_bytes(14, "RSD PTR 12345678901234567890", 20);
	image_bytes(15, "RSD PTR abcdefghijklmnopqrstuvwxyz01", 36);
	image_bytes(16, network, sizeof(network));
	uint32_t kept = image_efi_map(48, 2);
	image_efi(kept, 7, 0x100000, 0x700);
	image_efi(kept + 48, 6, 0x7f000000, 0x123);
	image_end();
}
