/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/exit.c - turn one decoded vCPU exit into one action.
 * Runs: on the exiting CPU, interrupts off, no locks held.
 */
#include "kernel/exit.h"

#include "kernel/devices.h"
#include "kernel/gmem.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "kernel/x86.h"

#define MSR_LOW(vcpu)  (vcpu)->regs.gpr[GPR_RAX]
#define MSR_HIGH(vcpu) (vcpu)->regs.gpr[GPR_RDX]
#define KVM_ENOSYS     1000

typedef void exit_fn(struct vcpu *vcpu, struct vcpu_exit *exit);

/* The opcodes of exits that some CPUs give no length for (insn.h). */
static const struct {
	uint8_t bytes[3], len;
} opcodes[EXIT_COUNT] = {
	[EXIT_CPUID] = {{0x0f, 0xa2}, 2},
	[EXIT_HLT] = {{0xf4}, 1},
	[EXIT_INVD] = {{0x0f, 0x08}, 2},
	[EXIT_XSETBV] = {{0x0f, 0x01, 0xd1}, 3},
	[EXIT_HYPERCALL] = {{0x0f, 0x01, 0xd9}, 3},
	[EXIT_MSR_READ] = {{0x0f, 0x32}, 2},
	[EXIT_MSR_WRITE] = {{0x0f, 0x30}, 2},
	[EXIT_CR_READ] = {{0x0f, 0x20}, 2},
	[EXIT_CR_WRITE] = {{0x0f, 0x22}, 2},
};

/* Read the instruction and find its length; false: it is not there (any more), and is run again. */
static bool find_length(struct vcpu *vcpu, struct vcpu_exit *exit, uint8_t *bytes)
{
	size_t len = gmem_fetch(vcpu, bytes, INSN_MAX);
	bool modrm = exit->kind == EXIT_CR_READ || exit->kind == EXIT_CR_WRITE;
	exit->length = insn_length(bytes, len, gmem_mode(vcpu), opcodes[exit->kind].bytes,
		opcodes[exit->kind].len, modrm);
	return exit->length != 0;
}

/* Where the CPU gives no length. */
NOINLINE static bool learn_length(struct vcpu *vcpu, struct vcpu_exit *exit)
{
	uint8_t bytes[INSN_MAX];
	return find_length(vcpu, exit, bytes);
}

static inline bool know_length(struct vcpu *vcpu, struct vcpu_exit *exit)
{
	return exit->length != 0 || learn_length(vcpu, exit);
}

static inline bool skip(struct vcpu *vcpu, struct vcpu_exit *exit)
{
	if (!know_length(vcpu, exit)) {
		return false;
	}
	backend->skip(vcpu, exit->length);
	return true;
}

static void nothing(struct vcpu *vcpu, struct vcpu_exit *exit)
{
}

static void undefined(struct vcpu *vcpu, struct vcpu_exit *exit)
{
	vcpu_raise(vcpu, VECTOR_UNDEFINED, false, 0);
}

static void exception(struct vcpu *vcpu, struct vcpu_exit *exit)
{
	if (exit->event.vector == VECTOR_MACHINE_CHECK) {
		panic("machine check while a guest ran");
	}
	vcpu->exception = exit->event; /* it was only looked at, so that it cannot recur for ever
					  without us */
}

static void cpuid(struct vcpu *vcpu, struct vcpu_exit *exit)
{
	if (skip(vcpu, exit)) {
		cpuid_emulate(vcpu);
	}
}

static void hlt(struct vcpu *vcpu, struct vcpu_exit *exit)
{
	if (skip(vcpu, exit)) {
		vcpu->state = VCPU_HALTED;
	}
}

static void invd(struct vcpu *vcpu, struct vcpu_exit *exit)
{
	/* Without the write-back it would throw away what others wrote. */
	__asm__ volatile("wbinvd" : : : "memory");
	skip(vcpu, exit);
}

static void xsetbv(struct vcpu *vcpu, struct vcpu_exit *exit)
{
	uint64_t value = (uint32_t)MSR_LOW(vcpu) | MSR_HIGH(vcpu) << 32;
	struct segment stack;
	backend->get_segment(vcpu, SEG_SS, &stack);
	if ((stack.attributes & SEGMENT_DPL) || (uint32_t)vcpu->regs.gpr[GPR_RCX] != 0 ||
		!xcr0_try_write(value)) {
		vcpu_raise(vcpu, VECTOR_PROTECTION, true, 0);
	} else {
		skip(vcpu, exit);
	}
}

static void hypercall(struct vcpu *vcpu, struct vcpu_exit *exit)
{
	if (skip(vcpu, exit)) {
		vcpu->regs.gpr[GPR_RAX] = (uint64_t)-KVM_ENOSYS;
	}
}

static void msr_read_exit(struct vcpu *vcpu, struct vcpu_exit *exit)
{
	uint64_t value;
	if (!msr_emulate_read(vcpu, (uint32_t)vcpu->regs.gpr[GPR_RCX], &value)) {
		vcpu_raise(vcpu, VECTOR_PROTECTION, true, 0);
	} else if (skip(vcpu, exit)) {
		MSR_LOW(vcpu) = (uint32_t)value;
		MSR_HIGH(vcpu) = value >> 32;
	}
}

