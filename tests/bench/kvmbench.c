/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/bench/kvmbench.c - what exits of a guest of /dev/kvm cost, in ticks of the time stamp
 * counter: those that KVM or Pintle answer alone, doorbells, and the way to the VMM and back. On
 * stock KVM and on Pintle alike; with a few-byte guest in real mode (tests/system/kvmguest.c).
 * `kvmbench now` tells the time.
 */
#define _GNU_SOURCE
#include "../system/kvmapi.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#define ROUNDS  501u
#define RESULTS 0x4000u
#define DONE    0x510u
#define BELL    0x512u /* a doorbell; the other is at MMIO */
#define EXIT    0x514u

/* Times `op`, ROUNDS times. ES is at the MMIO doorbell. */
#define TIMED(name, op)                                                                            \
	extern const uint8_t name[], name##_end[];                                                 \
	__asm__(".pushsection .rodata\n.code16\n" #name ": mov $0xd000, %ax; mov %ax, %es\n"       \
		"xor %di, %di; 1: rdtsc; mov %eax, %ebp; " op "; rdtsc; sub %ebp, %eax\n"          \
		"mov %eax, 0x4000(%di); add $4, %di; cmp $2004, %di; jb 1b\n"                      \
		"mov $0x510, %dx; out %al, %dx\n" #name "_end:\n.code64\n.popsection")

TIMED(nothing, "");
TIMED(cpuid, "xor %eax, %eax; cpuid");
TIMED(hypercall_intel, "mov $99, %eax; vmcall");
TIMED(hypercall_amd, "mov $99, %eax; vmmcall");
TIMED(port_doorbell, "mov $0x512, %dx; out %ax, %dx");
TIMED(mmio_doorbell, "mov %ax, %es:0");
TIMED(port_exit, "mov $0x514, %dx; out %ax, %dx");

static int by_size(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;
	return *x < *y ? -1 : *x > *y;
}

static void measure(struct guest *guest, const char *name, const uint8_t *code, const uint8_t *end)
{
	uint32_t took[ROUNDS];

	guest_load(guest, code, (size_t)(end - code));
	do {
		must("KVM_RUN", guest->vcpu, KVM_RUN, NULL);
		if (guest->run->exit_reason != KVM_EXIT_IO) {
			printf("FAIL %s: exit %u\n", name, guest->run->exit_reason);
			exit(1);
		}
	} while (guest->run->io.port == EXIT);
	if (guest->run->io.port != DONE) {
		printf("FAIL %s: port 0x%x\n", name, guest->run->io.port);
		exit(1);
	}
	memcpy(took, guest->ram + RESULTS, sizeof(took));
	qsort(took, ROUNDS, sizeof(*took), by_size);
	printf("bench: %s %u %u\n", name, took[0], took[ROUNDS / 2]);
	fflush(stdout);
}

static void hang_up_bells(struct guest *guest)
{
	struct kvm_ioeventfd bell = {.addr = BELL,
		.len = 2,
		.fd = eventfd(0, EFD_NONBLOCK),
		.flags = KVM_IOEVENTFD_FLAG_PIO};

	must("KVM_IOEVENTFD", guest->vm, KVM_IOEVENTFD, &bell);
	bell = (struct kvm_ioeventfd){.addr = MMIO, .len = 2, .fd = eventfd(0, EFD_NONBLOCK)};
	must("KVM_IOEVENTFD", guest->vm, KVM_IOEVENTFD, &bell);
}

int main(int argc, char **argv)
{
	unsigned vendor[4] = {0};
	struct guest guest;

	if (argc == 2 && strcmp(argv[1], "now") == 0) {
		printf("now %llu\n", __builtin_ia32_rdtsc());
		return 0;
	}
	__asm__("cpuid"
		: "=a"(vendor[0]), "=b"(vendor[1]), "=c"(vendor[2]), "=d"(vendor[3])
		: "a"(0));
	bool intel = vendor[2] == 0x6c65746e; /* "ntel" */
	guest_create(&guest);
	hang_up_bells(&guest);
	measure(&guest, "nothing", nothing, nothing_end);
	measure(&guest, "cpuid", cpuid, cpuid_end);
	measure(&guest, "hypercall", intel ? hypercall_intel : hypercall_amd,
		intel ? hypercall_intel_end : hypercall_amd_end);
	measure(&guest, "port_doorbell", port_doorbell, port_doorbell_end);
	measure(&guest, "mmio_doorbell", mmio_doorbell, mmio_doorbell_end);
	measure(&guest, "port_exit", port_exit, port_exit_end);
	return 0;
}
