/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/fuzz/fuzz_mbi.c - any bytes as the Multiboot2 boot information.
 * Links: boot/mbi.c kernel/memmap.c
 */
#include "tests/unit/fake.h"

#include "boot/mbi.h"
#include "kernel/errno.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds) {
		abort();
	}
}

static void check_text(const char *text, size_t size)
{
	check(strnlen(text, size) < size);
}

static void check_info(const struct boot_info *info)
{
	check_text(info->cmdline, sizeof(info->cmdline));
	check(info->memmap.count <= MEMMAP_MAX);
	for (unsigned i = 0; i < info->memmap.count; i++) {
		check(info->memmap.range[i].type <= MEM_MODULE);
	}
	for (unsigned i = 0; i < 2; i++) {
		const struct boot_module *module = i == 0 ? &info->kernel : &info->initrd;
		check(module->base + module->size <= UINT32_MAX);
		check_text(module->args, sizeof(module->args));
	}
	check(info->efi_count <= BOOT_EFI_MAX);
	check(info->rsdp_size == 0 || info->rsdp_size == 20 || info->rsdp_size == 36);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct boot_info info;
	uint8_t *tight = malloc(size);
	if (size != 0) {
		memcpy(tight, data, size);
	}
	fake_log_clear();
	memset(&info, 0xaa, sizeof(info));
	int err = mbi_parse(tight, size, &info);
	check(err == 0 || err == -EBADMSG);
	check((strstr(fake_log, "error: ") != NULL) == (err != 0));
	if (err == 0) {
		check_info(&info);
	}
	free(tight);
	return 0;
}
