/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/hypercall.c - hypercalls of the service VM: looked up, taken, checked, done
 * (abi/hypercalls.def). Runs: on the exiting CPU, interrupts off, no locks held.
 *
 * Who uses a VM counts in its `users`, so that it does not go; who changes it holds `busy`, a try
 * that nobody waits for, as some of it waits for other CPUs. Pages in shared pieces are the service
 * VM's to write at any time: what is read of them is read once.
 */
#include "kernel/dispatch.h"
#include "kernel/exit.h"
#include "kernel/sched_words.h"
#include "kernel/time.h"
#include "kernel/vmm.h"

#define LIST_MAX   512u
#define RANGE_MAX  GIB
#define MAP_TABLES 6u /* that a list can need: three each where it crosses into other tables */
#define MSI_LEVEL  BIT(15)
#define VALUES_MAX ARRAY_COUNT(((struct pintle_record *)0)->values)

struct call {
	const uint64_t *argument; /* without the handles that were looked up */
	struct vm *vm;
	struct vcpu *vcpu;
};

enum right {
	NONE,
	ALONE,
	LOOK,
	VM,
	RUNNING,
	VCPU,
};

static uint64_t event_kept[CPUS_MAX]; /* [the VMs are taken] event pages; 0: none */

static bool take(atomic_bool *busy)
{
	return !atomic_exchange(busy, true);
}

/* Machine ------------------------------------------------------------------------------------- */

static int64_t call_QUERY(const struct call *c)
{
	uint64_t count = 0;

	switch (c->argument[0]) {
	case PINTLE_QUERY_VERSION:
		return PINTLE_VERSION_ABI;
	case PINTLE_QUERY_FEATURES:
		return 0;
	case PINTLE_QUERY_CPUS:
		return service_vm->vcpu_count;
	case PINTLE_QUERY_VM_PAGES: /* itself, bitmaps, doorbells, CPUID, the root */
		return (int64_t)(ALIGN_UP(sizeof(struct vm), PAGE_SIZE) / PAGE_SIZE +
			sizeof(struct vm_bitmaps) / PAGE_SIZE + 3);
	case PINTLE_QUERY_VCPU_PAGES:
		return (int64_t)vcpu_pages();
	case PINTLE_QUERY_VMS:
		for (unsigned id = 1; id < VMS_MAX; id++) {
			count += vm_table[id] != NULL;
		}
		return (int64_t)count;
	case PINTLE_QUERY_PIECES:
		return (int64_t)pieces_deposited();
	case PINTLE_QUERY_VCPUS_MAX:
		return CPUS_MAX;
	case PINTLE_QUERY_TSC_KHZ:
		return (int64_t)(time_frequency / 1000);
	case PINTLE_QUERY_XSAVE_SIZE:
		return (int64_t)context_fpu_size();
	default:
		return -EINVAL;
	}
}

static int64_t call_SHARE(const struct call *c)
{
	return piece_share(c->argument[0]);
}

static int64_t call_UNSHARE(const struct call *c)
{
	return piece_unshare(c->argument[0]);
}

static int64_t call_EVENT_PAGE(const struct call *c)
{
	uint64_t cpu = c->argument[0], page = c->argument[1];

	if (cpu >= service_vm->vcpu_count) {
		return -EINVAL;
	}
	void *events = page != 0 ? shared_keep(page) : NULL;
	if (page != 0 && events == NULL) {
		return -EFAULT;
	}
	vmm_set_event_page((unsigned)cpu, events);
	if (event_kept[cpu] != 0) {
		pieces_drop(event_kept[cpu], 1);
	}
	event_kept[cpu] = page;
	return 0;
}

static int64_t call_CPUID_CUT(const struct call *c)
{
	struct pintle_cpuid *rows = shared_pages(c->argument[0], 1);
	uint64_t count = c->argument[1];

	if (count > PINTLE_CPUID_MAX || rows == NULL) {
		return rows == NULL ? -EFAULT : -EINVAL;
	}
	for (unsigned i = 0; i < count; i++) {
		rows[i] = cpuid_cut(&rows[i]);
	}
	return 0;
}

/* VMs ----------------------------------------------------------------------------------------- */

static int64_t call_VM_CREATE(const struct call *c)
{
	static struct pool pool; /* [the VMs are taken] */

	pool = (struct pool){0};
	int64_t result = pool_add(&pool, c->argument[0]);
	if (result == 0) {
		struct vm *vm = vm_create("guest", true, &pool);
		result = vm != NULL ? (int64_t)vm->handle : -ENOSPC;
		if (vm == NULL) {
			pool_return(&pool);
		}
	}
	return result;
}

