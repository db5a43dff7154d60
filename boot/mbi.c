/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * boot/mbi.c - the reader of the Multiboot2 boot information (Multiboot2 specification 2.0,
 * chapter 3.6).
 */
#include "boot/mbi.h"

#include "kernel/errno.h"
#include "kernel/log.h"
#include "kernel/string.h"

/* All is read by memcpy alone: nothing promises its alignment. Bodies are what follows the type and
 * the size of a tag. */
struct mbi_head {      /* 3.6.1 */
	uint32_t size; /* bytes, of all, this head and the end tag included */
	uint32_t reserved;
} PACKED;
STATIC_ASSERT(sizeof(struct mbi_head) == 8, "Multiboot2 3.6.1");

struct mbi_tag_head { /* 3.6.2 */
	uint32_t type;
	uint32_t size; /* bytes, this head included, the padding to the next tag not */
} PACKED;
STATIC_ASSERT(sizeof(struct mbi_tag_head) == 8, "Multiboot2 3.6.2");

struct mbi_module_body { /* 3.6.6; the command line follows */
	uint32_t start;
	uint32_t end; /* one past the last byte */
} PACKED;
STATIC_ASSERT(sizeof(struct mbi_module_body) == 8, "Multiboot2 3.6.6");

struct mbi_map_body { /* 3.6.8; the entries follow */
	uint32_t entry_size;
	uint32_t entry_version; /* later ones can be read as version 0 */
} PACKED;
STATIC_ASSERT(sizeof(struct mbi_map_body) == 8, "Multiboot2 3.6.8");

struct mbi_map_entry { /* 3.6.8 */
	uint64_t base;
	uint64_t size;
	uint32_t type;
	uint32_t reserved;
} PACKED;
STATIC_ASSERT(sizeof(struct mbi_map_entry) == 24, "Multiboot2 3.6.8");

#define MBI_ALIGN       8u /* of every tag, 3.6.2 */
#define MBI_TAG_END     0u
#define MBI_SCREEN_SIZE (offsetof(struct boot_screen, type) + 1)
STATIC_ASSERT(MBI_SCREEN_SIZE == 22, "struct boot_screen is laid out as Multiboot2 3.6.12");

/* A tag whose size was found to lie inside the boot information. */
struct mbi_tag {
	uint32_t type;
	size_t offset; /* of its head, in the boot information */
	size_t size;   /* bytes of the body */
	const uint8_t *body;
};

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

static bool mbi_read_cmdline(struct boot_info *info, const struct mbi_tag *tag)
{
	const char *text = (const char *)tag->body;
	mbi_copy_text(tag, info->cmdline, sizeof(info->cmdline), text, strlen(text));
	return true;
}

static bool mbi_read_loader(struct boot_info *info, const struct mbi_tag *tag)
{
	const char *text = (const char *)tag->body;
	mbi_copy_text(tag, info->loader, sizeof(info->loader), text, strlen(text));
	return true;
}

static bool mbi_read_module(struct boot_info *info, const struct mbi_tag *tag)
{
	struct mbi_module_body body;
	memcpy(&body, tag->body, sizeof(body));
	if (body.end < body.start) {
		return false;
	}
	if (info->module_count == BOOT_MODULES_MAX) {
		mbi_warn_cut(tag, BOOT_MODULES_MAX, "modules before it");
		return true;
	}
	struct boot_module *module = &info->module[info->module_count++];
	module->base = body.start;
	module->size = body.end - body.start;
	const char *name = (const char *)tag->body + sizeof(body);
	const char *space = strchr(name, ' ');
	size_t len = space != NULL ? (size_t)(space - name) : strlen(name);
	const char *args = space != NULL ? space + 1 : "";
	mbi_copy_text(tag, module->name, sizeof(module->name), name, len);
	mbi_copy_text(tag, module->args, sizeof(module->args), args, strlen(args));
	return true;
}

/* 3.6.8: every value without a meaning is reserved memory. */
static enum mem_type mbi_memory_type(uint32_t type)
{
	static const enum mem_type types[] = {
		MEM_RESERVED, MEM_FREE, MEM_RESERVED, MEM_ACPI, MEM_NVS, MEM_BAD};
	return type < ARRAY_COUNT(types) ? types[type] : MEM_RESERVED;
}

