/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/gmem.h - a guest's memory seen from the hypervisor, a page at a time and only for a
 * moment.
 */
#pragma once

#include "kernel/guest.h"
#include "kernel/insn.h"
#include "kernel/vcpu.h"

/*
 * Copy from guest-physical memory to `bytes`, as far as stage 2 maps it readable; or the other way,
 * to what is mapped writable and is RAM. False when part is not; what lies before it is copied.
 * Interrupts off.
 */
bool gmem_copy(struct vm *vm, uint64_t gpa, void *bytes, size_t size, bool write);

/* The bytes at the vCPU's rip, at most `max`; returns how many could be read. On the vCPU's CPU,
 * interrupts off. */
size_t gmem_fetch(struct vcpu *vcpu, uint8_t *bytes, size_t max);

/* The size of the vCPU's code: what insn.h wants to know. */
enum insn_mode gmem_mode(struct vcpu *vcpu);
