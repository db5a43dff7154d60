/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * boot/linux.c - check a bzImage, choose where it goes, and write what it is told at its 64-bit
 * entry. Offsets and names of fields are those of Linux's Documentation/arch/x86/boot.rst and
 * zero-page.rst, and of struct screen_info. Pure.
 */
#include "boot/linux.h"

#include "kernel/log.h"

/* The setup header; it lies at the same place in a bzImage and in the zero page. */
#define SETUP       0x1f1u
#define SETUP_MAGIC 0x202u

#define E820_TABLE 0x2d0u /* in the zero page */
#define E820_MAX   128u
struct e820_entry {
	uint64_t base, size;
	uint32_t type;
} PACKED;
STATIC_ASSERT(sizeof(struct e820_entry) == 20, "as firmware gives it: ACPI 6.5, 15.1");
#define E820_RAM 1u

STATIC_ASSERT((BOOT_EFI_MAX + E820_MAX) * sizeof(struct efi_memory) <= LINUX_ACPI - LINUX_EFI_MAP,
	"UEFI's memory map fits");

STATIC_ASSERT(BOOT_CMDLINE_MAX <= SERVICE_GDT - LINUX_CMDLINE, "a command line fits");

static uint64_t get(const struct linux_kernel *kernel, size_t offset, size_t bytes)
{
	uint64_t value = 0;
	memcpy(&value, kernel->head + offset, bytes);
	return value;
}

int linux_check(const uint8_t *image, size_t size, struct linux_kernel *kernel)
{
	const char *fault = NULL;
	*kernel = (struct linux_kernel){0};
	memcpy(kernel->head, image, min_u64(size, LINUX_HEAD_SIZE));
	uint64_t payload = ((get(kernel, 0x1f1, 1) ?: 4) + 1) * 512; /* setup_sects */
	uint64_t xloadflags = get(kernel, 0x236, 2);
	kernel->payload = (uint32_t)payload;
	kernel->payload_size = (uint32_t)(size - payload);
	kernel->init_size = get(kernel, 0x260, 4);
	kernel->alignment = get(kernel, 0x230, 4); /* kernel_alignment */
	kernel->initrd_end = xloadflags & BIT(1) ? 4 * GIB : get(kernel, 0x22c, 4) + 1;
	if (size < LINUX_HEAD_SIZE || get(kernel, 0x1fe, 2) != 0xaa55 || /* boot_flag */
		memcmp(kernel->head + SETUP_MAGIC, "HdrS", 4) != 0 ||
		(get(kernel, 0x211, 1) & BIT(0)) == 0 /* loadflags: no zImage */) {
		fault = "it is not a Linux bzImage";
	} else if (get(kernel, 0x206, 2) < 0x20c) { /* version */
		fault = "it is older than Linux 3.8";
	} else if ((xloadflags & BIT(0)) == 0) {
		fault = "it is for 32-bit CPUs";
	} else if (size < payload + max_u64(16 * get(kernel, 0x1f4, 4), SERVICE_ENTRY + 1)) {
		/* syssize, in 16 bytes */
		fault = "it is cut off: the file ends before the kernel does";
	} else if (kernel->init_size < size - payload || kernel->init_size > GIB ||
		kernel->alignment < PAGE_SIZE ||
		(kernel->alignment & (kernel->alignment - 1)) != 0) {
		fault = "its header is damaged: init_size or kernel_alignment makes no sense";
	}
	if (fault != NULL) {
		log_error("kernel: %s", fault);
		return trace_err(-EINVAL);
	}
	return 0;
}

