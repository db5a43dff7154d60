/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/load_multiboot.c - a kernel with a Multiboot header, version 0.6.96 of the
 * specification: an ELF file, or any whose header says where it goes.
 */
#include <errno.h>
#include <string.h>

#include "service/vmm/load.h"
#include "service/vmm/say.h"

#define HEADER_MAGIC  0x1badb002u
#define HEADER_WITHIN 8192u
#define LOADER_MAGIC  0x2badb002u

#define HEADER_MUST_ADDRESSES 0x10000u
#define HEADER_MUST_KNOWN     0x3u /* modules at pages, a memory map: both always */
#define HEADER_MUST           0xffffu

#define INFO_MEMORY     0x001u
#define INFO_CMDLINE    0x004u
#define INFO_MODULES    0x008u
#define INFO_MEMORY_MAP 0x040u
#define INFO_LOADER     0x200u

struct header {
	uint32_t magic, flags, checksum;
	uint32_t header_at, load_at, load_end, bss_end, entry;
};

struct info {
	uint32_t flags, memory_lower, memory_upper, boot_device, cmdline;
	uint32_t module_count, modules, symbols[4];
	uint32_t memory_map_size, memory_map;
	uint32_t drives[2], config, loader;
};
_Static_assert(sizeof(struct info) == 68, "3.3");

struct module {
	uint32_t base, end, cmdline, reserved;
};

struct memory_entry {
	uint32_t size; /* of what follows */
	uint64_t base, length;
	uint32_t type;
} __attribute__((packed));

struct told {
	struct info info;
	struct module module;
	struct memory_entry memory[LOAD_RANGE_MAX];
	char empty, loader[16];
};

/* The header, whose offset is returned; or -1. */
static int64_t find_header(const struct load_file *file, struct header *header)
{
	uint64_t end = file->size < HEADER_WITHIN ? file->size : HEADER_WITHIN;
	for (uint64_t at = 0; at + 12 <= end; at += 4) {
		uint64_t room = file->size - at;
		*header = (struct header){0};
		memcpy(header, file->data + at, room < sizeof(*header) ? room : sizeof(*header));
		if (header->magic == HEADER_MAGIC &&
			header->magic + header->flags + header->checksum == 0) {
			return (int64_t)at;
		}
	}
	return -1;
}

/* By the header's addresses (3.1.3). */
static int load_flat(
	const struct load *load, const struct header *h, uint64_t at, struct load_elf *elf)
{
	const struct load_file *file = &load->kernel;
	uint64_t before = (uint64_t)h->header_at - h->load_at;
	uint64_t size =
		h->load_end != 0 ? (uint64_t)h->load_end - h->load_at : file->size - (at - before);
	uint64_t end = h->bss_end != 0 ? h->bss_end : h->load_at + size;
	if (h->header_at < h->load_at || before > at || size > file->size - (at - before) ||
		end < h->load_at + size) {
		say("%s is damaged: the addresses in its Multiboot header make no sense",
			file->path);
		return -EINVAL;
	}
	uint8_t *to = memory_at(load->memory, h->load_at, end - h->load_at);
	if (to == NULL || h->load_at < LOAD_MIN) {
		say("%s wants to be at 0x%x to 0x%lx, where the guest has no memory for it: give it "
		    "more (--mem)",
			file->path, h->load_at, end);
		return -ENOMEM;
	}
	memcpy(to, file->data + (at - before), size);
	memset(to + size, 0, end - h->load_at - size);
	*elf = (struct load_elf){.entry = h->entry, .end = end};
	return 0;
}

static void tell(const struct load *load, uint64_t initrd)
{
	struct load_range ranges[LOAD_RANGE_MAX];
	unsigned count = load_memory_map(load->memory, ranges);
	uint64_t upper = (memory_low(load->memory) - MIB) / KIB;
	struct told told = {
		.info = {.flags = INFO_MEMORY | INFO_CMDLINE | INFO_MODULES | INFO_MEMORY_MAP |
				INFO_LOADER,
			.memory_lower = LOAD_LOW_END / 1024,
			.memory_upper = (uint32_t)upper,
			.cmdline = LOAD_CMDLINE,
			.module_count = initrd != 0,
			.modules = LOAD_INFO + offsetof(struct told, module),
			.memory_map_size = count * (uint32_t)sizeof(struct memory_entry),
			.memory_map = LOAD_INFO + offsetof(struct told, memory),
			.loader = LOAD_INFO + offsetof(struct told, loader)},
		.module = {.base = (uint32_t)initrd,
			.end = (uint32_t)(initrd + load->initrd.size),
			.cmdline = LOAD_INFO + offsetof(struct told, empty)},
		.loader = "pintle-vmm",
	};
	for (unsigned i = 0; i < count; i++) {
		told.memory[i] = (struct memory_entry){sizeof(struct memory_entry) - 4,
			ranges[i].base, ranges[i].size, ranges[i].type};
	}
	memory_write(load->memory, LOAD_INFO, &told, sizeof(told));
}

int load_multiboot(struct load *load)
{
	struct header header;
	struct load_elf elf;
	uint64_t initrd = 0;
	int64_t at = find_header(&load->kernel, &header);
	int err = 0;
	if (at < 0) {
		return -ENOEXEC;
	}
	if ((header.flags & HEADER_MUST & ~HEADER_MUST_KNOWN) != 0) {
		say("%s asks its Multiboot loader for more than there is here (flags 0x%x), "
		    "for example a graphics mode",
			load->kernel.path, header.flags);
		return -EOPNOTSUPP;
	}
	if ((header.flags & HEADER_MUST_ADDRESSES) != 0) {
		err = load_flat(load, &header, (uint64_t)at, &elf);
	} else {
		err = load_elf_check(&load->kernel, &elf);
		err = err != 0 ? err : load_elf_segments(load, &elf);
	}
	if (err == 0) {
		err = load_cmdline(load, LOAD_CMDLINE_MAX);
	}
	if (err == 0) {
		/* Right behind the kernel, where others put it too: some map no more than that. */
		err = load_initrd(load, elf.end, elf.end + load->initrd.size + 2 * 4096ul, &initrd);
	}
	if (err != 0) {
		return err;
	}
	tell(load, initrd);
	return load_start_32(load, elf.entry, LOADER_MAGIC, LOAD_INFO, 0);
}
