/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/commands.c - the monitor's commands. Their names and help are in kernel/commands.def.
 * Runs: on the monitor's stack on CPU 0, or in a panic; output goes through console_printf.
 */
#include "drivers/ioapic.h"
#include "drivers/lapic.h"
#include "drivers/pci.h"
#include "drivers/power.h"
#include "kernel/console.h"
#include "kernel/fmt.h"
#include "kernel/frame.h"
#include "kernel/layout.h"
#include "kernel/log.h"
#include "kernel/machine.h"
#include "kernel/monitor.h"
#include "kernel/paging.h"
#include "kernel/panic.h"
#include "kernel/pcpu.h"
#include "kernel/selftest.h"
#include "kernel/smp.h"
#include "kernel/string.h"
#include "kernel/time.h"
#include "kernel/trap.h"
#include "kernel/x86.h"

const struct command commands[] = {
#define COMMAND(name, usage, help, more) {#name, usage, help, command_##name},
#include "kernel/commands.def"
#undef COMMAND
};
const unsigned command_count = ARRAY_COUNT(commands);

void command_acpi(const struct arguments *arguments)
{
	const struct acpi *acpi = &machine.acpi;

	if (acpi->table_count == 0) {
		console_printf("This machine has no ACPI tables.\n");
		return;
	}
	console_printf("table  rev    size  address           oem     state\n");
	for (unsigned i = 0; i < acpi->table_count; i++) {
		const struct acpi_table *table = &acpi->table[i];
		console_printf("%-5s  %3u  %6u  %016lx  %-6s  %s\n", table->signature,
			table->revision, table->size, table->base.raw, table->oem_id,
			table->valid ? "good" : "bad");
	}
	const struct acpi_fadt *fadt = &acpi->fadt;
	console_printf("power-off: %s, reset register: %s\n", fadt->has_s5 ? "S5" : "not found",
		fadt->reset.address != 0 ? "yes" : "no");
	for (unsigned i = 0; i < acpi->segment_count; i++) {
		console_printf("PCI segment %u: buses %u-%u, configuration space at 0x%lx\n",
			acpi->segment[i].segment, acpi->segment[i].bus_first,
			acpi->segment[i].bus_last, acpi->segment[i].base.raw);
	}
	for (unsigned i = 0; i < acpi->remapper_count; i++) {
		console_printf("%s at 0x%lx\n",
			acpi->remapper[i].kind == ACPI_REMAPPER_VTD ? "VT-d" : "AMD-Vi",
			acpi->remapper[i].base.raw);
	}
	if (acpi->spcr.present) {
		console_printf("console named by SPCR: %s 0x%lx\n",
			acpi->spcr.base.space == ACPI_SPACE_PORT ? "port" : "memory",
			acpi->spcr.base.address);
	}
}

void command_cpus(const struct arguments *arguments)
{
	static const char *const states[] = {
		[CPU_STARTING] = "starting",
		[CPU_ONLINE] = "online",
		[CPU_GIVEN_UP] = "no answer",
		[CPU_STOPPED] = "stopped",
	};

	console_printf("cpu  apic  acpi  state      nmis  unhandled\n");
	for (unsigned i = 0; i < cpu_count; i++) {
		const struct pcpu *cpu = cpu_table[i];
		console_printf("%3u  %4u  %4u  %-9s  %4lu  %9lu\n", i, cpu->apic_id, cpu->acpi_uid,
			states[cpu->state], cpu->nmis, cpu->spurious);
	}
	console_printf("%u online, %u left out\n", smp_online_count(), machine.cpus_left_out);
}

void command_help(const struct arguments *arguments)
{
	if (arguments->count == 1) {
		for (unsigned i = 0; i < command_count; i++) {
			console_printf("%-9s %-9s %s\n", commands[i].name, commands[i].usage,
				commands[i].help);
		}
		console_printf("Tab completes, the arrow keys edit and bring back lines.\n");
		return;
	}
	for (unsigned i = 0; i < command_count; i++) {
		if (strcmp(commands[i].name, arguments->argument[1]) == 0) {
			console_printf("%s %s\n%s\n", commands[i].name, commands[i].usage,
				commands[i].help);
			return;
		}
	}
	console_printf("There is no command \"%s\".\n", arguments->argument[1]);
}

