/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * boot/service.c - the service VM: memory, vCPUs, Linux in its place.
 * Runs: on the boot CPU, once, at the end of the start-up.
 */
#include "boot/linux.h"

#include "boot/console.h"
#include "drivers/pci.h"
#include "drivers/rtc.h"
#include "kernel/exit.h"
#include "kernel/frame.h"
#include "kernel/machine.h"
#include "kernel/paging.h"
#include "kernel/pcpu.h"

#define COPY_SIZE (256 * KIB) /* through one window */

static struct linux_kernel kernel;
static struct boot_info *boot_info;
static uint32_t apic_ids[CPUS_MAX]; /* of the vCPUs */

static void *stage2_page(void *context)
{
	return frame_alloc(1, FRAME_STAGE2);
}

static void stage2_page_free(void *context, void *page)
{
	frame_free(page, 1, FRAME_STAGE2);
}

/* All that the firmware lists, at its own address, but what is Pintle's; the rest is mapped when it
 * is touched. */
static int map_memory(struct vm *vm)
{
	static const struct stage2_pages pages = {stage2_page, stage2_page_free, NULL};
	bool large = (cpuid_read(0x80000001, 0).edx & BIT(26)) && backend->stage2->large_1g;
	bool flush = false;
	mtrr_read();
	int err = stage2_init(&vm->stage2, backend->stage2, &pages, large);
	for (unsigned i = 0; i < machine.memmap.count && err == 0; i++) {
		const struct mem_range *range = &machine.memmap.range[i];
		if (range->type == MEM_FREE || range->type == MEM_ACPI || range->type == MEM_NVS) {
			err = stage2_map_identity(&vm->stage2, range->base, range->size, &flush);
		}
	}
	return err;
}

STATIC_ASSERT(sizeof(struct vcpu) <= PAGE_SIZE, "a vCPU fits a frame");

/* On each CPU: switch virtualisation on, and make its vCPU. */
static void make_vcpu(void *argument)
{
	struct vm *vm = argument;
	struct vcpu *vcpu = frame_alloc(2, FRAME_VCPU); /* the second is its LAPIC page */
	void *frames = frame_alloc(2, FRAME_CPU);
	void *hw = frame_alloc(backend->vcpu_frames, FRAME_VCPU);
	if (vcpu == NULL || frames == NULL || hw == NULL || !backend->cpu_start(frames)) {
		return;
	}
	vcpu->hw = hw;
	vcpu->lapic.reg = (void *)((char *)vcpu + PAGE_SIZE);
	vcpu->vm = vm;
	vcpu->index = vm->vcpu_count;
	vcpu->cpu = this_cpu()->index;
	apic_ids[vcpu->index] = this_cpu()->apic_id;
	if (context_create(vcpu) == 0) {
		vm->vcpu[vm->vcpu_count++] = vcpu;
	}
}

static struct vm *make_vm(void)
{
	struct vm *vm = frame_alloc(ALIGN_UP(sizeof(*vm), PAGE_SIZE) / PAGE_SIZE, FRAME_VCPU);
	struct vm_bitmaps *bitmaps = frame_alloc(sizeof(*bitmaps) / PAGE_SIZE, FRAME_VCPU);
	if (vm == NULL || bitmaps == NULL || map_memory(vm) != 0) {
		return NULL;
	}
	vm->bitmaps = memset(bitmaps, 0xff, sizeof(*bitmaps));
	msr_open_all(vm);
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
	const void *image = window_map(hpa(boot_info->kernel.base), LINUX_HEAD_SIZE, 0);
	if (image == NULL) {
		return trace_err(-ENOMEM);
	}
	int err = linux_check(image, boot_info->kernel.size, &kernel);
	window_unmap(image, LINUX_HEAD_SIZE);
	err = err ?: linux_plan(&kernel, &machine.memmap, boot_info->initrd.size);
	return err ?: memmap_set(&machine.memmap, kernel.params, LINUX_PARAMS_SIZE, MEM_ACPI);
}

/* The 64-bit boot protocol's state at entry. */
static void set_entry(struct vcpu *vcpu)
{
	struct segment code = {0, UINT32_MAX, 0x10,
		SEGMENT_GRAN | SEGMENT_LONG | SEGMENT_PRESENT | SEGMENT_S | 0xb};
	struct segment data = {0, UINT32_MAX, 0x18,
		SEGMENT_GRAN | SEGMENT_BIG | SEGMENT_PRESENT | SEGMENT_S | 0x3};

	backend->set(vcpu, VCPU_EFER, 0x500); /* LMA, LME */
	backend->set(vcpu, VCPU_CR3, kernel.params + LINUX_PAGE_TABLES);
	backend->set(vcpu, VCPU_CR4, CR4_PAE);
	backend->set(vcpu, VCPU_CR0, 0x80050033); /* PG, AM, WP, NE, ET, MP, PE */
	for (enum segment_name name = SEG_ES; name <= SEG_GS; name++) {
		backend->set_segment(vcpu, name, name == SEG_CS ? &code : &data);
	}
	backend->set(vcpu, VCPU_GDT_BASE, kernel.params + LINUX_GDT);
	backend->set(vcpu, VCPU_GDT_LIMIT, 4 * 8 - 1);
	backend->set(vcpu, VCPU_RIP, kernel.entry);
	vcpu->regs.gpr[GPR_RSI] = kernel.params;
	vcpu->state = VCPU_RUNNING;
}

/* On the CPU of the vCPU: the state after INIT; vCPU 0 stands at the kernel's entry. */
static void reset_here(void *argument)
{
	struct vcpu *vcpu = argument;

	vcpu_restart(vcpu);
	vcpu->requests = 0;
	vcpu->exited_at = tsc_read();
	vlapic_init(&vcpu->lapic, cpu_table[vcpu->cpu]->apic_id, vcpu->index == 0, 1);
	context_reset(vcpu);
	if (vcpu->index == 0) {
		set_entry(vcpu);
	}
	this_cpu()->vcpu = vcpu;
}

static void stop_here(void *argument)
{
	this_cpu()->vcpu = NULL;
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
		console_focus(true);
	}
	return err;
}

static int restart(void)
{
	boot_info->efi_count = 0; /* UEFI's services are where the first kernel has moved them */
	smp_call_all(stop_here, NULL);
	pci_stop_dma();
	devices_reset();
	return launch(service_vm);
}

void service_start(struct boot_info *info)
{
	boot_info = info;
	if (info->kernel.size == 0) {
		log_info("service VM: none: there is no boot module \"kernel\"");
		return;
	}
	backend = cpuid_read(0x80000001, 0).ecx & BIT(2) ? &svm_backend : &vmx_backend; /* SVM */
	struct vm *vm = backend->probe() && make_plan() == 0 ? make_vm() : NULL;
	if (vm != NULL) {
		pvclock_set_date(rtc_read());
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
