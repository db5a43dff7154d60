/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/x86.h - the processor: registers, bits and the instructions that C cannot say.
 * Numbers are from Intel SDM vol. 3 and 4 and AMD APM vol. 2; both agree on all that is here.
 */
#pragma once

#include "kernel/types.h"

/* Control registers (SDM vol. 3, 2.5). */
#define CR0_PE      BIT(0)
#define CR0_WP      BIT(16)
#define CR0_NW      BIT(29)
#define CR0_CD      BIT(30)
#define CR0_PG      BIT(31)
#define CR4_PSE     BIT(4)
#define CR4_PAE     BIT(5)
#define CR4_MCE     BIT(6)
#define CR4_UMIP    BIT(11)
#define CR4_LA57    BIT(12)
#define CR4_VMXE    BIT(13)
#define CR4_OSXSAVE BIT(18)
#define CR4_SMEP    BIT(20)
#define CR4_SMAP    BIT(21)
#define RFLAGS_TF   BIT(8)
#define RFLAGS_IF   BIT(9)
#define DR6_STEP    BIT(14)

/* Model-specific registers (SDM vol. 4). */
#define MSR_APIC_BASE       0x1bu
#define MSR_MCG_CAP         0x179u /* its low byte counts the banks; MCG_STATUS follows */
#define MSR_PAT             0x277u
#define PAT_RESET_VALUE     0x0007040600070406ull /* entry 3, PCD and PWT: uncached */
#define MSR_MC_STATUS(bank) (0x401u + 4 * (bank)) /* behind MCi_CTL, before MCi_ADDR */
#define MSR_TSC_DEADLINE    0x6e0u
#define MSR_X2APIC          0x800u
#define MSR_EFER            0xc0000080u
#define EFER_LME            BIT(8)
#define EFER_LMA            BIT(10)
#define EFER_NXE            BIT(11)

/* Exception vectors with an IST stack or a name of their own (SDM vol. 3, 6.3). */
#define VECTOR_NMI           2u
#define VECTOR_DOUBLE_FAULT  8u
#define VECTOR_PAGE_FAULT    14u
#define VECTOR_MACHINE_CHECK 18u

/* What LGDT, LIDT and SIDT take. */
struct PACKED table_register {
	uint16_t limit;
	uint64_t base;
};

struct cpuid {
	uint32_t eax, ebx, ecx, edx;
};

static inline struct cpuid cpuid_read(uint32_t leaf, uint32_t subleaf)
{
	struct cpuid r;
	__asm__ volatile("cpuid"
			 : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
			 : "a"(leaf), "c"(subleaf));
	return r;
}

static inline uint64_t msr_read(uint32_t msr)
{
	uint32_t low, high;
	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
	return (uint64_t)high << 32 | low;
}

static inline void msr_write(uint32_t msr, uint64_t value)
{
	__asm__ volatile("wrmsr"
			 :
			 : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
			 : "memory");
}

/* Instructions whose #GP is an answer: false (trap.S). xcr0_try_write needs CR4.OSXSAVE. */
bool msr_try_read(uint32_t msr, uint64_t *value);
bool msr_try_write(uint32_t msr, uint64_t value);
bool xcr0_try_write(uint64_t value);

