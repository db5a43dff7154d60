/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * boot/service.c - plan the service VM: Linux in its place, and what it is told.
 * Runs: on the boot CPU, once, at the end of the start-up.
 */
#include "kernel/service.h"

#include "boot/clock.h"
#include "boot/linux.h"
#include "kernel/machine.h"
#include "kernel/exit.h"

static struct linux_kernel kernel;

static int choose_places(const struct boot_info *info)
{
	uint8_t head[LINUX_HEAD_SIZE];
	if (!window_copy(head, hpa(info->kernel.base), sizeof(head))) {
		return trace_err(-ENOMEM);
	}
	int err = linux_check(head, info->kernel.size, &kernel);
	err = err ?: linux_plan(&kernel, &machine.memmap, info->initrd.size);
	return err ?: memmap_set(&machine.memmap, kernel.params, SERVICE_PARAMS_SIZE, MEM_ACPI);
}

/* Its vCPUs are to be those of the CPUs online. */
static int write_params(const struct boot_info *info)
{
	static uint32_t ids[CPUS_MAX];
	unsigned count = 0;
	for (unsigned i = 0; i < cpu_count; i++) {
		if (cpu_table[i]->state == CPU_ONLINE) {
			ids[count++] = cpu_table[i]->apic_id;
		}
	}
	bool acpi = linux_write_acpi(
		&machine.acpi, ids, count, kernel.params + LINUX_ACPI, service_params + LINUX_ACPI);
	kernel.rsdp = acpi ? kernel.params + LINUX_ACPI : 0;
	return linux_write_params(&kernel, info, &machine.memmap, service_params);
}

void service_prepare(const struct boot_info *info)
{
	if (info->kernel.size == 0) {
		log_info("service VM: none: there is no boot module \"kernel\"");
		return;
	}
	if (choose_places(info) != 0 || write_params(info) != 0) {
		log_error("service VM: cannot be started");
		return;
	}
	pvclock_set_date(clock_date());
	/* The modules stay Pintle's, so that they can be used again. */
	service_plan[SERVICE_PARAMS] = (struct service_piece){
		kernel.params, virt_to_phys(service_params).raw, SERVICE_PARAMS_SIZE};
	service_plan[SERVICE_KERNEL] = (struct service_piece){
		kernel.base, info->kernel.base + kernel.payload, kernel.payload_size};
	service_plan[SERVICE_INITRD] =
		(struct service_piece){kernel.initrd, info->initrd.base, kernel.initrd_size};
}
