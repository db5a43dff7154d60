/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/commands.c - the monitor's commands. Their names and help are in kernel/commands.def.
 * Those about virtual machines are in kernel/commands_vm.c.
 * Runs: on the monitor's stack on CPU 0, or in a panic; output goes through console_printf.
 */
#include "drivers/ioapic.h"
#include "drivers/lapic.h"
#include "drivers/pci.h"
#include "drivers/power.h"
#include "kernel/machine.h"
#include "kernel/monitor.h"
#include "kernel/vcpu.h"

const struct command commands[] = {
#define COMMAND(name, needs, usage, help, more) {#name, NEEDS_##needs, usage, help, command_##name},
#include "kernel/commands.def"
	{.usage = ""},
};

bool command_number(const char *argument, const char *what, uint64_t limit, uint64_t *number)
{
	if (fmt_parse_u64(argument, strlen(argument), number) == 0 && *number < limit) {
		return true;
	}
	console_printf("\"%s\" is no %s.\n", argument, what);
	return false;
}

void command_help(char *argument)
{
	for (const struct command *command = commands; command->name != NULL; command++) {
		console_printf("%-9s %-16s %s\n", command->name, command->usage, command->help);
	}
}

void command_acpi(char *argument)
{
	const struct acpi *acpi = &machine.acpi;

	console_printf("table    size  address           state\n");
	for (unsigned i = 0; i < acpi->table_count; i++) {
		const struct acpi_table *table = &acpi->table[i];
		console_printf("%-5s  %6u  %016lx  %s\n", table->signature, table->size,
			table->base.raw, table->valid ? "good" : "bad");
	}
	console_printf("power-off: %s, reset register: %s, console: %s\n%u CPUs, %u I/O APICs, "
		       "%u PCI segments, %u IOMMUs\n",
		acpi->fadt.has_s5 ? "S5" : "no", acpi->fadt.reset.address != 0 ? "yes" : "no",
		acpi->spcr.base.address != 0 ? "SPCR" : "no", acpi->cpu_count, acpi->ioapic_count,
		acpi->segment_count, acpi->remapper_count);
}

void command_cpus(char *argument)
{
	static const char *const states[] = {"starting", "online", "no answer", "stopped"};

	console_printf("cpu  apic  state      nmis  unhandled\n");
	for (unsigned i = 0; i < cpu_count; i++) {
		const struct pcpu *cpu = cpu_table[i];
		console_printf("%3u  %4u  %-9s  %4lu  %9lu\n", i, cpu->apic_id, states[cpu->state],
			cpu->nmis, cpu->spurious);
	}
	console_printf("%u online, %u left out\n", smp_online_count(), machine.cpus_left_out);
}

void command_irqs(char *argument)
{
	for (unsigned slot = 0; slot < VECTOR_OWN_COUNT; slot++) {
		const char *name = trap_handlers[slot].name;
		uint64_t count = 0;
		for (unsigned i = 0; i < cpu_count; i++) {
			count += cpu_table[i]->interrupts[slot];
		}
		if (name != NULL) {
			console_printf(
				"vector 0x%02x: %10lu  %s\n", VECTOR_OWN_FIRST + slot, count, name);
		}
	}
	for (unsigned n = 0; n < ioapic_count; n++) {
		for (unsigned pin = 0; pin < ioapics[n].pins; pin++) {
			uint64_t entry = ioapic_entry(n, pin);
			if (!(entry & IOAPIC_MASKED)) {
				console_printf("GSI %u: vector 0x%02x on APIC %lu, %s, %s\n",
					ioapics[n].gsi_base + pin, (uint8_t)entry, entry >> 56,
					entry & IOAPIC_LEVEL ? "level" : "edge",
					entry & IOAPIC_ACTIVE_LOW ? "low" : "high");
			}
		}
	}
}

/* Read an argument as a level, if there is one. False after the complaint that it is none. */
static bool read_level(const char *argument, enum log_level *level)
{
	bool good = *argument == '\0' ||
		fmt_find(argument, log_level_names, LOG_LEVEL_COUNT, (unsigned *)level);

	if (!good) {
		console_printf("\"%s\" is no level.\n", argument);
	}
	return good;
}

void command_log(char *argument)
{
	enum log_level level = log_level;
	char line[LOG_LINE_MAX];
	/* Not what comes meanwhile. */
	uint64_t cursor = 0, end = read_level(argument, &level) ? log_count : 0;

	while (cursor < end) {
		console_put(line, log_next(&cursor, level, line));
	}
}

void command_loglevel(char *argument)
{
	if (read_level(argument, &log_level)) {
		console_printf("The console shows %s.\n", log_level_names[log_level]);
	}
}

void command_mem(char *argument)
{
	for (unsigned i = 0; i < machine.memmap.count; i++) {
		const struct mem_range *range = &machine.memmap.range[i];
		console_printf("%012lx-%012lx %10lu KiB  %s\n", range->base,
			range->base + range->size - 1, range->size / KIB,
			mem_type_names[range->type]);
	}
	for (unsigned type = 0; type < MEM_TYPE_COUNT; type++) {
		console_printf("%10lu KiB  %s\n", memmap_bytes(&machine.memmap, type) / KIB,
			mem_type_names[type]);
	}
	for (unsigned owner = 0; owner < FRAME_OWNER_COUNT; owner++) {
		console_printf("%10zu frames  %s\n", frame_count(owner), frame_owner_names[owner]);
	}
}

