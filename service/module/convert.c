// SPDX-License-Identifier: GPL-2.0-only
/*
 * service/module/convert.c - a vCPU's registers, as KVM's structures and as Pintle's values.
 */
#include <linux/errno.h>
#include <linux/kvm.h>
#include <linux/stddef.h>
#include <linux/string.h>
#include <linux/types.h>

#include "service/module/convert.h"

#define COUNT(array)  (sizeof(array) / sizeof((array)[0]))
#define SIZE(type, m) sizeof(((struct type *)0)->m)
#define FIELD(type, m, i)                                                                          \
	{                                                                                          \
		.id = (i), .offset = offsetof(struct type, m), .size = SIZE(type, m)               \
	}

#define GPR(m, n) FIELD(kvm_regs, m, PINTLE_GPR(n))
static const struct convert_field regs_fields[] = {
	GPR(rax, 0),
	GPR(rcx, 1),
	GPR(rdx, 2),
	GPR(rbx, 3),
	GPR(rbp, 5),
	GPR(rsi, 6),
	GPR(rdi, 7),
	GPR(r8, 8),
	GPR(r9, 9),
	GPR(r10, 10),
	GPR(r11, 11),
	GPR(r12, 12),
	GPR(r13, 13),
	GPR(r14, 14),
	GPR(r15, 15),
	FIELD(kvm_regs, rsp, PINTLE_REG(PINTLE_RSP)),
	FIELD(kvm_regs, rip, PINTLE_REG(PINTLE_RIP)),
	FIELD(kvm_regs, rflags, PINTLE_REG(PINTLE_RFLAGS)),
};
const struct convert_table convert_regs = {regs_fields, COUNT(regs_fields)};

#define SREG(m, reg) FIELD(kvm_sregs, m, PINTLE_REG(PINTLE_##reg))
#define SEGMENT(m, n)                                                                              \
	FIELD(kvm_sregs, m.base, PINTLE_SEGMENT(n, PINTLE_BASE)),                                  \
		FIELD(kvm_sregs, m.limit, PINTLE_SEGMENT(n, PINTLE_LIMIT)),                        \
		FIELD(kvm_sregs, m.selector, PINTLE_SEGMENT(n, PINTLE_SELECTOR)),                  \
	{                                                                                          \
		.id = PINTLE_SEGMENT(n, PINTLE_ATTRIBUTES),                                        \
		.offset = offsetof(struct kvm_sregs, m), .segment = 1                              \
	}
#define MSR_APIC_BASE 0x1bu

/* The mode first, then what has a meaning only in it. */
static const struct convert_field sregs_fields[] = {
	SREG(efer, EFER),
	SREG(cr4, CR4),
	SREG(cr3, CR3),
	SREG(cr2, CR2),
	SREG(cr0, CR0),
	FIELD(kvm_sregs, apic_base, PINTLE_MSR(MSR_APIC_BASE)),
	SREG(cr8, CR8),
	SREG(gdt.base, GDT_BASE),
	SREG(gdt.limit, GDT_LIMIT),
	SREG(idt.base, IDT_BASE),
	SREG(idt.limit, IDT_LIMIT),
	SEGMENT(es, 0),
	SEGMENT(cs, 1),
	SEGMENT(ss, 2),
	SEGMENT(ds, 3),
	SEGMENT(fs, 4),
	SEGMENT(gs, 5),
	SEGMENT(ldt, 6),
	SEGMENT(tr, 7),
};
const struct convert_table convert_sregs = {sregs_fields, COUNT(sregs_fields)};

#define DEBUG(m, n) FIELD(kvm_debugregs, m, PINTLE_DEBUG(n))
static const struct convert_field debug_fields[] = {
	DEBUG(db[0], 0),
	DEBUG(db[1], 1),
	DEBUG(db[2], 2),
	DEBUG(db[3], 3),
	DEBUG(dr6, 4),
	FIELD(kvm_debugregs, dr7, PINTLE_REG(PINTLE_DR7)),
};
const struct convert_table convert_debugregs = {debug_fields, COUNT(debug_fields)};

/* abi/pintle.h: attributes. */
static __u64 attributes_of(const struct kvm_segment *s)
{
	if (s->unusable || !s->present) {
		return 0;
	}
	return (s->type & 0xf) | (s->s & 1) << 4 | (s->dpl & 3) << 5 | 1 << 7 | (s->avl & 1) << 8 |
		(s->l & 1) << 9 | (s->db & 1) << 10 | (s->g & 1) << 11;
}

