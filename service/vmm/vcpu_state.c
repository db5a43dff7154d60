/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/vcpu_state.c - a vCPU's state after a reset, and at a kernel's entry.
 */
#include "service/vmm/vcpu_state.h"

#include <errno.h>
#include <stddef.h>
#include <sys/ioctl.h>

#define MSR_MISC_ENABLE      0x1a0u
#define MSR_MTRR_DEF_TYPE    0x2ffu
#define MISC_ENABLE_FAST_STR 1u
#define MTRR_ENABLED_WB      0x806u

/*
 * What a guest can change and KVM keeps: the architecture's, then KVM's own, which would go on
 * writing into the memory of the next kernel. Not the TSC: it goes on, in step on all vCPUs. One
 * that the host does not know is left out.
 */
static const uint32_t kept_msrs[] = {
	0x174, 0x175, 0x176,                            /* SYSENTER: CS, ESP, EIP */
	0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, /* STAR, LSTAR, CSTAR, FMASK */
	0xc0000102, 0xc0000103,                         /* KERNEL_GS_BASE, TSC_AUX */
	MSR_MISC_ENABLE, MSR_MTRR_DEF_TYPE, 0x277,      /* PAT */
	0x48, 0x3b, 0x6e0,                              /* SPEC_CTRL, TSC_ADJUST, TSC_DEADLINE */
	0x200, 0x201, 0x202, 0x203, 0x204, 0x205, 0x206, 0x207, /* MTRRs of variable range */
	0x208, 0x209, 0x20a, 0x20b, 0x20c, 0x20d, 0x20e, 0x20f, 0x11, 0x12, 0x4b564d00,
	0x4b564d01,                         /* clocks */
	0x4b564d02, 0x4b564d03, 0x4b564d04, /* page faults, stolen time, EOI */
	0x4b564d05, 0x4b564d06,             /* polling, page faults' vector */
};
_Static_assert(sizeof(kept_msrs) / sizeof(kept_msrs[0]) <= VCPU_MSR_MAX, "they fit");

/* A struct kvm_msrs with its one entry. */
struct one_msr {
	uint32_t count, pad;
	struct kvm_msr_entry entry;
};
_Static_assert(offsetof(struct one_msr, entry) == sizeof(struct kvm_msrs), "uapi/asm/kvm.h");

static void save_msrs(int fd, struct vcpu_state *state)
{
	state->msr_count = 0;
	for (unsigned i = 0; i < sizeof(kept_msrs) / sizeof(kept_msrs[0]); i++) {
		struct one_msr one = {.count = 1, .entry.index = kept_msrs[i]};
		if (ioctl(fd, KVM_GET_MSRS, &one) != 1) {
			continue;
		}
		if (one.entry.index == MSR_MISC_ENABLE) {
			one.entry.data |= MISC_ENABLE_FAST_STR;
		} else if (one.entry.index == MSR_MTRR_DEF_TYPE) {
			one.entry.data = MTRR_ENABLED_WB; /* as firmware would leave it */
		}
		state->msr[state->msr_count++] = one.entry;
	}
}

int vcpu_state_save(int fd, struct vcpu_state *state)
{
	if (ioctl(fd, KVM_GET_REGS, &state->regs) != 0 ||
		ioctl(fd, KVM_GET_SREGS, &state->sregs) != 0 ||
		ioctl(fd, KVM_GET_FPU, &state->fpu) != 0 ||
		ioctl(fd, KVM_GET_LAPIC, &state->lapic) != 0 ||
		ioctl(fd, KVM_GET_MP_STATE, &state->mp_state) != 0 ||
		ioctl(fd, KVM_GET_VCPU_EVENTS, &state->events) != 0) {
		return -errno;
	}
	save_msrs(fd, state);
	return 0;
}

int vcpu_state_restore(int fd, const struct vcpu_state *state)
{
	/* The local APIC's registers have a meaning only in the mode that SREGS sets. */
	if (ioctl(fd, KVM_SET_SREGS, &state->sregs) != 0 ||
		ioctl(fd, KVM_SET_LAPIC, &state->lapic) != 0 ||
		ioctl(fd, KVM_SET_REGS, &state->regs) != 0 ||
		ioctl(fd, KVM_SET_FPU, &state->fpu) != 0 ||
		ioctl(fd, KVM_SET_VCPU_EVENTS, &state->events) != 0 ||
		ioctl(fd, KVM_SET_MP_STATE, &state->mp_state) != 0) {
		return -errno;
	}
	for (unsigned i = 0; i < state->msr_count; i++) {
		struct one_msr one = {.count = 1, .entry = state->msr[i]};
		if (ioctl(fd, KVM_SET_MSRS, &one) != 1) {
			return -EIO;
		}
	}
	return 0;
}

/* SDM vol. 3, 3.4.5: flat, accessed, present. */
static struct kvm_segment flat(uint16_t selector, uint8_t type, enum vcpu_mode mode)
{
	bool code = (type & 8) != 0;
	return (struct kvm_segment){.limit = UINT32_MAX,
		.selector = selector,
		.type = type,
		.present = 1,
		.db = !code || mode == VCPU_MODE_32,
		.l = code && mode == VCPU_MODE_64,
		.s = 1,
		.g = 1};
}

#define SELECTOR_CODE 0x10
#define SELECTOR_DATA 0x18
#define TYPE_CODE     0xb
#define TYPE_DATA     0x3
#define TYPE_TSS      0xb

#define CR0_PE   UINT64_C(1)
#define CR0_ET   UINT64_C(0x10)
#define CR0_PG   UINT64_C(0x80000000)
#define CR4_PAE  UINT64_C(0x20)
#define EFER_LME UINT64_C(0x100)
#define EFER_LMA UINT64_C(0x400)

void vcpu_write_gdt(uint64_t gdt[VCPU_GDT_ENTRIES], enum vcpu_mode mode)
{
	gdt[0] = gdt[1] = 0;
	gdt[2] = mode == VCPU_MODE_64 ? 0x00af9b000000ffff : 0x00cf9b000000ffff;
	gdt[3] = 0x00cf93000000ffff;
}

void vcpu_state_enter(struct vcpu_state *state, const struct vcpu_start *start)
{
	struct kvm_sregs *sregs = &state->sregs;
	sregs->cs = flat(SELECTOR_CODE, TYPE_CODE, start->mode);
	sregs->ds = sregs->es = sregs->fs = sregs->gs = sregs->ss =
		flat(SELECTOR_DATA, TYPE_DATA, start->mode);
	sregs->tr = (struct kvm_segment){.limit = 0x67, .type = TYPE_TSS, .present = 1};
	sregs->gdt.base = start->gdt;
	sregs->gdt.limit = VCPU_GDT_ENTRIES * sizeof(uint64_t) - 1;
	sregs->idt.base = 0;
	sregs->idt.limit = 0;
	sregs->cr0 = CR0_PE | CR0_ET;
	sregs->cr4 = 0;
	sregs->efer = 0;
	if (start->mode == VCPU_MODE_64) {
		sregs->cr0 |= CR0_PG;
		sregs->cr3 = start->cr3;
		sregs->cr4 |= CR4_PAE;
		sregs->efer |= EFER_LME | EFER_LMA;
	}
	state->regs = (struct kvm_regs){.rip = start->rip,
		.rsp = start->rsp,
		.rax = start->rax,
		.rbx = start->rbx,
		.rsi = start->rsi,
		.rflags = 2};
}
