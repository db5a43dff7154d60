/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * svm/state.c - the guest's state in the VMCB: registers, segments, events, its ASID. APM vol.
 * 2, 15.5 and appendix B. Runs: on the CPU of the vCPU, interrupts off.
 */
#include "svm/svm.h"

#include "kernel/basic.h"

static const uint8_t places[SEG_COUNT] = {
	SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, VMCB_LDTR, VMCB_TR};

/* All of the VMCB anew: after SHUTDOWN it is undefined (15.14.3). */
void svm_vcpu_reset(struct vcpu *vcpu)
{
	struct vmcb *vmcb = vcpu->hw;
	const struct vm_bitmaps *bitmaps = vcpu->vm->bitmaps;

	memset(vmcb, 0, sizeof(*vmcb));
	vmcb->at = virt_to_phys(vmcb).raw;
	for (unsigned code = 0; code < SVM_EXIT_INTERCEPTS; code++) {
		bool at_times = code == SVM_EXIT_VINTR || code == SVM_EXIT_IRET ||
			(code == SVM_EXIT_PAUSE && !(svm_features & SVM_PAUSE_FILTER)) ||
			(code == SVM_EXIT_WBINVD && !vcpu->closed);
		vmcb_intercept(vmcb, code, svm_exit_kinds[code] != EXIT_UNKNOWN && !at_times);
	}
	vmcb->iopm = virt_to_phys(bitmaps->ports).raw;
	vmcb->msrpm = virt_to_phys(bitmaps->msr).raw;
	vmcb->interrupt_control = VIRQ_MASKING;
	vmcb->pause_gap = 128;
	vmcb->pause_count = 3000;
	vmcb->nested_control = BIT(0); /* nested paging */
	vmcb->nested_cr3 = virt_to_phys(vcpu->vm->stage2.root).raw;
	vcpu_reset_registers(vcpu);
}

uint64_t svm_get(struct vcpu *vcpu, enum vcpu_register reg)
{
	const struct vmcb *vmcb = vcpu->hw;
	uint16_t place = vcpu_register_places[reg].vmcb;
	const void *at = vmcb->page + place;
	uint64_t value = place % 8 == 0 ? *(const uint64_t *)at : *(const uint32_t *)at;

	return reg == VCPU_EFER ? value & ~EFER_SVME : value;
}

/* Writes are rare: after one, the CPU reads all of the VMCB. 15.5.1: VMRUN wants EFER.SVME. */
void svm_set(struct vcpu *vcpu, enum vcpu_register reg, uint64_t value)
{
	struct vmcb *vmcb = vcpu->hw;
	uint16_t place = vcpu_register_places[reg].vmcb;
	void *at = vmcb->page + place;

	vmcb->clean = 0;
	if (place % 8 != 0) {
		*(uint32_t *)at = (uint32_t)value;
		return;
	}
	*(uint64_t *)at = value | (reg == VCPU_EFER ? EFER_SVME : 0);
	/* QEMU 7.2 leaves the host without paging after an exit with LME but neither PAE nor PG.
	 * Without PG, PAE changes nothing. */
	if ((svm_get(vcpu, VCPU_EFER) & EFER_LME) && !(svm_get(vcpu, VCPU_CR0) & CR0_PG)) {
		*(uint64_t *)(vmcb->page + vcpu_register_places[VCPU_CR4].vmcb) |= CR4_PAE;
	}
}

void svm_get_segment(struct vcpu *vcpu, enum segment_name name, struct segment *segment)
{
	const struct vmcb *vmcb = vcpu->hw;
	const struct vmcb_segment *from = &vmcb->segment[places[name]];

	*segment = (struct segment){from->base, from->limit, from->selector, from->attributes};
	if (name == SEG_SS) {
		/* Of an unusable SS the attributes mean nothing, but its DPL is how the kernel
		 * knows the CPL. */
		segment->attributes &= (uint16_t)~SEGMENT_DPL;
		segment->attributes |= (uint16_t)(vmcb->cpl << SEGMENT_DPL_SHIFT);
	}
}

void svm_set_segment(struct vcpu *vcpu, enum segment_name name, const struct segment *segment)
{
	struct vmcb *vmcb = vcpu->hw;

	vmcb->segment[places[name]] = (struct vmcb_segment){
		segment->selector, segment->attributes, segment->limit, segment->base};
	if (name == SEG_SS) {
		/* VMRUN takes the CPL from its own field; QEMU takes it from SS. */
		vmcb->cpl = (uint8_t)((segment->attributes & SEGMENT_DPL) >> SEGMENT_DPL_SHIFT);
	}
	vmcb->clean = 0;
}

