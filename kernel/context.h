/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/context.h - what of a vCPU stays in the CPU when it exits, and moves only when another
 * vCPU comes: FPU and vector state, debug registers, and the MSRs that guests change without an
 * exit.
 */
#pragma once

#include "kernel/types.h"

struct vcpu;

#define CONTEXT_MSRS   8u
#define CONTEXT_DEBUGS 5u
#define DEBUG_DR6      4u
struct vcpu_context {
	void *fpu; /* for XSAVE, or FXSAVE where there is none */
	size_t frames;
	uint64_t xcr0;
	uint64_t debug[CONTEXT_DEBUGS]; /* DR0 to DR3, DR6 */
	uint64_t msr[CONTEXT_MSRS];
};

/* Frames for the vCPU's state, from owner FRAME_VCPU: 0 or -ENOMEM; and giving them back. */
int context_create(struct vcpu *vcpu);
void context_destroy(struct vcpu *vcpu);

/* The state after power-on. On the vCPU's CPU. */
void context_reset(struct vcpu *vcpu);

/* Put the state of the vCPU whose it is away, and bring that of `vcpu`. On its CPU, interrupts off.
 */
void context_load(struct vcpu *vcpu);