#define CR_ACCESSORS(X) X(cr0) X(cr2) X(cr3) X(cr4) X(dr0) X(dr1) X(dr2) X(dr3) X(dr6)
#define CR_ACCESSOR(reg)                                                                           \
	static inline uint64_t reg##_read(void)                                                    \
	{                                                                                          \
		uint64_t value;                                                                    \
		__asm__ volatile("mov %%" #reg ", %0" : "=r"(value) : : "memory");                 \
		return value;                                                                      \
	}                                                                                          \
	static inline void reg##_write(uint64_t value)                                             \
	{                                                                                          \
		__asm__ volatile("mov %0, %%" #reg : : "r"(value) : "memory");                     \
	}
CR_ACCESSORS(CR_ACCESSOR)

static inline uint64_t xcr0_read(void)
{
	uint32_t low, high;
	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (uint64_t)high << 32 | low;
}

/* A value that this CPU is known to take. */
static inline void xcr0_write(uint64_t value)
{
	__asm__ volatile("xsetbv"
			 :
			 : "c"(0), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
			 : "memory");
}

/* All of the FPU's and vector units' state that XCR0 has on, to or from `area` (64-byte aligned);
 * without XSAVE what FXSAVE knows. */
#define FPU_MOVE(name, direction)                                                                  \
	static inline void name(void *area, bool xsave)                                            \
	{                                                                                          \
		if (xsave) {                                                                       \
			__asm__ volatile("x" direction "64 (%0)"                                   \
					 :                                                         \
					 : "r"(area), "a"(-1), "d"(-1)                             \
					 : "memory");                                              \
		} else {                                                                           \
			__asm__ volatile("fx" direction "64 (%0)" : : "r"(area) : "memory");       \
		}                                                                                  \
	}
FPU_MOVE(fpu_save, "save")
FPU_MOVE(fpu_load, "rstor")

#define PORT_ACCESS(type, name, suffix)                                                            \
	static inline type port_read##name(uint16_t port)                                          \
	{                                                                                          \
		type value;                                                                        \
		__asm__ volatile("in" suffix " %1, %0" : "=a"(value) : "Nd"(port) : "memory");     \
		return value;                                                                      \
	}                                                                                          \
	static inline void port_write##name(uint16_t port, type value)                             \
	{                                                                                          \
		__asm__ volatile("out" suffix " %0, %1" : : "a"(value), "Nd"(port) : "memory");    \
	}
PORT_ACCESS(uint8_t, 8, "b")
PORT_ACCESS(uint16_t, 16, "w")
PORT_ACCESS(uint32_t, 32, "l")

/* Memory-mapped registers: exactly one access of exactly this width. */
#define MMIO_ACCESS(type, name)                                                                    \
	static inline type mmio_read##name(const volatile void *base, size_t offset)               \
	{                                                                                          \
		return *(const volatile type *)((const volatile char *)base + offset);             \
	}                                                                                          \
	static inline void mmio_write##name(volatile void *base, size_t offset, type value)        \
	{                                                                                          \
		*(volatile type *)((volatile char *)base + offset) = value;                        \
	}
MMIO_ACCESS(uint8_t, 8)
MMIO_ACCESS(uint32_t, 32)
MMIO_ACCESS(uint64_t, 64)

static inline uint64_t tsc_read(void)
{
	return __builtin_ia32_rdtsc();
}

#define INSTRUCTION(name, instructions)                                                            \
	static inline void name(void)                                                              \
	{                                                                                          \
		__asm__ volatile(instructions : : : "memory");                                     \
	}
INSTRUCTION(cpu_pause, "pause")
INSTRUCTION(irq_enable, "sti")
INSTRUCTION(irq_disable, "cli")
/* Take the interrupts that are pending; they are off before and after. STI's shadow needs one
 * instruction. */
INSTRUCTION(irq_take, "sti; nop; cli")
/* Sleep until an interrupt, which is taken before this returns; interrupts are off again then. */
INSTRUCTION(irq_wait, "sti; hlt; cli")

/* AMX is nobody's: its XFD would have to move with it (SDM vol. 1, 13.14). */
#define XCR0_TILES (BIT(17) | BIT(18))

static inline uint64_t irq_save(void)
{
	uint64_t flags;
	__asm__ volatile("pushfq; popq %0; cli" : "=r"(flags) : : "memory");
	return flags;
}

static inline void irq_restore(uint64_t flags)
{
	if (flags & RFLAGS_IF) {
		irq_enable();
	}
}

/* Stop this CPU for good; only NMIs are still taken. */
NORETURN static inline void cpu_stop(void)
{
	for (;;) {
		__asm__ volatile("cli; hlt" : : : "memory");
	}
}
