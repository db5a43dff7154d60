/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/vcpu_state.h - a vCPU's state after a reset: kept when it is made, put back later.
 */
#pragma once

#include <linux/kvm.h>

#include "service/vmm/vcpu.h"

#define VCPU_MSR_MAX 40u

struct vcpu_state {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_fpu fpu;
	struct kvm_lapic_state lapic;
	struct kvm_mp_state mp_state;
	struct kvm_vcpu_events events;
	unsigned msr_count;
	struct kvm_msr_entry msr[VCPU_MSR_MAX];
};

/* Ask the kernel for all of it. 0 or a negative errno. */
int vcpu_state_save(int fd, struct vcpu_state *state);

/* Put it back; the vCPU does not run. 0 or a negative errno. */
int vcpu_state_restore(int fd, const struct vcpu_state *state);

/* Change what was saved into the state at a kernel's entry. */
void vcpu_state_enter(struct vcpu_state *state, const struct vcpu_start *start);
