/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/commands_vm.c - the monitor's commands about virtual machines.
 * Runs: on the monitor's stack on CPU 0, or in a panic; a vCPU's registers are read on its own CPU.
 */
#include "kernel/console.h"
#include "kernel/monitor.h"
#include "kernel/pcpu.h"
#include "kernel/vcpu.h"

#define X(id, name) [VCPU_##id] = name,
static const char *const state_names[] = {VCPU_STATES(X)};
#undef X

#define X(id) #id,
static const char *const exit_names[EXIT_COUNT] = {EXIT_KINDS(X)};
#undef X

/* The vCPUs that the argument means, from *first on, and the end of them: one, or all without one;
 * none after a complaint. */
static unsigned read_range(const char *argument, unsigned *first)
{
	uint64_t number = 0;
	unsigned count = service_vm->vcpu_count;
	bool all = *argument == '\0';
	bool good = all || command_number(argument, "vCPU", count, &number);

	*first = (unsigned)number;
	return !good ? 0 : all ? count : *first + 1;
}

void command_console(const char *argument)
{
	console_printf("Ctrl-\\ comes back to the monitor.\n");
	console_focus(true);
}

void command_vms(const char *argument)
{
	console_printf("0  service VM, %s, %u vCPUs, %zu stage-2 tables\n", backend->name,
		service_vm->vcpu_count, service_vm->stage2.tables);
}

/* On the vCPU's CPU. What rip means depends on the mode and, in some, on CS. */
static void show_place(void *vcpu)
{
	struct segment cs;
	const char *mode = "real";

	backend->get_segment(vcpu, SEG_CS, &cs);
	if (backend->get(vcpu, VCPU_EFER) & BIT(10)) { /* LMA */
		mode = cs.attributes & SEGMENT_LONG ? "64-bit" : "compatible";
	} else if (backend->get(vcpu, VCPU_CR0) & BIT(0)) { /* PE */
		mode = cs.attributes & SEGMENT_BIG ? "32-bit" : "16-bit";
	}
	console_printf("  %-10s  %04x:%016lx", mode, cs.selector, backend->get(vcpu, VCPU_RIP));
}

void command_vcpus(const char *argument)
{
	console_printf("vcpu  cpu  state                exits  mode        cs:rip\n");
	for (unsigned i = 0; i < service_vm->vcpu_count; i++) {
		struct vcpu *vcpu = service_vm->vcpu[i];
		uint64_t exits = 0;
		for (unsigned kind = 0; kind < EXIT_COUNT; kind++) {
			exits += vcpu->exits[kind];
		}
		bool paused = vcpu->state != VCPU_DEAD && vcpu->requests & VCPU_REQUEST_PAUSE;
		console_printf("%4u  %3u  %-14s  %10lu", i, vcpu->cpu,
			paused ? "paused" : state_names[vcpu->state], exits);
		bool answers = smp_call(vcpu->cpu, show_place, vcpu);
		console_printf("%s\n", answers ? "" : "  its CPU does not answer");
	}
}

void command_exits(const char *argument)
{
	unsigned first;
	unsigned end = read_range(argument, &first);

	for (unsigned kind = 0; kind < EXIT_COUNT; kind++) {
		uint64_t count = 0, ticks = 0;
		for (unsigned i = first; i < end; i++) {
			count += service_vm->vcpu[i]->exits[kind];
			ticks += service_vm->vcpu[i]->ticks[kind];
		}
		if (count != 0) {
			console_printf("%-12s  %12lu times  %14lu ticks  %10lu each\n",
				exit_names[kind], count, ticks, ticks / count);
		}
	}
}

/* On the vCPU's CPU. */
static void show_registers(void *vcpu)
{
	vcpu_show(vcpu, console_printf);
}

void command_regs(const char *argument)
{
	unsigned first;

	if (read_range(argument, &first) != 0 &&
		!smp_call(service_vm->vcpu[first]->cpu, show_registers, service_vm->vcpu[first])) {
		console_printf("Its CPU does not answer.\n");
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
	unsigned first;
	unsigned end = read_range(argument, &first);

	for (unsigned i = first; i < end; i++) {
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
