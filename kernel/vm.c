/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/vm.c - virtual machines and their vCPUs come to be. Runs: at boot.
 */
#include "kernel/exit.h"

struct vm *vm_table[VMS_MAX];

STATIC_ASSERT(sizeof(struct vcpu) <= PAGE_SIZE, "a vCPU fits a frame");

static uint64_t generations[VMS_MAX]; /* [vms_busy] of the handles of each place */
atomic_bool vms_busy;

/* The parts of a VM that are not in struct vm. */
static bool fill(struct vm *vm)
{
	bool large = (cpuid_read(0x80000001, 0).edx & BIT(26)) && backend->stage2->large_1g;

	vm->bitmaps = pool_alloc(&vm->pool, sizeof(*vm->bitmaps) / PAGE_SIZE);
	vm->doorbells = pool_alloc(&vm->pool, 1);
	if (vm->bitmaps == NULL || vm->doorbells == NULL ||
		stage2_init(&vm->stage2, backend->stage2, &vm->pool, large) != 0) {
		return false;
	}
	memset(vm->bitmaps, 0xff, sizeof(*vm->bitmaps));
	msr_open_all(vm);
	vm->doorbell_lock = SPINLOCK(BELLS);
	return true;
}

struct vm *vm_create(struct pool *pool)
{
	struct vm *vm = pool_alloc(pool, PAGES_OF(sizeof(struct vm)));
	uint32_t id = pool->count != 0;

	while (id < VMS_MAX && vm_table[id] != NULL) {
		id++;
	}
	if (vm != NULL && id < VMS_MAX) {
		vm->pool = *pool;
		vm->id = id;
		vm->closed = pool->count != 0;
		vm->name = vm->closed ? "guest" : "service VM";
		vm->handle = ++generations[id] << 16 | id;
		vm_table[id] = fill(vm) ? vm : NULL;
	}
	return id < VMS_MAX ? vm_table[id] : NULL;
}

STATIC_ASSERT(
	PINTLE_DOORBELLS * sizeof(struct pintle_doorbell) <= PAGE_SIZE, "a page of doorbells");

int vm_protect(struct vm *vm, uint64_t gpa, uint64_t size, unsigned rights)
{
	bool flush = false;
	uint64_t flags = lock_acquire(&vm_lock);
	int err = rights == VM_IDENTITY ? stage2_map_identity(&vm->stage2, gpa, size, &flush)
					: stage2_protect(&vm->stage2, gpa, size, rights, &flush);

	lock_release(&vm_lock, flags);
	if (flush) {
		vm_flush(vm);
	}
	return err;
}

/* Each page that was mapped is the service VM's alone again. */
static void drop_memory(struct vm *vm)
{
	struct stage2_translation page;

	for (uint64_t gpa = 0; stage2_next(&vm->stage2, &gpa, BIT(48), &page); gpa += page.left) {
		pieces_drop(page.hpa.raw, page.left / PAGE_SIZE);
		smp_answer(); /* there may be much of it */
	}
}

void vm_destroy(struct vm *vm)
{
	struct sched_params nothing = sched_defaults();
	uint64_t flags = lock_acquire(&vm_lock);
	vm_table[vm->id] = NULL;
	lock_release(&vm_lock, flags);
	while (vm->users != 1) { /* the caller's */
		dispatch_answer();
	}
	for (unsigned i = 0; i < vm->vcpu_count; i++) {
		vm->vcpu[i]->stopped = true;
		vcpu_request(vm->vcpu[i], VCPU_REQUEST_LOOK);
		dispatch_stop(vm->vcpu[i]);
	}
	/* Those that still ran may have woken others. Nobody has one at hand any more. */
	vm_flush(vm);
	for (unsigned i = 0; i < vm->vcpu_count; i++) {
		struct vcpu *vcpu = vm->vcpu[i];
		dispatch_stop(vcpu);
		dispatch_set(vcpu, &nothing); /* what it has reserved is free */
		dispatch_stop(vcpu);
		vcpu_take(vcpu);
		pieces_drop(virt_to_phys(vcpu->record).raw, 1);
	}
	drop_memory(vm);
	pool_return(&vm->pool);
}

size_t vcpu_pages(void)
{
	return 2 + backend->vcpu_frames + PAGES_OF(context_fpu_size());
}

struct vcpu *vcpu_create(struct vm *vm, uint32_t apic_id, const struct sched_params *params)
{
	bool room = vm->vcpu_count != CPUS_MAX;
	/* Itself, its LAPIC page, the backend's, the FPU's state. */
	char *pages = room ? pool_alloc(&vm->pool, vcpu_pages()) : NULL;

	if (pages == NULL) {
		return NULL;
	}
	struct vcpu *vcpu = (struct vcpu *)pages;
	vcpu->lapic.reg = (void *)(pages + PAGE_SIZE);
	vcpu->hw = pages + 2 * PAGE_SIZE;
	vcpu->context.fpu = pages + (2 + backend->vcpu_frames) * PAGE_SIZE;
	vcpu->vm = vm;
	vcpu->closed = vm->closed;
	vcpu->index = vm->vcpu_count;
	vcpu->cpu = this_cpu()->index;
	sched_entity_init(&vcpu->sched, &this_cpu()->sched, params);
	vcpu_power_on(vcpu, apic_id);
	return vcpu;
}

void vcpu_publish(struct vcpu *vcpu)
{
	vcpu->vm->vcpu[vcpu->index] = vcpu;
	__atomic_store_n(&vcpu->vm->vcpu_count, vcpu->index + 1, __ATOMIC_RELEASE);
}

void vcpu_power_on(struct vcpu *vcpu, uint32_t apic_id)
{
	vcpu_restart(vcpu);
	vcpu->requests = 0;
	vcpu->exited_at = tsc_read();
	vlapic_init(&vcpu->lapic, apic_id, (vcpu->closed ? apic_id : vcpu->index) == 0);
	context_reset(vcpu);
}
