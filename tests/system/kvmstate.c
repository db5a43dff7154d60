/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/system/kvmstate.c - checks of /dev/kvm: what is set of a vCPU is there, for the guest too.
 */
#define _GNU_SOURCE
#include "kvmapi.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define MSRS_MAX   300u
#define MSR_TSC    0x10u
#define MSR_LSTAR  0xc0000082u
#define MSR_ABSENT 0x4b564dffu

static bool comes_back(struct guest *g, const char *name, unsigned long get, unsigned long set,
	void *from, void *to, size_t size)
{
	must(name, g->vcpu, set, from);
	memset(to, 0x5a, size);
	must(name, g->vcpu, get, to);
	return memcmp(from, to, size) == 0;
}

static void check_registers(struct guest *g)
{
	struct kvm_regs regs, regs_back;
	struct kvm_sregs sregs, sregs_back;
	for (size_t i = 0; i < sizeof(regs); i++) {
		((uint8_t *)&regs)[i] = (uint8_t)(i * 7 + 1);
	}
	regs.rip = 0x123456789abc;
	regs.rflags = 0x246;
	report(comes_back(g, "regs", KVM_GET_REGS, KVM_SET_REGS, &regs, &regs_back, sizeof(regs)),
		"registers come back");
	regs.rflags = 0;
	must("KVM_SET_REGS", g->vcpu, KVM_SET_REGS, &regs);
	must("KVM_GET_REGS", g->vcpu, KVM_GET_REGS, &regs_back);
	report(regs_back.rflags == 2, "RFLAGS has its fixed bit");
	must("KVM_GET_SREGS", g->vcpu, KVM_GET_SREGS, &sregs);
	sregs.cr0 = 0x80050033;
	sregs.cr2 = 0xdeadbeef000;
	sregs.cr3 = 0x1000;
	sregs.cr4 = 0x20;
	sregs.cr8 = 3;
	sregs.efer = 0xd01;
	sregs.cs = (struct kvm_segment){.limit = UINT32_MAX,
		.selector = 0x10,
		.type = 0xb,
		.present = 1,
		.s = 1,
		.l = 1,
		.g = 1};
	sregs.fs.base = 0x7fff12345000;
	sregs.gdt.base = 0xfffffe0000001000;
	sregs.gdt.limit = 0x7f;
	report(comes_back(g, "sregs", KVM_GET_SREGS, KVM_SET_SREGS, &sregs, &sregs_back,
		       sizeof(sregs)),
		"system registers of 64-bit mode come back");
	sregs.cr4 = 0;
	report(try_ioctl(g->vcpu, KVM_SET_SREGS, &sregs) == -EINVAL,
		"long mode without PAE is refused");
	must("KVM_GET_SREGS", g->vcpu, KVM_GET_SREGS, &sregs_back);
	report(sregs_back.cr4 == 0x20, "and changes nothing");
}

/* As a VMM does that resets a Linux. */
static void check_apic_modes(struct guest *g)
{
	struct kvm_sregs sregs, back;
	must("KVM_GET_SREGS", g->vcpu, KVM_GET_SREGS, &sregs);
	const uint64_t first = sregs.apic_base,
		       bases[] = {first | 0x400, first, first & ~UINT64_C(0x800), first | 0x400,
			       first};
	bool good = true;
	for (size_t i = 0; i < sizeof(bases) / sizeof(bases[0]); i++) {
		sregs.apic_base = bases[i];
		must("KVM_SET_SREGS", g->vcpu, KVM_SET_SREGS, &sregs);
		must("KVM_GET_SREGS", g->vcpu, KVM_GET_SREGS, &back);
		good &= back.apic_base == bases[i];
	}
	report(good, "the APIC takes any mode after any other");
}

static void check_debug_registers(struct guest *g)
{
	struct kvm_debugregs regs = {.db = {1, 2, 3, 4}, .dr6 = 0xffff0ff1, .dr7 = 0x403}, back;
	must("KVM_SET_DEBUGREGS", g->vcpu, KVM_SET_DEBUGREGS, &regs);
	must("KVM_GET_DEBUGREGS", g->vcpu, KVM_GET_DEBUGREGS, &back);
	report(memcmp(regs.db, back.db, sizeof(regs.db)) == 0 && back.dr6 == regs.dr6 &&
			back.dr7 == regs.dr7,
		"debug registers come back");
	regs.dr7 = 1ull << 40;
	report(try_ioctl(g->vcpu, KVM_SET_DEBUGREGS, &regs) == -EINVAL, "not with high bits");
}