static int64_t call_VM_DESTROY(const struct call *c)
{
	if (!vms_take()) {
		return -EAGAIN;
	}
	vm_destroy(c->vm);
	vms_release();
	return 0;
}

static int64_t call_DEPOSIT(const struct call *c)
{
	return pool_add(&c->vm->pool, c->argument[0]);
}

static int64_t call_PAGES_FREE(const struct call *c)
{
	return (int64_t)c->vm->pool.free;
}

/* Memory -------------------------------------------------------------------------------------- */

static int64_t change(struct vm *vm, uint64_t gpa, uint64_t size, unsigned rights)
{
	bool flush = false;
	uint64_t flags = lock_acquire(&vm_lock);
	int err = stage2_protect(&vm->stage2, gpa, size, rights, &flush);

	lock_release(&vm_lock, flags);
	if (flush) {
		vm_flush(vm);
	}
	return err;
}

/* Tables that it takes to cut what is mapped at `gpa` in two. */
static size_t cut_cost(struct vm *vm, uint64_t gpa)
{
	struct stage2_translation page;
	bool cuts = stage2_query(&vm->stage2, gpa, &page) && gpa % page.size != 0;

	return !cuts ? 0 : page.size > LARGE_SIZE ? 2 : 1;
}

/* Runs of pages leave the accounts when no CPU uses them any more. */
static int64_t call_UNMAP(const struct call *c)
{
	struct {
		uint64_t page;
		size_t count;
	} run[32];
	uint64_t gpa = c->argument[0], size = c->argument[1], end = gpa + size;
	struct stage2_translation page;

	if (((gpa | size) & PAGE_MASK) || size > RANGE_MAX || gpa > BIT(48) - RANGE_MAX) {
		return -EINVAL;
	}
	if (cut_cost(c->vm, gpa) + cut_cost(c->vm, end) > c->vm->pool.free) {
		return -ENOMEM;
	}
	while (gpa < end) {
		unsigned runs = 0;
		uint64_t first = gpa;
		for (uint64_t next; gpa < end && runs < ARRAY_COUNT(run); gpa = next) {
			bool there = stage2_query(&c->vm->stage2, gpa, &page);
			next = min_u64(end, ALIGN_DOWN(gpa, page.size) + page.size);
			if (there) {
				run[runs].page = page.hpa.raw;
				run[runs++].count = (next - gpa) / PAGE_SIZE;
			}
		}
		change(c->vm, first, gpa - first, 0);
		while (runs-- != 0) {
			pieces_drop(run[runs].page, run[runs].count);
		}
	}
	return 0;
}

static int64_t call_PROTECT(const struct call *c)
{
	uint64_t gpa = c->argument[0], size = c->argument[1], rights = c->argument[2];

	if (size > RANGE_MAX || rights > STAGE2_ALL || !(rights & STAGE2_READ)) {
		return -EINVAL;
	}
	return change(c->vm, gpa, size, (unsigned)rights);
}

/* Pages of the list that follow each other in memory, from `first` on: how many. */
static size_t run_of(const uint64_t *list, size_t first, size_t count)
{
	size_t run = 1;
	while (first + run < count && list[first + run] == list[first] + run * PAGE_SIZE) {
		run++;
	}
	return run;
}

static bool is_empty(struct vm *vm, uint64_t gpa, uint64_t end)
{
	struct stage2_translation page;
	bool there = false;

	while (gpa < end && !there) {
		there = stage2_query(&vm->stage2, gpa, &page);
		gpa = ALIGN_DOWN(gpa, page.size) + page.size;
	}
	return !there;
}

