/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * svm/decode.c - from the VMCB's exit code to a neutral exit. APM vol. 2, 15.6 to 15.25 and
 * appendix C. Runs: after each exit, on the CPU of the vCPU.
 */
#include "svm/svm.h"

#include "kernel/gmem.h"
#include "kernel/x86.h"

#define VECTOR_ALIGNMENT_CHECK 17u

/*
 * #DB and #AC: a guest could make their delivery raise them again without end. CR8: the LAPIC is
 * software's (and QEMU aborts at a write to CR8 with a virtual interrupt pending). QEMU ignores the
 * bits of INVD and XSETBV. Codes that are missing on purpose: INIT, which QEMU does not hold
 * (Pintle sends none while guests run); SMI, which is the firmware's.
 */
const uint8_t svm_exit_kinds[SVM_EXIT_INTERCEPTS] = {
	[0x08] = EXIT_CR_READ,
	[0x18] = EXIT_CR_WRITE,
	[0x40 + VECTOR_DEBUG] = EXIT_EXCEPTION,
	[0x40 + VECTOR_ALIGNMENT_CHECK] = EXIT_EXCEPTION,
	[0x40 + VECTOR_MACHINE_CHECK] = EXIT_EXCEPTION,
	[0x60] = EXIT_INTERRUPT,
	[0x61] = EXIT_NMI,
	[SVM_EXIT_VINTR] = EXIT_WINDOW,
	[0x72] = EXIT_CPUID,
	[SVM_EXIT_IRET] = EXIT_NMI_WINDOW,
	[0x76] = EXIT_INVD,
	[SVM_EXIT_PAUSE] = EXIT_PAUSE,
	[0x78] = EXIT_HLT,
	[0x7a] = EXIT_FORBIDDEN, /* INVLPGA */
	[0x7b] = EXIT_IO,
	[0x7c] = EXIT_MSR_READ, /* or write */
	[0x7f] = EXIT_SHUTDOWN,
	[0x80] = EXIT_FORBIDDEN, /* VMRUN */
	[0x81] = EXIT_HYPERCALL,
	[0x82 ... 0x86] = EXIT_FORBIDDEN, /* VMLOAD, VMSAVE, STGI, CLGI, SKINIT */
	[0x8a ... 0x8b] = EXIT_FORBIDDEN, /* MONITOR, MWAIT */
	[SVM_EXIT_WBINVD] = EXIT_WBINVD,
	[0x8d] = EXIT_XSETBV,
};

/*
 * 15.7.2. An event of an instruction (INT n, INT3, INTO) is not handed over: rip still stands at
 * the instruction, which raises it anew, and no CPU has to know the rip behind it. QEMU leaves old
 * values with EVENT_VALID clear.
 */
static void decode_interrupted(struct vmcb *vmcb, struct vcpu_event *event)
{
	uint64_t raw = vmcb->exit_event;
	unsigned type = raw >> EVENT_TYPE_SHIFT & 7;
	uint8_t vector = (uint8_t)raw;
	bool raised_anew = type == EVENT_SOFT_INTERRUPT ||
		(type == EVENT_EXCEPTION && (vector == 3 || vector == 4)); /* #BP, #OF */

	if (!(raw & EVENT_VALID) || raised_anew) {
		return;
	}
	*event = (struct vcpu_event){
		.valid = true,
		.type = (uint8_t)type,
		.vector = vector,
		.has_error = raw & EVENT_HAS_ERROR,
		.error = (uint32_t)(raw >> EVENT_ERROR_SHIFT),
	};
	if (type == EVENT_NMI) {
		vmcb->nmi_state = NMI_OPEN;
		vmcb_intercept(vmcb, SVM_EXIT_IRET, false);
	}
}

/* The length of the instruction that ends where `next` says; 0 when that cannot be. */
static uint8_t length_to(const struct vmcb *vmcb, uint64_t next)
{
	uint64_t length = next - vmcb->rip;
	return length <= INSN_MAX ? (uint8_t)length : 0;
}

/* 15.10.2 */
static void decode_io(const struct vmcb *vmcb, struct vcpu_exit *exit)
{
	uint64_t info = vmcb->exit_info1;

	exit->io.port = (uint16_t)(info >> 16);
	exit->io.size = info >> 4 & 7;
	exit->io.in = info & BIT(0);
	exit->io.string = info & BIT(2);
	exit->io.rep = info & BIT(3);
	exit->length = length_to(vmcb, vmcb->exit_info2);
}

