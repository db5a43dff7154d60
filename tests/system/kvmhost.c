/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/system/kvmhost.c - the VMM, on /dev/kvm, of the guests of tests/vms: `kvmhost FILE` starts
 * those that tests/system/vms.py has packed, and tells what they say, as tests/vms/host.c does.
 * Their word is a doorbell, so that no vCPU waits for what Linux has to do first.
 */
#define _GNU_SOURCE
#include "../vms/said.h"
#include "kvmapi.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOAD_ADDRESS 0x7c00u
#define PINS         24u
#define ROWS         128u
#define VMS_MAX      16u

/* How it is scheduled is not for KVM to say. */
struct given {
	char name[16];
	uint32_t vcpu_count, size;
	uint8_t sched[96];
};

struct vm {
	const struct given *given;
	struct thread *threads; /* of its vCPUs */
	int fd;
	uint8_t *ram;
	uint32_t told; /* of what it said */
};

struct thread {
	const struct vm *vm;
	int vcpu;
	struct kvm_run *run;
};

static int kvm;
static size_t run_size;
static struct vm vms[VMS_MAX];
static struct pollfd bells[VMS_MAX];
static unsigned vm_count;

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
	if (run->exit_reason != KVM_EXIT_IO) {
		bool ends = run->exit_reason == KVM_EXIT_SHUTDOWN;
		tell(vm, ends ? "triple fault" : "an exit that it cannot go on from");
		return false;
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

static void make(const struct given *given)
{
	struct kvm_enable_cap split = {.cap = KVM_CAP_SPLIT_IRQCHIP, .args = {PINS}};
	struct vm *vm = &vms[vm_count];
	struct pollfd *bell = &bells[vm_count++];

	vm->given = given;
	vm->threads = calloc(given->vcpu_count, sizeof(*vm->threads));
	vm->ram = of_size(RAM_SIZE, -1);
	memcpy(vm->ram + LOAD_ADDRESS, given + 1, given->size);
	vm->fd = must("KVM_CREATE_VM", kvm, KVM_CREATE_VM, NULL);
	must("KVM_ENABLE_CAP", vm->fd, KVM_ENABLE_CAP, &split);
	struct kvm_userspace_memory_region ram = {0, 0, 0, RAM_SIZE, (uintptr_t)vm->ram};
	must("KVM_SET_USER_MEMORY_REGION", vm->fd, KVM_SET_USER_MEMORY_REGION, &ram);
	*bell = (struct pollfd){.fd = eventfd(0, EFD_CLOEXEC), .events = POLLIN};
	struct kvm_ioeventfd word = {
		.addr = SAID_PORT, .len = 4, .fd = bell->fd, .flags = KVM_IOEVENTFD_FLAG_PIO};
	must("KVM_IOEVENTFD", vm->fd, KVM_IOEVENTFD, &word);
	for (uintptr_t id = 0; id < given->vcpu_count; id++) {
		add_vcpu(vm, id, &vm->threads[id]);
	}
}

static void start(const struct vm *vm)
{
	pthread_t ours;

	for (unsigned id = 0; id < vm->given->vcpu_count; id++) {
		if (pthread_create(&ours, NULL, run_vcpu, &vm->threads[id]) != 0) {
			perror("pthread_create");
			exit(2);
		}
	}
}

/* What it said since; a guest may write anything there. */
static void tell_all(struct vm *vm)
{
	const struct said *said = (const struct said *)(vm->ram + SAID_AT);
	uint32_t count = __atomic_load_n(&said->count, __ATOMIC_ACQUIRE);

	if (count - vm->told > SAID_MAX) {
		vm->told = count - SAID_MAX;
	}
	while (vm->told != count) {
		tell(vm, said->line[vm->told++ % SAID_MAX]);
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
	while (at < end && vm_count < VMS_MAX) {
		const struct given *given = (const struct given *)at;
		make(given);
		at += sizeof(*given) + (given->size + 15) / 16 * 16;
	}
	/* All are there by now: those that never sleep would leave little time to make others. */
	for (unsigned i = 0; i < vm_count; i++) {
		start(&vms[i]);
	}
	while (poll(bells, vm_count, -1) > 0) {
		for (unsigned i = 0; i < vm_count; i++) {
			uint64_t rings;
			if (bells[i].revents != 0 &&
				read(bells[i].fd, &rings, sizeof(rings)) == sizeof(rings)) {
				tell_all(&vms[i]);
			}
		}
	}
	return 2;
}
