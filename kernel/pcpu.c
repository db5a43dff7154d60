/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/pcpu.c - per-CPU areas: GDT, TSS, stacks, control registers.
 * Runs: at the start of each CPU.
 */
#include "kernel/pcpu.h"

#include "kernel/errno.h"
#include "kernel/frame.h"
#include "kernel/layout.h"
#include "kernel/log.h"
#include "kernel/paging.h"
#include "kernel/trap.h"
#include "kernel/x86.h"

struct pcpu cpu_boot;
struct pcpu *cpu_table[CPUS_MAX] = {&cpu_boot};
unsigned cpu_count = 1;

void gdt_load(const void *pseudo_descriptor);

static const struct {
	unsigned first, pages;
} stack_layout[STACK_KIND_COUNT] = {
#define X(id, first, pages) [STACK_##id] = {first, pages},
	STACK_LAYOUT(X)
#undef X
};

/* IST numbers are those of enum stack_kind; the main stack has none. */
STATIC_ASSERT(STACK_MAIN == 0, "IST 0 means: no change of stack");

static uint64_t stack_slot(unsigned slot)
{
	return STACK_VA + (uint64_t)slot * STACK_SLOT_PAGES * PAGE_SIZE;
}

uint64_t stack_top(unsigned slot, enum stack_kind kind)
{
	return stack_slot(slot) + (stack_layout[kind].first + stack_layout[kind].pages) * PAGE_SIZE;
}

uint64_t stack_end(uint64_t address)
{
	uint64_t slot = ALIGN_DOWN(address, STACK_SLOT_PAGES * PAGE_SIZE);
	for (unsigned kind = 0; kind < STACK_KIND_COUNT && address >= STACK_VA; kind++) {
		uint64_t end =
			slot + (stack_layout[kind].first + stack_layout[kind].pages) * PAGE_SIZE;
		if (address < end) {
			return end;
		}
	}
	return 0;
}

int stack_map(unsigned slot)
{
	for (unsigned kind = 0; kind < STACK_KIND_COUNT; kind++) {
		for (unsigned page = 0; page < stack_layout[kind].pages; page++) {
			void *frame = frame_alloc(1, FRAME_STACK);
			if (frame == NULL) {
				return trace_err(-ENOMEM);
			}
			uint64_t va =
				stack_slot(slot) + (stack_layout[kind].first + page) * PAGE_SIZE;
			int err = paging_map(va, virt_to_phys(frame), PAGE_SIZE, PAGING_WRITE);
			if (err != 0) {
				frame_free(frame, 1, FRAME_STACK);
				return err;
			}
		}
	}
	return 0;
}

static void gdt_fill(struct pcpu *cpu)
{
	uint64_t base = (uint64_t)(uintptr_t)&cpu->tss;
	uint64_t limit = sizeof(struct tss) - 1;
	cpu->gdt[GDT_CODE / 8] = 0x00af9b000000ffff;
	cpu->gdt[GDT_DATA / 8] = 0x00cf93000000ffff;
	/* SDM vol. 3, 8.2.3: an available 64-bit TSS is type 9. */
	cpu->gdt[GDT_TSS / 8] =
		limit | (base & 0xffffff) << 16 | 0x89ull << 40 | (base >> 24 & 0xff) << 56;
	cpu->gdt[GDT_TSS / 8 + 1] = base >> 32;
	cpu->tss.io_map = sizeof(struct tss);
}

void cpu_prepare(struct pcpu *cpu, uint32_t index, uint32_t apic_id, uint32_t acpi_uid)
{
	cpu->self = cpu;
	cpu->index = index;
	cpu->apic_id = apic_id;
	cpu->acpi_uid = acpi_uid;
	cpu->stack_top = stack_top(index, STACK_MAIN);
	for (unsigned kind = STACK_MAIN + 1; kind < STACK_KIND_COUNT; kind++) {
		cpu->tss.ist[kind - 1] = stack_top(index, kind);
	}
	gdt_fill(cpu);
}

void cpu_boot_init(void)
{
	/* Until its stacks are mapped, faults are taken on one in .bss, so that a broken boot stack
	 * still reports. */
	static alignas(16) uint8_t fault_stack[PAGE_SIZE];

	cpu_boot.self = &cpu_boot;
	cpu_boot.state = CPU_ONLINE;
	for (unsigned kind = STACK_MAIN + 1; kind < STACK_KIND_COUNT; kind++) {
		cpu_boot.tss.ist[kind - 1] =
			(uint64_t)(uintptr_t)(fault_stack + sizeof(fault_stack));
	}
	gdt_fill(&cpu_boot);
	cpu_load(&cpu_boot);
}

void cpu_load(struct pcpu *cpu)
{
	struct PACKED {
		uint16_t limit;
		uint64_t base;
	} descriptor = {sizeof(cpu->gdt) - 1, (uint64_t)(uintptr_t)cpu->gdt};

	gdt_load(&descriptor);
	msr_write(MSR_GS_BASE, (uint64_t)(uintptr_t)cpu);
	trap_load();
}

/* SDM vol. 3, 16.8: let every bank report, after saying what an earlier run has left. */
static void enable_machine_checks(void)
{
	if (!(cpuid_read(1, 0).edx & BIT(14))) {
		return;
	}
	for (unsigned bank = 0; bank < (msr_read(MSR_MCG_CAP) & MCG_CAP_BANKS); bank++) {
		uint64_t status = msr_read(MSR_MC_STATUS(bank));
		if (status & MC_STATUS_VALID) {
			log_warning("cpu %u: machine check bank %u holds 0x%lx from before",
				this_cpu()->index, bank, status);
		}
		msr_write(MSR_MC_CONTROL(bank), UINT64_MAX);
		msr_write(MSR_MC_STATUS(bank), 0);
	}
}

void cpu_enable_features(void)
{
	/* CPUID leaf 7, subleaf 0 (SDM vol. 2, CPUID): what is there is used, nothing else is
	 * needed for its sake. */
	uint32_t max_leaf = cpuid_read(0, 0).eax;
	struct cpuid extended = max_leaf >= 7 ? cpuid_read(7, 0) : (struct cpuid){0};
	uint64_t cr4 = CR4_PAE | CR4_DE | CR4_MCE | CR4_PGE;

	cr4 |= cpuid_read(1, 0).ecx & BIT(26) ? CR4_OSXSAVE : 0; /* for a guest's XSETBV */
	cr4 |= extended.ebx & BIT(7) ? CR4_SMEP : 0;
	cr4 |= extended.ebx & BIT(20) ? CR4_SMAP : 0;
	cr4 |= extended.ecx & BIT(2) ? CR4_UMIP : 0;
	msr_write(MSR_PAT, PAT_RESET_VALUE);
	enable_machine_checks();
	cr4_write(cr4);
	if (this_cpu() == &cpu_boot) {
		log_info("cpu: no-execute%s%s%s", cr4 & CR4_SMEP ? ", SMEP" : "",
			cr4 & CR4_SMAP ? ", SMAP" : "", cr4 & CR4_UMIP ? ", UMIP" : "");
	}
}