static void msr_write_exit(struct vcpu *vcpu, struct vcpu_exit *exit)
{
	uint64_t value = (uint32_t)MSR_LOW(vcpu) | MSR_HIGH(vcpu) << 32;
	if (!know_length(vcpu, exit)) {
		return;
	}
	if (!msr_emulate_write(vcpu, (uint32_t)vcpu->regs.gpr[GPR_RCX], value)) {
		vcpu_raise(vcpu, VECTOR_PROTECTION, true, 0);
	} else {
		backend->skip(vcpu, exit->length);
	}
}

static uint64_t *gpr_of(struct vcpu *vcpu, uint8_t gpr)
{
	return &vcpu->regs.gpr[gpr % GPR_COUNT];
}

/* Only CR8, the task priority, exits everywhere; RSP as its operand is nobody's habit. */
static void cr(struct vcpu *vcpu, struct vcpu_exit *exit)
{
	uint8_t bytes[INSN_MAX];
	struct vlapic_effect effect;

	if (exit->kind == EXIT_CR_WRITE && exit->cr.number == 4) {
		vcpu_raise(vcpu, VECTOR_PROTECTION, true,
			0); /* it exits for VMXE alone, which no guest has */
		return;
	}
	if (exit->cr.gpr == CR_GPR_UNKNOWN) {
		if (!find_length(vcpu, exit, bytes)) {
			return;
		}
		uint8_t modrm = bytes[exit->length - 1];
		bool high = exit->length >= 4 && (bytes[exit->length - 4] & 0xf1) == 0x41;
		exit->cr.gpr = (uint8_t)((modrm & 7) | (high ? 8 : 0));
		exit->cr.value = *gpr_of(vcpu, exit->cr.gpr);
	}
	if (exit->kind == EXIT_CR_WRITE && exit->cr.number != 8) {
		backend->set(vcpu, VCPU_CR0, exit->cr.value);
	} else if (exit->kind == EXIT_CR_WRITE && exit->cr.value > 15) {
		vcpu_raise(vcpu, VECTOR_PROTECTION, true, 0);
		return;
	} else if (exit->kind == EXIT_CR_WRITE) {
		vlapic_write(&vcpu->lapic, VLAPIC_TPR, exit->cr.value << 4, tsc_read(), &effect);
		vcpu->lapic_changed = true;
	} else {
		*gpr_of(vcpu, exit->cr.gpr) = vcpu->lapic.reg[VLAPIC_TPR] >> 4;
	}
	skip(vcpu, exit);
}

static void io(struct vcpu *vcpu, struct vcpu_exit *exit)
{
	if (exit->io.string) {
		vcpu_kill(vcpu, "string I/O on an emulated port is not supported");
		return;
	}
	if (exit->io.in) {
		uint64_t mask = exit->io.size == 4 ? UINT32_MAX : BIT(8 * exit->io.size) - 1;
		uint32_t value = devices_port_read(exit->io.port, exit->io.size);
		uint64_t *rax = &vcpu->regs.gpr[GPR_RAX];
		*rax = exit->io.size == 4 ? value : (*rax & ~mask) | (value & mask);
	} else {
		devices_port_write(exit->io.port, exit->io.size, (uint32_t)vcpu->regs.gpr[GPR_RAX]);
	}
	backend->skip(vcpu, exit->length);
}

static void stage2(struct vcpu *vcpu, struct vcpu_exit *exit)
{
	devices_stage2_fault(vcpu, exit);
}

static void shutdown(struct vcpu *vcpu, struct vcpu_exit *exit)
{
	vcpu_kill(vcpu, "triple fault");
}

static void fatal(struct vcpu *vcpu, struct vcpu_exit *exit)
{
	log_error("vcpu %u: exit 0x%lx that nobody handles", vcpu->index, exit->raw);
	vcpu_kill(vcpu,
		exit->kind == EXIT_ENTRY_FAILED ? "its state was refused" : "an unknown exit");
	backend->dump(vcpu);
}

static exit_fn *const exit_table[EXIT_COUNT] = {
	[EXIT_INTERRUPT] = nothing,
	[EXIT_NMI] = nothing,
	[EXIT_WINDOW] = nothing,
	[EXIT_NMI_WINDOW] = nothing,
	[EXIT_TIMER] = nothing,
	[EXIT_PAUSE] = nothing,
	[EXIT_EXCEPTION] = exception,
	[EXIT_CPUID] = cpuid,
	[EXIT_HLT] = hlt,
	[EXIT_INVD] = invd,
	[EXIT_XSETBV] = xsetbv,
	[EXIT_HYPERCALL] = hypercall,
	[EXIT_FORBIDDEN] = undefined,
	[EXIT_MWAIT] = undefined,
	[EXIT_MONITOR] = undefined,
	[EXIT_IO] = io,
	[EXIT_MSR_READ] = msr_read_exit,
	[EXIT_MSR_WRITE] = msr_write_exit,
	[EXIT_CR_READ] = cr,
	[EXIT_CR_WRITE] = cr,
	[EXIT_STAGE2] = stage2,
	[EXIT_SHUTDOWN] = shutdown,
}; /* an empty slot ends the vCPU, with a report */

void exit_handle(struct vcpu *vcpu, struct vcpu_exit *exit)
{
	vcpu->exits[exit->kind]++;
	if (exit->interrupted.valid) {
		vcpu->reinject = exit->interrupted;
	}
	(exit_table[exit->kind] != NULL ? exit_table[exit->kind] : fatal)(vcpu, exit);
}
