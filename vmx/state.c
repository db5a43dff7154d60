/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vmx/state.c - the guest's registers, and the events that it is given. SDM vol. 3, 25.4, 25.8.3
 * and 27.3. Runs: on the CPU that the vCPU is pinned to, interrupts off.
 */
#include "kernel/gmem.h"
#include "vmx/vmx.h"

uint64_t vmx_get(struct vcpu *vcpu, enum vcpu_register reg)
{
	vmx_use(vcpu);
	if (reg == VCPU_CR2) {
		return cr2_read();
	}
	if (reg >= VCPU_DR6) {
		return reg == VCPU_DR6 ? vcpu->context.debug[DEBUG_DR6]
				       : vcpu->context.msr[reg - VCPU_STAR];
	}
	uint64_t value = vmcs_read(vcpu_register_places[reg].vmcs);
	if (reg == VCPU_CR0) {
		return (value & ~vmx_cr0_owned) | (vmcs_read(VMCS_CR0_SHADOW) & vmx_cr0_owned);
	}
	if (reg == VCPU_CR4) {
		return (value & ~vmx_cr4_owned) | (vmcs_read(VMCS_CR4_SHADOW) & vmx_cr4_owned);
	}
	return value;
}

/* In PAE paging the CPU has the four PDPTEs in itself since the guest wrote CR0, CR3 or CR4
 * (4.4.1); what is written here it must be given. */
static void pdptes_load(struct vcpu *vcpu)
{
	uint64_t table[4];
	bool pae = (vmcs_read(VMCS_GUEST_CR0) & CR0_PG) && (vmcs_read(VMCS_GUEST_CR4) & CR4_PAE) &&
		!(vmcs_read(VMCS_GUEST_EFER) & EFER_LME);

	if (pae &&
		gmem_copy(vcpu->vm, vmcs_read(VMCS_GUEST_CR3) & 0xffffffe0, table, sizeof(table),
			false)) {
		for (unsigned i = 0; i < ARRAY_COUNT(table); i++) {
			vmcs_write(VMCS_GUEST_PDPTES + 2 * i, table[i]);
		}
	}
}

void vmx_set(struct vcpu *vcpu, enum vcpu_register reg, uint64_t value)
{
	struct vmx_vcpu *vmx = vmx_use(vcpu);

	if (reg == VCPU_CR2) {
		cr2_write(value);
		return;
	}
	if (reg >= VCPU_DR6) {
		*(reg == VCPU_DR6 ? &vcpu->context.debug[DEBUG_DR6]
				  : &vcpu->context.msr[reg - VCPU_STAR]) = value;
		return;
	}
	if (reg == VCPU_CR0) {
		vmcs_write(VMCS_CR0_SHADOW, value);
		value |= vmx_cr0_owned;
	} else if (reg == VCPU_CR4) {
		vmcs_write(VMCS_CR4_SHADOW, value);
		value |= vmx_cr4_owned;
	} else if (reg == VCPU_RFLAGS && !(value & RFLAGS_IF)) {
		/* 27.3.1.5: no blocking by STI then */
		vmcs_change(VMCS_GUEST_INTERRUPTIBILITY, BLOCKED_BY_STI, 0);
	}
	vmcs_write(vcpu_register_places[reg].vmcs, value);
	/* The entry control must say what EFER.LMA says (27.2.1.3, 27.3.1.1). The CPU does all this
	 * itself when the guest switches modes, and saves the control with each exit. */
	if (reg == VCPU_CR0 || reg == VCPU_EFER) {
		bool on = (vmcs_read(VMCS_GUEST_EFER) & EFER_LME) &&
			(vmcs_read(VMCS_GUEST_CR0) & CR0_PG);
		vmcs_change(VMCS_GUEST_EFER, EFER_LMA, on ? EFER_LMA : 0);
		vmcs_change(VMCS_ENTRY_CONTROLS, VMX_ENTRY_LONG_MODE, on ? VMX_ENTRY_LONG_MODE : 0);
	}
	/* As the instructions do; VPIDs keep what an entry would drop. */
	if (reg == VCPU_CR0 || reg == VCPU_CR3 || reg == VCPU_CR4 || reg == VCPU_EFER) {
		vmx->flush = true;
		pdptes_load(vcpu);
	}
}

/* An unusable segment keeps its DPL, which in SS is the CPL (25.4.1). */
void vmx_get_segment(struct vcpu *vcpu, enum segment_name name, struct segment *segment)
{
	vmx_use(vcpu);
	uint64_t rights = vmcs_read(VMCS_RIGHTS(name));
	uint64_t all = (rights & 0xff) | (rights >> 4 & 0xf00); /* from AVL on 4 bits further up */
	*segment = (struct segment){
		.base = vmcs_read(VMCS_BASE(name)),
		.limit = (uint32_t)vmcs_read(VMCS_LIMIT(name)),
		.selector = (uint16_t)vmcs_read(VMCS_SELECTOR(name)),
		.attributes = (uint16_t)(rights & RIGHTS_UNUSABLE ? all & SEGMENT_DPL : all),
	};
}

