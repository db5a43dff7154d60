/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * boot/mbi.c - the reader of the Multiboot2 boot information (Multiboot2 specification 2.0,
 * chapter 3.6). Offsets in a tag are those of its body, which follows its type and its size.
 */
#include "boot/mbi.h"

#include "kernel/log.h"

#define HEAD_SIZE 8u /* of a tag: type and size (3.6.2); of the whole: size, reserved (3.6.1) */

/* GRUB pads the type to four bytes, where the drawing in the specification has three. */
STATIC_ASSERT(sizeof(struct boot_screen) == 30, "Multiboot2 3.6.12");
STATIC_ASSERT(sizeof(struct efi_memory) == 40, "UEFI 2.10, 7.2");

/* A tag whose size was found to lie inside the boot information. */
struct mbi_tag {
	uint32_t type;
	uint32_t size; /* bytes of the body; in memory, of the head too, not of what pads it */
	const uint8_t *body;
};
STATIC_ASSERT(offsetof(struct mbi_tag, body) == HEAD_SIZE, "Multiboot2 3.6.2");

struct mbi_range { /* 3.6.8 */
	uint64_t base, size;
	uint32_t type, reserved;
};

/* By memcpy alone: nothing promises alignment. False when the body is shorter. */
static bool mbi_copy(const struct mbi_tag *tag, void *to, size_t size)
{
	memcpy(to, tag->body, min_u64(size, tag->size));
	return tag->size >= size;
}

/* To BOOT_CMDLINE_MAX bytes; returns false when it was cut. */
static bool mbi_copy_text(char *to, const char *text)
{
	size_t kept = min_u64(strlen(text), BOOT_CMDLINE_MAX - 1);
	memcpy(to, text, kept);
	to[kept] = '\0';
	return text[kept] == '\0';
}

/* Whatever it is called, its memory is held; "kernel" and "initrd" are remembered. */
static bool mbi_read_module(struct boot_info *info, const struct mbi_tag *tag)
{
	struct {
		uint32_t start, end;
	} span;
	if (!mbi_copy(tag, &span, sizeof(span)) || tag->size == sizeof(span) ||
		span.end < span.start ||
		memmap_set(&info->memmap, span.start, span.end - span.start, MEM_MODULE) ==
			-ENOSPC) {
		return false;
	}
	const char *name = (const char *)tag->body + sizeof(span);
	const char *args = strchr(name, ' ') ?: name + strlen(name);
	size_t length = (size_t)(args - name);
	bool kernel = length == 6 && memcmp(name, "kernel", 6) == 0;
	struct boot_module *module = kernel ? &info->kernel : &info->initrd;
	if (!kernel && (length != 6 || memcmp(name, "initrd", 6) != 0)) {
		return true;
	}
	module->base = span.start;
	module->size = span.end - span.start;
	args += *args == ' ';
	return mbi_copy_text(module->args, args);
}

/* 3.6.8: every value without a meaning is reserved memory. */
static bool mbi_read_range(struct boot_info *info, const void *entry)
{
	static const enum mem_type types[] = {
		MEM_RESERVED, MEM_FREE, MEM_RESERVED, MEM_ACPI, MEM_NVS, MEM_BAD};
	struct mbi_range range;
	memcpy(&range, entry, sizeof(range));
	enum mem_type type = range.type < ARRAY_COUNT(types) ? types[range.type] : MEM_RESERVED;
	return memmap_set(&info->memmap, range.base, range.size, type) != -ENOSPC;
}

static bool mbi_read_efi_range(struct boot_info *info, const void *entry)
{
	struct efi_memory range;
	memcpy(&range, entry, sizeof(range));
	if ((range.type < 1 || range.type > 4) && range.type != EFI_MEMORY_FREE) {
		info->efi[min_u64(info->efi_count++, BOOT_EFI_MAX - 1)] = range;
	}
	return true;
}

/* A memory map: the size of an entry, a version, then entries, which may be longer than we know. */
static bool mbi_read_map(struct boot_info *info, const struct mbi_tag *tag, size_t min,
	bool (*read)(struct boot_info *info, const void *entry))
{
	struct {
		uint32_t entry_size, version;
	} head;
	bool good = mbi_copy(tag, &head, sizeof(head)) && head.entry_size >= min &&
		(tag->size - sizeof(head)) % head.entry_size == 0;
	for (size_t at = sizeof(head); good && at < tag->size; at += head.entry_size) {
		good = read(info, tag->body + at);
	}
	return good;
}

/* Returns false for a tag that is malformed or too long; one of unknown type is skipped. */
static bool mbi_read_tag(struct boot_info *info, const struct mbi_tag *tag)
{
	bool ended = tag->size != 0 && tag->body[tag->size - 1] == '\0', good = true;
	switch (tag->type) {
	case 1:
		return ended && mbi_copy_text(info->cmdline, (const char *)tag->body);
	case 3:
		return ended && mbi_read_module(info, tag);
	case 6:
		return mbi_read_map(info, tag, sizeof(struct mbi_range), mbi_read_range);
	case 8:
		memset(&info->screen, 0, sizeof(info->screen));
		return mbi_copy(tag, &info->screen, sizeof(info->screen)) ||
			(tag->size >= 22 && info->screen.type != BOOT_SCREEN_RGB);
	case 12: /* the 64-bit one */
		return mbi_copy(tag, &info->efi_table, sizeof(info->efi_table));
	case 14:
	case 15:
		if (tag->type == 14 && info->rsdp_size == BOOT_RSDP2_SIZE) {
			return tag->size >= BOOT_RSDP1_SIZE;
		}
		info->rsdp_size = tag->type == 14 ? BOOT_RSDP1_SIZE : BOOT_RSDP2_SIZE;
		return mbi_copy(tag, info->rsdp, info->rsdp_size);
	case 17:
		info->efi_count = 0;
		good = mbi_read_map(info, tag, sizeof(struct efi_memory), mbi_read_efi_range);
		if (info->efi_count > BOOT_EFI_MAX) {
			log_warning("boot information: UEFI keeps more than %u ranges: left unused",
				BOOT_EFI_MAX);
			info->efi_count = 0; /* a part of it would mislead */
		}
	}
	return good;
}

int mbi_parse(const void *mbi, size_t limit, struct boot_info *info)
{
	struct mbi_tag tag;
	uint32_t size = 0;
	memset(info, 0, sizeof(*info));
	memcpy(&size, mbi, min_u64(limit, sizeof(size)));
	if (size < HEAD_SIZE || size > limit) {
		log_error("boot information: its size, %u bytes, is not in 8 to %zu", size, limit);
		return -EBADMSG;
	}
	for (size_t offset = HEAD_SIZE; offset + HEAD_SIZE <= size;
		offset += ALIGN_UP((size_t)tag.size + HEAD_SIZE, 8u)) { /* 3.6.2 */
		tag.body = (const uint8_t *)mbi + offset + HEAD_SIZE;
		memcpy(&tag, (const uint8_t *)mbi + offset, HEAD_SIZE);
		bool sound = tag.size >= HEAD_SIZE && tag.size <= size - offset;
		tag.size -= HEAD_SIZE;
		if (!sound || !mbi_read_tag(info, &tag)) {
			log_error(
				"boot information: tag %u at offset 0x%zx is malformed or too long",
				tag.type, offset);
			return -EBADMSG;
		}
		if (tag.type == 0) {
			return 0;
		}
	}
	log_error("boot information: no end tag up to its end at offset 0x%x", size);
	return -EBADMSG;
}
