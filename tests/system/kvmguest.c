/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/system/kvmguest.c - a small VM on /dev/kvm, for programs that check what its ioctls do.
 */
#define _GNU_SOURCE
#include "kvmapi.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#define CPUID_ENTRIES 128u
#define PINS          24u
#define LIMIT_MS      20000u /* no guest here takes a second */

unsigned failures;

void report(bool good, const char *format, ...)
{
	va_list arguments;
	printf(good ? "ok   " : "FAIL ");
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	printf("\n");
	fflush(stdout);
	failures += !good;
}

int try_ioctl(int fd, unsigned long request, void *argument)
{
	int result = ioctl(fd, request, argument);
	return result < 0 ? -errno : result;
}

int must(const char *what, int fd, unsigned long request, void *argument)
{
	int result = try_ioctl(fd, request, argument);
	if (result < 0) {
		printf("FAIL %s: %s\n", what, strerror(-result));
		exit(2);
	}
	return result;
}

static void set_cpuid(const struct guest *guest)
{
	struct kvm_cpuid2 *table =
		calloc(1, sizeof(*table) + CPUID_ENTRIES * sizeof(table->entries[0]));
	table->nent = CPUID_ENTRIES;
	must("KVM_GET_SUPPORTED_CPUID", guest->kvm, KVM_GET_SUPPORTED_CPUID, table);
	must("KVM_SET_CPUID2", guest->vcpu, KVM_SET_CPUID2, table);
	free(table);
}

void guest_real_mode(struct guest *guest)
{
	struct kvm_sregs sregs;
	must("KVM_GET_SREGS", guest->vcpu, KVM_GET_SREGS, &sregs);
	sregs.cs.base = sregs.cs.selector = 0;
	sregs.idt.limit = 0x3ff;
	must("KVM_SET_SREGS", guest->vcpu, KVM_SET_SREGS, &sregs);
}

void guest_create(struct guest *guest)
{
	struct kvm_enable_cap split = {.cap = KVM_CAP_SPLIT_IRQCHIP, .args = {PINS}};
	guest->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (guest->kvm < 0) {
		printf("FAIL no /dev/kvm: %s\n", strerror(errno));
		exit(2);
	}
	guest->vm = must("KVM_CREATE_VM", guest->kvm, KVM_CREATE_VM, NULL);
	must("KVM_ENABLE_CAP", guest->vm, KVM_ENABLE_CAP, &split);
	guest->ram =
		mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct kvm_userspace_memory_region low = {0, 0, 0, LOW_SIZE, (uintptr_t)guest->ram};
	must("KVM_SET_USER_MEMORY_REGION", guest->vm, KVM_SET_USER_MEMORY_REGION, &low);
	guest->vcpu = must("KVM_CREATE_VCPU", guest->vm, KVM_CREATE_VCPU, NULL);
	size_t size =
		(size_t)must("KVM_GET_VCPU_MMAP_SIZE", guest->kvm, KVM_GET_VCPU_MMAP_SIZE, NULL);
	guest->run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, guest->vcpu, 0);
	if (guest->run == MAP_FAILED) {
		printf("FAIL no run page: %s\n", strerror(errno));
		exit(2);
	}
	set_cpuid(guest);
	guest_real_mode(guest);
	for (unsigned vector = 0; vector < 256; vector++) {
		const uint16_t entry[2] = {HANDLER, 0};
		memcpy(guest->ram + 4 * vector, entry, sizeof(entry));
	}
}

void guest_destroy(struct guest *guest)
{
	munmap(guest->run,
		(size_t)must("KVM_GET_VCPU_MMAP_SIZE", guest->kvm, KVM_GET_VCPU_MMAP_SIZE, NULL));
	close(guest->vcpu);
	close(guest->vm);
	close(guest->kvm);
	munmap(guest->ram, RAM_SIZE);
}

void guest_load(struct guest *guest, const void *code, size_t size)
{
	struct kvm_regs regs = {.rip = CODE, .rsp = STACK, .rflags = 2};
	struct kvm_mp_state runs = {KVM_MP_STATE_RUNNABLE};
	memcpy(guest->ram + CODE, code, size);
	must("KVM_SET_REGS", guest->vcpu, KVM_SET_REGS, &regs);
	must("KVM_SET_MP_STATE", guest->vcpu, KVM_SET_MP_STATE, &runs);
}

void guest_handler(struct guest *guest, const void *code, size_t size)
{
	memcpy(guest->ram + HANDLER, code, size);
}

static void on_alarm(int number)
{
	(void)number;
}

int guest_run_for(struct guest *guest, unsigned milliseconds)
{
	struct sigaction action = {.sa_handler = on_alarm};
	/* Again and again: the first may come before the guest runs. */
	struct itimerval limit = {.it_value = {milliseconds / 1000, milliseconds % 1000 * 1000}};
	limit.it_interval = limit.it_value;
	struct itimerval never = {0};
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &limit, NULL);
	int result = try_ioctl(guest->vcpu, KVM_RUN, NULL);
	setitimer(ITIMER_REAL, &never, NULL);
	return result;
}

uint32_t guest_run(struct guest *guest)
{
	struct kvm_regs regs = {0};
	int result = guest_run_for(guest, LIMIT_MS);
	if (result != 0) {
		try_ioctl(guest->vcpu, KVM_GET_REGS, &regs);
		printf("KVM_RUN: %s, rip 0x%llx\n", strerror(-result), regs.rip);
		return UINT32_MAX;
	}
	return guest->run->exit_reason;
}
