/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * boot/linux.h - what it takes to start Linux: the 64-bit boot protocol (Linux,
 * Documentation/arch/x86/boot.rst) and the ACPI tables it is given. Pure: everything is planned and
 * written through plain memory; nothing is entered here.
 */
#pragma once

#include "boot/acpi.h"
#include "boot/mbi.h"
#include "kernel/service.h"

#define LINUX_HEAD_SIZE 0x290u /* all that is read of a bzImage here */

/* A bzImage: what its header says, checked; and where it goes: all host-physical, which is
 * guest-physical, in memory that was free. */
struct linux_kernel {
	uint8_t head[LINUX_HEAD_SIZE];
	uint32_t payload; /* offset of the protected-mode part in the file */
	uint32_t payload_size;
	uint64_t init_size;  /* bytes that the kernel uses from its load address on until it has
				found its feet */
	uint64_t alignment;  /* of the load address */
	uint64_t initrd_end; /* the initrd lies below it */
	uint64_t base;       /* init_size bytes, aligned */
	uint64_t params; /* SERVICE_PARAMS_SIZE bytes: zero page, then command line, page tables,
			    GDT, ACPI tables: offsets below */
	uint64_t initrd, initrd_size; /* size 0: none */
	uint64_t rsdp;                /* 0: none; the caller's to set */
};
#define LINUX_CMDLINE 0x1000u
#define LINUX_EFI_MAP 0xa000u
#define LINUX_ACPI    0xc000u /* to the end */

/*
 * Check the bzImage of `size` bytes, of which only the first LINUX_HEAD_SIZE are read. 0, or
 * -EINVAL after an error in the log that says in a sentence what it is not.
 */
int linux_check(const uint8_t *image, size_t size, struct linux_kernel *kernel);

/*
 * Choose the places, below 4 GiB: for the kernel the preferred address, else for a relocatable one
 * the highest one above it; params follow the kernel, and the initrd lies above or below both. 0,
 * or -ENOMEM when there is no room (said in the log). The caller then marks params as MEM_ACPI in
 * the map that it gives to linux_write_params: Linux must not take them for free RAM.
 */
int linux_plan(struct linux_kernel *kernel, const struct memmap *map, uint64_t initrd_size);

/*
 * Write zero page, command line, GDT, page tables and UEFI's memory map into params[0..LINUX_ACPI),
 * 8-byte aligned. The guest is told `map` (FREE, ACPI, NVS, BAD as such, else reserved), the kernel
 * module's command line, and the screen and UEFI that the loader left. 0, or -E2BIG for a command
 * line or a memory map beyond what Linux takes (said in the log).
 */
int linux_write_params(const struct linux_kernel *kernel, const struct boot_info *boot,
	const struct memmap *map, uint8_t *params);

/*
 * Write an RSDP and an XSDT for the guest to to[0..SERVICE_PARAMS_SIZE - LINUX_ACPI), which lies at
 * guest-physical `at`, the RSDP first: all valid tables of `acpi`, but DMAR, IVRS, roots and DSDT
 * (the FADT leads there); the MADT is replaced by a copy in which only CPUs with APIC ids in
 * apic_ids[0..cpu_count) are enabled. False when the MADT does not fit or cannot be mapped: then
 * there is nothing to be used.
 */
bool linux_write_acpi(const struct acpi *acpi, const uint32_t *apic_ids, unsigned cpu_count,
	uint64_t at, uint8_t *to);

/*
 * Plan the service VM's start (service_plan) if there is a module named "kernel"; say why not
 * otherwise. Once, on the boot CPU, when all CPUs are up.
 */
void service_prepare(const struct boot_info *info);
