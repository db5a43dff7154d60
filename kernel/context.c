/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/context.c - switch what stays in the CPU from one vCPU to the next. Pintle itself uses
 * none of it. SDM vol. 1, 13 (XSAVE). Runs: on the CPU of the vCPU, interrupts off, no locks.
 */
#include "kernel/pcpu.h"
#include "kernel/vcpu.h"

#define MSR_PRED_CMD 0x49u

#define KERNEL_GS_BASE 4u /* SWAPGS writes it, too */
static const uint32_t msrs[CONTEXT_MSRS] = {
	0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, /* SYSCALL; in the order of VCPU_STAR */
	0xc0000102,                                     /* KERNEL_GS_BASE */
	0xc0000103,                                     /* TSC_AUX */
	0x48,                                           /* SPEC_CTRL */
};

static bool moves[CONTEXT_MSRS]; /* [I] the CPU has it, and no VMCB: as the next three */
static bool xsave, ibpb;         /* [I] after context_init(); the CPU can forget branches */
static uint64_t components;      /* [I] all that XCR0 can switch on */

/* SDM vol. 1, 13.4: the header behind the legacy area: XSTATE_BV, XCOMP_BV, and what is reserved.
 */
#define XSAVE_HEADER 512u
#define XSAVE_MXCSR  24u

void context_init(void)
{
	struct cpuid answer = cpuid_read(0xd, 0);

	for (unsigned i = 0; i < CONTEXT_MSRS; i++) {
		uint64_t value;
		moves[i] = i >= backend->own_msrs && msr_try_read(msrs[i], &value);
	}
	xsave = cr4_read() & CR4_OSXSAVE;
	ibpb = (cpuid_read(0, 0).eax >= 7 && (cpuid_read(7, 0).edx & BIT(26))) ||
		(cpuid_read(0x80000000, 0).eax >= 0x80000008 &&
			(cpuid_read(0x80000008, 0).ebx & BIT(12)));
	components = xsave ? ((uint64_t)answer.edx << 32 | answer.eax) & ~XCR0_TILES : 0;
}

size_t context_fpu_size(void)
{
	return xsave ? cpuid_read(0xd, 0).ecx : XSAVE_HEADER;
}

/* An XSAVE area of zeros is the initial state, but for MXCSR (SDM vol. 1, 13.6 and 13.8). */
static void context_reset_fpu(struct vcpu_context *c)
{
	uint32_t *fpu = memset(c->fpu, 0, context_fpu_size());
	fpu[0] = 0x37f;  /* FCW */
	fpu[6] = 0x1f80; /* MXCSR */
}

void context_reset(struct vcpu *vcpu)
{
	struct vcpu_context *c = &vcpu->context;

	if (this_cpu()->context == vcpu) {
		this_cpu()->context = NULL;
	}
	context_reset_fpu(c);
	*c = (struct vcpu_context){.fpu = c->fpu, .xcr0 = 1, .debug[DEBUG_DR6] = 0xffff0ff0};
}

/* Other MSRs than KERNEL_GS_BASE are not read: context_note_msr() was told. */
static void save(struct vcpu_context *c)
{
	fpu_save(c->fpu, xsave);
	c->debug[0] = dr0_read();
	c->debug[1] = dr1_read();
	c->debug[2] = dr2_read();
	c->debug[3] = dr3_read();
	c->debug[DEBUG_DR6] = dr6_read();
	if (moves[KERNEL_GS_BASE]) {
		c->msr[KERNEL_GS_BASE] = msr_read(msrs[KERNEL_GS_BASE]);
	}
}

static inline void load_msr(
	const struct vcpu_context *c, const struct vcpu_context *old, unsigned i)
{
	if ((old == NULL || c->msr[i] != old->msr[i]) && moves[i]) {
		msr_write(msrs[i], c->msr[i]);
	}
}

/* `old`: what the MSRs hold; NULL: not known. */
static void load(const struct vcpu_context *c, const struct vcpu_context *old)
{
	fpu_load(c->fpu, xsave);
	dr0_write(c->debug[0]);
	dr1_write(c->debug[1]);
	dr2_write(c->debug[2]);
	dr3_write(c->debug[3]);
	dr6_write(c->debug[DEBUG_DR6]);
#pragma GCC unroll 7 /* this is on the way of every switch */
	for (unsigned i = 0; i < CONTEXT_MSRS; i++) {
		load_msr(c, old, i);
	}
}

static unsigned slot_of(uint32_t number)
{
	unsigned i = 0;
	while (i < CONTEXT_MSRS && msrs[i] != number) {
		i++;
	}
	return i;
}

bool context_notes_msr(uint32_t number)
{
	unsigned i = slot_of(number);
	return i >= backend->own_msrs && i < CONTEXT_MSRS && i != KERNEL_GS_BASE;
}

void context_note_msr(struct vcpu *vcpu, uint32_t number)
{
	if (context_notes_msr(number)) {
		vcpu->context.msr[slot_of(number)] = msr_read(number);
	}
}

/* With all components on: what one vCPU has switched off must not show another's to it later. */
void context_load(struct vcpu *vcpu)
{
	struct pcpu *cpu = this_cpu();
	const struct vcpu *before = cpu->context;
	struct vcpu_context *old = before != NULL ? &cpu->context->context : NULL;
	uint64_t had = xsave ? xcr0_read() : 0;

	if (had != components) {
		xcr0_write(components);
	}
	if (old != NULL) {
		old->xcr0 = had;
		save(old);
	}
	cpu->context = vcpu;
	if (vcpu == NULL) {
		return;
	}
	/* What one VM has taught the branch predictors must not steer another. */
	if (ibpb && (before == NULL || before->vm != vcpu->vm)) {
		msr_write(MSR_PRED_CMD, BIT(0));
	}
	load(&vcpu->context, old);
	if (xsave && vcpu->context.xcr0 != components) {
		xcr0_write(vcpu->context.xcr0);
	}
}

bool context_set_fpu(struct vcpu *vcpu, const void *from)
{
	static const uint8_t zero[56];
	struct vcpu_context *c = &vcpu->context;
	uint64_t header[8] = {0};
	uint32_t mxcsr;

	/* The copy is what is looked at: the other side may write meanwhile. */
	memcpy(c->fpu, from, context_fpu_size());
	memcpy(&mxcsr, (uint8_t *)c->fpu + XSAVE_MXCSR, sizeof(mxcsr));
	if (xsave) {
		memcpy(header, (uint8_t *)c->fpu + XSAVE_HEADER, sizeof(header));
	}
	bool good = !(header[0] & ~components) && memcmp(header + 1, zero, sizeof(zero)) == 0 &&
		!(mxcsr & ~0xffffu);
	if (!good) {
		context_reset_fpu(c);
	}
	return good;
}

/* The CPU knows what goes together (SDM vol. 1, 13.3). */
bool context_set_xcr0(struct vcpu *vcpu, uint64_t value)
{
	uint64_t flags = irq_save(), had = xsave ? xcr0_read() : 1;
	bool good = xsave ? !(value & ~components) && xcr0_try_write(value) : value == 1;

	if (xsave) {
		xcr0_try_write(had);
	}
	irq_restore(flags);
	vcpu->context.xcr0 = good ? value : vcpu->context.xcr0;
	return good;
}

uint64_t *context_msr(struct vcpu *vcpu, uint32_t number)
{
	unsigned i = slot_of(number);
	return i > KERNEL_GS_BASE && i < CONTEXT_MSRS ? &vcpu->context.msr[i] : NULL;
}
