/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * boot/service.c - the service VM: memory, vCPUs, Linux in its place.
 * Runs: on the boot CPU, once, at the end of the start-up.
 */
#include "boot/linux.h"

#include "boot/console.h"
#include "drivers/clock.h"
#include "drivers/pci.h"
#include "kernel/exit.h"
#include "kernel/gmem.h"
#include "kernel/machine.h"

#define COPY_SIZE (256 * KIB) /* through one window */

static struct linux_kernel kernel;
static struct boot_info *boot_info;
static uint32_t apic_ids[CPUS_MAX]; /* of the vCPUs */

/* All that the firmware lists, at its own address, but what is Pintle's; the rest is mapped when it
 * is touched. */
static int map_memory(struct vm *vm)
{
	bool flush = false;
	int err = 0;
	mtrr_read();
	for (unsigned i = 0; i < machine.memmap.count && err == 0; i++) {
		const struct mem_range *range = &machine.memmap.range[i];
		if (range->type == MEM_FREE || range->type == MEM_ACPI || range->type == MEM_NVS) {
			err = stage2_map_identity(&vm->stage2, range->base, range->size, &flush);
		}
	}
	return err;
}

/* On each CPU: its vCPU, which stays here. It answers soon: people and devices wait for it. */
static void make_vcpu(void *vm)
{
	struct pcpu *cpu = this_cpu();
	struct sched_params params = {.weight = 400, .latency = SCHED_PROMPT};

	params.affinity.word[cpu->index / 64] = BIT(cpu->index % 64);
	struct vcpu *vcpu = vcpu_create(vm, cpu->apic_id, &params);
	if (vcpu != NULL) {
		apic_ids[vcpu->index] = cpu->apic_id;
		vcpu_publish(vcpu);
	}
}

static struct vm *make_vm(void)
{
	struct vm *vm = vm_create(&(struct pool){0});
	if (vm == NULL || map_memory(vm) != 0 || pieces_init() != 0) {
		return NULL;
	}
	for (unsigned i = 0; i < cpu_count; i++) {
		smp_call(i, make_vcpu, vm);
	}
	return vm->vcpu_count == smp_online_count() ? vm : NULL;
}

/* From one host-physical place to another, through windows. */
static int copy(uint64_t to, uint64_t from, uint64_t size)
{
	for (uint64_t done = 0; done < size; done += COPY_SIZE) {
		uint64_t part = min_u64(COPY_SIZE, size - done);
		void *target = window_map(hpa(to + done), part, PAGING_WRITE);
		if (target == NULL || !acpi_copy(target, hpa(from + done), part)) {
			return trace_err(-ENOMEM);
		}
		window_unmap(target, part);
	}
	return 0;
}

/* Find out where everything goes; once. The modules stay Pintle's, so that they can be used again.
 */
static int make_plan(void)
{
	uint8_t head[LINUX_HEAD_SIZE];
	if (!acpi_copy(head, hpa(boot_info->kernel.base), sizeof(head))) {
		return trace_err(-ENOMEM);
	}
	int err = linux_check(head, boot_info->kernel.size, &kernel);
	err = err ?: linux_plan(&kernel, &machine.memmap, boot_info->initrd.size);
	return err ?: memmap_set(&machine.memmap, kernel.params, LINUX_PARAMS_SIZE, MEM_ACPI);
}

/* On the CPU of the vCPU: the state after power-on; vCPU 0 stands at the kernel's entry, in the
 * 64-bit boot protocol's state. */
