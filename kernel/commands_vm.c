/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/commands_vm.c - the monitor's commands about virtual machines.
 * Runs: on the monitor's stack on CPU 0, or in a panic; a vCPU's registers are read on its own CPU.
 */
#include "kernel/console.h"
#include "kernel/fmt.h"
#include "kernel/gmem.h"
#include "kernel/monitor.h"
#include "kernel/smp.h"
#include "kernel/string.h"
#include "kernel/vcpu.h"

#define EFER_LMA BIT(10)
#define CR0_PE   BIT(0)

static const char *const state_names[] = {
#define X(id, name) [VCPU_##id] = name,
	VCPU_STATES(X)
#undef X
};

static const char *const exit_names[EXIT_COUNT] = {
#define X(id) #id,
	EXIT_KINDS(X)
#undef X
};

static bool number_argument(const struct arguments *arguments, uint64_t *number)
{
	const char *text = arguments->count > 1 ? arguments->argument[1] : "";
	if (fmt_parse_u64(text, strlen(text), number) == 0) {
		return true;
	}
	console_printf("\"%s\" is no number.\n", text);
	return false;
}

/* The vCPUs that the argument means: one, or all without one. False after a complaint. */
static bool range_argument(const struct arguments *arguments, unsigned *first, unsigned *end)
{
	uint64_t number;

	*first = 0;
	*end = service_vm != NULL ? service_vm->vcpu_count : 0;
	if (service_vm == NULL) {
		console_printf("There is no service VM.\n");
		return false;
	}
	if (arguments->count < 2) {
		return true;
	}
	if (!number_argument(arguments, &number)) {
		return false;
	}
	if (number >= *end) {
		console_printf("There is no vCPU %lu.\n", number);
		return false;
	}
	*first = (unsigned)number;
	*end = *first + 1;
	return true;
}

void command_console(const struct arguments *arguments)
{
	if (service_vm == NULL) {
		console_printf("There is no service VM.\n");
	} else {
		console_printf("Ctrl-\\ comes back to the monitor.\n");
		monitor_focus_guest();
	}
}

void command_vms(const struct arguments *arguments)
{
	if (service_vm == NULL) {
		console_printf("There is no service VM.\n");
	} else {
		console_printf("0  service VM, %s, %u vCPUs, %zu stage-2 tables\n", backend->name,
			service_vm->vcpu_count, service_vm->stage2.tables);
	}
}

struct look {
	struct vcpu *vcpu;
	uint64_t rip;
	const char *mode;
};

static void look_here(void *argument)
{
	struct look *look = argument;
	look->rip = backend->get(look->vcpu, VCPU_RIP);
	look->mode = backend->get(look->vcpu, VCPU_EFER) & EFER_LMA ? "long"
		: backend->get(look->vcpu, VCPU_CR0) & CR0_PE       ? "protected"
								    : "real";
}

void command_vcpus(const struct arguments *arguments)
{
	unsigned first, end;
	if (!range_argument(arguments, &first, &end)) {
		return;
	}
	console_printf("vcpu  cpu  state           rip               mode            exits\n");
	for (unsigned i = first; i < end; i++) {
		struct look look = {.vcpu = service_vm->vcpu[i], .mode = "?"};
		uint64_t exits = 0;
		smp_call(look.vcpu->cpu, look_here, &look);
		for (unsigned kind = 0; kind < EXIT_COUNT; kind++) {
			exits += look.vcpu->exits[kind];
		}
		console_printf("%4u  %3u  %-14s  %016lx  %-9s  %10lu\n", i, look.vcpu->cpu,
			state_names[look.vcpu->state], look.rip, look.mode, exits);
	}
}

void command_exits(const struct arguments *arguments)
{
	unsigned first, end;
	if (!range_argument(arguments, &first, &end)) {
		return;
	}
	console_printf("reason               count           ticks  ticks each\n");
	for (unsigned kind = 0; kind < EXIT_COUNT; kind++) {
		uint64_t count = 0, ticks = 0;
		for (unsigned i = first; i < end; i++) {
			count += service_vm->vcpu[i]->exits[kind];
			ticks += service_vm->vcpu[i]->ticks[kind];
		}
		if (count != 0) {
			console_printf("%-12s  %12lu  %14lu  %10lu\n", exit_names[kind], count,
				ticks, ticks / count);
		}
	}
}

/* Printing waits for room, which the CPU of another vCPU must not: so its registers come back as
 * text. */
struct report {
	struct vcpu *vcpu;
	size_t len;
	char text[2048];
};
static struct report report;

static void report_line(const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	int len = fmt_vwrite(
		report.text + report.len, sizeof(report.text) - report.len - 1, fmt, args);
	va_end(args);
	report.len = min_u64(report.len + (uint64_t)len, sizeof(report.text) - 2);
	report.text[report.len++] = '\n';
}

static void report_here(void *argument)
{
	vcpu_show(report.vcpu, report_line);
}

void command_regs(const struct arguments *arguments)
{
	unsigned first, end;
	if (arguments->count < 2) {
		console_printf("Which vCPU?\n");
	} else if (range_argument(arguments, &first, &end)) {
		report.vcpu = service_vm->vcpu[first];
		report.len = 0;
		smp_call(report.vcpu->cpu, report_here, NULL);
		console_put(report.text, report.len);
	}
}

void command_stage2(const struct arguments *arguments)
{
	struct stage2_translation page;
	uint64_t gpa;
	if (service_vm == NULL) {
		console_printf("There is no service VM.\n");
		return;
	}
	if (!number_argument(arguments, &gpa)) {
		return;
	}
	uint64_t flags = lock_acquire(&vm_lock);
	bool there = stage2_query(&service_vm->stage2, gpa, &page);
	lock_release(&vm_lock, flags);
	if (there) {
		console_printf("0x%lx -> 0x%lx, page of %lu KiB, %c%c%c\n", gpa, page.hpa.raw,
			page.size / KIB, page.rights & STAGE2_READ ? 'r' : '-',
			page.rights & STAGE2_WRITE ? 'w' : '-',
			page.rights & STAGE2_EXECUTE ? 'x' : '-');
	} else {
		console_printf("0x%lx is not mapped\n", gpa);
	}
}

static void ask(const struct arguments *arguments, enum vcpu_request request)
{
	unsigned first, end;
	if (range_argument(arguments, &first, &end)) {
		for (unsigned i = first; i < end; i++) {
			vcpu_request(service_vm->vcpu[i], request);
		}
	}
}

void command_pause(const struct arguments *arguments)
{
	ask(arguments, VCPU_REQUEST_PAUSE);
}

void command_resume(const struct arguments *arguments)
{
	ask(arguments, VCPU_REQUEST_RESUME);
}

void command_nmi(const struct arguments *arguments)
{
	if (arguments->count < 2) {
		console_printf("Which vCPU?\n");
	} else {
		ask(arguments, VCPU_REQUEST_NMI);
	}
}

void command_restart(const struct arguments *arguments)
{
	if (service_vm == NULL) {
		console_printf("There is no service VM.\n");
	} else if (service_restart() != 0) {
		console_printf("The service VM cannot be started again; the log says why.\n");
	}
}
