/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/service.c - the service VM: memory, vCPUs, what it starts from in its place.
 * Runs: on the boot CPU, at the end of the start-up and by the monitor's `restart`.
 */
#include "kernel/service.h"

#include "drivers/pci.h"
#include "kernel/console.h"
#include "kernel/exit.h"
#include "kernel/gmem.h"
#include "kernel/machine.h"

#define COPY_SIZE (256 * KIB) /* through one window */

_Alignas(PAGE_SIZE) uint8_t service_params[SERVICE_PARAMS_SIZE];
struct service_piece service_plan[SERVICE_PIECES];

extern char text_start[], boot_end[]; /* boot/'s text: linker.ld */

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

/* Into its place, through windows. */
static int copy(const struct service_piece *piece)
{
	for (uint64_t done = 0; done < piece->size; done += COPY_SIZE) {
		uint64_t part = min_u64(COPY_SIZE, piece->size - done);
		void *target = window_map(hpa(piece->to + done), part, PAGING_WRITE);
		if (target == NULL || !window_copy(target, hpa(piece->from + done), part)) {
			return trace_err(-ENOMEM);
		}
		window_unmap(target, part);
	}
	return 0;
}

/* On the CPU of the vCPU: the state after power-on; vCPU 0 stands at the kernel's entry, in the
 * 64-bit boot protocol's state. */
static void reset_here(void *argument)
{
	struct vcpu *vcpu = argument;
	uint64_t params = service_plan[SERVICE_PARAMS].to;
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
	backend->set(vcpu, VCPU_CR3, params + SERVICE_PAGE_TABLES);
	backend->set(vcpu, VCPU_CR4, CR4_PAE);
	backend->set(vcpu, VCPU_CR0, 0x80050033); /* PG, AM, WP, NE, ET, MP, PE */
	for (enum segment_name name = SEG_ES; name <= SEG_GS; name++) {
		backend->set_segment(vcpu, name, name == SEG_CS ? &code : &data);
	}
	backend->set(vcpu, VCPU_GDT_BASE, params + SERVICE_GDT);
	backend->set(vcpu, VCPU_GDT_LIMIT, 4 * 8 - 1);
	backend->set(vcpu, VCPU_RIP, service_plan[SERVICE_KERNEL].to + SERVICE_ENTRY);
	vcpu->regs.gpr[GPR_RSI] = params;
	vcpu->state = VCPU_RUNNING;
}

static void stop_here(void *argument)
{
	this_cpu()->service = NULL;
}

/* Everything into its place, and let the vCPUs go, the one that boots last. */
static int launch(void)
{
	int err = 0;
	for (unsigned i = 0; i < SERVICE_PIECES && err == 0; i++) {
		err = copy(&service_plan[i]);
	}
	for (unsigned i = service_vm->vcpu_count; i-- > 0 && err == 0;) {
		smp_call(service_vm->vcpu[i]->cpu, reset_here, service_vm->vcpu[i]);
	}
	if (err == 0) {
		vm_hold(service_vm, false);
		console_focus(true);
	}
	return err;
}

int service_restart(void)
{
	/* No efi_loader_signature: UEFI's services are where the first kernel has moved them. */
	memset(service_params + 0x1c0, 0, 4);
	vm_hold(service_vm, true);
	hypercall_reset();
	smp_call_all(stop_here, NULL);
	pci_stop_dma();
	devices_reset();
	return launch();
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

static void start_vm(void)
{
	service_vm = make_vm();
	if (service_vm != NULL) {
		devices_init();
		log_info("service VM: %u vCPUs by %s; Ctrl-\\ switches between it and the monitor",
			service_vm->vcpu_count, backend->name);
	}
	if (service_vm == NULL || launch() != 0) {
		log_error("service VM: cannot be started");
	}
}

/* On each CPU; NULL: only come, out of boot/. */
static void forget_boot(void *forget)
{
	for (char *page = text_start; page < boot_end && forget != NULL; page += PAGE_SIZE) {
		paging_unmap((uint64_t)(uintptr_t)page);
	}
}

void service_start(void)
{
	smp_call_all(forget_boot, NULL);
	smp_call_all(forget_boot, text_start);
	if (service_plan[SERVICE_KERNEL].size != 0 && virtualise()) {
		start_vm();
	}
	cpu_loop();
}
