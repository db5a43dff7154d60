/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vmx/decode.c - from an exit reason and what the VMCS has beside it to a struct vcpu_exit. SDM
 * vol. 3, 28.2. Runs: on the exiting CPU, interrupts off.
 */
#include "kernel/log.h"
#include "vmx/vmx.h"

static const struct {
	const char *name; /* NULL: not expected */
	uint8_t kind;
	bool has_length;
} reasons[] = {
#define X(id, number, kind, length) [number] = {#id, EXIT_##kind, length},
	VMX_EXITS(X)
#undef X
};

#define DEBUG_BREAKPOINTS 0xful
#define DEBUG_CAUSES      (DEBUG_BREAKPOINTS | BIT(13) | BIT(14)) /* B0-B3, BD, BS (table 28-1) */
#define DR7_GD            BIT(13)

static void decode_event(struct vcpu_event *event, uint64_t info, enum vmcs_field error)
{
	*event = (struct vcpu_event){.valid = true,
		.type = (uint8_t)EVENT_INFO_TYPE(info),
		.vector = (uint8_t)EVENT_INFO_VECTOR(info)};
	if (info & EVENT_INFO_ERROR) {
		event->has_error = true;
		event->error = (uint32_t)vmcs_read(error);
	}
	if (event->type >= EVENT_SOFT_INTERRUPT) {
		event->length = (uint8_t)vmcs_read(VMCS_EXIT_INSTRUCTION_LENGTH);
	}
}

/* What the #DB would have done before its delivery, which an injected one does not do
 * (28.1, 27.6.1). */
static void debug_registers_update(void)
{
	uint64_t causes = vmcs_read(VMCS_EXIT_QUALIFICATION) & DEBUG_CAUSES;
	dr6_write((dr6_read() & ~DEBUG_BREAKPOINTS) | causes);
	vmcs_change(VMCS_GUEST_DR7, DR7_GD, 0);
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
		debug_registers_update();
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
static void decode_vectoring(struct vcpu_exit *exit, unsigned reason)
{
	uint64_t vectoring = vmcs_read(VMCS_VECTORING_EVENT), info = 0;
	if (vectoring & EVENT_INFO_VALID) {
		decode_event(&exit->interrupted, vectoring, VMCS_VECTORING_EVENT_ERROR);
	} else if (reason == VMX_EXIT_EPT_VIOLATION) {
		info = vmcs_read(VMCS_EXIT_QUALIFICATION);
	} else if (reason == VMX_EXIT_EXCEPTION) {
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
	if (reason >= ARRAY_COUNT(reasons) || reasons[reason].name == NULL) {
		bool forbidden = reason < 64 && BIT(reason) & VMX_EXITS_FORBIDDEN;
		exit->kind = forbidden ? EXIT_FORBIDDEN : EXIT_UNKNOWN;
		return;
	}
	exit->kind = reasons[reason].kind;
	if (reasons[reason].has_length) {
		exit->length = (uint8_t)vmcs_read(VMCS_EXIT_INSTRUCTION_LENGTH);
	} else if (exit->kind != EXIT_ENTRY_FAILED) {
		decode_vectoring(exit, reason);
	}
	switch (reason) {
	case VMX_EXIT_EXCEPTION:
		decode_exception(exit);
		break;
	case VMX_EXIT_INTERRUPT_WINDOW:
	case VMX_EXIT_NMI_WINDOW:
		vmcs_change(VMCS_PROC_CONTROLS,
			reason == VMX_EXIT_NMI_WINDOW ? VMX_PROC_NMI_WINDOW
						      : VMX_PROC_INTERRUPT_WINDOW,
			0);
		break;
	case VMX_EXIT_IO:
		decode_io(exit, vmcs_read(VMCS_EXIT_QUALIFICATION));
		break;
	case VMX_EXIT_CR_ACCESS:
		decode_cr(vcpu, exit, vmcs_read(VMCS_EXIT_QUALIFICATION));
		break;
	case VMX_EXIT_EOI:
		exit->event.vector = (uint8_t)vmcs_read(VMCS_EXIT_QUALIFICATION);
		break;
	case VMX_EXIT_EPT_VIOLATION:
		exit->fault.gpa = vmcs_read(VMCS_GUEST_PHYSICAL_ADDRESS);
		exit->fault.byte_count = 0;
		break;
	default:
		break;
	}
}

void vmx_dump(struct vcpu *vcpu)
{
	static const struct {
		unsigned field;
		const char *name;
	} fields[] = {
#define X(id, ...) {VMCS_##id, #id},
		VMCS_SET_UP(X) VMCS_FIELDS(X)
#undef X
#define X(id, ...) {VMCS_GUEST_##id, "GUEST_" #id},
			VMCS_REGISTERS(X)
#undef X
	};
	bool refused = vmx_use(vcpu)->refused;
	uint64_t reason = vmcs_read(VMCS_EXIT_REASON), error = vmcs_read(VMCS_INSTRUCTION_ERROR);
	const char *name =
		(uint16_t)reason < ARRAY_COUNT(reasons) ? reasons[(uint16_t)reason].name : NULL;

	if (refused) { /* SDM vol. 3, 31.4 */
		name = error == 7    ? "invalid control fields"
			: error == 8 ? "invalid host state"
				     : NULL;
	}
	log_error("vmx: %s: %s", refused || reason & VMX_EXIT_REFUSED ? "entry failed" : "exit",
		name != NULL ? name : "of no known reason");
	for (unsigned i = 0; i < ARRAY_COUNT(fields); i++) {
		log_error("vmx: %-24s 0x%lx", fields[i].name, vmcs_read(fields[i].field));
	}
}