static void show_ioapic(unsigned n, const struct ioapic_info *info)
{
	console_printf("I/O APIC %u at 0x%lx: GSI %u-%u\n", info->id, info->base.raw,
		info->gsi_base, info->gsi_base + info->pins - 1);
	for (unsigned pin = 0; pin < info->pins; pin++) {
		uint64_t entry = ioapic_entry(n, pin);
		if (!(entry & IOAPIC_MASKED)) {
			console_printf("  GSI %u: vector 0x%02x on APIC %u, %s, active %s\n",
				info->gsi_base + pin, (unsigned)(entry & 0xff),
				(unsigned)(entry >> 56), entry & IOAPIC_LEVEL ? "level" : "edge",
				entry & IOAPIC_ACTIVE_LOW ? "low" : "high");
		}
	}
}

void command_irqs(const struct arguments *arguments)
{
	struct ioapic_info info;

	for (unsigned slot = 0; slot < VECTOR_OWN_COUNT; slot++) {
		uint8_t vector = (uint8_t)(VECTOR_OWN_FIRST + slot);
		uint64_t count = 0;
		for (unsigned i = 0; i < cpu_count; i++) {
			count += cpu_table[i]->interrupts[slot];
		}
		if (trap_handler_name(vector) != NULL) {
			console_printf("vector 0x%02x: %10lu  %s\n", vector, count,
				trap_handler_name(vector));
		}
	}
	for (unsigned n = 0; ioapic_info(n, &info); n++) {
		show_ioapic(n, &info);
	}
	if (console_is_polled()) {
		console_printf("The console has no interrupt; it is looked at by timer.\n");
	}
}

/* The level that the argument names, `otherwise` without one; LOG_LEVEL_COUNT and a complaint when
 * it is none. */
static enum log_level level_argument(const struct arguments *arguments, enum log_level otherwise)
{
	if (arguments->count < 2) {
		return otherwise;
	}
	for (unsigned level = 0; level < LOG_LEVEL_COUNT; level++) {
		if (strcmp(log_level_name(level), arguments->argument[1]) == 0) {
			return level;
		}
	}
	console_printf("\"%s\" is no level; there are error, warning, info and debug.\n",
		arguments->argument[1]);
	return LOG_LEVEL_COUNT;
}

void command_log(const struct arguments *arguments)
{
	enum log_level level = level_argument(arguments, log_level());
	struct log_record record;
	char line[LOG_LINE_MAX];
	uint64_t cursor = 0;
	uint64_t lost = 0;

	while (level != LOG_LEVEL_COUNT && log_read(&cursor, &record, &lost)) {
		if (record.level <= level) {
			console_put(line, log_format(&record, line, sizeof(line)));
		}
	}
	if (lost != 0) {
		console_printf("%lu older lines were overwritten.\n", lost);
	}
}

void command_loglevel(const struct arguments *arguments)
{
	enum log_level level = level_argument(arguments, log_level());
	if (level != LOG_LEVEL_COUNT) {
		log_set_level(level);
		console_printf("The console shows %s.\n", log_level_name(level));
	}
}

struct map_check {
	unsigned bad; /* runs both writable and executable */
};

static const char *region_name(uint64_t va)
{
	static const struct {
		uint64_t start;
		const char *name;
	} regions[] = {
		{STACK_VA, "stacks"},
		{WINDOW_VA, "window"},
		{IMAGE_VA, "image"},
		{DIRECT_VA, "own memory"},
		{0, "low"},
	};
	unsigned i = 0;
	while (va < regions[i].start) {
		i++;
	}
	return regions[i].name;
}

static void show_run(void *context, const struct paging_run *run)
{
	struct map_check *check = context;
	bool bad = (run->flags & PAGING_WRITE) && (run->flags & PAGING_EXECUTE);

	check->bad += bad;
	console_printf("%016lx-%016lx %8lu KiB  r%c%c%c  %s%s\n", run->va, run->va + run->size - 1,
		run->size / KIB, run->flags & PAGING_WRITE ? 'w' : '-',
		run->flags & PAGING_EXECUTE ? 'x' : '-', run->flags & PAGING_UNCACHED ? 'u' : '-',
		region_name(run->va), bad ? "  WRITABLE AND EXECUTABLE" : "");
}

void command_map(const struct arguments *arguments)
{
	struct map_check check = {0};

	paging_walk(show_run, &check);
	if (check.bad == 0) {
		console_printf("nothing is both writable and executable\n");
	} else {
		console_printf("%u ranges are both writable and executable\n", check.bad);
	}
}

