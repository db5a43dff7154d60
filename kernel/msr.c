/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/msr.c - which MSRs a VM has: the service VM the CPU's own, but for those that would
 * endanger the host; guests what is named here. Runs: on the exiting CPU, interrupts off.
 */
#include "kernel/exit.h"

enum msr_action {
	FAULT,   /* #GP */
	PASS,    /* the CPU's own, #GP where it has none */
	OPEN,    /* the same without an exit, but for writes that context.c must know of: the host
		  * does not use it */
	ZERO,    /* reads 0, writes do nothing */
	KEEP,    /* reads the CPU's own, writes do nothing; #GP where it has none */
	CLEAR,   /* KEEP, but a bank's status may be cleared: what was reported must not be again */
	EMULATE, /* below */
};

/* For the service VM and for guests. The first row that fits counts, so those that are often used
 * come first; what is in none is KEEP for the service VM, so that nothing that we do not know is
 * written, and FAULT for guests, as all that is left out here. PASS is for guests only what moves
 * with a vCPU (context.c). */
static const struct {
	uint32_t first, last;
	enum msr_action service, guest;
} policy[] = {
	{MSR_TSC_DEADLINE, MSR_TSC_DEADLINE, EMULATE, EMULATE},
	{MSR_X2APIC, MSR_X2APIC + 0xff, EMULATE, EMULATE}, {MSR_EFER, MSR_EFER, EMULATE, EMULATE},
	{MSR_APIC_BASE, MSR_APIC_BASE, EMULATE, EMULATE}, {0x10, 0x10, KEEP, KEEP}, /* TSC */
	{0x17, 0x17, KEEP, ZERO},     /* platform id */
	{0x3a, 0x3a, ZERO, ZERO},     /* FEATURE_CONTROL */
	{0x48, 0x49, PASS, PASS},     /* speculation control */
	{0x79, 0x79, ZERO, ZERO},     /* microcode */
	{0x8b, 0x8b, KEEP, ZERO},     /* its revision */
	{0x9b, 0x9b, FAULT, FAULT},   /* SMM monitor */
	{0x9e, 0x9e, FAULT, FAULT},   /* SMBASE */
	{0xfe, 0xfe, KEEP, ZERO},     /* MTRRcap: guests have none, but read of it */
	{0x10b, 0x10b, PASS, FAULT},  /* cache flush */
	{0x174, 0x176, OPEN, OPEN},   /* SYSENTER */
	{0x198, 0x19c, PASS, FAULT},  /* frequency, thermal limits */
	{0x1a0, 0x1a0, KEEP, ZERO},   /* MISC_ENABLE */
	{0x1b0, 0x1b2, PASS, FAULT},  /* energy bias, temperature */
	{0x1c4, 0x1c5, FAULT, FAULT}, /* XFD */
	{0x1d9, 0x1d9, ZERO, ZERO},   /* DEBUGCTL */
	{MSR_PAT, MSR_PAT, EMULATE, EMULATE}, {0x200, 0x2ff, KEEP, ZERO}, /* MTRRs */
	{0x400, 0x47f, CLEAR, FAULT},                                     /* machine-check banks */
	{0x480, 0x493, FAULT, FAULT},                                     /* VMX capabilities */
	{0x560, 0x58f, FAULT, FAULT},                                     /* processor trace */
	{0x6a0, 0x6a8, FAULT, FAULT},                                     /* CET */
	{0x770, 0x777, PASS, FAULT},                                      /* HWP */
	{0xda0, 0xda0, ZERO, ZERO}, /* XSS: what it switches on would not move */
	{MSR_PVCLOCK_WALL, MSR_PVCLOCK_TIME, EMULATE, EMULATE},
	{MSR_STEAL_TIME, MSR_STEAL_TIME, EMULATE, EMULATE},
	{0x4b564d02, 0x4b564dff, FAULT, FAULT}, /* KVM's others */
	{0xc0000081, 0xc0000084, OPEN, OPEN},   /* SYSCALL */
	{0xc0000100, 0xc0000103, OPEN, OPEN},   /* segment bases, TSC_AUX */
	{0xc0000104, 0xc0000104, FAULT, FAULT}, /* TSC ratio */
	{0xc0010010, 0xc001001f, KEEP, ZERO},   /* SYSCFG, HWCR, NB_CFG */
	{0xc0010062, 0xc0010063, PASS, FAULT},  /* frequency */
	{0xc0010114, 0xc0010114, ZERO, ZERO},   /* VM_CR */
	{0xc0010111, 0xc0010118, FAULT, FAULT}, /* SMM, SKINIT, VM_HSAVE_PA */
	{0xc00102b0, 0xc00102b3, PASS, FAULT},  /* CPPC */
};

void msr_open_all(struct vm *vm)
{
	for (unsigned i = 0; i < ARRAY_COUNT(policy); i++) {
		for (uint32_t msr = policy[i].first;
			policy[i].service == OPEN && msr <= policy[i].last; msr++) {
			vm_open_msr(vm, msr, !context_notes_msr(msr));
		}
	}
}

