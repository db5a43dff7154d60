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

/*
 * Copy from linear address `at` to `bytes`, or the other way (GUEST_WRITE), as an access of the
 * vCPU itself; `bytes` NULL: only see whether it may. Where no memory is, reads are all ones and
 * writes are lost. Returns how many bytes were done; when that is less than `size`, *error is as
 * guest_translate() tells it. On the vCPU's CPU, interrupts off.
 */
size_t gmem_access(struct vcpu *vcpu, uint64_t at, void *bytes, size_t size,
	enum guest_access access, uint32_t *error);

/* The bytes at the vCPU's rip, at most INSN_MAX; returns how many could be read. */
size_t gmem_fetch(struct vcpu *vcpu, uint8_t *bytes);

/* The linear address of an offset in a segment. */
uint64_t gmem_linear(struct vcpu *vcpu, enum segment_name name, uint64_t offset);

/* The size of the vCPU's code: what insn.h wants to know. */
enum insn_mode gmem_mode(struct vcpu *vcpu);
