/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/pcpu.c - per-CPU areas: GDT, TSS, stacks, control registers.
 * Runs: at the start of each CPU.
 */
#include "kernel/pcpu.h"

/* Until the boot CPU's own stacks are mapped, faults are taken here, so that a broken boot stack
 * still reports. */
static _Alignas(16) uint8_t fault_stack[PAGE_SIZE];
#define FAULT_STACK_TOP ((uintptr_t)(fault_stack + sizeof(fault_stack)))

struct pcpu cpu_boot = {
	.self = &cpu_boot,
	.state = CPU_ONLINE,
	.tss.ist = {0, FAULT_STACK_TOP, FAULT_STACK_TOP, FAULT_STACK_TOP},
};
struct pcpu *cpu_table[CPUS_MAX] = {&cpu_boot};
unsigned cpu_count = 1;

uint64_t stack_top(unsigned slot, enum stack_kind kind)
{
	return STACK_VA + ((uint64_t)slot * STACK_KINDS + kind + 1) * STACK_STRIDE;
}

int cpu_prepare(struct pcpu *cpu, uint32_t index, uint32_t apic_id)
{
	int err = 0;

	cpu->self = cpu;
	cpu->index = index;
	cpu->apic_id = apic_id;
	cpu->stack_top = stack_top(index, STACK_MAIN);
	for (unsigned kind = 0; kind < STACK_KINDS && err == 0; kind++) {
		uint64_t size = kind == STACK_MAIN ? 4 * PAGE_SIZE : 2 * PAGE_SIZE;
		uint64_t top = stack_top(index, kind);
		void *frames = frame_alloc(size / PAGE_SIZE, FRAME_STACK);
		err = frames == NULL
			? trace_err(-ENOMEM)
			: paging_map(top - size, virt_to_phys(frames), size, PAGING_WRITE);
		cpu->tss.ist[kind] = kind == STACK_MAIN ? 0 : top;
	}
	return err;
}

void cpu_load(struct pcpu *cpu)
{
	const struct table_register gdtr = {sizeof(cpu->gdt) - 1, (uintptr_t)cpu->gdt};
	uint64_t tss = (uintptr_t)&cpu->tss;

	/* Code and data are the same here as in the tables that the CPU started with. */
	cpu->gdt[GDT_CODE / 8] = 0x00af9b000000ffff;
	cpu->gdt[GDT_DATA / 8] = 0x00cf93000000ffff;
	/* SDM vol. 3, 8.2.3: an available 64-bit TSS is type 9. */
	cpu->gdt[GDT_TSS / 8] = (sizeof(cpu->tss) - 1) | (tss & 0xffffff) << 16 | 0x89ull << 40 |
		(tss >> 24 & 0xff) << 56;
	cpu->gdt[GDT_TSS / 8 + 1] = tss >> 32;
	__asm__ volatile("lgdt %0; ltr %w1; lidt %2"
			 :
			 : "m"(gdtr), "r"(GDT_TSS), "m"(trap_idtr), "m"(*cpu));
	msr_write(0xc0000101 /* GS_BASE */, (uintptr_t)cpu);
}

void cpu_enable_features(void)
{
	/* CPUID leaf 7, subleaf 0 (SDM vol. 2, CPUID): what is there is used, nothing else is
	 * needed for its sake. */
	struct cpuid extended = cpuid_read(0, 0).eax >= 7 ? cpuid_read(7, 0) : (struct cpuid){0};
	uint64_t cr4 = BIT(3) | CR4_PAE | CR4_MCE | BIT(7); /* and DE, PGE */

	cr4 |= cpuid_read(1, 0).ecx & BIT(26) ? CR4_OSXSAVE : 0; /* for a guest's XSETBV */
	cr4 |= extended.ebx & BIT(7) ? CR4_SMEP : 0;
	cr4 |= extended.ebx & BIT(20) ? CR4_SMAP : 0;
	cr4 |= extended.ecx & BIT(2) ? CR4_UMIP : 0;
	msr_write(MSR_PAT, PAT_RESET_VALUE);
	/* SDM vol. 3, 16.8: let every bank report; what an earlier run has left is gone. */
	unsigned banks = cpuid_read(1, 0).edx & BIT(14) ? (uint8_t)msr_read(MSR_MCG_CAP) : 0;
	for (unsigned bank = 0; bank < banks; bank++) {
		msr_write(MSR_MC_STATUS(bank) - 1, UINT64_MAX);
		msr_write(MSR_MC_STATUS(bank), 0);
	}
	cr4_write(cr4);
	if (this_cpu() == &cpu_boot) {
		log_info("cpu: no-execute%s%s%s", cr4 & CR4_SMEP ? ", SMEP" : "",
			cr4 & CR4_SMAP ? ", SMAP" : "", cr4 & CR4_UMIP ? ", UMIP" : "");
	}
}
