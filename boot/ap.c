/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * boot/ap.c - bringing up the application processors.
 * Runs: on the boot CPU, once, after its own set-up; ap_main on each CPU that comes.
 */
#include "boot/ap.h"

#include "drivers/lapic.h"
#include "kernel/errno.h"
#include "kernel/frame.h"
#include "kernel/log.h"
#include "kernel/machine.h"
#include "kernel/paging.h"
#include "kernel/pcpu.h"
#include "kernel/string.h"
#include "kernel/time.h"
#include "kernel/vcpu.h"
#include "kernel/x86.h"

#define INIT_DELAY_NS    10000000ull /* SDM vol. 3, 9.4.4.1 */
#define STARTUP_DELAY_NS 200000ull
#define ANSWER_LIMIT_NS  3000000000ull
#define CPU_FRAMES       ((sizeof(struct pcpu) + PAGE_SIZE - 1) / PAGE_SIZE)

extern const char ap_trampoline[], ap_trampoline_end[];
extern const char boot_gdt[], boot_gdt_end[], entry64[], boot_pml4[];

struct trampoline { /* the variables at its end: for LGDT, a far jump, and CR3 */
	uint16_t gdt_limit;
	uint32_t gdt;
	uint32_t entry;
	uint16_t entry_selector;
	uint32_t cr3;
} PACKED;
void ap_main(struct pcpu *cpu);

/* An APIC id that this machine's LAPIC mode can address (SDM vol. 3, 11.6.2.1; 255 is all CPUs). */
static bool addressable(uint32_t apic_id)
{
	return apic_id < (lapic_mode == APIC_X2APIC ? UINT32_MAX : 255);
}

unsigned ap_count(unsigned maxcpus)
{
	const struct acpi *acpi = &machine.acpi;
	unsigned usable = 1, far = 0;

	for (unsigned i = 0; i < acpi->cpu_count; i++) {
		if (acpi->cpu[i].apic_id == cpu_boot.apic_id) {
			cpu_boot.acpi_uid = acpi->cpu[i].acpi_uid;
		} else if (addressable(acpi->cpu[i].apic_id)) {
			usable++;
		} else {
			far++;
		}
	}
	unsigned used = (unsigned)min_u64(usable, maxcpus);
	machine.cpus_left_out = far + acpi->cpus_over + (usable - used);
	if (machine.cpus_left_out != 0) {
		log_warning("cpu: %u are left out: %u have APIC ids that need x2APIC mode, %u are "
			    "beyond the %u CPUs that Pintle can use, %u beyond maxcpus=",
			machine.cpus_left_out, far, acpi->cpus_over, CPUS_MAX, usable - used);
	}
	return used;
}

/* The area and stacks of the CPU that gets the next index. */
static int prepare(const struct acpi_cpu *listed)
{
	struct pcpu *cpu = frame_alloc(CPU_FRAMES, FRAME_CPU);
	if (cpu == NULL || stack_map(cpu_count) != 0) {
		return trace_err(-ENOMEM);
	}
	cpu_prepare(cpu, cpu_count, listed->apic_id, listed->acpi_uid);
	cpu_table[cpu_count++] = cpu;
	return 0;
}

static int place_trampoline(hpa_t page)
{
	size_t size = (size_t)(ap_trampoline_end - ap_trampoline);
	char *copy = window_map(page, PAGE_SIZE, PAGING_WRITE);
	if (copy == NULL) {
		return trace_err(-ENOMEM);
	}
	memcpy(copy, ap_trampoline, size);
	*(struct trampoline *)(copy + size - sizeof(struct trampoline)) = (struct trampoline){
		.gdt_limit = (uint16_t)(boot_gdt_end - boot_gdt - 1),
		.gdt = (uint32_t)virt_to_phys(boot_gdt).raw,
		.entry = (uint32_t)virt_to_phys(entry64).raw,
		.entry_selector = GDT_CODE,
		.cr3 = (uint32_t)virt_to_phys(boot_pml4).raw,
	};
	window_unmap(copy, PAGE_SIZE);
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

static void wake_all(hpa_t trampoline)
{
	starting(LAPIC_INIT);
	time_delay(INIT_DELAY_NS);
	for (unsigned try = 0; try < 2; try++) {
		starting(LAPIC_STARTUP(trampoline.raw));
		time_delay(STARTUP_DELAY_NS);
	}
	uint64_t start = time_ns();
	while (starting(0) != 0 && time_ns() - start < ANSWER_LIMIT_NS) {
		cpu_pause();
	}
}

int ap_start(hpa_t trampoline, unsigned count)
{
	const struct acpi *acpi = &machine.acpi;
	int err = place_trampoline(trampoline);

	for (unsigned i = 0; i < acpi->cpu_count && cpu_count < count && err == 0; i++) {
		if (acpi->cpu[i].apic_id != cpu_boot.apic_id && addressable(acpi->cpu[i].apic_id)) {
			err = prepare(&acpi->cpu[i]);
		}
	}
	wake_all(trampoline);
	for (unsigned i = 1; i < cpu_count; i++) {
		unsigned expected = CPU_STARTING;
		/* One that comes only now finds that it is too late, and stops. */
		if (atomic_compare_exchange_strong(&cpu_table[i]->state, &expected, CPU_GIVEN_UP)) {
			lapic_send(cpu_table[i]->apic_id, LAPIC_INIT); /* nor may it run what the
								   trampoline's page holds later */
			log_warning("cpu: the CPU with APIC id %u does not answer: left out",
				cpu_table[i]->apic_id);
			machine.cpus_left_out++;
		}
	}
	return err;
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