static void set_attributes(struct kvm_segment *s, __u64 attributes)
{
	s->type = attributes & 0xf;
	s->s = attributes >> 4 & 1;
	s->dpl = attributes >> 5 & 3;
	s->present = attributes >> 7 & 1;
	s->avl = attributes >> 8 & 1;
	s->l = attributes >> 9 & 1;
	s->db = attributes >> 10 & 1;
	s->g = attributes >> 11 & 1;
	s->unusable = !s->present;
	s->padding = 0;
}

void convert_ask(const struct convert_table *table, struct pintle_value *values)
{
	unsigned int i;

	for (i = 0; i < table->count; i++) {
		values[i].id = table->field[i].id;
	}
}

void convert_get(const struct convert_table *table, const struct pintle_value *values, void *to)
{
	unsigned int i;

	for (i = 0; i < table->count; i++) {
		const struct convert_field *field = &table->field[i];
		char *at = (char *)to + field->offset;

		if (field->segment) {
			set_attributes((struct kvm_segment *)at, values[i].value);
		} else {
			memcpy(at, &values[i].value, field->size); /* little-endian */
		}
	}
}

void convert_set(const struct convert_table *table, const void *from, struct pintle_value *values)
{
	unsigned int i;

	for (i = 0; i < table->count; i++) {
		const struct convert_field *field = &table->field[i];
		const char *at = (const char *)from + field->offset;

		values[i].id = field->id;
		values[i].value = 0;
		if (field->segment) {
			values[i].value = attributes_of((const struct kvm_segment *)at);
		} else {
			memcpy(&values[i].value, at, field->size);
		}
	}
}

#define CR0_PE   (1ull << 0)
#define CR0_NW   (1ull << 29)
#define CR0_CD   (1ull << 30)
#define CR0_PG   (1ull << 31)
#define CR4_PAE  (1ull << 5)
#define EFER_LME (1ull << 8)
#define EFER_LMA (1ull << 10)

/* SDM vol. 3, 2.5 and 10.8.5; the rest is for Pintle to refuse. */
int convert_check_sregs(const struct kvm_sregs *sregs)
{
	__u64 cr0 = sregs->cr0;
	bool long_mode = (cr0 & CR0_PG) && (sregs->efer & EFER_LME);

	if (cr0 >> 32 || sregs->cr8 > 15 || ((cr0 & CR0_PG) && !(cr0 & CR0_PE)) ||
		((cr0 & CR0_NW) && !(cr0 & CR0_CD))) {
		return -EINVAL;
	}
	if (long_mode != !!(sregs->efer & EFER_LMA)) {
		return -EINVAL;
	}
	if (long_mode) {
		return (sregs->cr4 & CR4_PAE) && !(sregs->cs.l && sregs->cs.db) ? 0 : -EINVAL;
	}
	return sregs->cs.l ? -EINVAL : 0;
}

/* SDM vol. 3, 18.2.6: the upper halves are reserved. */
int convert_check_debugregs(const struct kvm_debugregs *regs)
{
	return regs->flags || regs->dr6 >> 32 || regs->dr7 >> 32 ? -EINVAL : 0;
}

/* abi/pintle.h: PINTLE_EVENT. */
#define EVENT_TYPE(event) ((event) >> 8 & 7)
#define EVENT_INTERRUPT   0u
#define EVENT_NMI         2u
#define EVENT_EXCEPTION   3u
#define EVENT_HAS_ERROR   (1ull << 11)
#define EVENT_VALID       (1ull << 31)
#define VECTOR_NMI        2u

void convert_get_events(__u64 event, __u64 nmi, struct kvm_vcpu_events *events)
{
	__u8 vector = (__u8)event;

	memset(events, 0, sizeof(*events));
	events->flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW;
	events->nmi.pending = nmi & 1;
	if (!(event & EVENT_VALID)) {
		return;
	}
	switch (EVENT_TYPE(event)) {
	case EVENT_INTERRUPT:
		events->interrupt.injected = 1;
		events->interrupt.nr = vector;
		break;
	case EVENT_NMI:
		events->nmi.injected = 1;
		break;
	case EVENT_EXCEPTION:
		events->exception.injected = 1;
		events->exception.nr = vector;
		events->exception.has_error_code = !!(event & EVENT_HAS_ERROR);
		events->exception.error_code = (__u32)(event >> 32);
		break;
	default:
		break;
	}
}

#define EVENTS_FLAGS                                                                               \
	(KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SIPI_VECTOR |                       \
		KVM_VCPUEVENT_VALID_SHADOW | KVM_VCPUEVENT_VALID_SMM)

