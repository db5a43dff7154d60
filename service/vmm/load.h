/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/load.h - put a kernel and its initrd into the guest's RAM, and say how it is entered.
 *
 * Files are not trusted: every offset and length in them is checked before it is used. Nothing is
 * loaded below LOAD_MIN, where what kernels are told lies.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "service/vmm/memory.h"
#include "service/vmm/vcpu.h"

/* Guest-physical addresses below 1 MiB. */
#define LOAD_GDT       0x500u
#define LOAD_INFO      0x1000u /* what a PVH or Multiboot kernel is told */
#define LOAD_ZERO_PAGE 0x7000u /* what Linux is told */
#define LOAD_TABLES    0x9000u /* six pages that map 4 GiB */
#define LOAD_CMDLINE   0x10000u
#define LOAD_LOW_END   0x9fc00u /* of RAM, as PCs have it */
#define LOAD_ACPI      0xe0000u /* where firmware is searched for the RSDP */
#define LOAD_MIN       0x100000u

#define LOAD_CMDLINE_MAX 0x10000u /* bytes with the ending zero */

struct load_file {
	const char *path;
	const uint8_t *data;
	uint64_t size;
};

struct load {
	const struct memory *memory;
	struct load_file kernel, initrd; /* without initrd its size is 0 */
	const char *cmdline;
	uint64_t rsdp;
	struct vcpu_start start; /* the result */
};

/* Map a file. 0 or a negative errno after a message. */
int load_open(struct load_file *file, const char *path);
void load_close(struct load_file *file);

/* Load whatever the kernel is. 0 or a negative errno after a message. */
int load_kernel(struct load *load);

/* The formats: -ENOEXEC without a message when it is another one; else as load_kernel(). */
int load_linux(struct load *load);
int load_pvh(struct load *load);
int load_multiboot(struct load *load);

/* For the formats. ---------------------------------------------------------------------------- */

/* ACPI 6.5, 15.1. */
enum load_range_type {
	LOAD_RAM = 1,
	LOAD_RESERVED = 2,
};
struct load_range {
	uint64_t base, size;
	enum load_range_type type;
};
#define LOAD_RANGE_MAX 5u

/* The guest's memory map; how many ranges. */
unsigned load_memory_map(const struct memory *memory, struct load_range ranges[LOAD_RANGE_MAX]);

/* Put the initrd as high as possible into [low, high). Its address, 0 for none; or says why not. */
int load_initrd(const struct load *load, uint64_t low, uint64_t high, uint64_t *gpa);

/* Write the command line, if it is shorter than `max` bytes. 0 or -E2BIG after a message. */
int load_cmdline(const struct load *load, uint64_t max);

/* An ELF file's segments into RAM; their end; 32-bit or 64-bit. As the formats. */
struct load_elf {
	uint64_t entry, end;
	bool wide;
	bool has_pvh;
	uint64_t pvh_entry;
};
int load_elf_check(const struct load_file *file, struct load_elf *elf);
int load_elf_segments(const struct load *load, struct load_elf *elf);

/* The 32-bit entry that PVH and Multiboot have in common. 0 or a negative errno. */
int load_start_32(struct load *load, uint64_t entry, uint64_t rax, uint64_t rbx, uint64_t rsi);
