/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * boot/service.c - the service VM: memory, vCPUs, Linux in its place.
 * Runs: on the boot CPU, once, at the end of the start-up.
 */
#include "boot/service.h"

#include "boot/console.h"
#include "boot/linux.h"
#include "kernel/devices.h"
#include "kernel/errno.h"
#include "kernel/exit.h"
#include "kernel/frame.h"
#include "kernel/log.h"
#include "kernel/machine.h"
#include "kernel/monitor.h"
#include "kernel/object.h"
#include "kernel/paging.h"
#include "kernel/pcpu.h"
#include "kernel/smp.h"
#include "kernel/string.h"
#include "kernel/time.h"
#include "kernel/vcpu.h"
#include "kernel/x86.h"

#define HEAD_SIZE  (64 * KIB)  /* of a bzImage: the setup part that is read here */
#define COPY_SIZE  (256 * KIB) /* through one window */
#define VM_FRAMES  ((sizeof(struct vm) + PAGE_SIZE - 1) / PAGE_SIZE)
#define ENTRY_CR0  0x80050033ull /* PG, AM, WP, NE, ET, MP, PE */
#define ENTRY_CR4  0x20ull       /* PAE */
#define ENTRY_EFER 0x500ull      /* LMA, LME */
#define ENTRY_CS   0x10u
#define ENTRY_DS   0x18u
#define LAPIC_PAGE 0xfee00000ull

static struct linux_kernel kernel;
static struct linux_plan plan;
static atomic_int cpu_error;

static const struct boot_module *find_module(const struct boot_info *info, const char *name)
{
	for (unsigned i = 0; i < info->module_count; i++) {
		if (strcmp(info->module[i].name, name) == 0) {
			return &info->module[i];
		}
	}
	return NULL;
}

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
	bool large = cpuid_read(0x80000001, 0).edx & BIT(26);
	bool flush = false;
	int err = stage2_init(&vm->stage2, backend->stage2, &pages, large);
	for (unsigned i = 0; i < machine.memmap.count && err == 0; i++) {
		const struct mem_range *range = &machine.memmap.range[i];
		bool ours = range->type == MEM_OWN || range->type == MEM_IMAGE;
		bool ram = range->type != MEM_RESERVED && range->type != MEM_BAD;
		if (!ours && ram) {
			err = stage2_map(&vm->stage2, range->base, hpa(range->base), range->size,
				STAGE2_ALL, STAGE2_WB, &flush);
		}
	}
	return err;
}

static int make_vcpu(struct vm *vm, struct pcpu *cpu)
{
	struct vcpu *vcpu = object_alloc(sizeof(*vcpu));
	if (vcpu == NULL) {
		return trace_err(-ENOMEM);
	}
	vcpu->vm = vm;
	vcpu->index = vm->vcpu_count;
	vcpu->cpu = cpu->index;
	vcpu->state = VCPU_WAIT_SIPI;
	vlapic_init(&vcpu->lapic, cpu->apic_id, vm->vcpu_count == 0, 1);
	vm->vcpu[vm->vcpu_count++] = vcpu;
	return 0;
}

static struct vm *make_vm(void)
{
	struct vm *vm = frame_alloc(VM_FRAMES, FRAME_VCPU);
	int err = vm != NULL ? map_memory(vm) : -ENOMEM;
	if (err != 0 || backend->vm_create(vm) != 0) {
		return NULL;
	}
	msr_open_all(vm);
	for (unsigned i = 0; i < cpu_count && err == 0; i++) {
		if (cpu_table[i]->state == CPU_ONLINE) {
			err = make_vcpu(vm, cpu_table[i]);
		}
	}
	return err == 0 ? vm : NULL;
}

/* The kernel's protected-mode part to where it is to run. */
static int copy_kernel(const struct boot_module *module)
{
	for (uint64_t done = 0; done < kernel.payload_size; done += COPY_SIZE) {
		uint64_t part = min_u64(COPY_SIZE, kernel.payload_size - done);
		const void *from = window_map(hpa(module->base + kernel.payload + done), part, 0);
		void *to = window_map(hpa(plan.kernel + done), part, PAGING_WRITE);
		if (from == NULL || to == NULL) {
			return trace_err(-ENOMEM);
		}
		memcpy(to, from, part);
		window_unmap(from, part);
		window_unmap(to, part);
	}
	return 0;
}

static const void *map_table(hpa_t base, size_t size)
{
	return window_map(base, size, 0);
}

static void unmap_table(const void *base, size_t size)
{
	window_unmap(base, size);
}

static int write_params(const struct boot_module *module, const struct vm *vm, uint8_t *params)
{
	static const struct acpi_memory memory = {map_table, unmap_table};
	static uint32_t apic_ids[CPUS_MAX];
	for (unsigned i = 0; i < vm->vcpu_count; i++) {
		apic_ids[i] = vm->vcpu[i]->lapic.id;
	}
	size_t acpi = linux_write_acpi(&machine.acpi, &memory, apic_ids, vm->vcpu_count,
		plan.params + LINUX_ACPI, params + LINUX_ACPI, LINUX_PARAMS_SIZE - LINUX_ACPI);
	struct linux_setup setup = {.map = &machine.memmap,
		.cmdline = module->args,
		.rsdp = acpi != 0 ? plan.params + LINUX_ACPI : 0};
	const uint8_t *image = window_map(hpa(module->base), HEAD_SIZE, 0);
	if (image == NULL) {
		return trace_err(-ENOMEM);
	}
	int err = linux_write_params(&kernel, &plan, &setup, image, params);
	window_unmap(image, HEAD_SIZE);
	return err;
}