static void check_fpu(struct guest *g)
{
	struct kvm_fpu fpu, back;
	static struct kvm_xsave xsave, xsave_back;
	must("KVM_GET_FPU", g->vcpu, KVM_GET_FPU, &fpu);
	report(fpu.fcw == 0x37f && fpu.mxcsr == 0x1f80, "the FPU is as after FINIT");
	fpu.fcw = 0x27f;
	fpu.xmm[3][5] = 0x77;
	fpu.fpr[2][1] = 0x44;
	must("KVM_SET_FPU", g->vcpu, KVM_SET_FPU, &fpu);
	must("KVM_GET_FPU", g->vcpu, KVM_GET_FPU, &back);
	report(back.fcw == 0x27f && back.xmm[3][5] == 0x77 && back.fpr[2][1] == 0x44,
		"FPU registers come back");
	must("KVM_GET_XSAVE", g->vcpu, KVM_GET_XSAVE, &xsave);
	report(((uint8_t *)xsave.region)[160 + 3 * 16 + 5] == 0x77, "and are in the XSAVE area");
	((uint8_t *)xsave.region)[160 + 9] = 0x66;
	must("KVM_SET_XSAVE", g->vcpu, KVM_SET_XSAVE, &xsave);
	must("KVM_GET_XSAVE", g->vcpu, KVM_GET_XSAVE, &xsave_back);
	report(((uint8_t *)xsave_back.region)[160 + 9] == 0x66, "which comes back");
	xsave.region[128 + 2] = 0x80000000; /* XCOMP_BV: compacted */
	xsave.region[128 + 1] = 0xffffffff;
	report(try_ioctl(g->vcpu, KVM_SET_XSAVE, &xsave) == -EINVAL,
		"not with components that are none");
	struct kvm_xcrs xcrs;
	must("KVM_GET_XCRS", g->vcpu, KVM_GET_XCRS, &xcrs);
	report(xcrs.nr_xcrs == 1 && xcrs.xcrs[0].value == 1, "XCR0 is 1 after a reset");
	xcrs.xcrs[0].value = 3;
	must("KVM_SET_XCRS", g->vcpu, KVM_SET_XCRS, &xcrs);
	must("KVM_GET_XCRS", g->vcpu, KVM_GET_XCRS, &xcrs);
	report(xcrs.xcrs[0].value == 3, "it comes back");
	xcrs.xcrs[0].value = 2;
	report(try_ioctl(g->vcpu, KVM_SET_XCRS, &xcrs) == -EINVAL, "not without x87");
}

static union {
	struct kvm_msrs head;
	uint8_t room[sizeof(struct kvm_msrs) + MSRS_MAX * sizeof(struct kvm_msr_entry)];
} msrs;

static int one_msr(struct guest *g, unsigned long request, uint32_t msr, uint64_t *value)
{
	msrs.head.nmsrs = 1;
	msrs.head.entries[0] = (struct kvm_msr_entry){.index = msr, .data = *value};
	int result = try_ioctl(g->vcpu, request, &msrs);
	*value = msrs.head.entries[0].data;
	return result;
}

static void check_msrs(struct guest *g)
{
	uint64_t value = 0xffffffff81000000, zero = 0, first, second;
	report(one_msr(g, KVM_SET_MSRS, MSR_LSTAR, &value) == 1, "an MSR is set");
	report(one_msr(g, KVM_GET_MSRS, MSR_LSTAR, &zero) == 1 && zero == value, "and comes back");
	msrs.head.nmsrs = 3;
	msrs.head.entries[0].index = MSR_LSTAR;
	msrs.head.entries[1].index = 0xc0000081;
	msrs.head.entries[2].index = MSR_ABSENT;
	report(try_ioctl(g->vcpu, KVM_GET_MSRS, &msrs) == 2, "up to one that is none they are got");
	msrs.head.nmsrs = MSRS_MAX;
	report(try_ioctl(g->vcpu, KVM_GET_MSRS, &msrs) == -E2BIG, "not too many at once");
	struct {
		struct kvm_msr_list head;
		uint32_t index[MSRS_MAX];
	} list = {.head.nmsrs = 0};
	report(try_ioctl(g->kvm, KVM_GET_MSR_INDEX_LIST, &list) == -E2BIG && list.head.nmsrs != 0,
		"the list of MSRs tells its length");
	must("KVM_GET_MSR_INDEX_LIST", g->kvm, KVM_GET_MSR_INDEX_LIST, &list);
	unsigned good = 0;
	for (uint32_t i = 0; i < list.head.nmsrs; i++) {
		good += one_msr(g, KVM_GET_MSRS, list.index[i], &value) == 1;
	}
	report(good == list.head.nmsrs, "all %u of it can be got: %u", list.head.nmsrs, good);
	one_msr(g, KVM_GET_MSRS, MSR_TSC, &first);
	one_msr(g, KVM_GET_MSRS, MSR_TSC, &second);
	report(second > first, "the TSC goes on");
	report(one_msr(g, KVM_SET_MSRS, MSR_TSC, &zero) == 1, "and can be written");
	report(try_ioctl(g->vcpu, KVM_GET_TSC_KHZ, NULL) > 0, "its frequency is known");
}

