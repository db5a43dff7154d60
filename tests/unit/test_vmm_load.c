/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/test_vmm_load.c - pintle-vmm's loaders: small kernels of each format land where they
 * should, and damaged ones are refused with a sentence.
 *
 * Flags: -D_GNU_SOURCE
 * Links: service/vmm/load.c service/vmm/load_linux.c service/vmm/load_elf.c
 * Links: service/vmm/load_pvh.c service/vmm/load_multiboot.c
 * Links: service/vmm/memory.c service/vmm/vcpu_state.c
 */
#include "tests/unit/fake.h"

#include <elf.h>
#include <errno.h>

#include "service/vmm/load.h"
#include "service/vmm/say.h"

#define RAM (64 * MIB)

static struct memory memory;
static char said[1024];
static uint8_t *file; /* of exactly its size, so that ASan sees a step beyond */

void say(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(said, sizeof(said), format, arguments);
	va_end(arguments);
}

static uint64_t ram(uint64_t gpa, size_t bytes)
{
	uint64_t value = 0;
	const void *at = memory_at(&memory, gpa, bytes);
	assert_non_null(at);
	memcpy(&value, at, bytes);
	return value;
}

static void put(uint8_t *at, size_t offset, uint64_t value, size_t bytes)
{
	memcpy(at + offset, &value, bytes);
}

/* Load `size` bytes of image, with an initrd of so many bytes. */
static int load(struct load *l, const uint8_t *image, size_t size, size_t initrd)
{
	static uint8_t initrd_bytes[100000];
	memory_destroy(&memory);
	assert_int_equal(memory_create(&memory, RAM), 0);
	free(file);
	file = malloc(size);
	assert_non_null(file);
	memcpy(file, image, size);
	memset(initrd_bytes, 0x5a, sizeof(initrd_bytes));
	said[0] = '\0';
	*l = (struct load){.memory = &memory,
		.kernel = {"kernel", file, size},
		.initrd = {"initrd", initrd_bytes, initrd},
		.cmdline = "console=x",
		.rsdp = LOAD_ACPI};
	int err = load_kernel(l);
	assert_int_equal(err != 0, said[0] != '\0');
	return err;
}

/* A bzImage of protocol 2.15 with 5 setup sectors and 8 KiB of payload. */
#define BZ_PAYLOAD (6 * 512)
#define BZ_SIZE    (BZ_PAYLOAD + 8192)
static uint8_t bz[BZ_SIZE];
static void make_bzimage(void)
{
	memset(bz, 0, sizeof(bz));
	put(bz, 0x1f1, 5, 1);
	put(bz, 0x1fe, 0xaa55, 2);
	put(bz, 0x200, 0x6aeb, 2); /* a jump over 6ah bytes */
	memcpy(bz + 0x202, "HdrS", 4);
	put(bz, 0x206, 0x20f, 2);
	put(bz, 0x211, 1, 1);
	put(bz, 0x22c, 0x7fffffff, 4);
	put(bz, 0x230, 0x200000, 4);
	put(bz, 0x234, 1, 1);
	put(bz, 0x236, 1, 2);
	put(bz, 0x238, 100, 4);
	put(bz, 0x258, 16 * MIB, 8);
	put(bz, 0x260, 4 * MIB, 4);
	memset(bz + BZ_PAYLOAD, 0xcc, BZ_SIZE - BZ_PAYLOAD);
}

