/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * boot/mbi.h - the Multiboot2 boot information, checked and copied.
 *
 * What the loader left is untrusted and will be overwritten; all that Pintle uses of it is copied
 * into a struct boot_info. Pure: reads only [mbi, mbi + limit).
 */
#pragma once

#include "kernel/memmap.h"

#define MBI_MAGIC 0x36d76289u /* Multiboot2 specification 3.3, EAX at entry */

#define BOOT_CMDLINE_MAX 1024u
#define BOOT_RSDP1_SIZE  20u /* ACPI 6.5, 5.2.5.3: the first 20 bytes are ACPI 1.0's */
#define BOOT_RSDP2_SIZE  36u

struct boot_module {
	uint64_t base;               /* host-physical */
	uint64_t size;               /* bytes; 0: there is none */
	char args[BOOT_CMDLINE_MAX]; /* its command line behind its name */
};

/* The text or pixel screen the loader left on, laid out as in specification 3.6.12. width 0: none.
 */
struct boot_screen {
	uint64_t base; /* host-physical */
	uint32_t pitch, width, height;
	uint8_t bpp;
	uint8_t type; /* 0 indexed, 1 RGB, 2 EGA text */
	uint8_t reserved[2];
	uint8_t colours[6]; /* of RGB: position and bits of red, green, blue */
} PACKED;
#define BOOT_SCREEN_RGB  1u
#define BOOT_SCREEN_TEXT 2u

/* UEFI 2.10, 7.2: a descriptor of its memory map; firmware's own may be longer. */
struct efi_memory {
	uint32_t type, padding;
	uint64_t base, virtual_base, pages, attributes;
};
#define EFI_MEMORY_FREE 7u /* types 1 to 4 are as free as 7 when the firmware is done */
#define EFI_MEMORY_WB   BIT(3)
#define BOOT_EFI_MAX    64u

struct boot_info {
	char cmdline[BOOT_CMDLINE_MAX];
	struct memmap memmap;              /* the firmware's, and all modules */
	struct boot_module kernel, initrd; /* the modules with these names */
	uint8_t rsdp[BOOT_RSDP2_SIZE];
	unsigned rsdp_size; /* bytes: 20 (ACPI 1), 36 (ACPI 2) or 0: none; the newer wins */
	struct boot_screen screen;
	uint64_t efi_table; /* the 64-bit UEFI system table; 0: the firmware is none */
	unsigned efi_count;
	struct efi_memory efi[BOOT_EFI_MAX]; /* its memory map without what is free; in part: 0 */
};

/*
 * Check and copy the boot information at `mbi` into *info; `limit` is how many bytes may be read at
 * most. Every tag's size is checked against what its type needs and against the whole; tags of
 * unknown type are skipped, the last of a repeated one counts (memory maps add up). Of an UEFI map
 * too long nothing is kept, with a warning in the log. Returns
 * 0, or -EBADMSG after an error in the log that says which tag is malformed or more than can be
 * kept; *info is then unusable. A missing memory map is one without memory: the caller sees it.
 */
int mbi_parse(const void *mbi, size_t limit, struct boot_info *info);