int linux_plan(struct linux_kernel *kernel, const struct memmap *map, uint64_t initrd_size)
{
	uint64_t used = ALIGN_UP(kernel->init_size, PAGE_SIZE);
	uint64_t size = used + SERVICE_PARAMS_SIZE; /* in one piece */
	/* pref_address: loaded below it, Linux would move up to it by itself */
	uint64_t low = get(kernel, 0x258, 8);
	bool relocatable = get(kernel, 0x234, 1) != 0;
	uint64_t end = min_u64(low + size, 4 * GIB);
	kernel->initrd_size = initrd_size;
	int err = memmap_find(map, size, kernel->alignment, low, end, &kernel->base);
	if (err != 0 && relocatable) {
		err = memmap_find(map, size, kernel->alignment, low, 4 * GIB, &kernel->base);
	}
	if (err != 0) {
		log_error("kernel: no %lu KiB are free for it %s 0x%lx, below 4 GiB", size / KIB,
			relocatable ? "from" : "at", low);
		return trace_err(err);
	}
	kernel->params = kernel->base + used;
	if (initrd_size != 0 &&
		memmap_find(map, initrd_size, PAGE_SIZE, kernel->base + size, kernel->initrd_end,
			&kernel->initrd) != 0 &&
		memmap_find(map, initrd_size, PAGE_SIZE, MIB,
			min_u64(kernel->base, kernel->initrd_end), &kernel->initrd) != 0) {
		log_error("initrd: no %lu KiB are free for it below 0x%lx", initrd_size / KIB,
			kernel->initrd_end);
		return trace_err(-ENOMEM);
	}
	return 0;
}

/* ACPI 6.5, 15.1: 1 RAM, 3 ACPI tables, 4 ACPI NVS, 5 bad; all else is 2, reserved. */
static const uint8_t e820_types[MEM_TYPE_COUNT] = {
	[MEM_FREE] = E820_RAM, [MEM_ACPI] = 3, [MEM_NVS] = 4, [MEM_BAD] = 5};

/*
 * Both memory maps; returns the bytes of UEFI's. Linux chooses its place from that one, without a
 * look at the other: it holds what UEFI keeps as UEFI says, and of the rest what is RAM.
 */
static size_t maps_write(const struct boot_info *boot, const struct memmap *map, uint8_t *params)
{
	struct e820_entry *e820 = (struct e820_entry *)(params + E820_TABLE);
	struct efi_memory *efi = (struct efi_memory *)(params + LINUX_EFI_MAP);
	size_t efi_count = boot->efi_count;
	memcpy(efi, boot->efi, efi_count * sizeof(*efi));
	for (unsigned i = 0; i < map->count; i++) {
		const struct mem_range *range = &map->range[i];
		uint8_t type = e820_types[range->type] ?: 2;
		e820[i] = (struct e820_entry){range->base, range->size, type};
		if (type == E820_RAM) {
			efi[efi_count++] = (struct efi_memory){.type = EFI_MEMORY_FREE,
				.base = range->base,
				.pages = range->size / PAGE_SIZE,
				.attributes = EFI_MEMORY_WB};
		}
	}
	return efi_count * sizeof(*efi);
}

/* What the loader left when it is of this type, fits in Linux' fields, and its lines fit in its
 * pitch; else no screen. */
static const struct boot_screen *screen_of(const struct boot_screen *s, uint8_t type, uint32_t max)
{
	static const struct boot_screen none;
	bool fits = s->type == type && s->width <= max && s->height <= max &&
		s->pitch <= UINT16_MAX && s->width * s->bpp <= 8 * s->pitch;
	return fits ? s : &none;
}

