/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/vm.c - virtual machines and their vCPUs come to be. Runs: at boot.
 */
#include "kernel/dispatch.h"
#include "kernel/exit.h"
#include "kernel/frame.h"
#include "kernel/log.h"

struct vm *vm_table[VMS_MAX];

STATIC_ASSERT(sizeof(struct vcpu) <= PAGE_SIZE, "a vCPU fits a frame");

static void *stage2_page(void *context)
{
	return frame_alloc(1, FRAME_STAGE2);
}

static void stage2_page_free(void *context, void *page)
{
	frame_free(page, 1, FRAME_STAGE2);
}

struct vm *vm_create(const char *name, bool closed)
{
	static const struct stage2_pages pages = {stage2_page, stage2_page_free, NULL};
	bool large = (cpuid_read(0x80000001, 0).edx & BIT(26)) && backend->stage2->large_1g;
	struct vm *vm = frame_alloc(ALIGN_UP(sizeof(*vm), PAGE_SIZE) / PAGE_SIZE, FRAME_VCPU);
	struct vm_bitmaps *bitmaps = frame_alloc(sizeof(*bitmaps) / PAGE_SIZE, FRAME_VCPU);

	for (uint32_t id = closed; id < VMS_MAX && vm != NULL && bitmaps != NULL; id++) {
		if (vm_table[id] != NULL) {
			continue;
		}
		vm->id = id;
		vm->closed = closed;
		for (unsigned i = 0; i < VM_NAME_MAX - 1 && name[i] != '\0'; i++) {
			vm->name[i] = name[i];
		}
		vm->bitmaps = memset(bitmaps, 0xff, sizeof(*bitmaps));
		msr_open_all(vm);
		if (stage2_init(&vm->stage2, backend->stage2, &pages, large) != 0) {
			return NULL;
		}
		return vm_table[id] = vm;
	}
	log_error("%s: no room for one more VM", name);
	return NULL;
}

struct vcpu *vcpu_create(struct vm *vm, uint32_t apic_id, const struct sched_params *params)
{
	struct vcpu *vcpu = frame_alloc(2, FRAME_VCPU); /* the second is its LAPIC page */
	void *hw = frame_alloc(backend->vcpu_frames, FRAME_VCPU);

	if (vcpu == NULL || hw == NULL || vm->vcpu_count == CPUS_MAX) {
		return NULL;
	}
	vcpu->hw = hw;
	vcpu->lapic.reg = (void *)((char *)vcpu + PAGE_SIZE);
	vcpu->vm = vm;
	vcpu->closed = vm->closed;
	vcpu->index = vm->vcpu_count;
	vcpu->cpu = this_cpu()->index;
	if (context_create(vcpu) != 0) {
		return NULL;
	}
	if (!dispatch_add(vcpu, this_cpu(), params)) {
		struct sched_params shared = *params;
		shared.budget = shared.period = 0;
		dispatch_add(vcpu, this_cpu(), &shared);
		log_error("%s: CPU %u has no room for what it reserves", vm->name, vcpu->cpu);
	}
	vcpu_power_on(vcpu, apic_id);
	vm->vcpu[vm->vcpu_count++] = vcpu;
	return vcpu;
}

void vcpu_power_on(struct vcpu *vcpu, uint32_t apic_id)
{
	vcpu_restart(vcpu);
	vcpu->requests = 0;
	vcpu->exited_at = tsc_read();
	vlapic_init(&vcpu->lapic, apic_id, vcpu->index == 0, 1);
	context_reset(vcpu);
}