static void a_bzimage_is_entered_in_64_bits(void **state)
{
	struct load l;
	make_bzimage();
	assert_int_equal(load(&l, bz, BZ_SIZE, 5000), 0);
	assert_int_equal(l.start.mode, VCPU_MODE_64);
	assert_int_equal(l.start.rip, 16 * MIB + 0x200);
	assert_int_equal(l.start.rsi, LOAD_ZERO_PAGE);
	assert_int_equal(ram(16 * MIB, 8), 0xcccccccccccccccc);
	assert_int_equal(ram(16 * MIB + 8192 - 8, 8), 0xcccccccccccccccc);
	assert_int_equal(ram(LOAD_ZERO_PAGE + 0x202, 4), 0x53726448);
	assert_int_equal(ram(LOAD_ZERO_PAGE + 0x228, 4), LOAD_CMDLINE);
	assert_int_equal(ram(LOAD_ZERO_PAGE + 0x70, 8), LOAD_ACPI);
	assert_string_equal((char *)memory_at(&memory, LOAD_CMDLINE, 10), "console=x");
	uint64_t initrd = ram(LOAD_ZERO_PAGE + 0x218, 4);
	assert_int_equal(initrd, RAM - 8192);
	assert_int_equal(ram(LOAD_ZERO_PAGE + 0x21c, 4), 5000);
	assert_int_equal(ram(initrd + 4992, 8), 0x5a5a5a5a5a5a5a5a);
	/* The map: the last range is RAM from 1 MiB on. */
	uint64_t count = ram(LOAD_ZERO_PAGE + 0x1e8, 1);
	uint64_t last = LOAD_ZERO_PAGE + 0x2d0 + (count - 1) * 20;
	assert_int_equal(ram(last, 8), MIB);
	assert_int_equal(ram(last + 8, 8), RAM - MIB);
	assert_int_equal(ram(last + 16, 4), 1);
	/* The tables map an address to itself. */
	assert_int_equal(ram(l.start.cr3, 8), (l.start.cr3 + 4096) | 3);
	assert_int_equal(ram(l.start.cr3 + 2 * 4096 + 8 * 511, 8), (511 * 2 * MIB) | 0x83);
}

static void a_32_bit_bzimage_is_entered_in_32_bits(void **state)
{
	struct load l;
	make_bzimage();
	put(bz, 0x236, 0, 2);
	assert_int_equal(load(&l, bz, BZ_SIZE, 0), 0);
	assert_int_equal(l.start.mode, VCPU_MODE_32);
	assert_int_equal(l.start.rip, 16 * MIB);
	put(bz, 0x206, 0x204, 2); /* without preferred address */
	assert_int_equal(load(&l, bz, BZ_SIZE, 0), 0);
	assert_int_equal(l.start.rip, MIB);
	assert_int_equal(ram(LOAD_ZERO_PAGE + 0x21c, 4), 0);
}

static void bad_bzimages_are_refused(void **state)
{
	struct load l;
	make_bzimage();
	put(bz, 0x206, 0x203, 2);
	assert_int_equal(load(&l, bz, BZ_SIZE, 0), -EINVAL);
	make_bzimage();
	put(bz, 0x1f1, 200, 1);
	assert_int_equal(load(&l, bz, BZ_SIZE, 0), -EINVAL);
	make_bzimage();
	put(bz, 0x260, RAM, 4);
	assert_int_equal(load(&l, bz, BZ_SIZE, 0), -ENOMEM);
	put(bz, 0x260, 47 * MIB, 4); /* room for the kernel, but 1 MiB only beside it */
	assert_int_equal(load(&l, bz, BZ_SIZE, 100000), 0);
	put(bz, 0x260, 48 * MIB, 4);
	assert_int_equal(load(&l, bz, BZ_SIZE, 100000), -ENOMEM);
	make_bzimage();
	put(bz, 0x258, UINT64_MAX - 4096, 8);
	assert_int_equal(load(&l, bz, BZ_SIZE, 0), -ENOMEM);
	make_bzimage();
	put(bz, 0x238, 8, 4);
	assert_int_equal(load(&l, bz, BZ_SIZE, 0), -E2BIG);
	put(bz, 0x238, 9, 4);
	assert_int_equal(load(&l, bz, BZ_SIZE, 0), 0);
	for (size_t size = 1; size < 0x300; size++) {
		assert_int_not_equal(load(&l, bz, size, 0), 0);
	}
}

/* An ELF file with one segment, a PVH note, and a Multiboot header at its begin. */
struct elf64 {
	Elf64_Ehdr head;
	Elf64_Phdr segment[2];
	uint32_t multiboot[3];
	struct {
		Elf64_Nhdr head;
		char name[4];
		uint32_t value;
	} note;
	uint8_t code[64];
};
struct elf32 {
	Elf32_Ehdr head;
	Elf32_Phdr segment[1];
	uint32_t multiboot[3];
	uint8_t code[64];
};

