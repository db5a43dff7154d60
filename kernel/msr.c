/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/msr.c - which MSRs the service VM has: the CPU's own, but for those that would endanger
 * the host. Runs: on the exiting CPU, interrupts off.
 */
#include "kernel/devices.h"
#include "kernel/exit.h"
#include "kernel/x86.h"

#define MSR_EFER   0xc0000080u
#define EFER_SCE   BIT(0)
#define EFER_LME   BIT(8)
#define EFER_LMA   BIT(10)
#define EFER_NXE   BIT(11)
#define EFER_FFXSR BIT(14)
#define CR0_PG     BIT(31)

enum msr_action {
	PASS,    /* the CPU's own, #GP where it has none */
	ZERO,    /* reads 0, writes do nothing */
	KEEP,    /* reads the CPU's own, writes do nothing */
	FAULT,   /* #GP */
	EMULATE, /* below */
};

/* The first row that fits counts; what is in none is the CPU's own. */
static const struct {
	uint32_t first, last;
	enum msr_action action;
} policy[] = {
	{0x10, 0x10, KEEP},                                          /* TSC: the host's clock */
	{MSR_APIC_BASE, MSR_APIC_BASE, EMULATE}, {0x3a, 0x3a, ZERO}, /* FEATURE_CONTROL */
	{0x79, 0x79, ZERO},                                          /* microcode */
	{0x9b, 0x9b, FAULT},                                         /* SMM monitor */
	{0x9e, 0x9e, FAULT},                                         /* SMBASE */
	{0x179, 0x17b, KEEP},                              /* machine checks are the host's */
	{0x1d9, 0x1d9, ZERO},                              /* DEBUGCTL */
	{0x200, 0x26f, KEEP},                              /* MTRRs */
	{MSR_PAT, MSR_PAT, EMULATE}, {0x2ff, 0x2ff, KEEP}, /* MTRR default */
	{0x400, 0x47f, KEEP},                              /* machine-check banks */
	{0x480, 0x493, FAULT},                             /* VMX capabilities */
	{MSR_TSC_DEADLINE, MSR_TSC_DEADLINE, EMULATE}, {MSR_X2APIC, MSR_X2APIC + 0xff, EMULATE},
	{0x4b564d00, 0x4b564dff, FAULT}, /* KVM's, of features that are not offered */
	{MSR_EFER, MSR_EFER, EMULATE}, {0xc0010111, 0xc0010113, FAULT}, /* SMM */
	{0xc0010114, 0xc0010114, ZERO},                                 /* VM_CR */
	{0xc0010115, 0xc0010118, FAULT},                                /* SKINIT, VM_HSAVE_PA */
};

/* Those that every context switch of a guest touches and that the host does not use. */
static const uint32_t open[] = {0x174, 0x175, 0x176, 0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084,
	0xc0000100, 0xc0000101, 0xc0000102, 0xc0000103};

void msr_open_all(struct vm *vm)
{
	for (unsigned i = 0; i < ARRAY_COUNT(open); i++) {
		backend->open_msr(vm, open[i], true, true);
	}
}

static enum msr_action action_of(uint32_t msr)
{
	for (unsigned i = 0; i < ARRAY_COUNT(policy); i++) {
		if (msr >= policy[i].first && msr <= policy[i].last) {
			return policy[i].action;
		}
	}
	return PASS;
}

static bool is_x2apic(const struct vcpu *vcpu, uint32_t msr)
{
	return msr >= MSR_X2APIC && msr <= MSR_X2APIC + 0xff && vlapic_is_x2apic(&vcpu->lapic);
}

bool msr_emulate_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	enum msr_action action = action_of(msr);
	struct vlapic_effect effect;

	*value = 0;
	if (action != EMULATE) {
		return action == ZERO || (action != FAULT && msr_try_read(msr, value));
	}
	switch (msr) {
	case MSR_APIC_BASE:
		*value = vcpu->lapic.base_msr;
		return true;
	case MSR_PAT:
		*value = backend->get(vcpu, VCPU_PAT);
		return true;
	case MSR_EFER:
		*value = backend->get(vcpu, VCPU_EFER);
		return true;
	case MSR_TSC_DEADLINE:
		*value = vcpu->lapic.deadline;
		return true;
	default:
		if (!is_x2apic(vcpu, msr)) {
			return false;
		}
		*value = vlapic_read(&vcpu->lapic, msr - MSR_X2APIC, tsc_read(), &effect);
		return effect.kind != VLAPIC_FAULT;
	}
}

static bool write_efer(struct vcpu *vcpu, uint64_t value)
{
	uint64_t old = backend->get(vcpu, VCPU_EFER);
	bool paging = backend->get(vcpu, VCPU_CR0) & CR0_PG;

	if ((value & ~(EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE | EFER_FFXSR)) ||
		(paging && ((value ^ old) & EFER_LME))) {
		return false;
	}
	backend->set(vcpu, VCPU_EFER, (value & ~EFER_LMA) | (old & EFER_LMA));
	return true;
}

/* SDM vol. 3, 12.12.2: each entry one of these types. */
static bool pat_is_valid(uint64_t value)
{
	for (unsigned i = 0; i < 64; i += 8) {
		unsigned type = value >> i & 0xff;
		if (type > 7 || type == 2 || type == 3) {
			return false;
		}
	}
	return true;
}

bool msr_emulate_write(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	enum msr_action action = action_of(msr);
	struct vlapic_effect effect = {0};

	if (action != EMULATE) {
		return action == ZERO || action == KEEP ||
			(action == PASS && msr_try_write(msr, value));
	}
	switch (msr) {
	case MSR_APIC_BASE:
		vcpu->lapic_changed = true;
		return vlapic_write_base(&vcpu->lapic, value);
	case MSR_PAT:
		if (pat_is_valid(value)) {
			backend->set(vcpu, VCPU_PAT, value);
		}
		return pat_is_valid(value);
	case MSR_EFER:
		return write_efer(vcpu, value);
	case MSR_TSC_DEADLINE:
		vlapic_write_deadline(&vcpu->lapic, value, &effect);
		return true;
	default:
		if (!is_x2apic(vcpu, msr)) {
			return false;
		}
		vlapic_write(&vcpu->lapic, msr - MSR_X2APIC, value, tsc_read(), &effect);
		devices_lapic_effect(vcpu, &effect);
		return effect.kind != VLAPIC_FAULT;
	}
}
