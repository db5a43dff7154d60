/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/system/kvmapi.c - checks of /dev/kvm, one sentence each: what runs on KVM runs on Pintle.
 *
 * Few bytes of real-mode code are the guests. `kvmapi` runs all; `kvmapi run` those that run
 * guests, `kvmapi NAME` one, `kvmapi -NAME` all but one.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kvmapi.h"

/* Ports in the code below: PORT is 0x510. */
#define MOV_DX_PORT  0xba, 0x10, 0x05
#define MOV_DX(port) 0xba, (port)&0xff, (port) >> 8
#define OUT_AL       0xee
#define IN_AL        0xec
#define MOV_AL(n)    0xb0, (n)
#define END          MOV_DX(0x5ff), OUT_AL /* the end of a guest */
#define HLT          0xf4
#define STI          0xfb
#define LOOP         0xeb, 0xfe

#define LOAD(guest, ...)                                                                           \
	do {                                                                                       \
		static const uint8_t code[] = {__VA_ARGS__};                                       \
		guest_load(guest, code, sizeof(code));                                             \
	} while (0)
#define HANDLE(guest, ...)                                                                         \
	do {                                                                                       \
		static const uint8_t code[] = {__VA_ARGS__};                                       \
		guest_handler(guest, code, sizeof(code));                                          \
	} while (0)

static bool is_pintle; /* what differs there is said so in the check */

static uint8_t *io_data(struct guest *g)
{
	return (uint8_t *)g->run + g->run->io.data_offset;
}

static bool is_io(struct guest *g, uint32_t reason, uint16_t port, bool out)
{
	return reason == KVM_EXIT_IO && g->run->io.port == port && g->run->io.count == 1 &&
		g->run->io.size == 1 &&
		g->run->io.direction == (out ? KVM_EXIT_IO_OUT : KVM_EXIT_IO_IN);
}

static bool is_end(struct guest *g, uint32_t reason)
{
	return is_io(g, reason, 0x5ff, true);
}

static uint64_t rip(struct guest *g)
{
	struct kvm_regs regs;
	must("KVM_GET_REGS", g->vcpu, KVM_GET_REGS, &regs);
	return regs.rip;
}

static void check_ports(struct guest *g)
{
	LOAD(g, MOV_DX_PORT, MOV_AL('A'), OUT_AL, IN_AL, 0x42 /* inc dx */, OUT_AL, END);
	report(is_io(g, guest_run(g), PORT, true) && *io_data(g) == 'A', "a byte goes out");
	report(is_io(g, guest_run(g), PORT, false), "a byte is asked for");
	*io_data(g) = 0x5a;
	report(is_io(g, guest_run(g), PORT + 1, true) && *io_data(g) == 0x5a, "and comes in");
	report(is_end(g, guest_run(g)), "then the guest goes on");
}

static void check_mmio(struct guest *g)
{
	/* mov ax, 0xd000; mov ds, ax; mov [0x10], ax; mov al, [0x21]; mov [0x30], al */
	LOAD(g, 0xb8, 0x00, 0xd0, 0x8e, 0xd8, 0xa3, 0x10, 0x00, 0xa0, 0x21, 0x00, 0xa2, 0x30, 0x00,
		END);
	struct kvm_run *run = g->run;
	bool good = guest_run(g) == KVM_EXIT_MMIO && run->mmio.phys_addr == MMIO + 0x10;
	report(good && run->mmio.len == 2 && run->mmio.is_write && run->mmio.data[1] == 0xd0,
		"a word is written to a device");
	good = guest_run(g) == KVM_EXIT_MMIO && run->mmio.phys_addr == MMIO + 0x21;
	report(good && run->mmio.len == 1 && !run->mmio.is_write, "a byte is read from one");
	run->mmio.data[0] = 0x77;
	good = guest_run(g) == KVM_EXIT_MMIO && run->mmio.phys_addr == MMIO + 0x30;
	report(good && run->mmio.data[0] == 0x77, "and comes in");
	report(is_end(g, guest_run(g)), "then the guest goes on");
}

/* KVM of Linux 6.1 says why only after the vCPU was entered. */
static bool says_interrupted(struct guest *g)
{
	return g->run->exit_reason == KVM_EXIT_INTR || !is_pintle;
}