static int64_t call_MAP(const struct call *c)
{
	uint64_t gpa = c->argument[0], count = c->argument[2], rights = c->argument[3];
	const uint64_t *shared = shared_pages(c->argument[1], 1);
	uint64_t list[LIST_MAX];

	if ((gpa & PAGE_MASK) || gpa > BIT(48) - RANGE_MAX || count - 1 >= LIST_MAX ||
		rights > STAGE2_ALL || !(rights & STAGE2_READ)) {
		return -EINVAL;
	}
	if (shared == NULL) {
		return -EFAULT;
	}
	if (!is_empty(c->vm, gpa, gpa + count * PAGE_SIZE)) {
		return -EEXIST;
	}
	if (c->vm->pool.free < MAP_TABLES) {
		return -ENOMEM;
	}
	memcpy(list, shared, count * sizeof(*list));
	for (size_t i = 0; i < count; i++) {
		if (!pieces_hold(list[i], 1)) {
			while (i-- != 0) {
				pieces_drop(list[i], 1);
			}
			return -EFAULT;
		}
	}
	bool flush = false;
	uint64_t flags = lock_acquire(&vm_lock);
	for (size_t done = 0, run; done < count; done += run) {
		run = run_of(list, done, count);
		stage2_map(&c->vm->stage2, gpa + done * PAGE_SIZE, hpa(list[done]), run * PAGE_SIZE,
			(unsigned)rights, STAGE2_WB, &flush);
	}
	lock_release(&vm_lock, flags);
	if (flush) {
		vm_flush(c->vm);
	}
	return 0;
}

static int64_t call_DIRTY_LOG(const struct call *c)
{
	return -ENOSYS;
}

/* vCPUs --------------------------------------------------------------------------------------- */

static int64_t call_VCPU_CREATE(const struct call *c)
{
	uint64_t apic_id = c->argument[0], page = c->argument[1];
	struct sched_params params = sched_defaults();

	if (apic_id > UINT32_MAX) {
		return -EINVAL;
	}
	struct pintle_record *record = shared_keep(page);
	if (record == NULL) {
		return -EFAULT;
	}
	struct vcpu *vcpu = vcpu_create(c->vm, (uint32_t)apic_id, &params);
	if (vcpu == NULL) {
		pieces_drop(page, 1);
		return c->vm->vcpu_count == CPUS_MAX ? -ENOSPC : -ENOMEM;
	}
	vcpu->record_page = page;
	vcpu->event = (uint32_t)c->argument[2];
	vcpu->stopped = true;
	vcpu->state = vcpu->index == 0 ? VCPU_RUNNING : VCPU_WAIT_SIPI;
	vcpu->record = record;
	vcpu_publish(vcpu);
	return vcpu->index;
}

/* It sleeps until the vCPU does, or there is an interrupt. */
static int64_t call_VCPU_WAIT(const struct call *c)
{
	struct vcpu *self = this_cpu()->vcpu;

	c->vcpu->waiter = self;
	if (c->vcpu->stopped || c->vcpu->sched.state == SCHED_ASLEEP) {
		return 1;
	}
	self->state = VCPU_WAITS;
	vcpu_request(self, VCPU_REQUEST_LOOK);
	return 0;
}

static int64_t call_VCPU_RUN(const struct call *c)
{
	struct vcpu *vcpu = c->vcpu;
	uint64_t how = c->argument[0];

	if (how > PINTLE_RUN_WAIT) {
		return -EINVAL;
	}
	vcpu->asks = PINTLE_EXIT_NONE;
	if (vcpu->answer == ANSWER_ASKED) {
		vcpu->answer_value = __atomic_load_n(&vcpu->record->value, __ATOMIC_RELAXED);
		vcpu->answer = ANSWER_GIVEN;
	}
	if (how != PINTLE_RUN_ANSWER) {
		vcpu->stopped = false;
		if (how == PINTLE_RUN_WAIT) {
			dispatch_attract(vcpu);
		}
		vcpu_request(vcpu, VCPU_REQUEST_LOOK);
		return how == PINTLE_RUN_WAIT ? call_VCPU_WAIT(c) : 0;
	}
	if (vcpu->answer == ANSWER_GIVEN) {
		vcpu_take(vcpu);
		exit_again(vcpu);
	}
	return 0;
}

static int64_t call_VCPU_STOP(const struct call *c)
{
	struct vcpu *vcpu = c->vcpu;

	if (atomic_exchange(&vcpu->stopped, true)) {
		dispatch_stop(vcpu); /* it may still be on its way out */
		return 0;
	}
	vcpu_request(vcpu, VCPU_REQUEST_LOOK);
	dispatch_stop(vcpu);
	if (vcpu->asks == PINTLE_EXIT_NONE) {
		vcpu->record->exit = PINTLE_EXIT_STOPPED;
	}
	return 1;
}

static int64_t call_VCPU_STEER(const struct call *c)
{
	c->vcpu->event = (uint32_t)c->argument[0];
	c->vcpu->waiter = NULL;
	return 0;
}

static int64_t call_VCPU_NMI(const struct call *c)
{
	vcpu_request(c->vcpu, VCPU_REQUEST_NMI);
	return 0;
}

