/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/fuzz/fuzz_vmm_load.c - any bytes as a kernel for pintle-vmm.
 * Flags: -D_GNU_SOURCE
 * Links: service/vmm/load.c service/vmm/load_linux.c service/vmm/load_elf.c
 * Links: service/vmm/load_pvh.c service/vmm/load_multiboot.c
 * Links: service/vmm/memory.c service/vmm/vcpu_state.c
 */
#include "tests/unit/fake.h"

#include "service/vmm/load.h"
#include "service/vmm/say.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned sentences;

void say(const char *format, ...)
{
	char line[1024];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	sentences++;
}

/* Guest RAM whose neighbours ASan guards. */
#define RAM (4 * MIB)
static uint8_t ram[RAM];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t initrd[5000];
	struct memory memory = {.slot_count = 1, .slot = {{0, RAM, ram}}};
	struct load load = {.memory = &memory,
		.kernel = {"kernel", data, size},
		.initrd = {"initrd", initrd, sizeof(initrd)},
		.cmdline = "x",
		.rsdp = LOAD_ACPI};
	sentences = 0;
	if (size == 0) {
		return 0;
	}
	int err = load_kernel(&load);
	if ((err != 0) != (sentences == 1)) {
		abort(); /* one sentence for each refusal, and none else */
	}
	return 0;
}
