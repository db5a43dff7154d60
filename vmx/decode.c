/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vmx/decode.c - from an exit reason and what the VMCS has beside it to a struct vcpu_exit. SDM
 * vol. 3, 28.2. Runs: on the exiting CPU, interrupts off.
 */
#include "kernel/log.h"
#include "vmx/vmx.h"

/* Basic exit reasons (appendix C). */
static const uint8_t reasons[] = {
	[0] = EXIT_EXCEPTION, /* or an NMI */
	[1] = EXIT_INTERRUPT,
	[2] = EXIT_SHUTDOWN, /* triple fault */
	[3] = EXIT_RESET,    /* INIT */
	[7] = EXIT_WINDOW,
	[8] = EXIT_NMI_WINDOW,
	[9] = EXIT_TASK_SWITCH,
	[10] = EXIT_CPUID,
	[11] = EXIT_FORBIDDEN, /* GETSEC */
	[12] = EXIT_HLT,
	[13] = EXIT_INVD,
	[18] = EXIT_HYPERCALL,
	[19 ... 27] = EXIT_FORBIDDEN, /* VMCLEAR to VMXON */
	[28] = EXIT_CR_WRITE,         /* or read */
	[30] = EXIT_IO,
	[31] = EXIT_MSR_READ,
	[32] = EXIT_MSR_WRITE,
	[33] = EXIT_ENTRY_FAILED,
	[36] = EXIT_FORBIDDEN, /* MWAIT */
	[39] = EXIT_FORBIDDEN, /* MONITOR */
	[40] = EXIT_PAUSE,
	[41] = EXIT_ENTRY_FAILED, /* machine check */
	[45] = EXIT_EOI,
	[48] = EXIT_STAGE2,
	[50] = EXIT_FORBIDDEN, /* INVEPT */
	[52] = EXIT_TIMER,
	[53] = EXIT_FORBIDDEN, /* INVVPID */
	[54] = EXIT_WBINVD,
	[55] = EXIT_XSETBV,
};

#define DEBUG_BREAKPOINTS 0xful

static void decode_event(struct vcpu_event *event, uint64_t info, enum vmcs_field error)
{
	*event = (struct vcpu_event){
		.valid = true, .type = (uint8_t)EVENT_INFO_TYPE(info), .vector = (uint8_t)info};
	if (info & EVENT_HAS_ERROR) {
		event->has_error = true;
		event->error = (uint32_t)vmcs_read(error);
	}
	if (event->type >= EVENT_SOFT_INTERRUPT) {
		event->length = (uint8_t)vmcs_read(VMCS_EXIT_INSTRUCTION_LENGTH);
	}
}

static void decode_exception(struct vcpu_exit *exit)
{
	uint64_t info = vmcs_read(VMCS_EXIT_EVENT);
	if (EVENT_INFO_TYPE(info) == EVENT_NMI) {
		vmx_take_nmi();
		exit->kind = EXIT_NMI;
		return;
	}
	decode_event(&exit->event, info, VMCS_EXIT_EVENT_ERROR);
	if (exit->event.vector == VECTOR_DEBUG && exit->event.type == EVENT_EXCEPTION) {
		/* What the #DB would have done before its delivery, which an injected one does not
		 * do (28.1, 27.6.1). B0-B3, BD, BS (table 28-1); DR7.GD. */
		uint64_t causes = DEBUG_BREAKPOINTS | BIT(13) | BIT(14);
		causes &= vmcs_read(VMCS_EXIT_QUALIFICATION);
		dr6_write((dr6_read() & ~DEBUG_BREAKPOINTS) | causes);
		vmcs_change(VMCS_GUEST_DR7, BIT(13), 0);
	}
}

/* Table 28-5. */
static void decode_io(struct vcpu_exit *exit, uint64_t qualification)
{
	exit->io.size = (uint8_t)((qualification & 7) + 1);
	exit->io.in = qualification & BIT(3);
	exit->io.string = qualification & BIT(4);
	exit->io.rep = qualification & BIT(5);
	exit->io.port = (uint16_t)(qualification >> 16);
}

/*
 * Of CR0 and CR4 only bits that are the host's make an exit, never CLTS or LMSW. The guest's view
 * of them is put right, and it does the instruction again: then the CPU does all the rest, other
 * faults, mode switches and PDPTEs included.
 */
