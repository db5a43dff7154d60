/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/panic.c - the end: report, stop the other CPUs, then the monitor or a reboot.
 * Runs: on the CPU that panics, interrupts off, whatever locks are held.
 */
#include "kernel/panic.h"

#include "drivers/power.h"
#include "kernel/monitor.h"

#define NOBODY UINT32_MAX

static atomic_uint owner = NOBODY; /* [A] the CPU that panics */
static unsigned depth;             /* of panics inside the panic; the owner's */
enum panic_action panic_action;

/* Made by tools/symbols.sh: the low halves of ascending addresses, and their names in the same
 * order. */
extern const uint32_t symbol_count;
extern const uint32_t symbol_addresses[];
extern const char symbol_names[];
extern const char text_start[], text_end[];

/* The function that holds `address`, and the offset in it; "?" and 0 when that is not in Pintle's
 * text. */
static const char *symbol_find(uint64_t address, uint64_t *offset)
{
	const char *name = symbol_names, *found = "?";
	bool inside = address >= (uintptr_t)text_start && address < (uintptr_t)text_end;
	*offset = 0;
	/* Linear: only reports of faults come here, and names without an index take less room. */
	for (uint32_t i = 0; i < symbol_count && inside; i++) {
		if (symbol_addresses[i] <= (uint32_t)address) {
			found = name;
			*offset = (uint32_t)address - symbol_addresses[i];
		}
		name += strlen(name) + 1;
	}
	return found;
}

void panic_stop_if_asked(void)
{
	if (owner != NOBODY && owner != this_cpu()->index) {
		this_cpu()->state = CPU_STOPPED;
		cpu_stop();
	}
}

static void print_registers(const struct trap_frame *frame)
{
	/* In the order of the frame. */
	static const char *const names[] = {"r15", "r14", "r13", "r12", "r11", "r10", "r9", "r8",
		"rbp", "rdi", "rsi", "rdx", "rcx", "rbx", "rax", "vector", "error", "rip", "cs",
		"rflags", "rsp", "ss"};
	for (unsigned i = 0; i < ARRAY_COUNT(names); i++) {
		console_printf("  %-6s %016lx%s", names[i], ((const uint64_t *)frame)[i],
			i % 4 == 3 ? "\n" : "");
	}
	console_printf("\n  cr0    %016lx  cr2    %016lx  cr3    %016lx  cr4    %016lx\n",
		cr0_read(), cr2_read(), cr3_read(), cr4_read());
}

/* Follow the saved frame pointers upwards through one stack; a broken chain ends it. */
static void print_backtrace(const struct trap_frame *frame)
{
	uint64_t rip = frame->rip, link = frame->rbp;
	uint64_t ceiling = frame->rsp < STACK_VA ? 0 : ALIGN_UP(frame->rsp + 1, STACK_STRIDE);

	for (unsigned number = 0; number < 32 && (rip != 0 || number == 0); number++) {
		/* All but the first are return addresses, which may lie just behind the function
		 * that called. */
		uint64_t back = number != 0, offset;
		const char *name = symbol_find(rip - back, &offset);
		console_printf("  #%u %016lx %s+0x%lx\n", number, rip, name, offset + back);
		if (link < frame->rsp || link >= ceiling || link % 8 != 0) {
			return;
		}
		rip = ((const uint64_t *)link)[1];
		link = *(const uint64_t *)link;
	}
}

/*
 * The first CPU to get here owns the panic; a second one stops. The same one again has failed while
 * it reported or in the monitor: it tries once more to be of use, but not for ever.
 */
void panic_report(const struct trap_frame *frame, const char *fmt, va_list args)
{
	char reason[LOG_TEXT_MAX];
	unsigned nobody = NOBODY;

	irq_disable();
	atomic_compare_exchange_strong(&owner, &nobody, this_cpu()->index);
	panic_stop_if_asked();
	if (++depth == 1) {
		smp_stop_others();
		lock_break_all();
		console_begin_panic();
	} else if (depth > 16) {
		power_reset();
	}
	fmt_vwrite(reason, sizeof(reason), fmt, args);
	console_put("\n", 1);
	console_drain(); /* room for what follows, in its order */
	log_error("PANIC on cpu %u: %s", this_cpu()->index, reason);
	if (depth == 1) {
		print_registers(frame);
		print_backtrace(frame);
	}
	if (panic_action == PANIC_REBOOT) {
		console_printf("Rebooting, as the option panic=reboot asks.\n");
		console_drain();
		power_reset();
	}
	console_printf("This machine is stopped; the monitor is here for inspection.\n");
	monitor_after_panic();
}

void panic(const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	/* As an exception, so that there is a frame with all registers. */
	__asm__ volatile("int %0" : : "i"(VECTOR_PANIC), "D"(fmt), "S"(&args) : "memory");
	__builtin_unreachable();
}

void panic_at(const struct trap_frame *frame, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	panic_report(frame, fmt, args);
}