void vmx_set_segment(struct vcpu *vcpu, enum segment_name name, const struct segment *segment)
{
	vmx_use(vcpu);
	uint64_t rights = (segment->attributes & SEGMENT_DPL) | RIGHTS_UNUSABLE;
	if (segment->attributes & SEGMENT_PRESENT) {
		rights = (segment->attributes & 0xffu) | (segment->attributes & 0xf00u) << 4;
	}
	vmcs_write(VMCS_SELECTOR(name), segment->selector);
	vmcs_write(VMCS_BASE(name), segment->base);
	vmcs_write(VMCS_LIMIT(name), segment->limit);
	vmcs_write(VMCS_RIGHTS(name), rights);
}

void vmx_skip(struct vcpu *vcpu, uint8_t length)
{
	vmx_use(vcpu);
	uint64_t rip = vmcs_read(VMCS_GUEST_RIP);
	uint64_t next = rip + length, blocked = vmcs_read(VMCS_GUEST_INTERRUPTIBILITY);
	/* EIP wraps; an RIP above 4 GiB is refused outside 64-bit mode (27.3.1.4). */
	if ((next ^ rip) >> 32 != 0 && !(vmcs_read(VMCS_RIGHTS(SEG_CS)) & RIGHTS_LONG)) {
		next = (uint32_t)next;
	}
	vmcs_write(VMCS_GUEST_RIP, next);
	if (blocked & BLOCKED_BY_SHADOW) {
		vmcs_write(VMCS_GUEST_INTERRUPTIBILITY, blocked & ~BLOCKED_BY_SHADOW);
	}
	if (vmcs_read(VMCS_GUEST_RFLAGS) & RFLAGS_TF) { /* 33.2.1: the trap that it had caused */
		vmcs_change(VMCS_GUEST_PENDING_DEBUG, 0, PENDING_DEBUG_STEP);
	}
}

/* 27.2.1.3: no error codes in real mode, lengths for what an instruction causes. */
void vmx_inject(struct vcpu *vcpu, const struct vcpu_event *event)
{
	vmx_use(vcpu);
	uint64_t info = EVENT_VALID | (uint64_t)event->type << 8 | event->vector;

	if (event->has_error && (vmcs_read(VMCS_GUEST_CR0) & CR0_PE)) {
		info |= EVENT_HAS_ERROR;
		vmcs_write(VMCS_ENTRY_EVENT_ERROR, event->error);
	}
	if (event->type >= EVENT_SOFT_INTERRUPT) {
		vmcs_write(VMCS_ENTRY_EVENT_LENGTH, event->length);
	}
	if (event->type == EVENT_NMI) { /* set by a delivery that was interrupted (27.3.1.5) */
		vmcs_change(VMCS_GUEST_INTERRUPTIBILITY, BLOCKED_BY_NMI, 0);
	}
	if (event->vector == VECTOR_DEBUG && event->type != EVENT_INTERRUPT) {
		/* Its exit did not save BS: with TF and a block an entry would be refused
		 * (27.3.1.5). */
		vmcs_change(VMCS_GUEST_INTERRUPTIBILITY, BLOCKED_BY_SHADOW, 0);
	}
	vmcs_write(VMCS_ENTRY_EVENT, info);
}

bool vmx_can_take(struct vcpu *vcpu, enum event_type type)
{
	vmx_use(vcpu);
	bool nmi = type == EVENT_NMI;
	/* Some CPUs refuse NMIs that are blocked by STI (27.3.1.5). */
	uint64_t blocks = BLOCKED_BY_SHADOW | (nmi ? BLOCKED_BY_NMI : 0);
	return !(vmcs_read(VMCS_ENTRY_EVENT) & EVENT_VALID) &&
		!(vmcs_read(VMCS_GUEST_INTERRUPTIBILITY) & blocks) &&
		(nmi || (vmcs_read(VMCS_GUEST_RFLAGS) & RFLAGS_IF));
}

/* An NMI window may open under a block by STI: then the interrupt window, behind it, is the one to
 * wait for. */
void vmx_window(struct vcpu *vcpu, enum event_type type)
{
	vmx_use(vcpu);
	bool nmi = type == EVENT_NMI && !(vmcs_read(VMCS_GUEST_INTERRUPTIBILITY) & BLOCKED_BY_STI);
	vmcs_change(VMCS_PROC_CONTROLS, 0, nmi ? VMX_PROC_NMI_WINDOW : VMX_PROC_INTERRUPT_WINDOW);
}