static void decode_cr(struct vcpu *vcpu, struct vcpu_exit *exit, uint64_t qualification)
{
	unsigned number = qualification & 15; /* table 28-3 */
	exit->cr.gpr = (uint8_t)(qualification >> 8 & 15);
	if (qualification >> 4 & 3) {
		exit->kind = EXIT_CR_READ;
		return;
	}
	uint64_t value =
		exit->cr.gpr == GPR_RSP ? vmcs_read(VMCS_GUEST_RSP) : vcpu->regs.gpr[exit->cr.gpr];
	if (!(vmcs_read(VMCS_RIGHTS(SEG_CS)) & RIGHTS_LONG)) {
		value = (uint32_t)value;
	}
	exit->cr.value = value;
	if (number == 8) {
		return;
	}
	exit->kind = EXIT_INTERRUPT;
	if (number == 0 ? (value & (CR0_CD | CR0_NW)) == CR0_NW : value & CR4_VMXE) {
		vcpu_raise(vcpu, VECTOR_PROTECTION, true, 0);
	} else {
		vmcs_write(number == 0 ? VMCS_CR0_SHADOW : VMCS_CR4_SHADOW, value);
	}
}

/*
 * What the exit interrupted: never an exit of an instruction, but a task switch (28.2.4). Or an
 * IRET unblocked NMIs and then faulted: it will be done again, so they are blocked still (28.2.3).
 */
static void decode_vectoring(struct vcpu_exit *exit)
{
	uint64_t vectoring = vmcs_read(VMCS_VECTORING_EVENT), info = 0;
	if (vectoring & EVENT_VALID) {
		decode_event(&exit->interrupted, vectoring, VMCS_VECTORING_EVENT_ERROR);
	} else if (exit->kind == EXIT_STAGE2) {
		info = vmcs_read(VMCS_EXIT_QUALIFICATION);
	} else if (exit->kind == EXIT_EXCEPTION) {
		info = vmcs_read(VMCS_EXIT_EVENT);
	}
	if (info & EVENT_INFO_IRET) {
		vmcs_change(VMCS_GUEST_INTERRUPTIBILITY, 0, BLOCKED_BY_NMI);
	}
}

void vmx_decode(struct vcpu *vcpu, struct vcpu_exit *exit)
{
	exit->raw = vmcs_read(VMCS_EXIT_REASON);
	exit->interrupted.valid = false;
	exit->length = 0;
	unsigned reason = (uint16_t)exit->raw;
	exit->kind = reason < ARRAY_COUNT(reasons) ? reasons[reason] : EXIT_UNKNOWN;
	if (exit->kind >= EXIT_CPUID && exit->kind <= EXIT_CR_WRITE) { /* 28.2.5 */
		exit->length = (uint8_t)vmcs_read(VMCS_EXIT_INSTRUCTION_LENGTH);
	} else if (exit->kind != EXIT_ENTRY_FAILED) {
		decode_vectoring(exit);
	}
	switch (exit->kind) {
	case EXIT_EXCEPTION:
		decode_exception(exit);
		break;
	case EXIT_WINDOW:
		vmcs_change(VMCS_PROC_CONTROLS, VMX_PROC_INTERRUPT_WINDOW, 0);
		break;
	case EXIT_NMI_WINDOW:
		vmcs_change(VMCS_PROC_CONTROLS, VMX_PROC_NMI_WINDOW, 0);
		break;
	case EXIT_IO:
		decode_io(exit, vmcs_read(VMCS_EXIT_QUALIFICATION));
		break;
	case EXIT_CR_WRITE:
		decode_cr(vcpu, exit, vmcs_read(VMCS_EXIT_QUALIFICATION));
		break;
	case EXIT_EOI:
		exit->event.vector = (uint8_t)vmcs_read(VMCS_EXIT_QUALIFICATION);
		break;
	case EXIT_STAGE2:
		exit->fault.byte_count = 0;
		exit->fault.gpa = vmcs_read(VMCS_GUEST_PHYSICAL_ADDRESS);
		exit->fault.write = vmcs_read(VMCS_EXIT_QUALIFICATION) & BIT(1);
		break;
	case EXIT_ENTRY_FAILED: /* 27.8, 27.9: the guest's state, or a machine check */
		exit->why = "its entry was refused: invalid guest state";
		if (reason != 33) {
			exit->kind = EXIT_EXCEPTION;
			exit->event.vector = VECTOR_MACHINE_CHECK;
		}
		break;
	default:
		break;
	}
}

/* Appendix B has the names. */
void vmx_dump(struct vcpu *vcpu)
{
	vmx_use(vcpu);
	for (unsigned n = 0; n < VMCS_FIELD_COUNT; n++) {
		uint64_t value = 0,
			 field = vmcs_field_number(n); /* one that the CPU lacks stays 0 */
		__asm__ volatile("vmread %1, %0" : "+r"(value) : "r"(field) : "cc");
		if (value != 0) {
			log_error("vmx: VMCS %04lx: %016lx", field, value);
		}
	}
}