static void check_immediate_exit(struct guest *g)
{
	LOAD(g, MOV_DX_PORT, IN_AL, 0x90, END);
	g->run->immediate_exit = 1;
	int got = try_ioctl(g->vcpu, KVM_RUN, NULL);
	report(got == -EINTR && says_interrupted(g) && rip(g) == CODE,
		"immediate_exit lets nothing run");
	g->run->immediate_exit = 0;
	report(is_io(g, guest_run(g), PORT, false), "a read waits");
	*io_data(g) = 0x5a;
	g->run->immediate_exit = 1;
	got = try_ioctl(g->vcpu, KVM_RUN, NULL);
	g->run->immediate_exit = 0;
	struct kvm_regs regs;
	must("KVM_GET_REGS", g->vcpu, KVM_GET_REGS, &regs);
	report(got == -EINTR && says_interrupted(g) && (regs.rax & 0xff) == 0x5a &&
			regs.rip == CODE + 4,
		"immediate_exit finishes the read and no more: rip 0x%llx", regs.rip);
	report(is_end(g, guest_run(g)), "then the guest goes on");
}

/* A VMM that resets its guest at an exit does not come back for what the exit began. */
static void check_reset_at_exit(struct guest *g)
{
	LOAD(g, MOV_DX_PORT, OUT_AL, END);
	report(is_io(g, guest_run(g), PORT, true), "a write is told");
	struct kvm_regs regs = {.rip = CODE + 0x100, .rflags = 2, .rsp = STACK};
	static const uint8_t other[] = {MOV_AL(3), MOV_DX_PORT, IN_AL, END};
	memcpy(g->ram + CODE + 0x100, other, sizeof(other));
	must("KVM_SET_REGS", g->vcpu, KVM_SET_REGS, &regs);
	report(is_io(g, guest_run(g), PORT, false), "new registers count after a write");
	*io_data(g) = 9;
	memcpy(g->ram + CODE + 0x200, other, sizeof(other));
	regs.rip = CODE + 0x200;
	regs.rax = 0x55;
	must("KVM_SET_REGS", g->vcpu, KVM_SET_REGS, &regs);
	report(is_io(g, guest_run(g), PORT, false), "and after a read");
	*io_data(g) = 1;
	report(is_end(g, guest_run(g)) && *io_data(g) == 1, "which is not answered twice");
}

static bool is_interrupted(struct guest *g)
{
	return guest_run_for(g, 50) == -EINTR && g->run->exit_reason == KVM_EXIT_INTR;
}

static void check_signals(struct guest *g)
{
	LOAD(g, LOOP);
	for (int i = 0; i < 3; i++) {
		report(is_interrupted(g), "a signal interrupts a guest that computes");
	}
	LOAD(g, HLT, END);
	report(is_interrupted(g) && is_interrupted(g), "and one that is halted");
	/* It halts for good: with interrupts off only an NMI wakes it. */
	HANDLE(g, END);
	must("KVM_NMI", g->vcpu, KVM_NMI, NULL);
	report(is_end(g, guest_run(g)), "which an NMI wakes");
}

static void check_shutdown(struct guest *g)
{
	/* lidt [cs:limit 0 at ...]; int3: no vector is in the table, not even that of the fault */
	LOAD(g, 0x0f, 0x01, 0x1e, 0x20, 0x10, 0xcc, END);
	memset(g->ram + CODE + 0x20, 0, 6);
	report(guest_run(g) == KVM_EXIT_SHUTDOWN, "a triple fault shuts down");
	if (is_pintle) { /* KVM wants more than these to be set anew */
		guest_real_mode(g);
		LOAD(g, END);
		report(is_end(g, guest_run(g)), "and the vCPU can be used again");
	}
}

