/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/shim/kernel/x86.h - stands before the real kernel/x86.h where a test asks for it with
 * "Flags: -Itests/unit/shim": the same numbers, but the instructions that a host process may not
 * execute, or whose answers a test wants to choose, are those of fake_backend.c.
 */
#pragma once

#define cpuid_read  real_cpuid_read
#define tsc_read    real_tsc_read
#define irq_enable  real_irq_enable
#define irq_disable real_irq_disable
#define irq_take    real_irq_take
#define irq_wait    real_irq_wait
#include "../../../../kernel/x86.h"
#undef cpuid_read
#undef tsc_read
#undef irq_enable
#undef irq_disable
#undef irq_take
#undef irq_wait

struct cpuid cpuid_read(uint32_t leaf, uint32_t subleaf);
uint64_t tsc_read(void);
void irq_enable(void);
void irq_disable(void);
void irq_take(void);
void irq_wait(void);
