/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * boot/mbi.c - the reader of the Multiboot2 boot information (Multiboot2 specification 2.0,
 * chapter 3.6). Offsets in a tag are those of its body, which follows its type and its size.
 */
#include "boot/mbi.h"

#include "kernel/errno.h"
#include "kernel/log.h"
#include "kernel/string.h"

struct mbi_tag_head { /* 3.6.2; the head of the whole, 3.6.1, is its size and a reserved word */
	uint32_t type;
	uint32_t size; /* bytes, this head included, the padding to the next tag not */
};
STATIC_ASSERT(sizeof(struct mbi_tag_head) == 8, "Multiboot2 3.6.2");

#define MBI_ALIGN       8u /* of every tag, 3.6.2 */
#define MBI_TAG_END     0u
#define MBI_TAG_CMDLINE 1u
#define MBI_TAG_RSDP1   14u
#define MBI_MODULE_NAME 8u
#define MBI_ENTRIES     8u  /* of the memory maps, behind the size and the version of one */
#define MBI_ENTRY_MIN   24u /* 3.6.8 */
#define MBI_SCREEN_MIN  22u /* 3.6.12, without what depends on its type */
/* GRUB pads the type to four bytes, where the drawing in the specification has three. */
#define MBI_SCREEN_RGB  30u
STATIC_ASSERT(sizeof(struct boot_screen) == MBI_SCREEN_RGB, "Multiboot2 3.6.12");
STATIC_ASSERT(sizeof(struct efi_memory) == 40, "UEFI 2.10, 7.2");

/* A tag whose size was found to lie inside the boot information. */
struct mbi_tag {
	uint32_t type;
	size_t offset; /* of its head, in the boot information */
	size_t size;   /* bytes of the body */
	const uint8_t *body;
};

/* By memcpy alone: nothing promises alignment. */
static uint64_t mbi_get(const struct mbi_tag *tag, size_t offset, size_t bytes)
{
	uint64_t value = 0;
	memcpy(&value, tag->body + offset, bytes);
	return value;
}

static void mbi_warn_cut(const struct mbi_tag *tag, size_t max, const char *what)
{
	log_warning("boot information: tag %u at offset 0x%zx has more than %zu %s: cut", tag->type,
		tag->offset, max, what);
}

static void mbi_copy_text(
	const struct mbi_tag *tag, char *out, size_t size, const char *text, size_t len)
{
	if (len >= size) {
		len = size - 1;
		mbi_warn_cut(tag, len, "bytes of text");
	}
	memcpy(out, text, len);
	out[len] = '\0';
}

static bool mbi_read_text(struct boot_info *info, const struct mbi_tag *tag)
{
	const char *text = (const char *)tag->body;
	bool cmdline = tag->type == MBI_TAG_CMDLINE;
	mbi_copy_text(tag, cmdline ? info->cmdline : info->loader,
		cmdline ? sizeof(info->cmdline) : sizeof(info->loader), text, strlen(text));
	return true;
}

static bool mbi_read_module(struct boot_info *info, const struct mbi_tag *tag)
{
	uint64_t start = mbi_get(tag, 0, 4), end = mbi_get(tag, 4, 4);
	if (end < start) {
		return false;
	}
	if (info->module_count == BOOT_MODULES_MAX) {
		mbi_warn_cut(tag, BOOT_MODULES_MAX, "modules before it");
		return true;
	}
	struct boot_module *module = &info->module[info->module_count++];
	module->base = start;
	module->size = end - start;
	const char *name = (const char *)tag->body + MBI_MODULE_NAME;
	const char *space = strchr(name, ' ');
	size_t len = space != NULL ? (size_t)(space - name) : strlen(name);
	const char *args = space != NULL ? space + 1 : "";
	mbi_copy_text(tag, module->name, sizeof(module->name), name, len);
	mbi_copy_text(tag, module->args, sizeof(module->args), args, strlen(args));
	return true;
}

/* Bytes of each entry of a memory map; 0 when they are fewer than `min` or do not fill the tag. */
static size_t mbi_entry_size(const struct mbi_tag *tag, size_t min)
{
	size_t size = mbi_get(tag, 0, 4);
	return size >= min && (tag->size - MBI_ENTRIES) % size == 0 ? size : 0;
}

/* 3.6.8: every value without a meaning is reserved memory. */
static enum mem_type mbi_memory_type(uint64_t type)
{
	static const enum mem_type types[] = {
		MEM_RESERVED, MEM_FREE, MEM_RESERVED, MEM_ACPI, MEM_NVS, MEM_BAD};
	return type < ARRAY_COUNT(types) ? types[type] : MEM_RESERVED;
}

static bool mbi_read_map(struct boot_info *info, const struct mbi_tag *tag)
{
	size_t size = mbi_entry_size(tag, MBI_ENTRY_MIN);
	info->range_count = 0;
	for (size_t at = MBI_ENTRIES; at < tag->size && size != 0; at += size) {
		if (info->range_count == BOOT_RANGES_MAX) {
			mbi_warn_cut(tag, BOOT_RANGES_MAX, "memory ranges");
			break;
		}
		info->range[info->range_count++] = (struct mem_range){mbi_get(tag, at, 8),
			mbi_get(tag, at + 8, 8), mbi_memory_type(mbi_get(tag, at + 16, 4))};
	}
	return size != 0;
}

