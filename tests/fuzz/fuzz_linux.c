/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/fuzz/fuzz_linux.c - hostile bzImage headers, and memory maps to place them in.
 * Links: boot/linux.c kernel/memmap.c
 *
 * Input: the file's size in bytes (2, little-endian), the bytes of the file from 0x1f1 to 0x290
 * (all others are zero), then the memory map: base in 2 MiB, size in 2 MiB, and type, a byte each.
 */
#include "tests/unit/fake.h"

#include "boot/linux.h"

#define HEAD      0x1f1u
#define HEAD_SIZE (0x290u - HEAD)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds, const char *what)
{
	if (!holds) {
		fprintf(stderr, "not so: %s\n", what);
		abort();
	}
}

static bool is_free(const struct memmap *map, uint64_t base, uint64_t size)
{
	for (unsigned i = 0; i < map->count; i++) {
		const struct mem_range *range = &map->range[i];
		if (range->type == MEM_FREE && base >= range->base &&
			base - range->base <= range->size &&
			size <= range->size - (base - range->base)) {
			return true;
		}
	}
	return false;
}

static void check_params(const struct linux_kernel *kernel, const struct memmap *map)
{
	static _Alignas(4096) uint8_t params[SERVICE_PARAMS_SIZE + 1];
	static const struct boot_info boot = {
		.efi_table = 1, .efi_count = 1, .kernel.args = "console=ttyS0"};
	params[LINUX_ACPI] = 0xa5;
	if (linux_write_params(kernel, &boot, map, params) != 0) {
		return;
	}
	require(params[LINUX_ACPI] == 0xa5, "the ACPI tables are left alone");
	uint64_t last = 0;
	for (size_t i = 0; i < params[0x1e8]; i++) {
		uint64_t range[2];
		memcpy(range, params + 0x2d0 + 20 * i, sizeof(range));
		require(range[0] >= last && range[1] != 0, "ranges are sorted and not empty");
		last = range[0] + range[1];
	}
	require(params[0x1e8] <= 128 && params[0x1ef] == 0 && params[0x290] == 0,
		"nothing else is touched");
}

static void check_kernel(struct linux_kernel *kernel, const struct memmap *map, size_t size)
{
	require(kernel->payload >= 1024 && kernel->payload < size &&
			kernel->payload_size == size - kernel->payload,
		"the kernel lies in the file");
	require(kernel->payload_size <= kernel->init_size && kernel->payload_size > 0x200,
		"the kernel fits where it goes");
	if (linux_plan(kernel, map, MIB) != 0) {
		return;
	}
	require(is_free(map, kernel->base, kernel->init_size), "the kernel's place is free");
	require(is_free(map, kernel->params, SERVICE_PARAMS_SIZE), "the parameters' place is free");
	require(is_free(map, kernel->initrd, MIB) && kernel->initrd + MIB <= kernel->initrd_end &&
			(kernel->initrd + MIB <= kernel->base ||
				kernel->initrd >= kernel->params + SERVICE_PARAMS_SIZE),
		"the initrd's place is free, of the kernel too");
	uint64_t preferred;
	memcpy(&preferred, kernel->head + 0x258, sizeof(preferred));
	require(kernel->base % kernel->alignment == 0 && kernel->base >= preferred &&
			(kernel->head[0x234] != 0 || kernel->base == preferred),
		"the kernel likes its place");
	require(kernel->params >= kernel->base + kernel->init_size && kernel->params % 4096 == 0 &&
			kernel->params + SERVICE_PARAMS_SIZE <= 4 * GIB,
		"the parameters lie behind it, below 4 GiB");
	check_params(kernel, map);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct memmap map;
	struct linux_kernel kernel;
	if (size < 2 + HEAD_SIZE) {
		return 0;
	}
	size_t file = (size_t)(data[0] | data[1] << 8);
	uint8_t *image = calloc(1, file + 1);
	require(image != NULL, "there is memory");
	if (file > HEAD) {
		memcpy(image + HEAD, data + 2, min_u64(HEAD_SIZE, file - HEAD));
	}
	map.count = 0;
	for (size_t i = 2 + HEAD_SIZE; i + 3 <= size; i += 3) {
		memmap_set(&map, data[i] * LARGE_SIZE, data[i + 1] * LARGE_SIZE,
			data[i + 2] % MEM_TYPE_COUNT);
	}
	fake_log_clear();
	int err = linux_check(image, file, &kernel);
	require((err != 0) == (strstr(fake_log, "error: kernel: ") != NULL), "a fault is named");
	if (err == 0) {
		check_kernel(&kernel, &map, file);
	}
	free(image);
	return 0;
}
