/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * boot/mbi.c - the reader of the Multiboot2 boot information (Multiboot2 specification 2.0,
 * chapter 3.6).
 */
#include "boot/mbi.h"

#include "kernel/errno.h"
#include "kernel/log.h"
#include "kernel/string.h"

/* The layouts below are bodies: what follows the type and the size of a tag. They are read by
 * memcpy alone. */
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
	uint32_t entry_version;
} PACKED;
STATIC_ASSERT(sizeof(struct mbi_map_body) == 8, "Multiboot2 3.6.8");

struct mbi_map_entry { /* 3.6.8 */
	uint64_t base;
	uint64_t size;
	uint32_t type;
	uint32_t reserved;
} PACKED;
STATIC_ASSERT(sizeof(struct mbi_map_entry) == 24, "Multiboot2 3.6.8");

struct mbi_screen_body { /* 3.6.12; the colours follow */
	uint64_t base;
	uint32_t pitch;
	uint32_t width;
	uint32_t height;
	uint8_t bpp;
	uint8_t type;
	uint8_t reserved;
} PACKED;
STATIC_ASSERT(sizeof(struct mbi_screen_body) == 23, "Multiboot2 3.6.12");

struct mbi_efi64_body { /* 3.6.14 */
	uint64_t system_table;
} PACKED;
STATIC_ASSERT(sizeof(struct mbi_efi64_body) == 8, "Multiboot2 3.6.14");

struct mbi_efi_map_body { /* 3.6.19; the descriptors follow */
	uint32_t descriptor_size;
	uint32_t descriptor_version;
} PACKED;
STATIC_ASSERT(sizeof(struct mbi_efi_map_body) == 8, "Multiboot2 3.6.19");

#define MBI_ALIGN      8u  /* of the whole and of every tag, 3.6.1 and 3.6.2 */
#define MBI_RSDP1_SIZE 20u /* ACPI 6.5, 5.2.5.3: the first 20 bytes are ACPI 1.0's */
#define MBI_RSDP2_SIZE 36u
STATIC_ASSERT(MBI_RSDP2_SIZE == BOOT_RSDP_MAX, "the newer RSDP fits exactly");

/* A tag whose size was found to lie inside the boot information. */
struct mbi_tag {
	uint32_t type;
	uint32_t offset; /* of its head, in the boot information */
	uint32_t size;   /* bytes of the body */
	const uint8_t *body;
};

