/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/exit.h - what is done about an exit.
 */
#pragma once

#include "kernel/vcpu.h"

/* True: the instruction is done, and the guest goes on behind it. */
typedef bool exit_fn(struct vcpu *vcpu, struct vcpu_exit *exit);

/* Handle one exit of `vcpu` on its CPU, interrupts off. */
void exit_handle(struct vcpu *vcpu, struct vcpu_exit *exit);

/* Policies, as tables (kernel/cpuid.c, kernel/msr.c). */
exit_fn cpuid_emulate;
bool msr_emulate_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value); /* false: #GP */
bool msr_emulate_write(struct vcpu *vcpu, uint32_t msr, uint64_t value);
void msr_open_all(struct vm *vm); /* those that need no exit */
