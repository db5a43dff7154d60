/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/module/convert.h - a vCPU's registers, as KVM's structures and as Pintle's values. Pure.
 */
#pragma once

#include <linux/kvm.h>
#include <linux/types.h>

#include "abi/pintle.h"

/* Where one of Pintle's values lies in a structure of KVM's. */
struct convert_field {
	__u64 id;
	__u16 offset;
	__u8 size;    /* bytes */
	__u8 segment; /* 1: the attributes of the struct kvm_segment at `offset` */
};

/* A structure as its fields, in the order in which they are set. */
struct convert_table {
	const struct convert_field *field;
	unsigned int count;
};

extern const struct convert_table convert_regs;      /* struct kvm_regs */
extern const struct convert_table convert_sregs;     /* struct kvm_sregs */
extern const struct convert_table convert_debugregs; /* struct kvm_debugregs */

/* The ids alone, for PINTLE_STATE_GET; then from what came back; and for PINTLE_STATE_SET. */
void convert_ask(const struct convert_table *table, struct pintle_value *values);
void convert_get(const struct convert_table *table, const struct pintle_value *values, void *to);
void convert_set(const struct convert_table *table, const void *from, struct pintle_value *values);

/* What no CPU can have at once; 0 or -EINVAL. */
int convert_check_sregs(const struct kvm_sregs *sregs);
int convert_check_debugregs(const struct kvm_debugregs *regs);

/* PINTLE_EVENT and PINTLE_NMI_PENDING. */
void convert_get_events(__u64 event, __u64 nmi, struct kvm_vcpu_events *events);
int convert_set_events(const struct kvm_vcpu_events *events, __u64 *event, __u64 *nmi);

/* A vector that is queued: PINTLE_EVENT and the bitmap of struct kvm_sregs. False: none is. */
void convert_get_bitmap(__u64 event, __u64 bitmap[4]);
bool convert_set_bitmap(const __u64 bitmap[4], __u64 *event);

/* enum pintle_activity and KVM_MP_STATE_*; negative: there is none. */
int convert_get_mp_state(__u64 activity);
int convert_set_mp_state(__u32 mp_state);

/* The legacy part of an XSAVE area, 512 bytes, and its header behind it. */
#define CONVERT_XSAVE_MIN 576u
void convert_get_fpu(const void *xsave, struct kvm_fpu *fpu);
void convert_set_fpu(const struct kvm_fpu *fpu, void *xsave);