int convert_set_events(const struct kvm_vcpu_events *events, __u64 *event, __u64 *nmi)
{
	*event = 0;
	*nmi = events->flags & KVM_VCPUEVENT_VALID_NMI_PENDING ? !!events->nmi.pending : 0;
	if ((events->flags | EVENTS_FLAGS) != EVENTS_FLAGS || events->interrupt.soft) {
		return -EINVAL;
	}
	if ((events->flags & KVM_VCPUEVENT_VALID_SMM) && (events->smi.smm || events->smi.pending)) {
		return -EINVAL;
	}
	if (events->exception.injected || events->exception.pending) {
		if (events->exception.nr > 31 || events->exception.nr == VECTOR_NMI) {
			return -EINVAL;
		}
		*event = EVENT_VALID | EVENT_EXCEPTION << 8 | events->exception.nr;
		if (events->exception.has_error_code) {
			*event |= EVENT_HAS_ERROR | (__u64)events->exception.error_code << 32;
		}
	} else if (events->nmi.injected) {
		*event = EVENT_VALID | EVENT_NMI << 8 | VECTOR_NMI;
	} else if (events->interrupt.injected) {
		*event = EVENT_VALID | EVENT_INTERRUPT << 8 | events->interrupt.nr;
	}
	return 0;
}

void convert_get_bitmap(__u64 event, __u64 bitmap[4])
{
	memset(bitmap, 0, 4 * sizeof(*bitmap));
	if ((event & EVENT_VALID) && EVENT_TYPE(event) == EVENT_INTERRUPT) {
		bitmap[(event & 0xff) / 64] |= 1ull << (event % 64);
	}
}

bool convert_set_bitmap(const __u64 bitmap[4], __u64 *event)
{
	unsigned int vector;

	for (vector = 0; vector < 256; vector++) {
		if (bitmap[vector / 64] >> (vector % 64) & 1) {
			*event = EVENT_VALID | EVENT_INTERRUPT << 8 | vector;
			return true;
		}
	}
	return false;
}

int convert_get_mp_state(__u64 activity)
{
	switch (activity) {
	case PINTLE_WAITS_FOR_SIPI:
		return KVM_MP_STATE_UNINITIALIZED;
	case PINTLE_RUNS:
		return KVM_MP_STATE_RUNNABLE;
	case PINTLE_HALTED:
		return KVM_MP_STATE_HALTED;
	default:
		return -EIO;
	}
}

int convert_set_mp_state(__u32 mp_state)
{
	switch (mp_state) {
	case KVM_MP_STATE_UNINITIALIZED:
	case KVM_MP_STATE_INIT_RECEIVED:
		return PINTLE_WAITS_FOR_SIPI;
	case KVM_MP_STATE_RUNNABLE:
		return PINTLE_RUNS;
	case KVM_MP_STATE_HALTED:
		return PINTLE_HALTED;
	default:
		return -EINVAL;
	}
}

/* The area's layout: SDM vol. 1, 10.5.1 and 13.4. In 64-bit mode, as KVM has it. */
#define XSAVE_ST      32u
#define XSAVE_XMM     160u
#define XSAVE_STATE   512u
#define STATE_FPU_SSE 3u

struct xsave_head {
	__u16 control, status;
	__u8 tags, reserved;
	__u16 opcode;
	__u64 ip, dp;
	__u32 mxcsr, mxcsr_mask;
};

void convert_get_fpu(const void *xsave, struct kvm_fpu *fpu)
{
	struct xsave_head head;

	memcpy(&head, xsave, sizeof(head));
	memset(fpu, 0, sizeof(*fpu));
	fpu->fcw = head.control;
	fpu->fsw = head.status;
	fpu->ftwx = head.tags;
	fpu->last_opcode = head.opcode;
	fpu->last_ip = head.ip;
	fpu->last_dp = head.dp;
	fpu->mxcsr = head.mxcsr;
	memcpy(fpu->fpr, (const char *)xsave + XSAVE_ST, sizeof(fpu->fpr));
	memcpy(fpu->xmm, (const char *)xsave + XSAVE_XMM, sizeof(fpu->xmm));
}

void convert_set_fpu(const struct kvm_fpu *fpu, void *xsave)
{
	struct xsave_head head;
	__u64 state;

	memcpy(&head, xsave, sizeof(head));
	head.control = fpu->fcw;
	head.status = fpu->fsw;
	head.tags = fpu->ftwx;
	head.reserved = 0;
	head.opcode = fpu->last_opcode;
	head.ip = fpu->last_ip;
	head.dp = fpu->last_dp;
	head.mxcsr = fpu->mxcsr;
	memcpy(xsave, &head, sizeof(head));
	memcpy((char *)xsave + XSAVE_ST, fpu->fpr, sizeof(fpu->fpr));
	memcpy((char *)xsave + XSAVE_XMM, fpu->xmm, sizeof(fpu->xmm));
	memcpy(&state, (char *)xsave + XSAVE_STATE, sizeof(state));
	state |= STATE_FPU_SSE;
	memcpy((char *)xsave + XSAVE_STATE, &state, sizeof(state));
}
