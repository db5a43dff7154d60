/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/load_linux.c - a bzImage, entered in 64-bit mode where it can be, else in 32-bit
 * mode. Offsets and names are those of Linux's Documentation/arch/x86/boot.rst and zero-page.rst.
 */
#include <errno.h>
#include <string.h>

#include "service/vmm/load.h"
#include "service/vmm/say.h"

#define HEAD_SIZE    0x290u
#define SETUP        0x1f1u
#define SETUP_JUMP   0x201u /* its byte is the length of the header behind */
#define SETUP_MAGIC  0x202u
#define SETUP_MAX    (HEAD_SIZE - SETUP)
#define ENTRY_64     0x200u
#define E820_TABLE   0x2d0u
#define ZERO_PAGE    4096u
#define E820_ENTRY   20u
#define VERSION_MIN  0x204u /* with initrd_addr_max and a command line pointer */
#define VERSION_210  0x20au /* pref_address and init_size */
#define VERSION_212  0x20cu /* xloadflags */
#define DEFAULT_BASE 0x100000u

struct header {
	uint64_t payload, payload_size; /* in the file */
	uint64_t base, used;            /* in RAM */
	uint64_t initrd_end;
	uint64_t cmdline_max; /* with the ending zero */
	bool wide;
};

static uint64_t get(const struct load *load, size_t offset, size_t bytes)
{
	uint64_t value = 0;
	memcpy(&value, load->kernel.data + offset, bytes);
	return value;
}

static int check(const struct load *load, struct header *h)
{
	const struct load_file *kernel = &load->kernel;
	if (kernel->size < HEAD_SIZE || get(load, 0x1fe, 2) != 0xaa55 ||
		memcmp(kernel->data + SETUP_MAGIC, "HdrS", 4) != 0) {
		return -ENOEXEC;
	}
	uint64_t version = get(load, 0x206, 2), sectors = get(load, 0x1f1, 1);
	bool loaded_high = (get(load, 0x211, 1) & 1) != 0;
	h->payload = ((sectors != 0 ? sectors : 4) + 1) * 512;
	if (version < VERSION_MIN || !loaded_high || h->payload >= kernel->size) {
		say("%s is a Linux kernel that is too old, or cut off", kernel->path);
		return -EINVAL;
	}
	h->payload_size = kernel->size - h->payload;
	h->wide = version >= VERSION_212 && (get(load, 0x236, 2) & 1) != 0;
	h->base = version >= VERSION_210 ? get(load, 0x258, 8) : DEFAULT_BASE;
	h->used = version >= VERSION_210 ? get(load, 0x260, 4) : 4 * h->payload_size;
	h->base = h->base < LOAD_MIN ? LOAD_MIN : h->base;
	h->used = h->used < h->payload_size ? h->payload_size : h->used;
	h->initrd_end = get(load, 0x22c, 4) + 1;
	h->cmdline_max = version >= 0x206 ? get(load, 0x238, 4) + 1 : 256;
	if (h->base >= MEMORY_LOW_END || memory_at(load->memory, h->base, h->used) == NULL) {
		say("%s needs memory up to %lu MiB: give the guest more (--mem)", kernel->path,
			(h->base + h->used) / MIB + 1);
		return -ENOMEM;
	}
	return 0;
}

/* The tables of the 64-bit entry: 4 GiB at their own addresses, by large pages (SDM vol. 3, 4.5).
 */
static void write_tables(const struct load *load)
{
	uint64_t *table = memory_at(load->memory, LOAD_TABLES, UINT64_C(6) * 4096);
	memset(table, 0, UINT64_C(6) * 4096);
	table[0] = (LOAD_TABLES + 4096u) | 3;
	for (uint64_t i = 0; i < 4; i++) {
		table[512 + i] = (LOAD_TABLES + (2 + i) * 4096) | 3;
	}
	for (uint64_t i = 0; i < 2048; i++) {
		table[1024 + i] = i * 2 * MIB | 0x83;
	}
}

static void write_zero_page(const struct load *load, const struct header *h, uint64_t initrd)
{
	struct load_range ranges[LOAD_RANGE_MAX];
	unsigned count = load_memory_map(load->memory, ranges);
	uint8_t *page = memory_at(load->memory, LOAD_ZERO_PAGE, ZERO_PAGE);
	size_t length = SETUP_MAGIC + load->kernel.data[SETUP_JUMP] - SETUP;
	memset(page, 0, ZERO_PAGE);
	memcpy(page + SETUP, load->kernel.data + SETUP, length < SETUP_MAX ? length : SETUP_MAX);
	const struct {
		uint16_t offset, bytes;
		uint64_t value;
	} fields[] = {
		{0x070, 8, load->rsdp},        /* acpi_rsdp_addr */
		{0x1e8, 1, count},             /* e820_entries */
		{0x1fa, 2, 0xffff},            /* vid_mode: normal */
		{0x210, 1, 0xff},              /* type_of_loader: one without a number */
		{0x214, 4, h->base},           /* code32_start */
		{0x218, 4, initrd},            /* ramdisk_image */
		{0x21c, 4, load->initrd.size}, /* ramdisk_size */
		{0x228, 4, LOAD_CMDLINE},      /* cmd_line_ptr */
	};
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		memcpy(page + fields[i].offset, &fields[i].value, fields[i].bytes);
	}
	for (unsigned i = 0; i < count; i++) {
		uint8_t *entry = page + E820_TABLE + i * E820_ENTRY;
		uint32_t type = ranges[i].type;
		memcpy(entry, &ranges[i].base, 8);
		memcpy(entry + 8, &ranges[i].size, 8);
		memcpy(entry + 16, &type, 4);
	}
}

int load_linux(struct load *load)
{
	struct header h;
	uint64_t initrd = 0;
	int err = check(load, &h);
	if (err == 0) {
		err = load_cmdline(load, h.cmdline_max);
	}
	if (err == 0) {
		err = load_initrd(load, h.base + h.used, h.initrd_end, &initrd);
	}
	if (err != 0) {
		return err;
	}
	memory_write(load->memory, h.base, load->kernel.data + h.payload, h.payload_size);
	write_zero_page(load, &h, initrd);
	err = load_start_32(load, h.base, 0, 0, LOAD_ZERO_PAGE);
	if (h.wide) {
		uint64_t gdt[VCPU_GDT_ENTRIES];
		vcpu_write_gdt(gdt, VCPU_MODE_64);
		memory_write(load->memory, LOAD_GDT, gdt, sizeof(gdt));
		write_tables(load);
		load->start.mode = VCPU_MODE_64;
		load->start.rip += ENTRY_64;
		load->start.cr3 = LOAD_TABLES;
	}
	return err;
}