int linux_write_params(const struct linux_kernel *kernel, const struct boot_info *boot,
	const struct memmap *map, uint8_t *params)
{
	size_t length = strlen(boot->kernel.args);
	memset(params, 0, LINUX_ACPI);
	if (length > get(kernel, 0x238, 4) /* cmdline_size */ || map->count > E820_MAX) {
		log_error("kernel: its command line is too long, or memory in more than %u pieces",
			E820_MAX);
		return trace_err(-E2BIG);
	}
	size_t efi_size = maps_write(boot, map, params);
	const struct boot_screen *text = screen_of(&boot->screen, BOOT_SCREEN_TEXT, UINT8_MAX);
	const struct boot_screen *pixels = screen_of(&boot->screen, BOOT_SCREEN_RGB, UINT16_MAX);
	bool efi = boot->efi_table != 0, told = efi && boot->efi_count != 0;
	uint64_t video = pixels->width != 0 ? (efi ? 0x70 : 0x23) : text->width != 0;
	uint64_t tables = kernel->params + SERVICE_PAGE_TABLES;
	uint64_t *pdpt = (uint64_t *)(params + SERVICE_PAGE_TABLES) + 512;
	uint64_t bytes = (uint64_t)pixels->pitch * pixels->height, colours = 0;
	memcpy(&colours, pixels->colours, sizeof(pixels->colours));
	/* Of each its position and bits; Linux wants them the other way round. */
	colours = (colours & 0x00ff00ff00ff) << 8 | (colours >> 8 & 0x00ff00ff00ff);
	const struct {
		uint16_t offset, bytes;
		uint64_t value;
	} fields[] = {
		{0x06, 1, text->width != 0 ? 3 : 0},  /* orig_video_mode: 80 columns in colour */
		{0x07, 1, text->width},               /* orig_video_cols */
		{0x0e, 1, text->height},              /* orig_video_lines */
		{0x10, 2, text->width != 0 ? 16 : 0}, /* orig_video_points: a character's height */
		{0x0f, 1, video},         /* orig_video_isVGA: VGA, VESA's or UEFI's frame buffer */
		{0x12, 2, pixels->width}, /* lfb_width */
		{0x14, 2, pixels->height},                       /* lfb_height */
		{0x16, 2, pixels->bpp},                          /* lfb_depth */
		{0x18, 4, pixels->base},                         /* lfb_base */
		{0x1c, 4, efi ? bytes : (bytes + 0xffff) >> 16}, /* lfb_size: VESA counts 64 KiB */
		{0x24, 2, pixels->pitch},                        /* lfb_linelength */
		{0x26, 6, colours},                              /* red_size and on */
		{0x36, 4, pixels->base >> 32 != 0 ? 2 : 0}, /* capabilities: ext_lfb_base counts */
		{0x3a, 4, pixels->base >> 32},              /* ext_lfb_base */
		{0x70, 8, kernel->rsdp},                    /* acpi_rsdp_addr */
		/* efi_info */
		{0x1c0, 4, told ? 0x34364c45 : 0}, /* "EL64" */
		{0x1c4, 4, boot->efi_table},
		{0x1c8, 4, sizeof(struct efi_memory)},
		{0x1cc, 4, 1}, /* its version */
		{0x1d0, 4, kernel->params + LINUX_EFI_MAP},
		{0x1d4, 4, told ? efi_size : 0},
		{0x1d8, 4, boot->efi_table >> 32},
		{0x1e8, 1, map->count},          /* e820_entries */
		{0x210, 1, 0xff},                /* type_of_loader: one without a number */
		{0x214, 4, kernel->base},        /* code32_start */
		{0x218, 4, kernel->initrd},      /* ramdisk_image */
		{0x21c, 4, kernel->initrd_size}, /* ramdisk_size */
		{0x228, 4, kernel->params + LINUX_CMDLINE}, /* cmd_line_ptr */
		/* Flat 64-bit code and data at the selectors that Linux wants: SDM vol. 3, 3.4.5.
		 */
		{SERVICE_GDT + 0x10, 8, 0x00af9b000000ffff},
		{SERVICE_GDT + 0x18, 8, 0x00cf93000000ffff},
		{SERVICE_PAGE_TABLES, 8, (tables + PAGE_SIZE) | 3},
	};
	memcpy(params + LINUX_CMDLINE, boot->kernel.args, length);
	/* The byte before the magic number tells the length behind it. */
	memcpy(params + SETUP, kernel->head + SETUP,
		min_u64(SETUP_MAGIC + kernel->head[0x201], LINUX_HEAD_SIZE) - SETUP);
	for (size_t i = 0; i < ARRAY_COUNT(fields); i++) {
		memcpy(params + fields[i].offset, &fields[i].value, fields[i].bytes);
	}
	/* Entries that are present and writable, and of large pages: SDM vol. 3, 4.5. */
	for (uint64_t i = 0; i < 4 * GIB / LARGE_SIZE; i++) {
		pdpt[i / 512] = (tables + (2 + i / 512) * PAGE_SIZE) | 3;
		pdpt[512 + i] = i * LARGE_SIZE | 0x83;
	}
	return 0;
}
