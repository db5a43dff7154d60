/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * boot/ap.c - bringing up the application processors.
 * Runs: on the boot CPU, once, after its own set-up; ap_main on each CPU that comes.
 */
#include "boot/ap.h"

#include "drivers/lapic.h"
#include "kernel/machine.h"
#include "kernel/pcpu.h"
#include "kernel/vcpu.h"

extern const char ap_trampoline[], ap_trampoline_end[];
void ap_main(struct pcpu *cpu);

STATIC_ASSERT(APIC_X2APIC == 2 && CPU_STARTING == 0, "entry.S");

/* The area and stacks of the CPU that gets the next index. */
static int prepare(uint32_t apic_id)
{
	struct pcpu *cpu = frame_alloc((sizeof(*cpu) + PAGE_SIZE - 1) / PAGE_SIZE, FRAME_CPU);
	if (cpu == NULL || cpu_prepare(cpu, cpu_count, apic_id) != 0) {
		return trace_err(-ENOMEM);
	}
	cpu_table[cpu_count++] = cpu;
	return 0;
}

/* The CPUs that have not come yet; they are sent `command`, if that is not 0. */
static unsigned starting(uint32_t command)
{
	unsigned count = 0;
	for (unsigned i = 1; i < cpu_count; i++) {
		bool waits = cpu_table[i]->state == CPU_STARTING;
		if (waits && command != 0) {
			lapic_send(cpu_table[i]->apic_id, command);
		}
		count += waits;
	}
	return count;
}

/* Give each CPU that is to run its area, while `wanted` are not reached. */
static void prepare_all(unsigned wanted, bool can_start)
{
	const struct acpi *acpi = &machine.acpi;
	/* What the LAPIC's mode can address (SDM vol. 3, 11.6.2.1; 255 is all CPUs). */
	uint32_t beyond = lapic_mode == APIC_X2APIC ? UINT32_MAX : 255;
	unsigned far = 0;
	int err = 0;
	for (unsigned i = 0; i < acpi->cpu_count; i++) {
		uint32_t apic_id = acpi->apic_id[i];
		if (apic_id >= beyond) {
			far++;
		} else if (apic_id != cpu_boot.apic_id && cpu_count < wanted && err == 0) {
			err = can_start ? prepare(apic_id) : -ENOMEM;
		}
	}
	if (far != 0 || acpi->cpus_over != 0 || err != 0) {
		log_warning("cpu: left out are %u CPUs that need x2APIC mode, %u CPUs beyond %u%s",
			far, acpi->cpus_over, CPUS_MAX,
			err != 0 ? ", and some for lack of memory" : "");
	}
}

void ap_start(unsigned wanted)
{
	uint64_t at;
	/* Above what BIOSes scribble on, below an EBDA that they forget to list. */
	int err = memmap_find(&machine.memmap, PAGE_SIZE, PAGE_SIZE, 64 * KIB, 512 * KIB, &at);
	char *page = err == 0 ? window_map(hpa(at), PAGE_SIZE, PAGING_WRITE) : NULL;
	prepare_all(wanted, page != NULL);
	if (cpu_count == 1) {
		return;
	}
	memcpy(page, ap_trampoline, (size_t)(ap_trampoline_end - ap_trampoline));
	/* INIT, 10 ms, and twice a SIPI and 200 us: SDM vol. 3, 9.4.4.1. */
	starting(LAPIC_INIT);
	time_delay(10000000);
	for (unsigned try = 0; try < 2; try++) {
		starting(LAPIC_STARTUP(at));
		time_delay(200000);
	}
	/* Three seconds, of which a pause of the host's counts as one step. */
	for (unsigned step = 0; step < 30000 && starting(0) != 0; step++) {
		time_delay(100000);
	}
	for (unsigned i = 1; i < cpu_count; i++) {
		unsigned expected = CPU_STARTING;
		/* One that comes only now finds that it is too late, and stops. */
		if (atomic_compare_exchange_strong(&cpu_table[i]->state, &expected, CPU_GIVEN_UP)) {
			/* Nor may it run what the trampoline's page holds later. */
			lapic_send(cpu_table[i]->apic_id, LAPIC_INIT);
			log_warning("cpu: the CPU with APIC id %u does not answer: left out",
				cpu_table[i]->apic_id);
		}
	}
}

void ap_main(struct pcpu *cpu)
{
	unsigned expected = CPU_STARTING;

	cpu_load(cpu);
	cpu_enable_features();
	lapic_enable();
	if (!atomic_compare_exchange_strong(&cpu->state, &expected, CPU_ONLINE)) {
		cpu_stop();
	}
	cpu_loop();
}
