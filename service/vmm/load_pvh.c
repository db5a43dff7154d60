/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/load_pvh.c - an ELF kernel with a PVH entry: Xen's docs/misc/pvh.pandoc and
 * include/public/arch-x86/hvm/start_info.h.
 */
#include <errno.h>

#include "service/vmm/load.h"
#include "service/vmm/say.h"

#define START_MAGIC 0x336ec578u

struct start_info {
	uint32_t magic, version, flags, module_count;
	uint64_t modules, cmdline, rsdp, memory_map;
	uint32_t memory_map_count, reserved;
};
_Static_assert(sizeof(struct start_info) == 56, "version 1");

struct start_module {
	uint64_t base, size, cmdline, reserved;
};

struct start_memory {
	uint64_t base, size;
	uint32_t type, reserved;
};
_Static_assert(sizeof(struct start_memory) == 24, "start_info.h");

/* All that is told, in one piece. */
struct told {
	struct start_info info;
	struct start_module module;
	struct start_memory memory[LOAD_RANGE_MAX];
};

static void tell(const struct load *load, uint64_t initrd)
{
	struct load_range ranges[LOAD_RANGE_MAX];
	unsigned count = load_memory_map(load->memory, ranges);
	struct told told = {
		.info = {.magic = START_MAGIC,
			.version = 1,
			.module_count = initrd != 0,
			.modules = LOAD_INFO + offsetof(struct told, module),
			.cmdline = LOAD_CMDLINE,
			.rsdp = load->rsdp,
			.memory_map = LOAD_INFO + offsetof(struct told, memory),
			.memory_map_count = count},
		.module = {.base = initrd, .size = load->initrd.size},
	};
	for (unsigned i = 0; i < count; i++) {
		told.memory[i] =
			(struct start_memory){ranges[i].base, ranges[i].size, ranges[i].type, 0};
	}
	memory_write(load->memory, LOAD_INFO, &told, sizeof(told));
}

int load_pvh(struct load *load)
{
	struct load_elf elf;
	uint64_t initrd = 0;
	int err = load_elf_check(&load->kernel, &elf);
	if (err != 0 || !elf.has_pvh) {
		return err != 0 ? err : -ENOEXEC;
	}
	err = load_elf_segments(load, &elf);
	if (err == 0) {
		err = load_cmdline(load, LOAD_CMDLINE_MAX);
	}
	if (err == 0) {
		err = load_initrd(load, elf.end, MEMORY_LOW_END, &initrd);
	}
	if (err != 0) {
		return err;
	}
	tell(load, initrd);
	return load_start_32(load, elf.pvh_entry, 0, LOAD_INFO, 0);
}