/* Whichever comes first. */
static void check_boot_processor(struct guest *g)
{
	struct kvm_enable_cap split = {.cap = KVM_CAP_SPLIT_IRQCHIP, .args = {24}};
	struct kvm_mp_state state[2];
	int vcpu[2], vm = must("KVM_CREATE_VM", g->kvm, KVM_CREATE_VM, NULL);
	must("KVM_ENABLE_CAP", vm, KVM_ENABLE_CAP, &split);
	for (uintptr_t i = 2; i-- > 0;) {
		vcpu[i] = must("KVM_CREATE_VCPU", vm, KVM_CREATE_VCPU, (void *)i);
		must("KVM_GET_MP_STATE", vcpu[i], KVM_GET_MP_STATE, &state[i]);
	}
	report(state[0].mp_state == KVM_MP_STATE_RUNNABLE &&
			state[1].mp_state == KVM_MP_STATE_UNINITIALIZED,
		"vCPU 0 is the boot processor");
	close(vcpu[0]);
	close(vcpu[1]);
	close(vm);
}

/* Not on stock KVM, whose host hangs in QEMU 7.2 then (docs/decisions.md). */
static void check_early_long_mode(struct guest *g)
{
	if (!is_pintle) {
		return;
	}
	/* mov ecx, EFER; mov eax, LME; xor edx, edx; wrmsr: CR4.PAE and CR0.PG are clear */
	LOAD(g, 0x66, 0xb9, 0x80, 0, 0, 0xc0, 0x66, 0xb8, 0, 1, 0, 0, 0x66, 0x31, 0xd2, 0x0f, 0x30,
		END, 0x66, 0x31, 0xc0, 0x66, 0x31, 0xd2, 0x0f, 0x30, END);
	report(is_end(g, guest_run(g)), "a guest may set EFER.LME before CR4.PAE");
	report(is_end(g, guest_run(g)), "and clear it");
}

/* mov ecx, 0x80b; xor eax, eax; xor edx, edx; wrmsr: the end of an interrupt, in x2APIC mode */
#define EOI 0x66, 0xb9, 0x0b, 0x08, 0, 0, 0x66, 0x31, 0xc0, 0x66, 0x31, 0xd2, 0x0f, 0x30

/* The APIC on, in x2APIC mode. */
static void enable_apic(struct guest *g)
{
	struct kvm_sregs sregs;
	struct kvm_lapic_state lapic;
	must("KVM_GET_SREGS", g->vcpu, KVM_GET_SREGS, &sregs);
	sregs.apic_base |= 0xc00;
	must("KVM_SET_SREGS", g->vcpu, KVM_SET_SREGS, &sregs);
	must("KVM_GET_LAPIC", g->vcpu, KVM_GET_LAPIC, &lapic);
	lapic.regs[0xf0] = (char)0xff;
	lapic.regs[0xf1] = 1;
	must("KVM_SET_LAPIC", g->vcpu, KVM_SET_LAPIC, &lapic);
}

static void set_route(struct guest *g, uint32_t gsi, uint32_t data)
{
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry entry;
	} table = {{.nr = 1},
		{.gsi = gsi,
			.type = KVM_IRQ_ROUTING_MSI,
			.u.msi = {.address_lo = 0xfee00000, .data = data}}};
	must("KVM_SET_GSI_ROUTING", g->vm, KVM_SET_GSI_ROUTING, &table);
}

static void kick(int fd)
{
	uint64_t one = 1;
	if (write(fd, &one, sizeof(one)) != sizeof(one)) {
		report(false, "an eventfd cannot be written");
	}
}

static uint64_t count_of(int fd)
{
	uint64_t count = 0;
	return read(fd, &count, sizeof(count)) == sizeof(count) ? count : 0;
}

/* A write that another thread makes, while the vCPU runs. */
static void *kick_later(void *fd)
{
	usleep(20000);
	kick(*(int *)fd);
	return NULL;
}

#define WAIT STI, HLT, 0xeb, 0xfc /* sti; hlt; jmp */