/* SDM vol. 3, 11.11: destination in bits 19:12 of the address, logical by bit 2. */
static int64_t call_MSI(const struct call *c)
{
	uint64_t address = c->argument[0], data = c->argument[1];
	uint64_t icr = (address >> 12 & 0xff) << 32 | (data & 0x7ff) | (address & BIT(2)) << 9;

	if ((address & ~0xfffffull) != 0xfee00000) {
		return -EINVAL;
	}
	return devices_message(c->vm, icr, data & MSI_LEVEL) != 0;
}

static int64_t call_SCHED_SET(const struct call *c)
{
	const struct pintle_sched *shared = shared_pages(c->argument[0], 1);
	struct sched_params params = sched_defaults();
	struct pintle_sched wanted;

	if (shared == NULL) {
		return -EFAULT;
	}
	memcpy(&wanted, shared, sizeof(wanted));
	params.weight = wanted.weight;
	params.cap = wanted.cap;
	params.latency = wanted.latency;
	params.budget = wanted.budget;
	params.period = wanted.period;
	for (unsigned i = 0; i < ARRAY_COUNT(wanted.affinity); i++) {
		wanted.reserved |= wanted.affinity[i] != 0;
	}
	for (unsigned i = 0; i < ARRAY_COUNT(wanted.affinity) && wanted.reserved; i++) {
		params.affinity.word[i] &= wanted.affinity[i];
	}
	return dispatch_set(c->vcpu, &params);
}

static int64_t call_CPUID_SET(const struct call *c)
{
	const struct pintle_cpuid *rows = shared_pages(c->argument[0], 1);
	uint64_t count = c->argument[1];
	struct vm *vm = c->vm;

	if (rows == NULL || count > PINTLE_CPUID_MAX) {
		return rows == NULL ? -EFAULT : -EINVAL;
	}
	struct pintle_cpuid *own = vm->cpuid != NULL ? vm->cpuid : vm_alloc(vm, 1);
	if (own == NULL) {
		return -ENOMEM;
	}
	vm->cpuid_count = 0; /* a vCPU that runs meanwhile sees none */
	for (unsigned i = 0; i < count; i++) {
		own[i] = cpuid_cut(&rows[i]);
	}
	vm->cpuid = own;
	vm->cpuid_count = (unsigned)count;
	return 0;
}

static int64_t doorbell(
	const struct call *c, int (*act)(struct vm *vm, const struct pintle_doorbell *bell))
{
	const struct pintle_doorbell *shared = shared_pages(c->argument[0], 1);
	struct pintle_doorbell bell;

	if (shared == NULL) {
		return -EFAULT;
	}
	memcpy(&bell, shared, sizeof(bell));
	return bell.is_port > 1 || bell.match > 1 || bell.size > 8 ? -EINVAL : act(c->vm, &bell);
}

static int64_t call_DOORBELL_ADD(const struct call *c)
{
	return doorbell(c, vmm_doorbell_add);
}

static int64_t call_DOORBELL_REMOVE(const struct call *c)
{
	return doorbell(c, vmm_doorbell_remove);
}

static int64_t values(const struct call *c, bool set)
{
	struct pintle_value *list = c->vcpu->record->values;
	uint64_t count = c->argument[0], done = 0;

	if (count > VALUES_MAX) {
		return -EINVAL;
	}
	vcpu_take(c->vcpu);
	for (bool good = true; done < count && good; done += good) {
		struct pintle_value one;
		memcpy(&one, &list[done], sizeof(one));
		good = vcpu_state(c->vcpu, one.id, &one.value, set);
		if (good && !set) {
			list[done].value = one.value;
		}
	}
	return (int64_t)done;
}

static int64_t call_STATE_GET(const struct call *c)
{
	return values(c, false);
}

static int64_t call_STATE_SET(const struct call *c)
{
	return values(c, true);
}

static int64_t bulk(const struct call *c, bool set)
{
	bool fpu = c->argument[0] == PINTLE_BULK_XSAVE;
	size_t size = fpu ? context_fpu_size() : 1024;
	bool good = true;

	if (c->argument[0] > PINTLE_BULK_LAPIC) {
		return -EINVAL;
	}
	vcpu_take(c->vcpu);
	void *pages = shared_pages(c->argument[1], ALIGN_UP(size, PAGE_SIZE) / PAGE_SIZE);
	if (pages == NULL) {
		return -EFAULT;
	}
	if (fpu && set) {
		good = context_set_fpu(c->vcpu, pages);
	} else if (fpu) {
		context_get_fpu(c->vcpu, pages);
	} else {
		vcpu_lapic(c->vcpu, pages, set);
	}
	return good ? 0 : -EINVAL;
}