static void check_apic(struct guest *g)
{
	struct kvm_lapic_state lapic, back;
	struct kvm_mp_state state;
	must("KVM_GET_LAPIC", g->vcpu, KVM_GET_LAPIC, &lapic);
	report((uint8_t)lapic.regs[0x30] >= 0x10 && (uint8_t)lapic.regs[0xf0] == 0xff,
		"the local APIC is as after a reset");
	lapic.regs[0xf1] = 1;
	lapic.regs[0x80] = 0x20;
	lapic.regs[0x320] = 0x30;
	must("KVM_SET_LAPIC", g->vcpu, KVM_SET_LAPIC, &lapic);
	must("KVM_GET_LAPIC", g->vcpu, KVM_GET_LAPIC, &back);
	report(back.regs[0xf1] == 1 && back.regs[0x80] == 0x20 && back.regs[0x320] == 0x30,
		"its registers come back");
	must("KVM_GET_MP_STATE", g->vcpu, KVM_GET_MP_STATE, &state);
	report(state.mp_state == KVM_MP_STATE_RUNNABLE, "the first vCPU runs");
	state.mp_state = KVM_MP_STATE_HALTED;
	must("KVM_SET_MP_STATE", g->vcpu, KVM_SET_MP_STATE, &state);
	state.mp_state = 0;
	must("KVM_GET_MP_STATE", g->vcpu, KVM_GET_MP_STATE, &state);
	report(state.mp_state == KVM_MP_STATE_HALTED, "it can be halted");
	state.mp_state = 99;
	report(try_ioctl(g->vcpu, KVM_SET_MP_STATE, &state) == -EINVAL, "not anything");
	int second = must("KVM_CREATE_VCPU", g->vm, KVM_CREATE_VCPU, (void *)1);
	must("KVM_GET_MP_STATE", second, KVM_GET_MP_STATE, &state);
	report(state.mp_state == KVM_MP_STATE_UNINITIALIZED, "the second waits for a SIPI");
	close(second);
}

static void check_events(struct guest *g)
{
	struct kvm_vcpu_events events, back;
	must("KVM_GET_VCPU_EVENTS", g->vcpu, KVM_GET_VCPU_EVENTS, &events);
	report(!events.exception.injected && !events.interrupt.injected && !events.nmi.pending,
		"no event waits after a reset");
	events.exception.injected = 1;
	events.exception.nr = 13;
	events.exception.has_error_code = 1;
	events.exception.error_code = 0x18;
	must("KVM_SET_VCPU_EVENTS", g->vcpu, KVM_SET_VCPU_EVENTS, &events);
	must("KVM_GET_VCPU_EVENTS", g->vcpu, KVM_GET_VCPU_EVENTS, &back);
	report(back.exception.injected && back.exception.nr == 13 &&
			back.exception.error_code == 0x18,
		"an exception that was injected comes back");
	events.exception.nr = 40;
	report(try_ioctl(g->vcpu, KVM_SET_VCPU_EVENTS, &events) == -EINVAL, "not any vector");
	/* And is delivered: to a handler that ends. */
	static const uint8_t end[] = {0xba, 0xff, 0x05, 0xee}, stay[] = {0xeb, 0xfe};
	events.exception.nr = 6;
	events.exception.has_error_code = 0;
	guest_load(g, stay, sizeof(stay));
	guest_handler(g, end, sizeof(end));
	must("KVM_SET_VCPU_EVENTS", g->vcpu, KVM_SET_VCPU_EVENTS, &events);
	report(guest_run(g) == KVM_EXIT_IO && g->run->io.port == 0x5ff, "and is delivered");
}