#define mbi_warn(tag, fmt, ...)                                                                    \
	log_warning("boot information: tag %u at offset 0x%x " fmt, (tag)->type, (tag)->offset,    \
		##__VA_ARGS__)

static int mbi_refuse_tag(const struct mbi_tag *tag, const char *why)
{
	log_error("boot information: tag %u at offset 0x%x %s", tag->type, tag->offset, why);
	return -EBADMSG;
}

/* The text that begins at body[at] (at most tag->size), or NULL after an error in the log. */
static const char *mbi_find_text(const struct mbi_tag *tag, size_t at)
{
	const char *text = (const char *)tag->body + at;
	if (strnlen(text, tag->size - at) == tag->size - at) {
		mbi_refuse_tag(tag, "holds a text without its terminating zero");
		return NULL;
	}
	return text;
}

static void mbi_copy_text(const struct mbi_tag *tag, const char *what, char *out, size_t size,
	const char *text, size_t len)
{
	if (len >= size) {
		mbi_warn(tag, "has a %s of %zu bytes: cut to %zu", what, len, size - 1);
		len = size - 1;
	}
	memcpy(out, text, len);
	out[len] = '\0';
}

static int mbi_read_text(const struct mbi_tag *tag, const char *what, char *out, size_t size)
{
	const char *text = mbi_find_text(tag, 0);
	if (text == NULL) {
		return -EBADMSG;
	}
	mbi_copy_text(tag, what, out, size, text, strlen(text));
	return 0;
}

static int mbi_read_cmdline(struct boot_info *info, const struct mbi_tag *tag)
{
	return mbi_read_text(tag, "command line", info->cmdline, sizeof(info->cmdline));
}

static int mbi_read_loader(struct boot_info *info, const struct mbi_tag *tag)
{
	return mbi_read_text(tag, "loader name", info->loader, sizeof(info->loader));
}

static const char *mbi_skip_spaces(const char *text)
{
	while (*text == ' ') {
		text++;
	}
	return text;
}

static int mbi_read_module(struct boot_info *info, const struct mbi_tag *tag)
{
	struct mbi_module_body body;
	memcpy(&body, tag->body, sizeof(body));
	const char *text = mbi_find_text(tag, sizeof(body));
	if (text == NULL) {
		return -EBADMSG;
	}
	if (body.end < body.start) {
		return mbi_refuse_tag(tag, "is a module that ends before it starts");
	}
	if (info->module_count == BOOT_MODULES_MAX) {
		mbi_warn(tag, "is a module beyond the first %u: left out", BOOT_MODULES_MAX);
		return 0;
	}
	struct boot_module *module = &info->module[info->module_count++];
	module->base = body.start;
	module->size = body.end - body.start;
	const char *name = mbi_skip_spaces(text);
	const char *space = strchr(name, ' ');
	size_t name_len = space != NULL ? (size_t)(space - name) : strlen(name);
	const char *args = mbi_skip_spaces(name + name_len);
	mbi_copy_text(tag, "module name", module->name, sizeof(module->name), name, name_len);
	mbi_copy_text(
		tag, "module command line", module->args, sizeof(module->args), args, strlen(args));
	return 0;
}

/* 3.6.8: every value without a meaning is reserved memory. */
static enum mem_type mbi_memory_type(uint32_t type)
{
	switch (type) {
	case 1:
		return MEM_FREE;
	case 3:
		return MEM_ACPI;
	case 4:
		return MEM_NVS;
	case 5:
		return MEM_BAD;
	default:
		return MEM_RESERVED;
	}
}

static int mbi_read_map(struct boot_info *info, const struct mbi_tag *tag)
{
	struct mbi_map_body body;
	memcpy(&body, tag->body, sizeof(body));
	if (body.entry_size < sizeof(struct mbi_map_entry) || body.entry_size % MBI_ALIGN != 0) {
		return mbi_refuse_tag(tag, "has memory map entries of an impossible size");
	}
	if (body.entry_version != 0) {
		/* 3.6.8 promises that later versions can be read as version 0. */
		mbi_warn(tag, "has memory map entries of version %u, read as version 0",
			body.entry_version);
	}
	uint32_t entries_size = tag->size - (uint32_t)sizeof(body);
	if (entries_size % body.entry_size != 0) {
		return mbi_refuse_tag(tag, "ends inside a memory map entry");
	}
	uint32_t count = entries_size / body.entry_size;
	if (count > BOOT_RANGES_MAX) {
		mbi_warn(tag, "has a memory map of %u entries: cut to %u", count, BOOT_RANGES_MAX);
		count = BOOT_RANGES_MAX;
	}
	for (uint32_t i = 0; i < count; i++) {
		struct mbi_map_entry entry;
		memcpy(&entry, tag->body + sizeof(body) + i * body.entry_size, sizeof(entry));
		info->range[i].base = entry.base;
		info->range[i].size = entry.size;
		info->range[i].type = mbi_memory_type(entry.type);
	}
	info->range_count = count;
	return 0;
}

static int mbi_read_screen(struct boot_info *info, const struct mbi_tag *tag)
{
	struct mbi_screen_body body;
	memcpy(&body, tag->body, sizeof(body));
	info->screen.base = body.base;
	info->screen.pitch = body.pitch;
	info->screen.width = body.width;
	info->screen.height = body.height;
	info->screen.bpp = body.bpp;
	info->screen.type = body.type;
	return 0;
}

static int mbi_read_efi64(struct boot_info *info, const struct mbi_tag *tag)
{
	struct mbi_efi64_body body;
	memcpy(&body, tag->body, sizeof(body));
	info->efi_system_table = body.system_table;
	info->efi = true;
	return 0;
}

static int mbi_read_rsdp1(struct boot_info *info, const struct mbi_tag *tag)
{
	if (info->rsdp_size < MBI_RSDP1_SIZE) {
		memcpy(info->rsdp, tag->body, MBI_RSDP1_SIZE);
		info->rsdp_size = MBI_RSDP1_SIZE;
	}
	return 0;
}

static int mbi_read_rsdp2(struct boot_info *info, const struct mbi_tag *tag)
{
	memcpy(info->rsdp, tag->body, MBI_RSDP2_SIZE);
	info->rsdp_size = MBI_RSDP2_SIZE;
	return 0;
}

static int mbi_read_efi_map(struct boot_info *info, const struct mbi_tag *tag)
{
	(void)tag;
	info->efi = true;
	return 0;
}

enum {
	MBI_TAG_END = 0,
	MBI_TAG_CMDLINE = 1,
	MBI_TAG_LOADER = 2,
	MBI_TAG_MODULE = 3,
	MBI_TAG_MAP = 6,
	MBI_TAG_SCREEN = 8,
	MBI_TAG_EFI64 = 12,
	MBI_TAG_RSDP1 = 14,
	MBI_TAG_RSDP2 = 15,
	MBI_TAG_EFI_MAP = 17,
};

static const struct mbi_reader {
	int (*read)(struct boot_info *info, const struct mbi_tag *tag);
	size_t size; /* bytes of body without which read() must not be called */
} mbi_readers[] = {
	[MBI_TAG_CMDLINE] = {mbi_read_cmdline, 0},
	[MBI_TAG_LOADER] = {mbi_read_loader, 0},
	[MBI_TAG_MODULE] = {mbi_read_module, sizeof(struct mbi_module_body)},
	[MBI_TAG_MAP] = {mbi_read_map, sizeof(struct mbi_map_body)},
	[MBI_TAG_SCREEN] = {mbi_read_screen, sizeof(struct mbi_screen_body)},
	[MBI_TAG_EFI64] = {mbi_read_efi64, sizeof(struct mbi_efi64_body)},
	[MBI_TAG_RSDP1] = {mbi_read_rsdp1, MBI_RSDP1_SIZE},
	[MBI_TAG_RSDP2] = {mbi_read_rsdp2, MBI_RSDP2_SIZE},
	[MBI_TAG_EFI_MAP] = {mbi_read_efi_map, sizeof(struct mbi_efi_map_body)},
};

/* Read one tag; *seen holds a bit for each known type that already came. */
static int mbi_read_tag(struct boot_info *info, const struct mbi_tag *tag, uint32_t *seen)
{
	if (tag->type >= ARRAY_COUNT(mbi_readers) || mbi_readers[tag->type].read == NULL) {
		return 0;
	}
	const struct mbi_reader *reader = &mbi_readers[tag->type];
	if (tag->size < reader->size) {
		return mbi_refuse_tag(tag, "is too short for its type");
	}
	uint32_t bit = 1u << tag->type;
	if ((*seen & bit) != 0 && tag->type != MBI_TAG_MODULE) {
		mbi_warn(tag, "repeats an earlier one of its type: left out");
		return 0;
	}
	*seen |= bit;
	return reader->read(info, tag);
}

static int mbi_check_head(const void *mbi, size_t limit, uint32_t *total)
{
	struct mbi_head head;
	size_t size_min = sizeof(head) + sizeof(struct mbi_tag_head);
	if ((uintptr_t)mbi % MBI_ALIGN != 0) {
		log_error(
			"boot information: its address %p is not a multiple of %u", mbi, MBI_ALIGN);
		return -EBADMSG;
	}
	if (limit < size_min) {
		log_error("boot information: only %zu bytes can be read, too few for any", limit);
		return -EBADMSG;
	}
	memcpy(&head, mbi, sizeof(head));
	if (head.size < size_min) {
		log_error("boot information: its size of %u bytes is below the smallest, %zu",
			head.size, size_min);
		return -EBADMSG;
	}
	if (head.size > limit) {
		log_error("boot information: its size of %u bytes is above the limit, %zu",
			head.size, limit);
		return -EBADMSG;
	}
	if (head.size % MBI_ALIGN != 0) {
		log_error("boot information: its size of %u bytes is not a multiple of %u",
			head.size, MBI_ALIGN);
		return -EBADMSG;
	}
	*total = head.size;
	return 0;
}

/* Find the tag at `offset`, which is aligned as `total` is and below it, so that the tag's head
 * lies inside. */
static int mbi_find_tag(const void *mbi, uint32_t offset, uint32_t total, struct mbi_tag *tag)
{
	struct mbi_tag_head head;
	memcpy(&head, (const uint8_t *)mbi + offset, sizeof(head));
	*tag = (struct mbi_tag){
		.type = head.type,
		.offset = offset,
		.size = head.size - (uint32_t)sizeof(head),
		.body = (const uint8_t *)mbi + offset + sizeof(head),
	};
	if (head.size < sizeof(head)) {
		return mbi_refuse_tag(tag, "has a size below that of its own head");
	}
	if (head.size > total - offset) {
		return mbi_refuse_tag(tag, "goes past the end of the boot information");
	}
	return 0;
}

int mbi_parse(const void *mbi, size_t limit, struct boot_info *info)
{
	uint32_t total;
	uint32_t seen = 0;
	memset(info, 0, sizeof(*info));
	int err = mbi_check_head(mbi, limit, &total);
	if (err != 0) {
		return err;
	}
	uint32_t offset = sizeof(struct mbi_head);
	while (offset < total) {
		struct mbi_tag tag;
		err = mbi_find_tag(mbi, offset, total, &tag);
		if (err != 0) {
			return err;
		}
		if (tag.type == MBI_TAG_END) {
			if ((seen & (1u << MBI_TAG_MAP)) == 0) {
				return mbi_refuse_tag(
					&tag, "ends it before any memory map (tag 6)");
			}
			return 0;
		}
		err = mbi_read_tag(info, &tag, &seen);
		if (err != 0) {
			return err;
		}
		offset += (uint32_t)sizeof(struct mbi_tag_head) + ALIGN_UP(tag.size, MBI_ALIGN);
	}
	log_error("boot information: no end tag (tag 0) up to its end at offset 0x%x", total);
	return -EBADMSG;
}