static void check_irqfd(struct guest *g)
{
	int fd = eventfd(0, EFD_NONBLOCK);
	struct kvm_irqfd irqfd = {.fd = (uint32_t)fd, .gsi = 30};
	enable_apic(g);
	set_route(g, 30, 0x41);
	LOAD(g, WAIT);
	HANDLE(g, EOI, END, 0xcf /* iret */);
	must("KVM_IRQFD", g->vm, KVM_IRQFD, &irqfd);
	report(try_ioctl(g->vm, KVM_IRQFD, &irqfd) == -EBUSY, "an irqfd is one only once");
	kick(fd);
	report(is_end(g, guest_run(g)), "an eventfd that was written interrupts");
	report(count_of(fd) == 0, "and is empty then");
	pthread_t thread;
	pthread_create(&thread, NULL, kick_later, &fd);
	report(is_end(g, guest_run(g)), "and wakes a vCPU that runs");
	pthread_join(thread, NULL);
	struct kvm_msi msi = {.address_lo = 0xfee00000, .data = 0x42};
	report(try_ioctl(g->vm, KVM_SIGNAL_MSI, &msi) > 0, "a message is taken");
	report(is_end(g, guest_run(g)), "and interrupts");
	msi.address_lo = 0xfee09000; /* nobody */
	report(try_ioctl(g->vm, KVM_SIGNAL_MSI, &msi) <= 0, "one to nobody is not");
	irqfd.flags = KVM_IRQFD_FLAG_DEASSIGN;
	must("KVM_IRQFD", g->vm, KVM_IRQFD, &irqfd);
	kick(fd);
	report(is_interrupted(g) && count_of(fd) == 1, "what was taken off does not interrupt");
	irqfd.flags = 0;
	must("KVM_IRQFD", g->vm, KVM_IRQFD, &irqfd);
	close(fd); /* deaf from now on; the VM goes on */
	report(is_interrupted(g), "a closed one does no harm");
}

static void check_level(struct guest *g)
{
	int fd = eventfd(0, EFD_NONBLOCK), again = eventfd(0, EFD_NONBLOCK);
	struct kvm_irqfd irqfd = {.fd = (uint32_t)fd, .gsi = 4};
	enable_apic(g);
	set_route(g, 4, 0xc051); /* level, asserted; a pin of our I/O APIC */
	LOAD(g, WAIT);
	HANDLE(g, EOI, END, 0xcf);
	must("KVM_IRQFD", g->vm, KVM_IRQFD, &irqfd);
	kick(fd);
	report(guest_run(g) == KVM_EXIT_IOAPIC_EOI && g->run->eoi.vector == 0x51,
		"the end of a level-triggered interrupt is told");
	report(is_end(g, guest_run(g)), "then the guest goes on");
	irqfd.flags = KVM_IRQFD_FLAG_DEASSIGN;
	must("KVM_IRQFD", g->vm, KVM_IRQFD, &irqfd);
	if (is_pintle) { /* KVM has it only with its own I/O APIC */
		irqfd.flags = KVM_IRQFD_FLAG_RESAMPLE;
		irqfd.resamplefd = (uint32_t)again;
		must("KVM_IRQFD", g->vm, KVM_IRQFD, &irqfd);
		kick(fd);
		report(guest_run(g) == KVM_EXIT_IOAPIC_EOI && count_of(again) == 1,
			"and to a resamplefd");
		report(is_end(g, guest_run(g)), "then the guest goes on");
	}
	close(fd);
	close(again);
}

