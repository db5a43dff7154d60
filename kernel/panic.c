/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/panic.c - the end: report, stop the other CPUs, then the monitor or a reboot.
 * Runs: on the CPU that panics, interrupts off, whatever locks are held.
 */
#include "kernel/panic.h"

#include "drivers/power.h"
#include "kernel/console.h"
#include "kernel/fmt.h"
#include "kernel/lock.h"
#include "kernel/log.h"
#include "kernel/monitor.h"
#include "kernel/pcpu.h"
#include "kernel/smp.h"
#include "kernel/string.h"
#include "kernel/time.h"
#include "kernel/trap.h"
#include "kernel/x86.h"

#define NOBODY        UINT32_MAX
#define BACKTRACE_MAX 32u
#define DEPTH_MAX     16u
#define STOP_LIMIT_NS 1000000000ull /* an emulated CPU may be late */

static atomic_uint owner = NOBODY; /* [A] the CPU that panics */
static unsigned depth;             /* of panics inside the panic; the owner's */
enum panic_action panic_action;

/* Made by tools/symbols.sh: the low halves of ascending addresses, and their names in the same
 * order. */
extern const uint32_t symbol_count;
extern const uint32_t symbol_addresses[];
extern const char symbol_names[];
extern const char text_start[], text_end[];

const char *symbol_find(uint64_t address, uint64_t *offset)
{
	const char *name = symbol_names;
	const char *found = NULL;
	if (address < (uintptr_t)text_start || address >= (uintptr_t)text_end) {
		return NULL;
	}
	/* Linear: only reports of faults come here, and names without an index take less room. */
	for (uint32_t i = 0; i < symbol_count && symbol_addresses[i] <= (uint32_t)address; i++) {
		found = name;
		*offset = (uint32_t)address - symbol_addresses[i];
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

static void print_registers(const struct trap_frame *f)
{
	console_printf("  rip %016lx  rflags %08lx  cr0 %08lx  cr2 %016lx\n", f->rip, f->rflags,
		cr0_read(), cr2_read());
	console_printf("  rsp %016lx  rbp %016lx  cr3 %016lx  cr4 %08lx\n", f->rsp, f->rbp,
		cr3_read(), cr4_read());
	console_printf("  rax %016lx  rbx %016lx  rcx %016lx  rdx %016lx\n", f->rax, f->rbx, f->rcx,
		f->rdx);
	console_printf(
		"  rsi %016lx  rdi %016lx  r8  %016lx  r9  %016lx\n", f->rsi, f->rdi, f->r8, f->r9);
	console_printf("  r10 %016lx  r11 %016lx  r12 %016lx  r13 %016lx\n", f->r10, f->r11, f->r12,
		f->r13);
	console_printf(
		"  r14 %016lx  r15 %016lx  cs %04lx  ss %04lx\n", f->r14, f->r15, f->cs, f->ss);
}

/* `rip` is a return address but in the first frame, and may then lie just behind the function that
 * called. */
static void print_frame(unsigned number, uint64_t rip)
{
	uint64_t back = number == 0 ? 0 : 1;
	uint64_t offset = 0;
	const char *name = symbol_find(rip - back, &offset);
	if (name != NULL) {
		console_printf("  #%u %016lx %s+0x%lx\n", number, rip, name, offset + back);
	} else {
		console_printf("  #%u %016lx (not in Pintle's text)\n", number, rip);
	}
}

/* Follow the saved frame pointers upwards through one stack; a broken chain ends it. */
static void print_backtrace(const struct trap_frame *frame)
{
	uint64_t rbp = frame->rbp;
	uint64_t floor = frame->rsp;
	uint64_t ceiling = stack_end(frame->rsp);

	print_frame(0, frame->rip);
	for (unsigned number = 1;
		number < BACKTRACE_MAX && rbp >= floor && rbp < ceiling && rbp % 8 == 0; number++) {
		const uint64_t *link = (const uint64_t *)(uintptr_t)rbp;
		if (link[1] == 0) {
			break;
		}
		print_frame(number, link[1]);
		floor = rbp + 1;
		rbp = link[0];
	}
}

/* Wait until they have stopped; `cpus` shows which did not. */
static void stop_others(void)
{
	smp_stop_others();
	uint64_t start = time_ns();
	for (unsigned i = 0; i < cpu_count; i++) {
		while (cpu_table[i] != this_cpu() && cpu_table[i]->state == CPU_ONLINE) {
			if (time_ns() - start > STOP_LIMIT_NS) {
				cpu_table[i]->state = CPU_GIVEN_UP; /* nobody will call it again */
			}
			cpu_pause();
		}
	}
}

/*
 * The first CPU to get here owns the panic; a second one stops. The same one again has failed while
 * it reported or in the monitor: it tries once more to be of use, but not for ever.
 */
static void take_over(void)
{
	unsigned nobody = NOBODY;

	irq_disable();
	if (!atomic_compare_exchange_strong(&owner, &nobody, this_cpu()->index) &&
		nobody != this_cpu()->index) {
		this_cpu()->state = CPU_STOPPED;
		cpu_stop();
	}
	if (++depth == 1) {
		stop_others();
		lock_break_all();
		console_begin_panic();
	} else if (depth > DEPTH_MAX) {
		power_reset();
	}
}

NORETURN static void report(const struct trap_frame *frame, const char *fmt, va_list args)
{
	char reason[LOG_TEXT_MAX];

	take_over();
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

void panic_called(const struct trap_frame *frame)
{
	report(frame, (const char *)frame->rdi, *(va_list *)frame->rsi);
}

void panic_at(const struct trap_frame *frame, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	report(frame, fmt, args);
}
