/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/commands_vm.c - the monitor's commands about virtual machines.
 * Runs: on the monitor's stack on CPU 0, or in a panic; a vCPU's registers are read on its own CPU.
 */
#include "kernel/monitor.h"
#include "kernel/service.h"
#include "kernel/vcpu.h"

static const char *const state_names[] = {VCPU_STATES(LIST_NAME)};

#define EXIT_NAME(id) #id,
static const char *const exit_names[EXIT_COUNT] = {EXIT_KINDS(EXIT_NAME)};

struct vm_range vm_range_read(const char *text)
{
	const char *dot = strchr(text, '.');
	size_t length = dot != NULL ? (size_t)(dot - text) : strlen(text);
	uint64_t id = 0, index = 0;
	bool all = dot == NULL;

	bool good = (*text == '\0' || fmt_parse_u64(text, length, &id) == 0) && id < VMS_MAX &&
		vm_table[id] != NULL &&
		(all || fmt_parse_u64(dot + 1, strlen(dot + 1), &index) == 0) &&
		index < vm_table[id]->vcpu_count;
	if (!good) {
		console_printf("\"%s\" is no VM or vCPU.\n", text);
		return (struct vm_range){0};
	}
	unsigned end = all ? vm_table[id]->vcpu_count : (unsigned)index + 1;
	return (struct vm_range){vm_table[id], (unsigned)index, end};
}

/* What a vCPU's CPU has to do with it. */
struct visit {
	struct vcpu *vcpu;
	void (*look)(struct vcpu *vcpu);
	bool done;
};

static void visit_here(void *argument)
{
	struct visit *visit = argument;

	if (visit->vcpu->cpu == this_cpu()->index) { /* it may have moved meanwhile */
		visit->look(visit->vcpu);
		visit->done = true;
	}
}

/* Have its registers looked at where they are; false: its CPU does not answer. */
static bool visit(struct vcpu *vcpu, void (*look)(struct vcpu *vcpu))
{
	struct visit visit = {vcpu, look, false};

	while (!visit.done && smp_call(vcpu->cpu, visit_here, &visit)) {
	}
	return visit.done;
}

void command_console(char *argument)
{
	console_printf("Ctrl-\\ comes back to the monitor.\n");
	console_focus(true);
}

void command_vms(char *argument)
{
	for (unsigned id = 0; id < VMS_MAX; id++) {
		const struct vm *vm = vm_table[id];
		if (vm != NULL) {
			console_printf("%u  %s, %s, %u vCPUs, %zu stage-2 tables\n", id, vm->name,
				backend->name, vm->vcpu_count, vm->stage2.tables);
		}
	}
}

/* On the vCPU's CPU. What rip means depends on the mode and, in some, on CS. */
static void show_place(struct vcpu *vcpu)
{
	struct segment cs;
	const char *mode = "real";

	backend->get_segment(vcpu, SEG_CS, &cs);
	if (backend->get(vcpu, VCPU_EFER) & EFER_LMA) {
		mode = cs.attributes & SEGMENT_LONG ? "64-bit" : "compatible";
	} else if (backend->get(vcpu, VCPU_CR0) & CR0_PE) {
		mode = cs.attributes & SEGMENT_BIG ? "32-bit" : "16-bit";
	}
	console_printf("  %-10s  %04x:%016lx", mode, cs.selector, backend->get(vcpu, VCPU_RIP));
}

static void show_vcpu(struct vcpu *vcpu)
{
	bool paused = vcpu->state != VCPU_DEAD && vcpu->vm->held;
	uint64_t exits = 0;

	for (unsigned kind = 0; kind < EXIT_COUNT; kind++) {
		exits += vcpu->exits[kind];
	}
	console_printf("%u.%-4u  %3u  %-14s  %10lu", vcpu->vm->id, vcpu->index, vcpu->cpu,
		paused ? "paused" : state_names[vcpu->state], exits);
	console_printf("%s\n", visit(vcpu, show_place) ? "" : "  its CPU does not answer");
}

void command_vcpus(char *argument)
{
	console_printf("vcpu    cpu  state                exits  mode        cs:rip\n");
	for (unsigned id = 0; id < VMS_MAX; id++) {
		for (unsigned i = 0; vm_table[id] != NULL && i < vm_table[id]->vcpu_count; i++) {
			show_vcpu(vm_table[id]->vcpu[i]);
		}
	}
}

void command_exits(char *argument)
{
	struct vm_range range = vm_range_read(argument);

	for (unsigned kind = 0; kind < EXIT_COUNT; kind++) {
		uint64_t count = 0, ticks = 0;
		for (unsigned i = range.first; i < range.end; i++) {
			count += range.vm->vcpu[i]->exits[kind];
			ticks += range.vm->vcpu[i]->ticks[kind];
		}
		if (count != 0) {
			console_printf("%-12s  %12lu times  %14lu ticks  %10lu each\n",
				exit_names[kind], count, ticks, ticks / count);
		}
	}
}

void command_regs(char *argument)
{
	struct vm_range range = vm_range_read(argument);

	if (range.vm != NULL && !visit(range.vm->vcpu[range.first], vcpu_show)) {
		console_printf("Its CPU does not answer.\n");
	}
}

void command_stage2(char *argument)
{
	struct stage2_translation page;
	uint64_t gpa;

	if (!command_number(argument, "address", UINT64_MAX, &gpa)) {
		return;
	}
	LOCK_HOLD(&vm_lock);
	if (stage2_query(&service_vm->stage2, gpa, &page)) {
		console_printf("0x%lx -> 0x%lx, page of %lu KiB, %c%c%c\n", gpa, page.hpa.raw,
			page.size / KIB, page.rights & STAGE2_READ ? 'r' : '-',
			page.rights & STAGE2_WRITE ? 'w' : '-',
			page.rights & STAGE2_EXECUTE ? 'x' : '-');
	} else {
		console_printf("0x%lx is not mapped\n", gpa);
	}
}

void command_pause(char *argument)
{
	vm_hold(vm_range_read(argument).vm, true);
}

void command_resume(char *argument)
{
	vm_hold(vm_range_read(argument).vm, false);
}

void command_nmi(char *argument)
{
	struct vm_range range = vm_range_read(argument);

	for (unsigned i = range.first; i < range.end; i++) {
		vcpu_request(range.vm->vcpu[i], VCPU_REQUEST_NMI);
	}
}

void command_restart(char *argument)
{
	if (service_restart() != 0) {
		console_printf("The service VM cannot be started again; the log says why.\n");
	}
}