static struct elf64 make_elf64(void)
{
	struct elf64 e = {
		.head = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB},
			.e_machine = EM_X86_64,
			.e_entry = 0xffffffff81000000,
			.e_phoff = offsetof(struct elf64, segment),
			.e_phentsize = sizeof(Elf64_Phdr),
			.e_phnum = 2},
		.segment = {{.p_type = PT_LOAD,
				    .p_offset = offsetof(struct elf64, code),
				    .p_paddr = 2 * MIB,
				    .p_filesz = 64,
				    .p_memsz = 8192},
			{.p_type = PT_NOTE,
				.p_offset = offsetof(struct elf64, note),
				.p_filesz = sizeof(e.note)}},
		.note = {{4, 4, 18}, "Xen", 2 * MIB + 16},
	};
	memset(e.code, 0x90, sizeof(e.code));
	return e;
}

static void a_pvh_kernel_is_told_where_all_is(void **state)
{
	struct load l;
	struct elf64 e = make_elf64();
	assert_int_equal(load(&l, (uint8_t *)&e, sizeof(e), 5000), 0);
	assert_int_equal(l.start.mode, VCPU_MODE_32);
	assert_int_equal(l.start.rip, 2 * MIB + 16);
	assert_int_equal(ram(2 * MIB + 56, 8), 0x9090909090909090);
	assert_int_equal(ram(2 * MIB + 64, 8), 0);
	uint64_t info = l.start.rbx;
	assert_int_equal(ram(info, 8), 0x1336ec578);
	assert_int_equal(ram(info + 12, 4), 1);
	assert_int_equal(ram(ram(info + 16, 8) + 8, 8), 5000);
	assert_int_equal(ram(ram(info + 16, 8), 8), RAM - 8192);
	assert_int_equal(ram(info + 24, 8), LOAD_CMDLINE);
	assert_int_equal(ram(info + 32, 8), LOAD_ACPI);
	uint64_t last = ram(info + 40, 8) + (ram(info + 48, 4) - 1) * 24;
	assert_int_equal(ram(last + 8, 8), RAM - MIB);
}

static void bad_elf_files_are_refused(void **state)
{
	struct load l;
	struct elf64 e = make_elf64();
	e.segment[0].p_paddr = 0x1000; /* where we tell things */
	assert_int_equal(load(&l, (uint8_t *)&e, sizeof(e), 0), -ENOMEM);
	e.segment[0].p_paddr = UINT64_MAX - 100;
	assert_int_equal(load(&l, (uint8_t *)&e, sizeof(e), 0), -ENOMEM);
	e = make_elf64();
	e.segment[0].p_memsz = UINT64_MAX;
	assert_int_equal(load(&l, (uint8_t *)&e, sizeof(e), 0), -ENOMEM);
	e = make_elf64();
	e.segment[0].p_filesz = 65;
	assert_int_equal(load(&l, (uint8_t *)&e, sizeof(e), 0), -EINVAL);
	e.segment[0].p_filesz = UINT64_MAX;
	assert_int_equal(load(&l, (uint8_t *)&e, sizeof(e), 0), -EINVAL);
	e = make_elf64();
	e.head.e_phnum = 100;
	assert_int_equal(load(&l, (uint8_t *)&e, sizeof(e), 0), -EINVAL);
	e.head.e_phoff = UINT64_MAX;
	assert_int_equal(load(&l, (uint8_t *)&e, sizeof(e), 0), -EINVAL);
	e = make_elf64();
	e.note.head.n_namesz = UINT32_MAX; /* then there is no entry */
	assert_int_equal(load(&l, (uint8_t *)&e, sizeof(e), 0), -ENOEXEC);
	e = make_elf64();
	e.head.e_machine = EM_AARCH64;
	assert_int_equal(load(&l, (uint8_t *)&e, sizeof(e), 0), -ENOEXEC);
}

static struct elf32 make_elf32(void)
{
	struct elf32 e = {
		.head = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS32, ELFDATA2LSB},
			.e_machine = EM_386,
			.e_entry = 0x200008,
			.e_phoff = offsetof(struct elf32, segment),
			.e_phentsize = sizeof(Elf32_Phdr),
			.e_phnum = 1},
		.segment = {{.p_type = PT_LOAD,
			.p_offset = offsetof(struct elf32, code),
			.p_paddr = 0x200000,
			.p_filesz = 64,
			.p_memsz = 4100}},
		.multiboot = {0x1badb002, 3, -(0x1badb002u + 3)},
	};
	return e;
}