static enum msr_action action_of(const struct vm *vm, uint32_t msr)
{
	for (unsigned i = 0; i < ARRAY_COUNT(policy); i++) {
		if (msr >= policy[i].first && msr <= policy[i].last) {
			return vm->closed ? policy[i].guest : policy[i].service;
		}
	}
	return vm->closed ? FAULT : KEEP;
}

bool msr_emulate_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	enum msr_action action = action_of(vcpu->vm, msr);

	*value = 0;
	if (action != EMULATE) {
		return action == ZERO || (action != FAULT && msr_try_read(msr, value));
	}
	if (msr == MSR_TSC_DEADLINE) {
		*value = vlapic_read_deadline(&vcpu->lapic);
	} else if (msr == MSR_APIC_BASE) {
		*value = vcpu->lapic.base_msr;
	} else if (msr == MSR_PAT || msr == MSR_EFER) {
		*value = backend->get(vcpu, msr == MSR_PAT ? VCPU_PAT : VCPU_EFER);
	} else if (msr == MSR_PVCLOCK_TIME || msr == MSR_STEAL_TIME) {
		*value = msr == MSR_PVCLOCK_TIME ? vcpu->pvclock : vcpu->steal;
	} else if (msr != MSR_PVCLOCK_WALL) { /* that one keeps no address */
		return vlapic_is_x2apic(&vcpu->lapic) &&
			vlapic_read(&vcpu->lapic, msr - MSR_X2APIC, tsc_read(), value);
	}
	return true;
}

/* What this CPU knows of EFER (APM vol. 2, 3.1.7), but for SVME: SCE, LME, LMA, NXE; FFXSR, TCE and
 * AUTOIBRS by CPUID. */
static uint64_t efer_bits(void)
{
	struct cpuid extended = cpuid_read(0x80000001, 0);
	uint64_t bits = BIT(0) | EFER_LME | EFER_LMA | EFER_NXE;
	bits |= extended.edx & BIT(25) ? BIT(14) : 0;
	bits |= extended.ecx & BIT(17) ? BIT(15) : 0;
	if (cpuid_read(0x80000000, 0).eax >= 0x80000021) {
		bits |= cpuid_read(0x80000021, 0).eax & BIT(8) ? BIT(21) : 0;
	}
	return bits;
}

static bool write_efer(struct vcpu *vcpu, uint64_t value)
{
	uint64_t old = backend->get(vcpu, VCPU_EFER);
	bool paging = backend->get(vcpu, VCPU_CR0) & CR0_PG;

	if ((value & ~efer_bits()) || (paging && ((value ^ old) & EFER_LME))) {
		return false;
	}
	backend->set(vcpu, VCPU_EFER, (value & ~EFER_LMA) | (old & EFER_LMA));
	return true;
}

/* SDM vol. 3, 12.12.2: each byte a type, of 0 to 7 without 2 and 3. */
static bool pat_write(struct vcpu *vcpu, uint64_t value)
{
	if (value & (0xf8f8f8f8f8f8f8f8 | (~value >> 1 & 0x0202020202020202))) {
		return false;
	}
	backend->set(vcpu, VCPU_PAT, value);
	return true;
}

bool msr_emulate_write(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	enum msr_action action = action_of(vcpu->vm, msr);
	struct vlapic_effect effect = {0};

	if (action == PASS || action == OPEN || (action == CLEAR && value == 0 && (msr & 3) == 1)) {
		bool done = msr_try_write(msr, value);
		if (done) {
			context_note_msr(vcpu, msr);
		}
		return done;
	}
	if (action != EMULATE) {
		/* The write does nothing, where there is such an MSR at all. */
		return action == ZERO || (action != FAULT && msr_try_read(msr, &value));
	}
	switch (msr) {
	case MSR_APIC_BASE:
		vcpu_request(vcpu, VCPU_REQUEST_EVENT);
		return vlapic_write_base(&vcpu->lapic, value);
	case MSR_PAT:
		return pat_write(vcpu, value);
	case MSR_EFER:
		return write_efer(vcpu, value);
	case MSR_TSC_DEADLINE:
		vlapic_write_deadline(&vcpu->lapic, value);
		vcpu_timer_changed(vcpu);
		return true;
	case MSR_PVCLOCK_WALL:
	case MSR_PVCLOCK_TIME:
	case MSR_STEAL_TIME:
		return pvclock_write(vcpu, msr, value);
	default: /* x2APIC: the table lets no other through */
		if (!vlapic_is_x2apic(&vcpu->lapic)) {
			return false;
		}
		vlapic_write(&vcpu->lapic, msr - MSR_X2APIC, value, tsc_read(), &effect);
		devices_lapic_effect(vcpu, &effect);
		return effect.kind != VLAPIC_FAULT;
	}
}
