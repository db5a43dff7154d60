/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/apic.h - the registers of a local APIC, the real ones and the virtual ones.
 */
#pragma once

#include "kernel/types.h"

/* IA32_APIC_BASE (SDM vol. 3, 11.4.4 and 11.12.1), and bits of LVT entries (11.5.1). */
#define APIC_BASE_X2APIC  BIT(10)
#define APIC_BASE_ENABLE  BIT(11)
#define APIC_BASE_ADDRESS 0xffffffffff000ull
#define LVT_MASKED        0x10000u
#define LVT_DEADLINE      0x40000u

/*
 * Every register (SDM vol. 3, tables 11-1 and 11-6): its name and number, the xAPIC offset / 16,
 * which is also the x2APIC MSR - 800h; of how many of a kind it is the first. Then what
 * vdev/lapic.c knows of it: rights; bits that can be written; bits that are read-only (delivery
 * status, and the remote IRR of LINT0 and LINT1); value after a reset. A bit that is not writable
 * keeps that value; to write it as 1 is #GP in x2APIC mode, unless it is read-only.
 */
#define LAPIC_REGISTER_LIST(X)                                                                     \
	X(ID, 0x02, 1, RO, 0, 0, 0)                                                                \
	X(VERSION, 0x03, 1, RO, 0, 0, 0x60015) /* seven LVT entries; SVR bit 12 is reserved */     \
	X(TPR, 0x08, 1, RW, 0xff, 0, 0)                                                            \
	X(PPR, 0x0a, 1, RO, 0, 0, 0)                                                               \
	X(EOI, 0x0b, 1, WO, 0, 0, 0)                                                               \
	X(LDR, 0x0d, 1, RW & ~X2APIC_WRITE, 0xff000000, 0, 0)                                      \
	X(DFR, 0x0e, 1, XAPIC_ONLY, DFR_FLAT, 0, 0xffffffff)                                       \
	X(SVR, 0x0f, 1, RW, 0x3ff, 0, 0xff)                                                        \
	X(ISR, 0x10, 8, RO, 0, 0, 0)                                                               \
	X(TMR, 0x18, 8, RO, 0, 0, 0)                                                               \
	X(IRR, 0x20, 8, RO, 0, 0, 0)                                                               \
	X(ESR, 0x28, 1, RW, 0, 0, 0)                                                               \
	X(LVT_CMCI, 0x2f, 1, RW, 0x107ff, 0x1000, LVT_MASKED)                                      \
	X(ICR, 0x30, 1, RW, 0xffffffff000ccfff, 0x1000, 0)                                         \
	X(ICR_HIGH, 0x31, 1, XAPIC_ONLY, 0xff000000, 0, 0)                                         \
	X(LVT_TIMER, 0x32, 1, RW, 0x700ff, 0x1000, LVT_MASKED)                                     \
	X(LVT_THERMAL, 0x33, 2, RW, 0x107ff, 0x1000, LVT_MASKED) /* and performance counters */    \
	X(LVT_LINT0, 0x35, 2, RW, 0x1a7ff, 0x5000, LVT_MASKED)   /* and LINT1 */                   \
	X(LVT_ERROR, 0x37, 1, RW, 0x100ff, 0x1000, LVT_MASKED)                                     \
	X(TIMER_COUNT, 0x38, 1, RW, 0xffffffff, 0, 0)                                              \
	X(TIMER_NOW, 0x39, 1, RO, 0, 0, 0)                                                         \
	X(TIMER_DIVIDE, 0x3e, 1, RW, 0xb, 0, 0)                                                    \
	X(SELF_IPI, 0x3f, 1, X2APIC_WRITE, 0xff, 0, 0)

#define LAPIC_ID_OF(id, number, ...) LAPIC_##id = (number),
enum lapic_register { LAPIC_REGISTER_LIST(LAPIC_ID_OF) LAPIC_REGISTERS };
