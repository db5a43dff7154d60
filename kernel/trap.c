/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/trap.c - the IDT, and what happens on each vector.
 * Runs: on the CPU that took the exception or interrupt, interrupts off.
 */
#include "kernel/trap.h"

#include "drivers/lapic.h"
#include "kernel/exit.h"

static uint64_t idt[256][2]; /* 64-bit gates (SDM vol. 3, 6.14.1) */
const struct table_register trap_idtr = {sizeof(idt) - 1, (uintptr_t)idt};
struct trap_handler trap_handlers[VECTOR_OWN_COUNT];

extern const char trap_entries[], try_first[], try_last[];
void trap_dispatch(struct trap_frame *frame);

static const char *const exception_names[] = {"divide error", "debug", "NMI", "breakpoint",
	"overflow", "bound range", "invalid opcode", "device not available", "double fault",
	"coprocessor overrun", "invalid TSS", "segment not present", "stack fault",
	"general protection", "page fault", "exception 15", "x87 error", "alignment check",
	"machine check", "SIMD error", "virtualization", "control protection",
	[22 ... 31] = "unknown exception"};

void trap_init(void)
{
	for (unsigned vector = 0; vector < ARRAY_COUNT(idt); vector++) {
		uint64_t entry = (uint64_t)(uintptr_t)trap_entries + vector * 16; /* trap.S */
		/* Present, privilege 0, interrupt gate; from bit 32 on: the IST number. */
		idt[vector][0] = (entry & 0xffff) | GDT_CODE << 16 | 0x8e00ull << 32 |
			(entry >> 16 & 0xffff) << 48;
		idt[vector][1] = entry >> 32;
	}
	idt[VECTOR_NMI][0] |= (uint64_t)STACK_NMI << 32;
	idt[VECTOR_DOUBLE_FAULT][0] |= (uint64_t)STACK_DOUBLE_FAULT << 32;
	idt[VECTOR_MACHINE_CHECK][0] |= (uint64_t)STACK_MACHINE_CHECK << 32;
}

void trap_set_handler(uint8_t vector, void (*run)(void), const char *name)
{
	trap_handlers[vector - VECTOR_OWN_FIRST] = (struct trap_handler){run, name};
}

void trap_interrupt(unsigned vector)
{
	struct pcpu *cpu = this_cpu();
	unsigned slot = vector - VECTOR_OWN_FIRST;
	if (vector >= VECTOR_OWN_FIRST && trap_handlers[slot].run != NULL) {
		atomic_fetch_add_explicit(&cpu->interrupts[slot], 1, memory_order_relaxed);
		trap_handlers[slot].run();
		return;
	}
	if (vector < VECTOR_OWN_FIRST && devices_host_interrupt((uint8_t)vector)) {
		return;
	}
	/* Nobody's: a spurious one, a device that the firmware left running, or a message with a
	 * vector of ours; none may stay in service and keep others out. */
	atomic_fetch_add_explicit(&cpu->spurious, 1, memory_order_relaxed);
	if (lapic_mode != APIC_AUTO && lapic_highest_in_service() == (int)vector) {
		lapic_eoi();
	}
}

void trap_report_nmis(void)
{
	struct pcpu *cpu = this_cpu();
	log_warning("nmi: nobody asked for one on cpu %u at rip 0x%lx, its number %lu", cpu->index,
		cpu->nmi_rip, cpu->nmis);
	cpu->nmi_rip = 0;
}

/* SDM vol. 3, 16.8. The bank that tells most: one with an uncorrected error, else any that is
 * valid. */
NORETURN static void machine_check(const struct trap_frame *frame)
{
	uint64_t worst = 0;
	uint32_t where = 0;

	for (uint32_t bank = 0; bank < (uint8_t)msr_read(MSR_MCG_CAP); bank++) {
		uint64_t status = msr_read(MSR_MC_STATUS(bank));
		/* Valid; uncorrected */
		if ((status & BIT(63)) && (worst == 0 || (status & BIT(61)))) {
			worst = status;
			where = bank;
		}
	}
	panic_at(frame, "machine check, bank %u: status 0x%lx, address 0x%lx, global status 0x%lx",
		where, worst, worst & BIT(58) ? msr_read(MSR_MC_STATUS(where) + 1) : 0,
		msr_read(MSR_MCG_CAP + 1));
}

void trap_dispatch(struct trap_frame *frame)
{
	struct pcpu *cpu = this_cpu();
	unsigned vector = (unsigned)frame->vector;
	uint64_t rip = frame->rip;

	if (vector == VECTOR_NMI) {
		panic_stop_if_asked();
		cpu->nmi_rip = rip;
		atomic_fetch_add_explicit(&cpu->nmis, 1, memory_order_relaxed);
	} else if (vector == VECTOR_PROTECTION && rip >= (uintptr_t)try_first &&
		rip < (uintptr_t)try_last) {
		frame->rip = (uintptr_t)try_last;
	} else if (vector == VECTOR_PANIC) {
		panic_report(frame, (const char *)frame->rdi, *(va_list *)frame->rsi);
	} else if (vector == VECTOR_MACHINE_CHECK) {
		machine_check(frame);
	} else if (vector == VECTOR_PAGE_FAULT) {
		panic_at(frame, "page fault at 0x%lx, error 0x%lx", cr2_read(), frame->error);
	} else {
		panic_at(frame, "%s, error 0x%lx", exception_names[vector], frame->error);
	}
}