void svm_skip(struct vcpu *vcpu, uint8_t length)
{
	struct vmcb *vmcb = vcpu->hw;

	vmcb->rip += length;
	vmcb->shadow &= ~SVM_SHADOW;
	if (vmcb->rflags &
		RFLAGS_TF) { /* the trap that the instruction had caused (APM vol. 2, 15.12.2) */
		vmcb->dr6 |= DR6_STEP;
		vmcb->clean = 0;
		vcpu_raise(vcpu, VECTOR_DEBUG, false, 0);
	}
}

/* Types 5 and 6 are VT-x's alone; here svm_decode() gives none, and no 4. */
void svm_inject(struct vcpu *vcpu, const struct vcpu_event *event)
{
	struct vmcb *vmcb = vcpu->hw;

	vmcb->inject = EVENT_VALID | (uint64_t)event->type << EVENT_TYPE_SHIFT | event->vector;
	if (event->has_error && (svm_get(vcpu, VCPU_CR0) & CR0_PE)) { /* real mode has none */
		vmcb->inject |= EVENT_HAS_ERROR | (uint64_t)event->error << EVENT_ERROR_SHIFT;
	}
	if (event->type == EVENT_NMI) {
		vmcb->nmi_state = NMI_BLOCKED;
		vmcb_intercept(vmcb, SVM_EXIT_IRET, true);
	}
}

bool svm_can_take(struct vcpu *vcpu, enum event_type type)
{
	const struct vmcb *vmcb = vcpu->hw;
	bool open = type == EVENT_NMI ? vmcb->nmi_state == NMI_OPEN : vmcb->rflags & RFLAGS_IF;

	return open && !(vmcb->shadow & SVM_SHADOW) && !(vmcb->inject & EVENT_VALID);
}

/*
 * A virtual interrupt whose delivery is intercepted, never delivered (15.21.4). An NMI waits for
 * the IRET if NMIs are masked, then for its end: a shadow holds the window back that long. If it
 * waits for a shadow only, an interrupt's window is the nearest thing that there is. Where
 * interrupts are off these windows stay shut, and the bound of a run with a waiting NMI
 * (kernel/run.c) is the limit.
 */
void svm_window(struct vcpu *vcpu, enum event_type type)
{
	struct vmcb *vmcb = vcpu->hw;

	if (type == EVENT_NMI && vmcb->nmi_state == NMI_BLOCKED) {
		return;
	}
	if (type == EVENT_NMI && vmcb->nmi_state == NMI_RETURNING) {
		vmcb->shadow |= SVM_SHADOW;
	}
	/* The priority and IGNORE_TPR: QEMU compares priorities otherwise than hardware does. */
	vmcb->interrupt_control |= VIRQ_PENDING | VIRQ_PRIORITY_MAX | VIRQ_IGNORE_TPR;
	vmcb->clean &= (uint32_t)~CLEAN_INTERRUPT;
	vmcb_intercept(vmcb, SVM_EXIT_VINTR, true);
}

/* A vCPU's ASID is its own, so what it must forget is what bears this ASID. */
void svm_flush(struct vcpu *vcpu)
{
	struct vmcb *vmcb = vcpu->hw;

	if (svm_features & SVM_FLUSH_BY_ASID) {
		vmcb->tlb_control = TLB_FLUSH_ASID;
	} else {
		vmcb->asid_generation = 0;
	}
}

/* 15.15: another CPU has not seen this VMCB; 0 is no generation of any CPU. */
void svm_release(struct vcpu *vcpu)
{
	struct vmcb *vmcb = vcpu->hw;

	vmcb->clean = 0;
	vmcb->asid_generation = 0;
}

/* 15.16: when all were given out, everything is flushed, and every vCPU of this CPU takes a new
 * one. */
void svm_asid_choose(struct svm_cpu *cpu, struct vmcb *vmcb)
{
	if (vmcb->asid_generation == cpu->generation) {
		return;
	}
	if (cpu->next_asid >= cpu->asid_count) {
		cpu->next_asid = 1;
		cpu->generation++;
		vmcb->tlb_control = TLB_FLUSH_ALL;
	}
	vmcb->asid = cpu->next_asid++;
	vmcb->asid_generation = cpu->generation;
	vmcb->clean &= (uint32_t)~CLEAN_ASID;
}

/* Appendix B has the names. */
void svm_dump(struct vcpu *vcpu)
{
	const uint64_t *words = vcpu->hw;

	for (unsigned i = 0; i < PAGE_SIZE / sizeof(*words); i++) {
		if (words[i] != 0) {
			log_error("svm: VMCB %03x: %016lx", 8 * i, words[i]);
		}
	}
}
