/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/system/kvmhost.c - the VMM, on /dev/kvm, of the guests of tests/vms: `kvmhost FILE` starts
 * those that tests/system/vms.py has packed, and tells what they say, as tests/vms/host.c does.
 */
#define _GNU_SOURCE
#include "kvmapi.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define LOAD_ADDRESS 0x7c00u
#define DEBUG_PORT   0xe9u /* a line's address, as 32 bits: tests/vms/guest.c */
#define LINE_MAX     96u
#define PINS         24u
#define ROWS         128u

/* How it is scheduled is not for KVM to say. */
struct given {
	char name[16];
	uint32_t vcpu_count, size;
	uint8_t sched[96];
};

struct vm {
	const struct given *given;
	int fd;
	uint8_t *ram;
};

struct thread {
	const struct vm *vm;
	int vcpu;
	struct kvm_run *run;
};

static int kvm;
static size_t run_size;

static void *of_size(size_t size, int fd)
{
	int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);
	if (at == MAP_FAILED) {
		perror("mmap");
		exit(2);
	}
	return at;
}

static void tell(const struct vm *vm, const char *line)
{
	printf("%.16s: %.*s |\n", vm->given->name, (int)LINE_MAX, line);
	fflush(stdout);
}

/* False: it does not go on. */
static bool serve(const struct vm *vm, const struct kvm_run *run)
{
	const void *data = (const uint8_t *)run + run->io.data_offset;
	uint32_t at;

	if (run->exit_reason == KVM_EXIT_SHUTDOWN) {
		tell(vm, "triple fault");
		return false;
	}
	if (run->exit_reason != KVM_EXIT_IO) {
		tell(vm, "an exit that it cannot go on from");
		return false;
	}
	memcpy(&at, data, sizeof(at));
	if (run->io.direction == KVM_EXIT_IO_OUT && run->io.port == DEBUG_PORT &&
		run->io.size == sizeof(at) && at < RAM_SIZE - LINE_MAX) {
		tell(vm, (const char *)vm->ram + at);
	}
	return true;
}

static void *run_vcpu(void *argument)
{
	const struct thread *self = argument;

	do {
		must("KVM_RUN", self->vcpu, KVM_RUN, NULL);
	} while (serve(self->vm, self->run));
	return NULL;
}

static void add_vcpu(const struct vm *vm, uintptr_t id, struct thread *thread)
{
	struct kvm_cpuid2 *table = calloc(1, sizeof(*table) + ROWS * sizeof(table->entries[0]));
	struct kvm_regs regs = {.rip = LOAD_ADDRESS, .rflags = 2};
	struct kvm_sregs sregs;

	thread->vm = vm;
	thread->vcpu = must("KVM_CREATE_VCPU", vm->fd, KVM_CREATE_VCPU, (void *)id);
	thread->run = of_size(run_size, thread->vcpu);
	table->nent = ROWS;
	must("KVM_GET_SUPPORTED_CPUID", kvm, KVM_GET_SUPPORTED_CPUID, table);
	must("KVM_SET_CPUID2", thread->vcpu, KVM_SET_CPUID2, table);
	free(table);
	must("KVM_GET_SREGS", thread->vcpu, KVM_GET_SREGS, &sregs);
	sregs.cs.base = sregs.cs.selector = 0;
	if (id == 0) { /* the others wait for a SIPI */
		must("KVM_SET_SREGS", thread->vcpu, KVM_SET_SREGS, &sregs);
		must("KVM_SET_REGS", thread->vcpu, KVM_SET_REGS, &regs);
	}
}

static void start(const struct given *given)
{
	struct kvm_enable_cap split = {.cap = KVM_CAP_SPLIT_IRQCHIP, .args = {PINS}};
	struct thread *threads = calloc(given->vcpu_count, sizeof(*threads));
	struct vm *vm = calloc(1, sizeof(*vm));
	pthread_t ours;

	vm->given = given;
	vm->ram = of_size(RAM_SIZE, -1);
	memcpy(vm->ram + LOAD_ADDRESS, given + 1, given->size);
	vm->fd = must("KVM_CREATE_VM", kvm, KVM_CREATE_VM, NULL);
	must("KVM_ENABLE_CAP", vm->fd, KVM_ENABLE_CAP, &split);
	struct kvm_userspace_memory_region ram = {0, 0, 0, RAM_SIZE, (uintptr_t)vm->ram};
	must("KVM_SET_USER_MEMORY_REGION", vm->fd, KVM_SET_USER_MEMORY_REGION, &ram);
	for (uintptr_t id = 0; id < given->vcpu_count; id++) {
		add_vcpu(vm, id, &threads[id]);
	}
	/* The first wakes the others, so that all have to be there. */
	for (unsigned id = 0; id < given->vcpu_count; id++) {
		if (pthread_create(&ours, NULL, run_vcpu, &threads[id]) != 0) {
			perror("pthread_create");
			exit(2);
		}
	}
}

int main(int argc, char **argv)
{
	int file = argc == 2 ? open(argv[1], O_RDWR) : -1;
	struct stat about;

	if (file < 0 || fstat(file, &about) != 0) {
		fprintf(stderr, "usage: kvmhost FILE\n");
		return 2;
	}
	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	run_size = (size_t)must("KVM_GET_VCPU_MMAP_SIZE", kvm, KVM_GET_VCPU_MMAP_SIZE, NULL);
	const uint8_t *at = of_size((size_t)about.st_size, file);
	const uint8_t *end = at + about.st_size;
	while (at < end) {
		const struct given *given = (const struct given *)at;
		start(given);
		at += sizeof(*given) + (given->size + 15) / 16 * 16;
	}
	pthread_exit(NULL);
}
