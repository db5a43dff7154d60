/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * boot/main.c - the start-up, in the order in which it happens.
 * Runs: on the boot CPU, once; interrupts off until the console's works.
 */
#include "boot/acpi.h"
#include "boot/ap.h"
#include "boot/clock.h"
#include "boot/console.h"
#include "boot/linux.h"
#include "drivers/ioapic.h"
#include "drivers/power.h"
#include "kernel/machine.h"
#include "kernel/pcpu.h"
#include "kernel/service.h"

struct machine machine;
extern const char image_end[];

static struct boot_info boot_info;
static struct options options;
static unsigned cpus_wanted;

void boot_main(uint32_t magic, hpa_t information);

/* Nothing to go on with: say why on whatever there is, and stop. */
NORETURN static void refuse(const char *why)
{
	log_error("cannot start: %s", why);
	boot_console_open(&options.console, &boot_info.screen);
	console_drain();
	cpu_stop();
}

static void read_information(uint32_t magic, hpa_t information)
{
	if (magic != MBI_MAGIC) {
		refuse("the loader did not speak Multiboot2 (in GRUB: multiboot2, not multiboot)");
	}
	/* The loader left it below 4 GiB, where the boot page tables map everything at its own
	 * address. */
	if (mbi_parse((const void *)(uintptr_t)information.raw, MIB, &boot_info) != 0) {
		refuse("the loader's boot information is damaged");
	}
	machine.cmdline = boot_info.cmdline;
	machine.efi = boot_info.efi_table != 0;
	machine.memmap = boot_info.memmap;
	options_parse(&options, boot_info.cmdline);
	log_level = options.loglevel;
	panic_action = options.panic;
	if (memmap_set(&machine.memmap, image_base, (uint64_t)(uintptr_t)image_end - IMAGE_VA,
		    MEM_IMAGE) != 0) {
		refuse("the firmware's memory map has too many pieces");
	}
}

static void read_acpi(void)
{
	struct acpi *acpi = &machine.acpi;
	if (acpi_read(acpi, boot_info.rsdp, boot_info.rsdp_size) != 0) {
		log_warning("acpi: no tables: one CPU, no interrupt for the console, no power-off");
	} else if (acpi->cpu_count == 0) {
		log_warning("acpi: no usable MADT: one CPU, no interrupt for the console");
	}
	power_fadt = acpi->fadt;
}

static void start_clock(void)
{
	machine.clock = clock_calibrate(&machine.acpi, options.clock);
	if (machine.clock == NULL) {
		refuse("no timer works that tells how fast the time stamp counter is");
	}
	log_info("clock: TSC %lu.%03lu MHz, from %s", time_frequency / 1000000,
		time_frequency / 1000 % 1000, machine.clock);
}

static void start_lapic(void)
{
	pic_disable(); /* first, while the LAPIC still passes on that it withdraws its requests */
	enum apic_mode want = options.apic;
	for (unsigned i = 0; i < machine.acpi.cpu_count && want == APIC_AUTO; i++) {
		/* There is no other way there. */
		want = machine.acpi.apic_id[i] > 254 ? APIC_X2APIC : want;
	}
	if (lapic_init(want) != 0) {
		refuse("the CPU has no local APIC");
	}
	cpu_boot.apic_id = lapic_id();
}

/* Choose the fixed region, and build the final page tables and this CPU's stacks in it. */
static void take_memory(void)
{
	uint64_t base, size = ALIGN_UP(4 * MIB + cpus_wanted * 64 * KIB, LARGE_SIZE);
	/* Below 4 GiB, where the boot page tables reach it; as high as can be, next to the
	 * firmware's own. */
	if (memmap_find(&machine.memmap, size, LARGE_SIZE, MIB, 4 * GIB, &base) != 0 ||
		memmap_set(&machine.memmap, base, size, MEM_OWN) != 0) {
		refuse("there is no free piece of memory below 4 GiB that is large enough for Pintle");
	}
	log_info("memory: %lu MiB free, %lu MiB Pintle's own at 0x%lx, image at 0x%lx",
		memmap_bytes(&machine.memmap, MEM_FREE) / MIB, size / MIB, base, image_base);
	/* The stacks last: they are seen only by the page tables that are entered next. */
	if (frame_init(phys_to_virt(hpa(base)), size / PAGE_SIZE) != 0 ||
		paging_init(hpa(base), size) != 0 ||
		cpu_prepare(&cpu_boot, 0, cpu_boot.apic_id) != 0) {
		refuse("Pintle's own memory is too small");
	}
}

/* On the final page tables and stack. */
static void boot_on_own_stack(void)
{
	ioapic_init(machine.acpi.ioapic, machine.acpi.ioapic_count);
	smp_init();
	if (console_line.gsi != UINT32_MAX && machine.acpi.ioapic_count != 0) {
		console_use_interrupt();
	}
	irq_enable();
	ap_start(cpus_wanted);
	unsigned online = smp_online_count();
	unsigned listed = machine.acpi.cpu_count + machine.acpi.cpus_over;
	machine.cpus_left_out = (unsigned)max_u64(listed, online) - online;
	log_info("cpu: %u of %u online", online, online + machine.cpus_left_out);
	log_info("This is the monitor; help lists its commands.");
	service_prepare(&boot_info);
	service_start();
}

void boot_main(uint32_t magic, hpa_t information)
{
	trap_init();
	cpu_load(&cpu_boot);
	log_info("Pintle %s, a microhypervisor (%s)", PINTLE_VERSION,
		DEBUG_BUILD ? "debug" : "release");
	read_information(magic, information);
	read_acpi();
	start_clock();
	boot_console_open(&options.console, &boot_info.screen);
	cpu_enable_features();
	start_lapic();
	cpus_wanted = (unsigned)min_u64(max_u64(machine.acpi.cpu_count, 1), options.maxcpus);
	take_memory();
	paging_enter(cpu_boot.stack_top, boot_on_own_stack);
}