static void check_ioeventfd(struct guest *g)
{
	int fd[3] = {eventfd(0, EFD_NONBLOCK), eventfd(0, EFD_NONBLOCK), eventfd(0, EFD_NONBLOCK)};
	struct kvm_ioeventfd bell[3] = {
		{.addr = PORT,
			.len = 1,
			.fd = fd[0],
			.datamatch = 7,
			.flags = KVM_IOEVENTFD_FLAG_PIO | KVM_IOEVENTFD_FLAG_DATAMATCH},
		{.addr = MMIO + 0x10, .len = 2, .fd = fd[1]},
		{.addr = MMIO + 0x20, .len = 0, .fd = fd[2]},
	};
	for (int i = 0; i < 3; i++) {
		must("KVM_IOEVENTFD", g->vm, KVM_IOEVENTFD, &bell[i]);
	}
	report(try_ioctl(g->vm, KVM_IOEVENTFD, &bell[1]) == -EEXIST,
		"a doorbell is there only once");
	/* out 7 twice, 8 once; mov ax, 0xd000; mov ds, ax; mov [0x10], ax; mov [0x10], al; then
	 * mov [0x20], al and mov [0x20], ax */
	LOAD(g, MOV_DX_PORT, MOV_AL(7), OUT_AL, OUT_AL, MOV_AL(8), OUT_AL, 0xb8, 0x00, 0xd0, 0x8e,
		0xd8, 0xa3, 0x10, 0x00, 0xa2, 0x10, 0x00, 0xa2, 0x20, 0x00, 0xa3, 0x20, 0x00, END);
	report(is_io(g, guest_run(g), PORT, true) && *io_data(g) == 8, "other data exit");
	report(guest_run(g) == KVM_EXIT_MMIO && g->run->mmio.len == 1, "so does another width");
	report(is_end(g, guest_run(g)), "the rest does not");
	/* Events come in an interrupt of theirs, which may be behind the exit. */
	uint64_t count[3] = {0};
	for (int tries = 0; tries < 1000 && !(count[0] && count[1] && count[2]); tries++) {
		for (int i = 0; i < 3; i++) {
			count[i] += count_of(fd[i]);
		}
		usleep(1000);
	}
	report(count[0] >= 1 && count[0] <= 2 && count[1] == 1 && count[2] >= 1 && count[2] <= 2,
		"each rings its eventfd: %lu %lu %lu", count[0], count[1], count[2]);
	for (int i = 0; i < 3; i++) {
		bell[i].flags |= KVM_IOEVENTFD_FLAG_DEASSIGN;
		must("KVM_IOEVENTFD", g->vm, KVM_IOEVENTFD, &bell[i]);
		report(try_ioctl(g->vm, KVM_IOEVENTFD, &bell[i]) == -ENOENT, "it goes only once");
		close(fd[i]);
	}
	LOAD(g, MOV_DX_PORT, MOV_AL(7), OUT_AL, END);
	report(is_io(g, guest_run(g), PORT, true), "then the write exits");
}

static void set_slot(
	struct guest *g, uint32_t slot, uint64_t gpa, void *host, uint64_t size, uint32_t flags)
{
	struct kvm_userspace_memory_region region = {slot, flags, gpa, size, (uintptr_t)host};
	must("KVM_SET_USER_MEMORY_REGION", g->vm, KVM_SET_USER_MEMORY_REGION, &region);
}

