/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/system/kvmfuzz.c - nonsense for /dev/kvm: `kvmfuzz SEED PROCESSES MILLISECONDS`.
 *
 * Each process has threads that share descriptors and ask for random things with random arguments,
 * half of them sound; guests run whatever lies in their memory. It is killed at some instant, and
 * the next one begins. What is left behind, others look at: this only tells how much was asked.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS  3
#define FDS      24
#define RAM_SIZE (16u << 20)
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

enum kind {
	SYSTEM,
	VM,
	VCPU,
	EVENT,
	KINDS
};

static _Atomic int fds[KINDS][FDS];
static uint8_t *ram, *readable; /* anonymous memory; of a file, to be read */
static struct shared {
	atomic_ulong asked, granted, ran;
} * shared;

static _Thread_local uint64_t state;

static uint64_t any(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static uint64_t below(uint64_t limit)
{
	return any() % limit;
}

/* Numbers that are near to what counts. */
static uint64_t odd_number(void)
{
	static const uint64_t bases[] = {0, 1, 4, 8, 24, 64, 128, 256, 512, 4096, 0x10000, 0xa0000,
		0x200000, 0xfee00000, 0x40000000, 1ull << 32, 1ull << 46, 1ull << 52, 1ull << 63};
	switch (below(4)) {
	case 0:
		return any();
	case 1:
		return any() >> below(64);
	default:
		return bases[below(COUNT(bases))] + below(3) - 1;
	}
}

static int some_fd(enum kind kind)
{
	/* Now and then one of another kind. */
	return fds[below(20) == 0 ? below(KINDS) : kind][below(FDS)];
}

/* Keep a new descriptor in the place of another, which goes. */
static void keep(enum kind kind, int fd)
{
	if (fd >= 0) {
		int old = atomic_exchange(&fds[kind][below(FDS)], fd);
		if (old >= 0) {
			close(old);
		}
	}
}

static int ask(int fd, unsigned long request, void *argument)
{
	int result = ioctl(fd, request, argument);
	atomic_fetch_add_explicit(&shared->asked, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&shared->granted, result >= 0, memory_order_relaxed);
	return result;
}

static void fill(void *at, size_t size)
{
	for (size_t i = 0; i + 8 <= size; i += 8) {
		uint64_t value = below(3) == 0 ? odd_number() : 0;
		memcpy((uint8_t *)at + i, &value, 8);
	}
}

static void new_vm(void)
{
	struct kvm_enable_cap split = {.cap = KVM_CAP_SPLIT_IRQCHIP, .args = {24}};
	int vm = ask(some_fd(SYSTEM), KVM_CREATE_VM, NULL);
	if (vm >= 0) {
		struct kvm_userspace_memory_region low = {0, 0, 0, 0x100000, (uintptr_t)ram};
		ask(vm, KVM_ENABLE_CAP, &split);
		ask(vm, KVM_SET_USER_MEMORY_REGION, &low);
		keep(VCPU, ask(vm, KVM_CREATE_VCPU, NULL));
	}
	keep(VM, vm);
}

static void new_vcpu(void)
{
	keep(VCPU, ask(some_fd(VM), KVM_CREATE_VCPU, (void *)(below(3) ? below(8) : odd_number())));
}

static void set_slot(void)
{
	struct kvm_userspace_memory_region region = {.slot = (uint32_t)below(6),
		.flags = (uint32_t)(below(4) ? 0 : below(8)),
		.guest_phys_addr = below(512) << 12,
		.memory_size = below(4) ? (1 + below(700)) << 12 : 0,
		.userspace_addr = (uintptr_t)(below(5) ? ram : readable) + (below(1024) << 12)};
	if (below(6) == 0) {
		fill(&region, sizeof(region));
	}
	ask(some_fd(VM), KVM_SET_USER_MEMORY_REGION, &region);
}

static void set_routes(void)
{
	union {
		struct kvm_irq_routing head;
		uint8_t room[sizeof(struct kvm_irq_routing) +
			40 * sizeof(struct kvm_irq_routing_entry)];
	} table = {.head.nr = (uint32_t)below(40)};
	for (uint32_t i = 0; i < table.head.nr; i++) {
		table.head.entries[i] = (struct kvm_irq_routing_entry){.gsi = i,
			.type = 2,
			.u.msi = {.address_lo = 0xfee00000,
				.data = (uint32_t)(0x40 + i) | (i % 3 ? 0 : 0xc000)}};
	}
	if (below(5) == 0) {
		fill(&table, sizeof(table));
	}
	ask(some_fd(VM), KVM_SET_GSI_ROUTING, &table);
}

static void irqfd(void)
{
	struct kvm_irqfd request = {.fd = (uint32_t)some_fd(EVENT),
		.gsi = (uint32_t)below(40),
		.flags = (uint32_t)below(4),
		.resamplefd = (uint32_t)some_fd(EVENT)};
	ask(some_fd(VM), KVM_IRQFD, &request);
}

static void ioeventfd(void)
{
	struct kvm_ioeventfd request = {.datamatch = below(3),
		.addr = 0x500 + below(8),
		.len = (uint32_t)(1u << below(4)),
		.fd = some_fd(EVENT),
		.flags = (uint32_t)below(8)};
	if (below(4) == 0) {
		request.addr = odd_number();
		request.len = (uint32_t)odd_number();
	}
	ask(some_fd(VM), KVM_IOEVENTFD, &request);
}

static void message(void)
{
	struct kvm_msi msi = {.address_lo = 0xfee00000 + (uint32_t)(below(4) << 12), .data = 0x40};
	if (below(3) == 0) {
		fill(&msi, sizeof(msi));
	}
	ask(some_fd(VM), KVM_SIGNAL_MSI, &msi);
}

static void kick(void)
{
	uint64_t one = 1;
	if (below(3)) {
		ssize_t n = write(some_fd(EVENT), &one, sizeof(one));
		(void)n;
	} else {
		keep(EVENT, eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
	}
}

static void run(void)
{
	int fd = some_fd(VCPU);
	struct kvm_run *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	for (uint64_t i = below(20); i-- > 0 && page != MAP_FAILED;) {
		page->immediate_exit = below(8) == 0;
		ask(fd, KVM_RUN, NULL);
		if (below(2)) {
			fill(page, 4096);
		}
		atomic_fetch_add_explicit(&shared->ran, 1, memory_order_relaxed);
	}
	if (page != MAP_FAILED) {
		munmap(page, 4096);
	}
}

/* Get something, change a little of it, set it. */
static void state_of_vcpu(void)
{
	static const unsigned long pairs[][2] = {{KVM_GET_REGS, KVM_SET_REGS},
		{KVM_GET_SREGS, KVM_SET_SREGS}, {KVM_GET_FPU, KVM_SET_FPU},
		{KVM_GET_XSAVE, KVM_SET_XSAVE}, {KVM_GET_XCRS, KVM_SET_XCRS},
		{KVM_GET_LAPIC, KVM_SET_LAPIC}, {KVM_GET_MP_STATE, KVM_SET_MP_STATE},
		{KVM_GET_VCPU_EVENTS, KVM_SET_VCPU_EVENTS}, {KVM_GET_DEBUGREGS, KVM_SET_DEBUGREGS}};
	static _Thread_local uint64_t data[1024];
	uint64_t which = below(COUNT(pairs));
	int fd = some_fd(VCPU);
	ask(fd, pairs[which][0], data);
	for (uint64_t i = below(4); i-- > 0;) {
		data[below(_IOC_SIZE(pairs[which][1]) / 8 + 1)] = odd_number();
	}
	ask(fd, pairs[which][1], data);
}

static void msrs_and_cpuid(void)
{
	union {
		struct kvm_msrs msrs;
		struct kvm_cpuid2 cpuid;
		struct kvm_msr_list list;
		uint8_t room[8 + 300 * 40];
	} *table = malloc(sizeof(*table));
	static const unsigned long requests[] = {KVM_GET_MSRS, KVM_SET_MSRS, KVM_SET_CPUID2,
		KVM_GET_CPUID2, KVM_GET_SUPPORTED_CPUID, KVM_GET_MSR_INDEX_LIST};
	fill(table, sizeof(*table));
	table->msrs.nmsrs = (uint32_t)(below(8) ? below(300) : odd_number());
	uint64_t which = below(COUNT(requests));
	if (which < 2) {
		for (uint32_t i = 0; i < 256; i++) {
			table->msrs.entries[i].index = (uint32_t)(0xc0000080 + below(32));
		}
	}
	ask(some_fd(which < 4 ? VCPU : SYSTEM), requests[which], table);
	free(table);
}

/* Anything at all; what it may write to is ours. */
static void nonsense(void)
{
	static _Thread_local uint64_t data[2048];
	static const unsigned long known[] = {KVM_CREATE_VM, KVM_CHECK_EXTENSION, KVM_CREATE_VCPU,
		KVM_SET_USER_MEMORY_REGION, KVM_GET_DIRTY_LOG, KVM_ENABLE_CAP, KVM_SET_TSS_ADDR,
		KVM_SET_GSI_ROUTING, KVM_IRQFD, KVM_IOEVENTFD, KVM_SIGNAL_MSI, KVM_NMI, KVM_RUN,
		KVM_GET_TSC_KHZ, KVM_SET_TSC_KHZ, KVM_SET_IDENTITY_MAP_ADDR, KVM_SET_SREGS};
	unsigned long request = below(8) ? known[below(COUNT(known))] : _IO(KVMIO, below(256));
	fill(data, sizeof(data));
	if (request == KVM_GET_DIRTY_LOG) {
		((struct kvm_dirty_log *)data)->slot = (uint32_t)below(6);
		((struct kvm_dirty_log *)data)->dirty_bitmap = data + 64;
	}
	int result = ask(some_fd((enum kind)below(KINDS)), request,
		below(3) ? (void *)data : (void *)odd_number());
	if (request == KVM_CREATE_VCPU) {
		keep(VCPU, result);
	} else if (request == KVM_CREATE_VM) {
		keep(VM, result);
	}
}

static void close_some(void)
{
	enum kind kind = VM + (enum kind)below(3);
	int old = atomic_exchange(&fds[kind][below(FDS)], -1);
	if (old >= 0) {
		close(old);
	}
}

static void *worker(void *seed)
{
	static void (*const acts[])(void) = {new_vm, new_vcpu, set_slot, set_slot, set_routes,
		irqfd, ioeventfd, message, kick, kick, run, run, state_of_vcpu, state_of_vcpu,
		msrs_and_cpuid, nonsense, nonsense, close_some};
	state = (uint64_t)(uintptr_t)seed * 0x9e3779b97f4a7c15 | 1;
	for (;;) {
		acts[below(COUNT(acts))]();
	}
	return NULL;
}

static void on_alarm(int number)
{
	(void)number;
}

/* One process, until it is killed. KVM_RUN ends by a timer. */
static void process(uint64_t seed)
{
	struct sigaction action = {.sa_handler = on_alarm};
	struct itimerval often = {{0, 3000}, {0, 3000}};
	state = seed * 31 | 1;
	for (unsigned kind = VM; kind < KINDS; kind++) {
		for (unsigned i = 0; i < FDS; i++) {
			fds[kind][i] = kind == EVENT ? eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC) : -1;
		}
	}
	for (unsigned i = 0; i < FDS; i++) {
		fds[SYSTEM][i] = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	}
	int file = open("/proc/self/exe", O_RDONLY);
	ram = mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	readable = mmap(NULL, 256 << 12, PROT_READ, MAP_SHARED, file, 0);
	for (size_t i = 0; i < 0x100000; i += 8) {
		uint64_t word = any();
		memcpy(ram + i, &word, 8);
	}
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	for (unsigned i = 1; i < THREADS; i++) {
		pthread_t thread;
		pthread_create(&thread, NULL, worker, (void *)(uintptr_t)(seed + i));
	}
	worker((void *)(uintptr_t)seed);
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	unsigned long count = argc > 2 ? strtoul(argv[2], NULL, 0) : 10;
	unsigned long milliseconds = argc > 3 ? strtoul(argv[3], NULL, 0) : 200;
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	state = seed | 1;
	for (unsigned long i = 0; i < count; i++) {
		pid_t child = fork();
		if (child == 0) {
			process(seed * 1000 + i);
		}
		usleep((useconds_t)(1000 * (1 + below(milliseconds))));
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	printf("asked %lu, granted %lu, entered %lu\n", shared->asked, shared->granted,
		shared->ran);
	return 0;
}