static int load(const struct boot_info *info, const struct boot_module *module, const struct vm *vm)
{
	const struct boot_module *initrd = find_module(info, "initrd");
	const uint8_t *image = window_map(hpa(module->base), min_u64(HEAD_SIZE, module->size), 0);
	if (image == NULL) {
		return trace_err(-ENOMEM);
	}
	int err = linux_check(image, module->size, &kernel);
	window_unmap(image, min_u64(HEAD_SIZE, module->size));
	if (err != 0) {
		return err;
	}
	err = linux_plan(&kernel, &machine.memmap, initrd != NULL ? initrd->base : 0,
		initrd != NULL ? initrd->size : 0, &plan);
	if (err != 0) {
		return err;
	}
	uint8_t *params = window_map(hpa(plan.params), LINUX_PARAMS_SIZE, PAGING_WRITE);
	if (params == NULL ||
		memmap_set(&machine.memmap, plan.params, LINUX_PARAMS_SIZE, MEM_ACPI) != 0) {
		return trace_err(-ENOMEM);
	}
	memset(params, 0, LINUX_PARAMS_SIZE);
	err = write_params(module, vm, params);
	window_unmap(params, LINUX_PARAMS_SIZE);
	return err != 0 ? err : copy_kernel(module);
}

/* The 64-bit boot protocol's state at entry. */
static void set_entry(struct vcpu *vcpu)
{
	struct segment code = {0, UINT32_MAX, ENTRY_CS,
		SEGMENT_GRAN | SEGMENT_LONG | SEGMENT_PRESENT | SEGMENT_S | 0xb};
	struct segment data = {0, UINT32_MAX, ENTRY_DS,
		SEGMENT_GRAN | SEGMENT_BIG | SEGMENT_PRESENT | SEGMENT_S | 0x3};

	backend->set(vcpu, VCPU_EFER, ENTRY_EFER);
	backend->set(vcpu, VCPU_CR3, plan.params + LINUX_PAGE_TABLES);
	backend->set(vcpu, VCPU_CR4, ENTRY_CR4);
	backend->set(vcpu, VCPU_CR0, ENTRY_CR0);
	backend->set_segment(vcpu, SEG_CS, &code);
	for (enum segment_name name = SEG_ES; name <= SEG_GS; name++) {
		if (name != SEG_CS) {
			backend->set_segment(vcpu, name, &data);
		}
	}
	backend->set(vcpu, VCPU_GDT_BASE, plan.params + LINUX_GDT);
	backend->set(vcpu, VCPU_GDT_LIMIT, 4 * 8 - 1);
	backend->set(vcpu, VCPU_RIP, plan.entry);
	vcpu->regs.gpr[GPR_RSI] = plan.params + LINUX_ZERO_PAGE;
	vcpu->state = VCPU_RUNNING;
}

/* On each CPU: switch virtualisation on, and take its vCPU. */
static void start_here(void *argument)
{
	struct vm *vm = argument;
	int err = backend->cpu_start();
	for (unsigned i = 0; i < vm->vcpu_count && err == 0; i++) {
		if (vm->vcpu[i]->cpu == this_cpu()->index) {
			err = backend->vcpu_create(vm->vcpu[i]);
			if (err == 0) {
				backend->vcpu_reset(vm->vcpu[i]);
			}
		}
	}
	if (err != 0) {
		cpu_error = err;
	}
}

static void run_here(void *argument)
{
	struct vm *vm = argument;
	for (unsigned i = 0; i < vm->vcpu_count; i++) {
		if (vm->vcpu[i]->cpu == this_cpu()->index) {
			this_cpu()->vcpu = vm->vcpu[i];
		}
	}
}

static const struct backend *choose_backend(void)
{
	bool amd = cpuid_read(0x80000000, 0).eax >= 0x80000001 &&
		(cpuid_read(0x80000001, 0).ecx & BIT(2));
	const struct backend *choice = amd ? &svm_backend : &vmx_backend;
	return choice->probe() == 0 ? choice : NULL;
}

void service_start(const struct boot_info *info)
{
	const struct boot_module *module = find_module(info, "kernel");
	if (module == NULL) {
		log_info("service VM: none: there is no boot module \"kernel\"");
		return;
	}
	backend = choose_backend();
	struct vm *vm = backend != NULL ? make_vm() : NULL;
	if (vm == NULL || load(info, module, vm) != 0) {
		log_error("service VM: cannot be started");
		return;
	}
	smp_call_all(start_here, vm);
	if (cpu_error != 0) {
		log_error("service VM: cannot be started: error %d", -cpu_error);
		return;
	}
	set_entry(vm->vcpu[0]);
	devices_init(vm, boot_console_port(), boot_console_gsi());
	backend->open_ports(vm, 0, boot_console_port());
	backend->open_ports(
		vm, (uint16_t)(boot_console_port() + 8), 0x10000u - boot_console_port() - 8);
	log_info("service VM: %u vCPUs by %s; Ctrl-\\ switches between it and the monitor",
		vm->vcpu_count, backend->name);
	monitor_focus_guest();
	smp_call_all(run_here, vm);
}