static void check_cpuid(struct guest *g)
{
	enum {
		ENTRIES = 256
	};
	struct kvm_cpuid2 *table = calloc(1, sizeof(*table) + ENTRIES * sizeof(table->entries[0]));
	struct kvm_cpuid2 *back = calloc(1, sizeof(*table) + ENTRIES * sizeof(table->entries[0]));
	table->nent = 1;
	report(try_ioctl(g->kvm, KVM_GET_SUPPORTED_CPUID, table) == -E2BIG, "CPUID wants room");
	table->nent = 128;
	must("KVM_GET_SUPPORTED_CPUID", g->kvm, KVM_GET_SUPPORTED_CPUID, table);
	uint32_t signature = 0;
	for (uint32_t i = 0; i < table->nent; i++) {
		if (table->entries[i].function == 0x40000000) {
			signature = table->entries[i].ebx;
		}
	}
	report(signature == 0x4b4d564b, "KVM's signature is offered"); /* "KVMK" */
	back->nent = 128;
	must("KVM_GET_CPUID2", g->vcpu, KVM_GET_CPUID2, back);
	report(back->nent == table->nent, "what was set comes back: %u entries", back->nent);
	back->nent = 1;
	report(try_ioctl(g->vcpu, KVM_GET_CPUID2, back) == -E2BIG, "that wants room as well");
	/* mov eax, 1; cpuid; mov al, bh... the guest tells leaf 0's EBX: "Genu" or "Auth" */
	static const uint8_t ask[] = {
		0x66, 0x31, 0xc0, 0x0f, 0xa2, 0x88, 0xd8, 0xba, 0x10, 0x05, 0xee};
	guest_load(g, ask, sizeof(ask));
	uint32_t reason = guest_run(g);
	uint8_t letter = *((uint8_t *)g->run + g->run->io.data_offset);
	report(reason == KVM_EXIT_IO && (letter == 'G' || letter == 'A'), "a guest sees a vendor");
	free(table);
	free(back);
}

static void check_errors(struct guest *g)
{
	struct kvm_enable_cap split = {.cap = KVM_CAP_SPLIT_IRQCHIP, .args = {24}};
	report(try_ioctl(g->kvm, KVM_GET_API_VERSION, NULL) == 12, "the version is 12");
	report(try_ioctl(g->kvm, KVM_CREATE_VM, (void *)77) == -EINVAL, "no VM of an unknown type");
	report(try_ioctl(g->vm, KVM_CREATE_VCPU, NULL) == -EEXIST, "no vCPU twice");
	report(try_ioctl(g->vm, KVM_CREATE_VCPU, (void *)100000) == -EINVAL, "none of any number");
	report(try_ioctl(g->vm, KVM_ENABLE_CAP, &split) == -EEXIST, "the irqchip is split once");
	report(try_ioctl(g->vcpu, KVM_RUN, (void *)1) == -EINVAL, "KVM_RUN has no argument");
	report(try_ioctl(g->vcpu, KVM_GET_REGS, (void *)8) == -EFAULT,
		"nothing is written to nowhere");
	report(try_ioctl(g->vcpu, KVM_SET_REGS, (void *)8) == -EFAULT, "nor read from there");
	report(try_ioctl(g->vm, KVM_CHECK_EXTENSION, (void *)KVM_CAP_SPLIT_IRQCHIP) == 1,
		"a VM knows capabilities");
	report(try_ioctl(g->vm, KVM_SET_TSS_ADDR, (void *)0xfffbd000) == 0, "a TSS has a place");
	pid_t child = fork();
	if (child == 0) {
		struct kvm_regs regs;
		_exit(try_ioctl(g->vcpu, KVM_GET_REGS, &regs) == -EIO &&
					try_ioctl(g->vm, KVM_CREATE_VCPU, (void *)1) == -EIO
				? 0
				: 1);
	}
	int status = 1;
	waitpid(child, &status, 0);
	report(status == 0, "another process may not use it");
}

const struct check state_checks[] = {
	{"registers", check_registers},
	{"apic", check_apic_modes},
	{"debug", check_debug_registers},
	{"fpu", check_fpu},
	{"msrs", check_msrs},
	{"apic", check_apic},
	{"events", check_events},
	{"cpuid", check_cpuid},
	{"errors", check_errors},
	{NULL, NULL},
};