static bool mbi_read_efi_map(struct boot_info *info, const struct mbi_tag *tag)
{
	size_t size = mbi_entry_size(tag, sizeof(struct efi_memory));
	info->efi_count = 0;
	for (size_t at = MBI_ENTRIES; at < tag->size && size != 0; at += size) {
		uint64_t type = mbi_get(tag, at, 4);
		if ((type >= 1 && type <= 4) || type == EFI_MEMORY_FREE) {
			continue;
		}
		if (info->efi_count == BOOT_EFI_MAX) {
			mbi_warn_cut(tag, BOOT_EFI_MAX, "ranges that UEFI keeps");
			info->efi_count = 0; /* a part of it would mislead */
			break;
		}
		memcpy(&info->efi[info->efi_count++], tag->body + at, sizeof(info->efi[0]));
	}
	return size != 0;
}

static bool mbi_read_efi_table(struct boot_info *info, const struct mbi_tag *tag)
{
	info->efi_table = mbi_get(tag, 0, 8);
	return true;
}

static bool mbi_read_screen(struct boot_info *info, const struct mbi_tag *tag)
{
	memset(&info->screen, 0, sizeof(info->screen));
	memcpy(&info->screen, tag->body, min_u64(tag->size, sizeof(info->screen)));
	return info->screen.type != BOOT_SCREEN_RGB || tag->size >= MBI_SCREEN_RGB;
}

/* The newer of both forms wins, whatever their order. */
static bool mbi_read_rsdp(struct boot_info *info, const struct mbi_tag *tag)
{
	unsigned size = tag->type == MBI_TAG_RSDP1 ? BOOT_RSDP1_SIZE : BOOT_RSDP2_SIZE;
	if (size >= info->rsdp_size) {
		memcpy(info->rsdp, tag->body, size);
		info->rsdp_size = size;
	}
	return true;
}

static const struct mbi_reader {
	bool (*read)(struct boot_info *info, const struct mbi_tag *tag); /* false: malformed */
	size_t size; /* bytes of body that there must be */
	bool text;   /* they are followed by a text, up to the last byte of the tag, a zero */
} mbi_readers[] = {
	[MBI_TAG_CMDLINE] = {mbi_read_text, 0, true},
	[2] = {mbi_read_text, 0, true}, /* the loader's name */
	[3] = {mbi_read_module, MBI_MODULE_NAME, true},
	[6] = {mbi_read_map, MBI_ENTRIES, false},
	[8] = {mbi_read_screen, MBI_SCREEN_MIN, false},
	[12] = {mbi_read_efi_table, 8, false}, /* the 64-bit one */
	[MBI_TAG_RSDP1] = {mbi_read_rsdp, BOOT_RSDP1_SIZE, false},
	[15] = {mbi_read_rsdp, BOOT_RSDP2_SIZE, false},
	[17] = {mbi_read_efi_map, MBI_ENTRIES, false},
};

/* Returns false for a malformed tag; one of unknown type is skipped. */
static bool mbi_read_tag(struct boot_info *info, const struct mbi_tag *tag)
{
	if (tag->type >= ARRAY_COUNT(mbi_readers) || mbi_readers[tag->type].read == NULL) {
		return true;
	}
	const struct mbi_reader *reader = &mbi_readers[tag->type];
	return tag->size >= reader->size + reader->text &&
		(!reader->text || tag->body[tag->size - 1] == '\0') && reader->read(info, tag);
}

int mbi_parse(const void *mbi, size_t limit, struct boot_info *info)
{
	struct mbi_tag_head head;
	uint32_t size = 0;
	memset(info, 0, sizeof(*info));
	memcpy(&size, mbi, min_u64(limit, sizeof(size)));
	if (size < sizeof(head) || size > limit) {
		log_error("boot information: its size, %u bytes, is not in 8 to %zu", size, limit);
		return -EBADMSG;
	}
	for (size_t offset = sizeof(head); offset + sizeof(head) <= size;
		offset += ALIGN_UP((size_t)head.size, MBI_ALIGN)) {
		const uint8_t *at = (const uint8_t *)mbi + offset;
		memcpy(&head, at, sizeof(head));
		struct mbi_tag tag = {
			head.type, offset, head.size - sizeof(head), at + sizeof(head)};
		if (head.size < sizeof(head) || head.size > size - offset ||
			!mbi_read_tag(info, &tag)) {
			log_error("boot information: tag %u at offset 0x%zx is malformed",
				head.type, offset);
			return -EBADMSG;
		}
		if (head.type == MBI_TAG_END) {
			return 0;
		}
	}
	log_error("boot information: no end tag up to its end at offset 0x%x", size);
	return -EBADMSG;
}