static void *pages(size_t count)
{
	void *at = mmap(
		NULL, count * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return at == MAP_FAILED ? NULL : at;
}

/* mov ax, 0xd000; mov ds, ax; inc byte [0] */
#define COUNT_UP  0xb8, 0x00, 0xd0, 0x8e, 0xd8, 0xfe, 0x06, 0x00, 0x00
/* mov al, [0]; mov [0], al */
#define COPY_BYTE 0xb8, 0x00, 0xd0, 0x8e, 0xd8, 0xa0, 0x00, 0x00, 0xa2, 0x00, 0x00

static void check_slots(struct guest *g)
{
	uint8_t *one = pages(2), *two = pages(2);
	set_slot(g, 5, MMIO, one, 8192, 0);
	LOAD(g, COUNT_UP, COUNT_UP, END);
	report(is_end(g, guest_run(g)) && one[0] == 2, "a guest's memory is its VMM's");
	set_slot(g, 5, MMIO, NULL, 0, 0);
	LOAD(g, COPY_BYTE, END);
	report(guest_run(g) == KVM_EXIT_MMIO, "a slot that was deleted is a hole");
	guest_run(g);
	guest_run(g);
	set_slot(g, 5, MMIO, two, 8192, 0);
	LOAD(g, COUNT_UP, END);
	report(is_end(g, guest_run(g)) && two[0] == 1 && one[0] == 2, "and can be added again");
	set_slot(g, 5, MMIO, NULL, 0, 0);
	one[0] = 0x33;
	set_slot(g, 5, MMIO, one, 8192, KVM_MEM_READONLY);
	LOAD(g, COPY_BYTE, END);
	report(guest_run(g) == KVM_EXIT_MMIO && g->run->mmio.is_write &&
			g->run->mmio.data[0] == 0x33,
		"of a read-only slot only writes exit");
	report(is_end(g, guest_run(g)) && one[0] == 0x33, "and change nothing");
	set_slot(g, 5, MMIO, NULL, 0, 0);
	set_slot(g, 5, MMIO + 0x8000, two, 8192, 0);
	set_slot(g, 5, MMIO, two, 8192, 0); /* a move */
	LOAD(g, COUNT_UP, END);
	report(is_end(g, guest_run(g)) && two[0] == 2, "a slot moves");
	struct kvm_userspace_memory_region over = {6, 0, MMIO + 4096, 8192, (uintptr_t)one};
	report(try_ioctl(g->vm, KVM_SET_USER_MEMORY_REGION, &over) == -EEXIST,
		"slots do not overlap");
	over.guest_phys_addr = MMIO + 1;
	report(try_ioctl(g->vm, KVM_SET_USER_MEMORY_REGION, &over) == -EINVAL,
		"they are whole pages");
	over = (struct kvm_userspace_memory_region){7, 0, 0, 0, 0};
	report(try_ioctl(g->vm, KVM_SET_USER_MEMORY_REGION, &over) == -EINVAL,
		"what is not there is not deleted");
	set_slot(g, 5, MMIO, NULL, 0, 0);
	munmap(one, 8192);
	munmap(two, 8192);
}

static void check_dirty_log(struct guest *g)
{
	uint64_t bits[1] = {0};
	uint8_t *at = pages(64);
	struct kvm_dirty_log log = {.slot = 5, .dirty_bitmap = bits};
	set_slot(g, 5, MMIO, at, 4096 * 64 / 4, KVM_MEM_LOG_DIRTY_PAGES);
	/* mov ax, 0xd300; mov ds, ax; mov [0], al: page 3 */
	LOAD(g, 0xb8, 0x00, 0xd3, 0x8e, 0xd8, 0xa2, 0x00, 0x00, END);
	report(is_end(g, guest_run(g)), "a guest that is logged runs");
	must("KVM_GET_DIRTY_LOG", g->vm, KVM_GET_DIRTY_LOG, &log);
	report(bits[0] == 1 << 3, "the page that was written is told: 0x%lx", bits[0]);
	must("KVM_GET_DIRTY_LOG", g->vm, KVM_GET_DIRTY_LOG, &log);
	report(bits[0] == 0, "only once");
	LOAD(g, 0xb8, 0x00, 0xd3, 0x8e, 0xd8, 0xa2, 0x00, 0x00, END);
	report(is_end(g, guest_run(g)), "the guest writes again");
	must("KVM_GET_DIRTY_LOG", g->vm, KVM_GET_DIRTY_LOG, &log);
	report(bits[0] == 1 << 3, "and that is told again: 0x%lx", bits[0]);
	set_slot(g, 5, MMIO, at, 4096 * 64 / 4, 0);
	report(try_ioctl(g->vm, KVM_GET_DIRTY_LOG, &log) == -ENOENT, "no log, no answer");
	set_slot(g, 5, MMIO, NULL, 0, 0);
	munmap(at, 4096 * 64);
}

static const struct check run_checks[] = {
	{"ports", check_ports},
	{"mmio", check_mmio},
	{"immediate_exit", check_immediate_exit},
	{"reset", check_reset_at_exit},
	{"signals", check_signals},
	{"shutdown", check_shutdown},
	{"early long mode", check_early_long_mode},
	{"boot processor", check_boot_processor},
	{"irqfd", check_irqfd},
	{"level", check_level},
	{"ioeventfd", check_ioeventfd},
	{"slots", check_slots},
	{"dirty", check_dirty_log},
	{NULL, NULL},
};

/* All, the one with this name, or all but that; each with a VM of its own. */
static void run_all(const struct check *check, const char *name)
{
	for (; check->name != NULL; check++) {
		struct guest guest;
		bool left_out = name != NULL && name[0] == '-';
		if (name != NULL && (strcmp(name + left_out, check->name) == 0) == left_out) {
			continue;
		}
		printf("-- %s\n", check->name);
		guest_create(&guest);
		check->run(&guest);
		guest_destroy(&guest);
	}
}

int main(int argc, char **argv)
{
	is_pintle = access("/sys/bus/pci/drivers/pintle", F_OK) == 0;
	const char *name = argc > 1 ? argv[1] : NULL;
	bool only_run = name != NULL && strcmp(name, "run") == 0;
	run_all(run_checks, only_run ? NULL : name);
	if (!only_run) {
		run_all(state_checks, name);
	}
	printf("%u failures\n", failures);
	return failures != 0;
}