/* 15.8.1. Where the register is not known, the bytes tell it, and the length again. */
static void decode_cr8(const struct vcpu *vcpu, struct vcpu_exit *exit)
{
	const struct vmcb *vmcb = vcpu->hw;

	if ((svm_features & SVM_DECODE_ASSISTS) && (vmcb->exit_info1 & BIT(63))) {
		exit->cr.gpr = vmcb->exit_info1 % GPR_COUNT;
		exit->cr.value = exit->cr.gpr == GPR_RSP ? vmcb->rsp : vcpu->regs.gpr[exit->cr.gpr];
	} else {
		exit->length = 0;
	}
}

/* In a shadow, in front of a HLT that would be carried out. */
static bool is_held_at_hlt(struct vcpu *vcpu)
{
	const struct vmcb *vmcb = vcpu->hw;
	uint8_t bytes[INSN_MAX];

	return (vmcb->shadow & SVM_SHADOW) && vmcb->cpl == 0 && gmem_fetch(vcpu, bytes) != 0 &&
		bytes[0] == 0xf4;
}

void svm_decode(struct vcpu *vcpu, struct vcpu_exit *exit)
{
	struct vmcb *vmcb = vcpu->hw;

	uint32_t code = (uint32_t)vmcb->exit_code; /* of 64 bits; in QEMU, of INVALID, only 32 */
	exit->raw = vmcb->exit_code;
	exit->length = 0;
	exit->interrupted.valid = false;
	exit->kind = code < SVM_EXIT_INTERCEPTS      ? svm_exit_kinds[code]
		: code == SVM_EXIT_NPF               ? EXIT_STAGE2
		: code == (uint32_t)SVM_EXIT_INVALID ? EXIT_ENTRY_FAILED
						     : EXIT_UNKNOWN;
	decode_interrupted(vmcb, &exit->interrupted);
	if (vmcb->nmi_state == NMI_RETURNING && vmcb->rip != vmcb->iret_rip) {
		vmcb->nmi_state = NMI_OPEN;
	}
	if (svm_features & SVM_NRIP) { /* 15.7.1: 0 where no instruction was intercepted */
		exit->length = length_to(vmcb, vmcb->next_rip);
	}
	switch (exit->kind) {
	case EXIT_INTERRUPT:
	case EXIT_NMI:
		/* QEMU's VMRUN forgets the shadow: an interrupt would come between STI and HLT,
		 * and the guest sleep over what it is woken for. */
		if (is_held_at_hlt(vcpu)) {
			exit->kind = EXIT_HLT;
			exit->length = 1;
		}
		exit->event.vector = 0; /* it is pending */
		break;
	case EXIT_WINDOW:
		vmcb->interrupt_control &= ~VIRQ_PENDING;
		vmcb->clean &= (uint32_t)~CLEAN_INTERRUPT;
		vmcb_intercept(vmcb, SVM_EXIT_VINTR, false);
		break;
	case EXIT_NMI_WINDOW:
		vmcb->nmi_state = NMI_RETURNING;
		vmcb->iret_rip = vmcb->rip;
		vmcb_intercept(vmcb, SVM_EXIT_IRET, false);
		break;
	case EXIT_IO:
		decode_io(vmcb, exit);
		break;
	case EXIT_MSR_READ:
		exit->kind = vmcb->exit_info1 & BIT(0) ? EXIT_MSR_WRITE : EXIT_MSR_READ;
		break;
	case EXIT_CR_READ:
	case EXIT_CR_WRITE:
		decode_cr8(vcpu, exit);
		break;
	case EXIT_EXCEPTION:
		exit->event = (struct vcpu_event){.valid = true,
			.type = EVENT_EXCEPTION,
			.vector = code % 32,
			.has_error = code % 32 == VECTOR_ALIGNMENT_CHECK,
			.error = (uint32_t)vmcb->exit_info1};
		break;
	case EXIT_STAGE2:
		exit->fault.gpa = vmcb->exit_info2;
		exit->fault.byte_count = 0;
		exit->fault.write = vmcb->exit_info1 & BIT(1);
		if (svm_features & SVM_DECODE_ASSISTS) { /* 15.33.5 */
			exit->fault.byte_count = vmcb->byte_count & 15;
			exit->fault.bytes = &vmcb->byte_count + 1;
		}
		break;
	case EXIT_ENTRY_FAILED:
		exit->why = "its state was refused";
		break;
	default:
		break;
	}
}