static bool mbi_read_map(struct boot_info *info, const struct mbi_tag *tag)
{
	struct mbi_map_body body;
	memcpy(&body, tag->body, sizeof(body));
	size_t size = tag->size - sizeof(body);
	if (body.entry_size < sizeof(struct mbi_map_entry) || size % body.entry_size != 0) {
		return false;
	}
	size_t count = size / body.entry_size;
	if (count > BOOT_RANGES_MAX) {
		count = BOOT_RANGES_MAX;
		mbi_warn_cut(tag, count, "memory ranges");
	}
	for (size_t i = 0; i < count; i++) {
		struct mbi_map_entry entry;
		memcpy(&entry, tag->body + sizeof(body) + i * body.entry_size, sizeof(entry));
		info->range[i] =
			(struct mem_range){entry.base, entry.size, mbi_memory_type(entry.type)};
	}
	info->range_count = (unsigned)count;
	return true;
}

static bool mbi_read_screen(struct boot_info *info, const struct mbi_tag *tag)
{
	memcpy(&info->screen, tag->body, MBI_SCREEN_SIZE);
	return true;
}

static bool mbi_read_efi(struct boot_info *info, const struct mbi_tag *tag)
{
	(void)tag;
	info->efi = true;
	return true;
}

static bool mbi_read_rsdp1(struct boot_info *info, const struct mbi_tag *tag)
{
	if (info->rsdp_size == 0) {
		memcpy(info->rsdp, tag->body, BOOT_RSDP1_SIZE);
		info->rsdp_size = BOOT_RSDP1_SIZE;
	}
	return true;
}

static bool mbi_read_rsdp2(struct boot_info *info, const struct mbi_tag *tag)
{
	memcpy(info->rsdp, tag->body, BOOT_RSDP2_SIZE);
	info->rsdp_size = BOOT_RSDP2_SIZE;
	return true;
}

static const struct mbi_reader {
	bool (*read)(struct boot_info *info, const struct mbi_tag *tag); /* false: malformed */
	size_t size; /* bytes of body that there must be */
	bool text;   /* they are followed by a text, up to the last byte of the tag, a zero */
} mbi_readers[] = {
	[1] = {mbi_read_cmdline, 0, true},
	[2] = {mbi_read_loader, 0, true},
	[3] = {mbi_read_module, sizeof(struct mbi_module_body), true},
	[6] = {mbi_read_map, sizeof(struct mbi_map_body), false},
	[8] = {mbi_read_screen, MBI_SCREEN_SIZE, false},
	[12] = {mbi_read_efi, 0, false}, /* its 64-bit system table */
	[14] = {mbi_read_rsdp1, BOOT_RSDP1_SIZE, false},
	[15] = {mbi_read_rsdp2, BOOT_RSDP2_SIZE, false},
	[17] = {mbi_read_efi, 0, false}, /* its memory map */
};

/* Returns false for a malformed tag; one of unknown type is skipped. */
static bool mbi_read_tag(struct boot_info *info, const struct mbi_tag *tag)
{
	if (tag->type >= ARRAY_COUNT(mbi_readers) || mbi_readers[tag->type].read == NULL) {
		return true;
	}
	const struct mbi_reader *reader = &mbi_readers[tag->type];
	if (tag->size < reader->size + reader->text ||
		(reader->text && tag->body[tag->size - 1] != '\0')) {
		return false;
	}
	return reader->read(info, tag);
}

int mbi_parse(const void *mbi, size_t limit, struct boot_info *info)
{
	struct mbi_head all = {0};
	struct mbi_tag_head head;
	memset(info, 0, sizeof(*info));
	memcpy(&all, mbi, min_u64(limit, sizeof(all)));
	if (all.size < sizeof(all) || all.size > limit) {
		log_error("boot information: its size, %u bytes, is not in 8 to %zu", all.size,
			limit);
		return -EBADMSG;
	}
	size_t offset = sizeof(all);
	for (; offset + sizeof(head) <= all.size;
		offset += ALIGN_UP((size_t)head.size, MBI_ALIGN)) {
		const uint8_t *at = (const uint8_t *)mbi + offset;
		memcpy(&head, at, sizeof(head));
		struct mbi_tag tag = {
			head.type, offset, head.size - sizeof(head), at + sizeof(head)};
		if (head.size < sizeof(head) || head.size > all.size - offset ||
			!mbi_read_tag(info, &tag)) {
			log_error("boot information: tag %u at offset 0x%zx is malformed",
				head.type, offset);
			return -EBADMSG;
		}
		if (head.type == MBI_TAG_END) {
			return 0;
		}
	}
	log_error("boot information: no end tag up to its end at offset 0x%x", all.size);
	return -EBADMSG;
}
