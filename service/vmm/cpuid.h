/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/cpuid.h - what a vCPU says of itself. Pure.
 */
#pragma once

#include <linux/kvm.h>
#include <stdbool.h>

#define CPUID_MAX 128u

/*
 * Make of what the host supports in table->entries[0..nent), of CPUID_MAX, the CPUID of vCPU `id`
 * in one package of `count` cores.
 */
void cpuid_adjust(struct kvm_cpuid2 *table, unsigned id, unsigned count, bool tsc_deadline);
