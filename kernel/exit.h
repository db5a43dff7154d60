/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/exit.h - what is done about an exit.
 */
#pragma once

#include "kernel/vcpu.h"

/* Handle one exit of `vcpu` on its CPU, interrupts off. */
void exit_handle(struct vcpu *vcpu, struct vcpu_exit *exit);

/* Policies, as tables (kernel/cpuid.c, kernel/msr.c). */
void cpuid_emulate(struct vcpu *vcpu);
bool msr_emulate_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value); /* false: #GP */
bool msr_emulate_write(struct vcpu *vcpu, uint32_t msr, uint64_t value);
void msr_open_all(struct vm *vm); /* those that need no exit */