void command_mem(const struct arguments *arguments)
{
	struct frame_stats frames;

	for (unsigned i = 0; i < machine.memmap.count; i++) {
		const struct mem_range *range = &machine.memmap.range[i];
		console_printf("%012lx-%012lx %10lu KiB  %s\n", range->base,
			range->base + range->size - 1, range->size / KIB,
			mem_type_names[range->type]);
	}
	for (unsigned type = 0; type < MEM_TYPE_COUNT; type++) {
		uint64_t bytes = memmap_bytes(&machine.memmap, type);
		if (bytes != 0) {
			console_printf("%10lu KiB  %s\n", bytes / KIB, mem_type_names[type]);
		}
	}
	frame_stats_get(&frames);
	console_printf("Pintle's frames: %zu\n", frames.total);
	for (unsigned owner = 0; owner < FRAME_OWNER_COUNT; owner++) {
		console_printf("%10zu  %s\n", frames.owned[owner], frame_owner_names[owner]);
	}
}

static void panic_here(void *argument)
{
	panic("asked for on the console");
}

/* Each call takes stack, until the guard page ends it. The condition is always true, which the
 * compiler cannot know. */
static uint64_t exhaust_stack(volatile uint64_t depth)
{
	return depth < UINT64_MAX ? exhaust_stack(depth + 1) + depth : 0;
}

void command_panic(const struct arguments *arguments)
{
	uint64_t cpu = this_cpu()->index;
	const char *what = arguments->count > 1 ? arguments->argument[1] : "";

	if (strcmp(what, "stack") == 0) {
		exhaust_stack(0);
	} else if (strcmp(what, "text") == 0) {
		*(volatile uint8_t *)(uintptr_t)panic_here = 0;
	} else if (*what != '\0' &&
		(fmt_parse_u64(what, strlen(what), &cpu) != 0 || cpu >= cpu_count ||
			cpu_table[cpu]->state != CPU_ONLINE)) {
		console_printf("There is no online CPU \"%s\".\n", what);
		return;
	}
	smp_call((unsigned)cpu, panic_here, NULL);
}

static void show_function(void *context, const struct pci_function *function)
{
	unsigned *count = context;

	(*count)++;
	console_printf("%02x:%02x.%u  %04x:%04x  class %06x\n", function->address >> 8,
		function->address >> 3 & 31, function->address & 7, function->vendor,
		function->device_id, function->class_code);
}

void command_pci(const struct arguments *arguments)
{
	unsigned count = 0;

	pci_scan(show_function, &count);
	console_printf("%u functions\n", count);
}

void command_poweroff(const struct arguments *arguments)
{
	console_printf("Switching off.\n");
	console_drain();
	int err = power_off();
	console_printf(
		"This machine cannot be switched off by software (error %d): use its switch, or reboot.\n",
		-err);
}

void command_reboot(const struct arguments *arguments)
{
	console_printf("Rebooting.\n");
	console_drain();
	power_reset();
}

void command_selftest(const struct arguments *arguments)
{
	if (console_phase() == CONSOLE_PANIC) {
		console_printf("The self-test needs a running machine; this one has panicked.\n");
	} else {
		selftest_run();
	}
}

void command_timers(const struct arguments *arguments)
{
	uint64_t us = time_ns() / 1000;
	uint64_t hz = lapic_timer_hz();

	console_printf("up:    %lu.%06lu s\n", us / 1000000, us % 1000000);
	console_printf("TSC:   %lu.%06lu MHz, from %s\n", time_frequency() / 1000000,
		time_frequency() % 1000000, machine.clock);
	if (hz == 0) {
		console_printf("timer: TSC deadline\n");
	} else {
		console_printf(
			"timer: LAPIC one-shot, %lu.%06lu MHz\n", hz / 1000000, hz % 1000000);
	}
}

void command_version(const struct arguments *arguments)
{
	extern const uint64_t boot_entry_tsc;
	uint64_t ready = console_ready_tsc() != 0 ? console_ready_tsc() : tsc_read();

	console_printf("Pintle %s (%s, %s)\n", PINTLE_VERSION, DEBUG_BUILD ? "debug" : "release",
		BUILT_BY __VERSION__);
	console_printf("started by %s on %s, options: %s\n", machine.loader,
		machine.efi ? "UEFI" : "BIOS",
		machine.cmdline[0] != '\0' ? machine.cmdline : "none");
	console_printf("local APIC: %s\n", lapic_mode() == APIC_X2APIC ? "x2APIC" : "xAPIC");
	console_printf("boot took %lu TSC ticks (%lu ms) from entry to the prompt\n",
		ready - boot_entry_tsc, time_from_tsc(ready) / 1000000);
	if (console_lost() != 0) {
		console_printf("%lu bytes typed were lost\n", console_lost());
	}
}