static void a_multiboot_kernel_is_told_where_all_is(void **state)
{
	struct load l;
	struct elf32 e = make_elf32();
	assert_int_equal(load(&l, (uint8_t *)&e, sizeof(e), 5000), 0);
	assert_int_equal(l.start.rip, 0x200008);
	assert_int_equal(l.start.rax, 0x2badb002);
	uint64_t info = l.start.rbx;
	assert_int_equal(ram(info, 4), 0x24d);
	assert_int_equal(ram(info + 8, 4), (RAM - MIB) / 1024);
	assert_string_equal((char *)memory_at(&memory, ram(info + 16, 4), 10), "console=x");
	assert_int_equal(ram(info + 20, 4), 1);
	uint64_t module = ram(info + 24, 4);
	assert_int_equal(ram(module + 4, 4) - ram(module, 4), 5000);
	assert_int_equal(ram(module, 4) % 4096, 0);
	assert_true(ram(module, 4) >= 0x200000 + 4100 && ram(module, 4) < 0x205000);
	uint64_t map = ram(info + 48, 4), end = map + ram(info + 44, 4), total = 0;
	while (map < end) {
		total += ram(map + 20, 4) == 1 ? ram(map + 12, 8) : 0;
		map += ram(map, 4) + 4;
	}
	assert_int_equal(map, end);
	assert_int_equal(total, RAM - MIB + LOAD_LOW_END);
}

static void multiboot_addresses_in_the_header_count(void **state)
{
	struct load l;
	uint32_t flat[64] = {0, 0x1badb002, 0x10000, -(0x1badb002u + 0x10000), 0x300004, 0x300000,
		0x300000 + 128, 0x302000, 0x300020};
	assert_int_equal(load(&l, (uint8_t *)flat, sizeof(flat), 0), 0);
	assert_int_equal(l.start.rip, 0x300020);
	assert_int_equal(ram(0x300004, 4), 0x1badb002);
	assert_int_equal(ram(l.start.rbx + 20, 4), 0);
	flat[6] = 0; /* to the file's end */
	assert_int_equal(load(&l, (uint8_t *)flat, sizeof(flat), 0), 0);
	static const uint32_t bad[][4] = {
		{0x2ffff0, 0x300000, 0, 0x302000},        /* the header before the begin */
		{0x300008, 0x300000, 0, 0x302000},        /* the begin before the file */
		{0x300004, 0x300000, 0x300200, 0x302000}, /* more than the file */
		{0x300004, 0x300000, 0x2fff00, 0x302000},
		{0x300004, 0x300000, 0, 0x300010}, /* less than the file */
		{0x300004, 0x300000, 0, 0xffffffff},
		{0x004, 0x0, 0, 0x2000},
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		memcpy(&flat[4], bad[i], sizeof(bad[i]));
		assert_int_not_equal(load(&l, (uint8_t *)flat, sizeof(flat), 0), 0);
	}
}

static void multiboot_wishes_beyond_ours_are_refused(void **state)
{
	struct load l;
	struct elf32 e = make_elf32();
	e.multiboot[1] = 7; /* a graphics mode */
	e.multiboot[2] = -(0x1badb002u + 7);
	assert_int_equal(load(&l, (uint8_t *)&e, sizeof(e), 0), -EOPNOTSUPP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_TEST(a_bzimage_is_entered_in_64_bits),
		FAKE_TEST(a_32_bit_bzimage_is_entered_in_32_bits),
		FAKE_TEST(bad_bzimages_are_refused),
		FAKE_TEST(a_pvh_kernel_is_told_where_all_is),
		FAKE_TEST(bad_elf_files_are_refused),
		FAKE_TEST(a_multiboot_kernel_is_told_where_all_is),
		FAKE_TEST(multiboot_addresses_in_the_header_count),
		FAKE_TEST(multiboot_wishes_beyond_ours_are_refused),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	memory_destroy(&memory);
	free(file);
	return failed;
}
