/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/pvclock.h - KVM's paravirtual clock (Linux, Documentation/virt/kvm/x86/msr.rst).
 *
 * A guest's TSC is the host's, so what it is told never changes: both records are written once,
 * when it asks for them, and are the same for all its CPUs.
 */
#pragma once

#include "kernel/vcpu.h"

#define MSR_PVCLOCK_WALL 0x4b564d00u
#define MSR_PVCLOCK_TIME 0x4b564d01u

/* It is now `seconds` after 1970; 0: nobody knows, and guests are told so. Once, at boot. */
void pvclock_set_date(uint64_t seconds);

/*
 * A write to either MSR: fill in the record at the guest-physical address that it has. False, a
 * #GP, when that is not aligned to 4 or part of it is not the guest's RAM. On the vCPU's CPU,
 * interrupts off.
 */
bool pvclock_write(struct vcpu *vcpu, uint32_t msr, uint64_t value);
