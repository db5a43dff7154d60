/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/load.c - what all kernels have in common: files, memory map, initrd, command line.
 */
#include "service/vmm/load.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "service/vmm/say.h"

#define PAGE              4096u
#define BIOS_EBDA_SEGMENT 0x40eu
#define BIOS_BASE_KIB     0x413u

int load_open(struct load_file *file, const char *path)
{
	*file = (struct load_file){.path = path};
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* nobody waits for a FIFO */
	struct stat status;
	int err = 0;
	if (fd < 0 || fstat(fd, &status) != 0) {
		err = -errno;
		say("cannot open %s: %s", path, strerror(-err));
	} else if (!S_ISREG(status.st_mode) || status.st_size == 0) {
		err = -EINVAL;
		say("%s is empty, or no regular file", path);
	} else {
		file->size = (uint64_t)status.st_size;
		void *data = mmap(NULL, file->size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (data == MAP_FAILED) {
			err = -errno;
			say("cannot read %s: %s", path, strerror(-err));
		}
		file->data = err == 0 ? data : NULL;
	}
	if (fd >= 0) {
		close(fd);
	}
	return err;
}

void load_close(struct load_file *file)
{
	if (file->data != NULL) {
		munmap((void *)file->data, file->size);
	}
	*file = (struct load_file){0};
}

unsigned load_memory_map(const struct memory *memory, struct load_range ranges[LOAD_RANGE_MAX])
{
	unsigned count = 0;
	ranges[count++] = (struct load_range){0, LOAD_LOW_END, LOAD_RAM};
	ranges[count++] = (struct load_range){LOAD_LOW_END, 0xa0000 - LOAD_LOW_END, LOAD_RESERVED};
	ranges[count++] = (struct load_range){LOAD_ACPI, LOAD_MIN - LOAD_ACPI, LOAD_RESERVED};
	ranges[count++] = (struct load_range){LOAD_MIN, memory_low(memory) - LOAD_MIN, LOAD_RAM};
	if (memory_high(memory) != 0) {
		ranges[count++] = (struct load_range){MEMORY_HIGH, memory_high(memory), LOAD_RAM};
	}
	return count;
}

int load_initrd(const struct load *load, uint64_t low, uint64_t high, uint64_t *gpa)
{
	const struct load_file *initrd = &load->initrd;
	*gpa = 0;
	if (initrd->size == 0) {
		return 0;
	}
	if (high > memory_low(load->memory)) {
		high = memory_low(load->memory);
	}
	low = (low + PAGE - 1) & -(uint64_t)PAGE;
	if (high < low || initrd->size > high - low) {
		say("%s, of %lu KiB, finds no room beside the kernel: give the guest more memory "
		    "(--mem)",
			initrd->path, initrd->size / KIB);
		return -ENOMEM;
	}
	*gpa = (high - initrd->size) & -(uint64_t)PAGE;
	if (*gpa < low) {
		*gpa = low;
	}
	memory_write(load->memory, *gpa, initrd->data, initrd->size);
	return 0;
}

int load_cmdline(const struct load *load, uint64_t max)
{
	uint64_t bytes = strlen(load->cmdline) + 1;
	max = max < LOAD_CMDLINE_MAX ? max : LOAD_CMDLINE_MAX;
	if (bytes > max) {
		say("the command line has %lu bytes, and this kernel takes %lu: shorten --cmdline",
			bytes - 1, max - 1);
		return -E2BIG;
	}
	memory_write(load->memory, LOAD_CMDLINE, load->cmdline, bytes);
	return 0;
}

int load_start_32(struct load *load, uint64_t entry, uint64_t rax, uint64_t rbx, uint64_t rsi)
{
	uint64_t gdt[VCPU_GDT_ENTRIES];
	vcpu_write_gdt(gdt, VCPU_MODE_32);
	load->start = (struct vcpu_start){.mode = VCPU_MODE_32,
		.rip = entry,
		.rsp = LOAD_ZERO_PAGE,
		.rax = rax,
		.rbx = rbx,
		.rsi = rsi,
		.gdt = LOAD_GDT};
	return memory_write(load->memory, LOAD_GDT, gdt, sizeof(gdt)) ? 0 : -EFAULT;
}

/*
 * What PC firmware leaves in its data area and kernels of no firmware at all still read: where the
 * extended data area is, which is where low memory ends, and that memory's size.
 */
static void write_bios_data(const struct load *load)
{
	const uint16_t segment = LOAD_LOW_END >> 4, kib = LOAD_LOW_END / 1024, area_kib = 1;
	memory_write(load->memory, BIOS_EBDA_SEGMENT, &segment, sizeof(segment));
	memory_write(load->memory, BIOS_BASE_KIB, &kib, sizeof(kib));
	memory_write(load->memory, LOAD_LOW_END, &area_kib, sizeof(area_kib));
}

int load_kernel(struct load *load)
{
	static int (*const formats[])(struct load *) = {load_linux, load_pvh, load_multiboot};
	const struct load_file *kernel = &load->kernel;
	write_bios_data(load);
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		int err = formats[i](load);
		if (err != -ENOEXEC) {
			return err;
		}
	}
	if (kernel->size > 2 && kernel->data[0] == 0x1f && kernel->data[1] == 0x8b) {
		say("%s is compressed by gzip: unpack it first (gunzip)", kernel->path);
	} else {
		say("%s is no kernel that can be started: neither a Linux bzImage, nor an ELF file "
		    "with a PVH entry, nor one with a Multiboot header",
			kernel->path);
	}
	return -ENOEXEC;
}