static void panic_here(void *argument)
{
	panic("asked for on the console");
}

void command_panic(char *argument)
{
	uint64_t cpu = this_cpu()->index;

	if (*argument == '\0' || command_number(argument, "CPU", cpu_count, &cpu)) {
		smp_call((unsigned)cpu, panic_here, NULL);
		console_printf("CPU %lu is not online.\n", cpu);
	}
}

static void show_function(uint32_t address, uint32_t id, uint32_t class_code)
{
	console_printf("%02x:%02x.%u  %04x:%04x  class %06x\n", address >> 8, address >> 3 & 31,
		address & 7, id & 0xffff, id >> 16, class_code);
}

/* The service VM uses the same pair of ports. */
void command_pci(char *argument)
{
	bool held = vm_hold(service_vm, true);
	pci_scan(show_function);
	vm_hold(service_vm, held);
}

void command_poweroff(char *argument)
{
	console_printf("Switching off.\n");
	console_drain();
	power_off();
	console_printf("Software cannot switch this machine off: use its switch, or reboot.\n");
}

void command_reboot(char *argument)
{
	console_printf("Rebooting.\n");
	console_drain();
	power_reset();
}

void command_timers(char *argument)
{
	uint64_t us = time_ns() / 1000;
	uint64_t tsc = time_frequency, timer = lapic_timer_hz;

	console_printf("up:    %lu.%06lu s\nTSC:   %lu.%06lu MHz, from %s\n", us / 1000000,
		us % 1000000, tsc / 1000000, tsc % 1000000, machine.clock);
	console_printf("timer: %s, %lu kHz\n", timer == 0 ? "TSC deadline" : "LAPIC one-shot",
		(timer == 0 ? tsc : timer) / 1000);
}

void command_version(char *argument)
{
	uint64_t ready = console_ready_tsc != 0 ? console_ready_tsc : tsc_read();

	console_printf("Pintle %s (%s, %s)\n", PINTLE_VERSION, DEBUG_BUILD ? "debug" : "release",
		BUILT_BY __VERSION__);
	console_printf("started on %s, options: %s\n", machine.efi ? "UEFI" : "BIOS",
		*machine.cmdline != '\0' ? machine.cmdline : "none");
	console_printf("local APIC: %s\n", lapic_mode == APIC_X2APIC ? "x2APIC" : "xAPIC");
	console_printf(
		"boot took %lu TSC ticks (%lu ms) to the prompt, from the entry at TSC %lu\n",
		ready - boot_entry_tsc, time_from_tsc(ready) / 1000000, boot_entry_tsc);
}

static void show_run(void *bad, const struct paging_run *run)
{
	bool writable = run->flags & PAGING_WRITE, executable = run->flags & PAGING_EXECUTE;

	*(unsigned *)bad += writable && executable;
	console_printf("%016lx-%016lx %8lu KiB  r%c%c%c\n", run->va, run->va + run->size - 1,
		run->size / KIB, writable ? 'w' : '-', executable ? 'x' : '-',
		run->flags & PAGING_UNCACHED ? 'u' : '-');
}

void command_map(char *argument)
{
	unsigned bad = 0;
	paging_walk(show_run, &bad);
	console_printf("%s is both writable and executable\n", bad == 0 ? "nothing" : "SOMETHING");
}

/* Two pages that are seen through one window, one after the other, by all CPUs. */
static uint64_t marks[2][PAGE_SIZE / sizeof(uint64_t)];
static const volatile uint64_t *window;
static atomic_uint right_looks;

static void look(void *mark)
{
	right_looks += *window == *(uint64_t *)mark;
}

/* All but the first asker ask at once, so that each waits for the others while they wait for it. */
static void ask_all(void *mark)
{
	if (this_cpu()->index != 0) {
		smp_call_all(look, mark);
	}
}

static bool every_cpu_answers_every_other_and_forgets_old_mappings(void)
{
	const volatile uint64_t *last = NULL;

	right_looks = 0;
	for (unsigned i = 0; i < ARRAY_COUNT(marks); i++) {
		marks[i][0] = i + 1;
		last = window;
		window = window_map(virt_to_phys(marks[i]), sizeof(**marks), 0);
		if (window != NULL) {
			smp_call_all(look, marks[i]);
			smp_call_all(ask_all, marks[i]);
			window_unmap(window, sizeof(**marks));
		}
	}
	return window == last &&
		right_looks == ARRAY_COUNT(marks) * smp_online_count() * smp_online_count();
}

static bool the_timer_fires_on_time(void)
{
	atomic_ulong *count = &this_cpu()->interrupts[VECTOR_TIMER - VECTOR_OWN_FIRST];
	const uint64_t ns = 2000000, before = *count, start = time_ns();

	lapic_timer_arm(time_to_tsc(ns));
	/* An emulator may be late, but not by a second in which this CPU runs. */
	for (unsigned step = 0; step < 10000 && *count == before; step++) {
		time_delay(100000);
	}
	return *count != before && time_ns() - start >= ns * 9 / 10;
}

void command_selftest(char *argument)
{
	static const char *const results[] = {"FAILED", "ok"};
	bool answers = every_cpu_answers_every_other_and_forgets_old_mappings();
	bool fires = the_timer_fires_on_time();

	console_printf("%-6s  every CPU answers every other and forgets old mappings\n"
		       "%-6s  the timer fires on time\nselftest: %u passed, %u failed\n",
		results[answers], results[fires], answers + fires, !answers + !fires);
}