static void reset_here(void *argument)
{
	struct vcpu *vcpu = argument;
	struct segment code = {0, UINT32_MAX, 0x10,
		SEGMENT_GRAN | SEGMENT_LONG | SEGMENT_PRESENT | SEGMENT_S | 0xb};
	struct segment data = {0, UINT32_MAX, 0x18,
		SEGMENT_GRAN | SEGMENT_BIG | SEGMENT_PRESENT | SEGMENT_S | 0x3};

	vcpu_power_on(vcpu, this_cpu()->apic_id);
	this_cpu()->service = vcpu;
	if (vcpu->index != 0) {
		return;
	}
	backend->set(vcpu, VCPU_EFER, 0x500); /* LMA, LME */
	backend->set(vcpu, VCPU_CR3, kernel.params + LINUX_PAGE_TABLES);
	backend->set(vcpu, VCPU_CR4, CR4_PAE);
	backend->set(vcpu, VCPU_CR0, 0x80050033); /* PG, AM, WP, NE, ET, MP, PE */
	for (enum segment_name name = SEG_ES; name <= SEG_GS; name++) {
		backend->set_segment(vcpu, name, name == SEG_CS ? &code : &data);
	}
	backend->set(vcpu, VCPU_GDT_BASE, kernel.params + LINUX_GDT);
	backend->set(vcpu, VCPU_GDT_LIMIT, 4 * 8 - 1);
	backend->set(vcpu, VCPU_RIP, kernel.base + LINUX_ENTRY);
	vcpu->regs.gpr[GPR_RSI] = kernel.params;
	vcpu->state = VCPU_RUNNING;
}

static void stop_here(void *argument)
{
	this_cpu()->service = NULL;
}

/* Everything into its place, and let the vCPUs go, the one that boots last. */
static int launch(struct vm *vm)
{
	uint8_t *params = window_map(hpa(kernel.params), LINUX_PARAMS_SIZE, PAGING_WRITE);
	if (params == NULL) {
		return trace_err(-ENOMEM);
	}
	bool acpi = linux_write_acpi(&machine.acpi, apic_ids, vm->vcpu_count,
		kernel.params + LINUX_ACPI, params + LINUX_ACPI);
	kernel.rsdp = acpi ? kernel.params + LINUX_ACPI : 0;
	int err = linux_write_params(&kernel, boot_info, &machine.memmap, params);
	window_unmap(params, LINUX_PARAMS_SIZE);
	err = err ?: copy(kernel.initrd, boot_info->initrd.base, kernel.initrd_size);
	err = err
		?: copy(kernel.base, boot_info->kernel.base + kernel.payload, kernel.payload_size);
	for (unsigned i = vm->vcpu_count; i-- > 0 && err == 0;) {
		smp_call(vm->vcpu[i]->cpu, reset_here, vm->vcpu[i]);
	}
	if (err == 0) {
		vm_hold(vm, false);
		console_focus(true);
	}
	return err;
}

static int restart(void)
{
	boot_info->efi_count = 0; /* UEFI's services are where the first kernel has moved them */
	vm_hold(service_vm, true);
	hypercall_reset();
	smp_call_all(stop_here, NULL);
	pci_stop_dma();
	devices_reset();
	return launch(service_vm);
}

static void start_cpu(void *failed)
{
	void *frames = frame_alloc(2, FRAME_CPU);

	if (frames == NULL || !backend->cpu_start(frames)) {
		*(atomic_bool *)failed = true;
	}
}

/* Each CPU becomes one that runs guests. */
static bool virtualise(void)
{
	atomic_bool failed = false;

	gmem_address_bits = (uint8_t)cpuid_read(0x80000008, 0).eax;
	backend = cpuid_read(0x80000001, 0).ecx & BIT(2) ? &svm_backend : &vmx_backend; /* SVM */
	if (!backend->probe() || dispatch_init() != 0) {
		return false;
	}
	context_init();
	smp_call_all(start_cpu, &failed);
	if (failed) {
		log_error("service VM: not every CPU can run guests");
	}
	return !failed;
}

static void start_linux(void)
{
	struct vm *vm = make_plan() == 0 ? make_vm() : NULL;
	if (vm != NULL) {
		devices_init(vm, boot_console_port, boot_console_line.gsi);
		log_info("service VM: %u vCPUs by %s; Ctrl-\\ switches between it and the monitor",
			vm->vcpu_count, backend->name);
		service_vm = vm;
		service_restart = restart;
	}
	if (vm == NULL || launch(vm) != 0) {
		log_error("service VM: cannot be started");
	}
}

void service_start(struct boot_info *info)
{
	boot_info = info;
	if (info->kernel.size == 0) {
		log_info("service VM: none: there is no boot module \"kernel\"");
	} else if (virtualise()) {
		pvclock_set_date(clock_date());
		start_linux();
	}
}