static int64_t call_BULK_GET(const struct call *c)
{
	return bulk(c, false);
}

static int64_t call_BULK_SET(const struct call *c)
{
	return bulk(c, true);
}

/* Dispatch ------------------------------------------------------------------------------------ */

static const struct {
	int64_t (*run)(const struct call *call);
	enum right right;
} calls[] = {
#define HYPERCALL(number, name, right, ...) [number] = {call_##name, right},
#include "abi/hypercalls.def"
#undef HYPERCALL
};

/* Count as a user of the VM that the handle means; NULL: none. It does not go before it is let go.
 */
static struct vm *vm_find(uint64_t handle)
{
	unsigned id = handle & 0xffff;
	struct vm *vm = NULL;

	uint64_t flags = lock_acquire(&vm_lock);
	if (id != 0 && id < VMS_MAX && vm_table[id] != NULL && vm_table[id]->handle == handle &&
		vm_table[id]->pool.count != 0) {
		vm = vm_table[id];
		vm->users++;
	}
	lock_release(&vm_lock, flags);
	return vm;
}

static int64_t call_vcpu(struct call *c, unsigned number)
{
	bool exclusive = calls[number].right == VCPU;
	uint64_t index = c->argument[0];

	if (index >= c->vm->vcpu_count) {
		return -EINVAL;
	}
	c->vcpu = c->vm->vcpu[index];
	c->argument++;
	if (exclusive && !take(&c->vcpu->busy)) {
		return -EAGAIN;
	}
	int64_t result = -EBUSY;
	if (!exclusive || c->vcpu->stopped) {
		if (exclusive) {
			dispatch_stop(c->vcpu); /* it may still be on its way out */
		}
		result = calls[number].run(c);
	}
	if (exclusive) {
		c->vcpu->busy = false;
	}
	return result;
}

static int64_t call_vm(struct call *c, unsigned number)
{
	struct vm *vm = c->vm = vm_find(c->argument[0]);
	bool exclusive = calls[number].right == VM, goes = calls[number].run == call_VM_DESTROY;
	int64_t result = -EAGAIN;

	if (vm == NULL) {
		return -ESTALE;
	}
	c->argument++;
	if (calls[number].right >= RUNNING) {
		result = call_vcpu(c, number);
	} else if (!exclusive || take(&vm->busy)) {
		result = calls[number].run(c);
		if (goes && result == 0) {
			return 0;
		}
		if (exclusive) {
			vm->busy = false;
		}
	}
	vm->users--;
	return result;
}

static int64_t call_any(struct call *c, unsigned number)
{
	enum right right = calls[number].right;
	int64_t result = -EAGAIN;

	if (right >= LOOK) {
		result = call_vm(c, number);
	} else if (right == NONE || vms_take()) {
		result = calls[number].run(c);
		if (right == ALONE) {
			vms_release();
		}
	}
	return result;
}

void hypercall_handle(struct vcpu *vcpu)
{
	uint64_t *gpr = vcpu->regs.gpr;
	const uint64_t arguments[] = {
		gpr[GPR_RDI], gpr[GPR_RSI], gpr[GPR_RDX], gpr[GPR_R8 + 2], gpr[GPR_R8]};
	struct call call = {.argument = arguments};
	unsigned number = (uint32_t)gpr[GPR_RAX] - PINTLE_CALL;
	struct segment stack;

	backend->get_segment(vcpu, SEG_SS, &stack);
	if (stack.attributes & SEGMENT_DPL) {
		gpr[GPR_RAX] = (uint64_t)-EPERM;
	} else if (number >= ARRAY_COUNT(calls)) {
		gpr[GPR_RAX] = (uint64_t)-ENOSYS;
	} else {
		gpr[GPR_RAX] = (uint64_t)call_any(&call, number);
	}
}

void hypercall_reset(void)
{
	uint64_t flags = irq_save();

	for (unsigned id = 1; id < VMS_MAX; id++) {
		struct vm *vm = vm_table[id];
		if (vm != NULL && vm->pool.count != 0) {
			vm->users++;
			vm_destroy(vm);
		}
	}
	for (unsigned cpu = 0; cpu < service_vm->vcpu_count; cpu++) {
		vmm_set_event_page(cpu, NULL);
		event_kept[cpu] = 0;
	}
	pieces_reset();
	irq_restore(flags);
}
