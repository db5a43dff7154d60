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

/* The vCPUs that the argument means: one, or all without one; none after a complaint. */
struct range {
	unsigned first, end;
};
static struct range read_range(const char *argument)
{
	uint64_t number;

	if (*argument == '\0') {
		return (struct range){0, service_vm->vcpu_count};
	}
	if (!command_number(argument, "vCPU", service_vm->vcpu_count, &number)) {
		return (struct range){0, 0};
	}
	return (struct range){(unsigned)number, (unsigned)number + 1};
}

/* Printing waits for room, which the CPU of another vCPU must not: so what it has to say comes back
 * as text. */
static struct {
	size_t len;
	char text[2048];
} report;

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

static void report_registers(void *vcpu)
{
	vcpu_show(vcpu, report_line);
}

static void report_place(void *vcpu)
{
	bool is_long = backend->get(vcpu, VCPU_EFER) & EFER_LMA;
	bool is_protected = backend->get(vcpu, VCPU_CR0) & CR0_PE;

	report_line("%-9s  %016lx",
		is_long                ? "long"
			: is_protected ? "protected"
				       : "real",
		backend->get(vcpu, VCPU_RIP));
}

static void show_report(struct vcpu *vcpu, void (*write)(void *vcpu))
{
	report.len = 0;
	if (!smp_call(vcpu->cpu, write, vcpu)) {
		report_line("CPU %u does not answer", vcpu->cpu);
	}
	console_put(report.text, report.len);
}

void command_console(const char *argument)
{
	console_printf("Ctrl-\\ comes back to the monitor.\n");
	monitor_focus_guest();
}

void command_vms(const char *argument)
{
	console_printf("0  service VM, %s, %u vCPUs, %zu stage-2 tables\n", backend->name,
		service_vm->vcpu_count, service_vm->stage2.tables);
}

void command_vcpus(const char *argument)
{
	console_printf("vcpu  cpu  state                exits  mode       rip\n");
	for (unsigned i = 0; i < service_vm->vcpu_count; i++) {
		struct vcpu *vcpu = service_vm->vcpu[i];
		uint64_t exits = 0;
		for (unsigned kind = 0; kind < EXIT_COUNT; kind++) {
			exits += vcpu->exits[kind];
		}
		console_printf(
			"%4u  %3u  %-14s  %10lu  ", i, vcpu->cpu, state_names[vcpu->state], exits);
		show_report(vcpu, report_place);
	}
}

void command_exits(const char *argument)
{
	struct range range = read_range(argument);

	console_printf("reason               count           ticks  ticks each\n");
	for (unsigned kind = 0; kind < EXIT_COUNT; kind++) {
		uint64_t count = 0, ticks = 0;
		for (unsigned i = range.first; i < range.end; i++) {
			count += service_vm->vcpu[i]->exits[kind];
			ticks += service_vm->vcpu[i]->ticks[kind];
		}
		if (count != 0) {
			console_printf("%-12s  %12lu  %14lu  %10lu\n", exit_names[kind], count,
				ticks, ticks / count);
		}
	}
}

void command_regs(const char *argument)
{
	struct range range = read_range(argument);

	for (unsigned i = range.first; i < range.end; i++) {
		show_report(service_vm->vcpu[i], report_registers);
	}
}

void command_stage2(const char *argument)
{
	struct stage2_translation page;
	uint64_t gpa;

	if (!command_number(argument, "address", UINT64_MAX, &gpa)) {
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

static void ask(const char *argument, enum vcpu_request request)
{
	struct range range = read_range(argument);

	for (unsigned i = range.first; i < range.end; i++) {
		vcpu_request(service_vm->vcpu[i], request);
	}
}

void command_pause(const char *argument)
{
	ask(argument, VCPU_REQUEST_PAUSE);
}

void command_resume(const char *argument)
{
	ask(argument, VCPU_REQUEST_RESUME);
}

void command_nmi(const char *argument)
{
	ask(argument, VCPU_REQUEST_NMI);
}

void command_restart(const char *argument)
{
	if (service_restart() != 0) {
		console_printf("The service VM cannot be started again; the log says why.\n");
	}
}
