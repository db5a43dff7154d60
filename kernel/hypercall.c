/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/hypercall.c - hypercalls of the service VM: looked up, taken, checked, done
 * (abi/hypercalls.def). Runs: on the exiting CPU, interrupts off, no locks held.
 *
 * Who uses a VM counts in its `users`, so that it does not go; who changes it holds `busy`, a try
 * that nobody waits for, as some of it waits for other CPUs. Pages in shared pieces are the service
 * VM's to write at any time: what is read of them is read once.
 */
#include "kernel/exit.h"

#define LIST_MAX   512u
#define RANGE_MAX  GIB
#define MAP_TABLES 6u /* that a list can need: three each where it crosses into other tables */
#define MSI_LEVEL  BIT(15)
#define VALUES_MAX ARRAY_COUNT(((struct pintle_record *)0)->values)

struct call {
	unsigned number;
	const uint64_t *argument; /* without the handles that were looked up */
	struct vm *vm;
	struct vcpu *vcpu;
	void *page; /* that an argument names, for the rights with PAGE */
};

/* What a call looks up and takes; PAGE(n): argument n, behind the handles, is a page in a shared
 * piece. */
enum right { NONE, ALONE, LOOK, VM, RUNNING, VCPU };
#define RIGHT   7u
#define PAGE(n) (((n) + 1u) << 3)

/* Machine ------------------------------------------------------------------------------------- */

static int64_t call_QUERY(const struct call *c)
{
	uint64_t count = 0, what = c->argument[0];

	for (unsigned id = 1; id < VMS_MAX; id++) {
		count += vm_table[id] != NULL;
	}
	const uint64_t answers[] = {
		[PINTLE_QUERY_VERSION] = PINTLE_VERSION_ABI,
		[PINTLE_QUERY_CPUS] = service_vm->vcpu_count,
		/* Itself, bitmaps, doorbells, CPUID, the root. */
		[PINTLE_QUERY_VM_PAGES] =
			PAGES_OF(sizeof(struct vm)) + PAGES_OF(sizeof(struct vm_bitmaps)) + 3,
		[PINTLE_QUERY_VCPU_PAGES] = vcpu_pages(),
		[PINTLE_QUERY_VMS] = count,
		[PINTLE_QUERY_PIECES] = pieces_deposited,
		[PINTLE_QUERY_TSC_KHZ] = time_frequency / 1000,
		[PINTLE_QUERY_XSAVE_SIZE] = context_fpu_size(),
		[PINTLE_QUERY_VCPUS_MAX] = CPUS_MAX,
	};
	return what < ARRAY_COUNT(answers) ? (int64_t)answers[what] : -EINVAL;
}

static int64_t call_SHARE(const struct call *c)
{
	return piece_share(*c->argument, c->number == PINTLE_SHARE);
}
#define call_UNSHARE call_SHARE

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
	return 0;
}

/* VMs ----------------------------------------------------------------------------------------- */

static int64_t call_VM_CREATE(const struct call *c)
{
	struct pool pool = {0};
	int err = pool_add(&pool, c->argument[0]);
	struct vm *vm = err == 0 ? vm_create(&pool) : NULL;

	if (err == 0 && vm == NULL) {
		pool_return(&pool);
		err = -ENOSPC;
	}
	return err == 0 ? (int64_t)vm->handle : err;
}

/* The right to make and end VMs. A try alone would leave a CPU out for ever that comes each time
 * while another one has it; who has it may wait for this CPU. */
static bool take_vms(void)
{
	for (unsigned tries = 10000; tries != 0; tries--) {
		if (take(&vms_busy)) {
			return true;
		}
		smp_answer();
	}
	return false;
}

static int64_t call_VM_DESTROY(const struct call *c)
{
	if (!take_vms()) {
		return -EAGAIN;
	}
	vm_destroy(c->vm);
	vms_busy = false;
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
	struct stage2_translation run[32];
	uint64_t gpa = c->argument[0], size = c->argument[1], end = gpa + size;

	if (((gpa | size) & PAGE_MASK) || size > RANGE_MAX || gpa > BIT(48) - RANGE_MAX) {
		return -EINVAL;
	}
	if (cut_cost(c->vm, gpa) + cut_cost(c->vm, end) > c->vm->pool.free) {
		return -ENOMEM;
	}
	while (gpa < end) {
		unsigned runs = 0;
		uint64_t first = gpa;
		while (runs < ARRAY_COUNT(run) &&
			stage2_next(&c->vm->stage2, &gpa, end, &run[runs])) {
			gpa += run[runs++].left;
		}
		int err = vm_protect(c->vm, first, gpa - first, 0);
		if (err != 0) {
			return err;
		}
		while (runs-- != 0) {
			pieces_drop(run[runs].hpa.raw, run[runs].left / PAGE_SIZE);
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
	return vm_protect(c->vm, gpa, size, (unsigned)rights);
}

static int64_t call_MAP(const struct call *c)
{
	uint64_t gpa = c->argument[0], count = c->argument[2], rights = c->argument[3];
	uint64_t list[LIST_MAX], at = gpa;
	struct stage2_translation page;
	bool flush = false;

	if ((gpa & PAGE_MASK) || gpa > BIT(48) - RANGE_MAX || count - 1 >= LIST_MAX ||
		rights > STAGE2_ALL || !(rights & STAGE2_READ)) {
		return -EINVAL;
	}
	if (stage2_next(&c->vm->stage2, &at, gpa + count * PAGE_SIZE, &page)) {
		return -EEXIST;
	}
	if (c->vm->pool.free < MAP_TABLES) {
		return -ENOMEM;
	}
	memcpy(list, c->page, count * sizeof(*list));
	for (size_t i = 0; i < count; i++) {
		if (!pieces_hold(list[i])) {
			while (i-- != 0) {
				pieces_drop(list[i], 1);
			}
			return -EFAULT;
		}
	}
	/* Taken once: a call that waits for it at each of its parts would not answer other CPUs
	 * for long. */
	uint64_t flags = lock_acquire(&vm_lock);
	for (size_t done = 0, run; done < count; done += run) {
		run = 1; /* as many as follow each other in memory */
		while (done + run < count && list[done + run] == list[done] + run * PAGE_SIZE) {
			run++;
		}
		stage2_map(&c->vm->stage2, gpa + done * PAGE_SIZE, hpa(list[done]), run * PAGE_SIZE,
			(unsigned)rights, STAGE2_WB, &flush);
	}
	lock_release(&vm_lock, flags);
	if (flush) {
		vm_flush(c->vm);
	}
	return 0;
}

/* What can be written was, or could not be split: it is to be seen next time. */
static int64_t call_DIRTY_LOG(const struct call *c)
{
	uint64_t gpa = c->argument[0], count = c->argument[1], at = gpa;
	struct stage2_translation page;
	uint8_t *bits = c->page;
	bool flush = false;

	if ((gpa & PAGE_MASK) || gpa > BIT(48) - RANGE_MAX || count > 8 * PAGE_SIZE) {
		return -EINVAL;
	}
	c->vm->logs = true;
	memset(bits, 0, PAGE_SIZE);
	uint64_t flags = lock_acquire(&vm_lock); /* as in MAP */
	for (; stage2_next(&c->vm->stage2, &at, gpa + count * PAGE_SIZE, &page); at += page.left) {
		for (uint64_t i = 0; i < page.left && (page.rights & STAGE2_WRITE);
			i += PAGE_SIZE) {
			uint64_t n = (at + i - gpa) / PAGE_SIZE;
			bits[n / 8] |= (uint8_t)(1u << n % 8);
		}
		if (page.rights & STAGE2_WRITE) {
			stage2_protect(&c->vm->stage2, at, page.left,
				page.rights ^ (STAGE2_WRITE | STAGE2_LOG), &flush);
		}
	}
	lock_release(&vm_lock, flags);
	if (flush) {
		vm_flush(c->vm);
	}
	return 0;
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
	vcpu->event = (uint32_t)c->argument[2];
	vcpu->stopped = true;
	vcpu->state = apic_id == 0 ? VCPU_RUNNING : VCPU_WAIT_SIPI;
	vcpu->record = record;
	vcpu_publish(vcpu);
	return vcpu->index;
}

/* Who calls sleeps until the vCPU does, or there is an interrupt; `begin`: it begins to run, in its
 * place if possible. */
static int64_t lend(struct vcpu *vcpu, bool begin)
{
	struct vcpu *self = this_cpu()->vcpu;

	self->state = VCPU_WAITS;
	if (begin && self->requests == 0 && vlapic_pending(&self->lapic) < 0 &&
		dispatch_swap(vcpu, tsc_read())) {
		atomic_fetch_or(&self->requests, VCPU_REQUEST_KICK);
		return 0;
	}
	if (begin) {
		atomic_fetch_or(&vcpu->requests, VCPU_REQUEST_LOOK);
		dispatch_wake(vcpu, this_cpu());
	}
	vcpu_request(self, VCPU_REQUEST_LOOK);
	return 0;
}

static int64_t call_VCPU_WAIT(const struct call *c)
{
	struct vcpu *vcpu = c->vcpu;

	vcpu->waiter = this_cpu()->vcpu; /* before the look: a stop that comes now is told */
	if (!vcpu->stopped && vcpu->sched.state != SCHED_ASLEEP) {
		return lend(vcpu, false);
	}
	vcpu->event = (uint32_t)c->argument[0];
	vcpu->waiter = NULL;
	return 1;
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
	if (how == PINTLE_RUN_WAIT) {
		vcpu->waiter = this_cpu()->vcpu;
		vcpu->stopped = false;
		return lend(vcpu, true);
	}
	if (how != PINTLE_RUN_ANSWER) {
		vcpu->stopped = false;
		vcpu_request(vcpu, VCPU_REQUEST_LOOK);
	} else if (vcpu->answer == ANSWER_GIVEN) {
		vcpu_take(vcpu);
		exit_again(vcpu);
	}
	return 0;
}

static int64_t call_VCPU_STOP(const struct call *c)
{
	struct vcpu *vcpu = c->vcpu;
	bool ran = !atomic_exchange(&vcpu->stopped, true);

	if (ran) {
		vcpu_request(vcpu, VCPU_REQUEST_LOOK);
	}
	dispatch_stop(vcpu); /* it may still be on its way out */
	if (ran && vcpu->asks == PINTLE_EXIT_NONE) {
		vcpu->record->exit = PINTLE_EXIT_STOPPED;
	}
	return ran;
}

/* SDM vol. 3, 11.11: destination in bits 19:12 of the address, logical by bit 2. */
static int64_t call_MSI(const struct call *c)
{
	uint64_t address = c->argument[0], data = c->argument[1];
	uint64_t icr = (address >> 12 & 0xff) << 32 | (data & 0x7ff) | (address & BIT(2)) << 9;

	if ((address & ~0xfffffull) != 0xfee00000) {
		return -EINVAL;
	}
	return devices_message(c->vm, icr, NULL, data & MSI_LEVEL) != 0;
}

static int64_t call_SCHED_SET(const struct call *c)
{
	static const uint64_t all[ARRAY_COUNT(((struct pintle_sched *)0)->affinity)];
	struct pintle_sched w;

	memcpy(&w, c->page, sizeof(w));
	bool any = memcmp(w.affinity, all, sizeof(all)) == 0;
	struct sched_params params = {
		w.weight, w.cap, w.latency, w.budget, w.period, sched_defaults().affinity};
	for (unsigned i = 0; i < ARRAY_COUNT(w.affinity); i++) {
		params.affinity.word[i] &= any ? UINT64_MAX : w.affinity[i];
	}
	return dispatch_set(c->vcpu, &params);
}

static int64_t call_CPUID_SET(const struct call *c)
{
	uint64_t count = c->argument[1];
	struct vm *vm = c->vm;

	if (count > PINTLE_CPUID_MAX) {
		return -EINVAL;
	}
	struct pintle_cpuid *own = vm->cpuid != NULL ? vm->cpuid : pool_alloc(&vm->pool, 1);
	if (own == NULL) {
		return -ENOMEM;
	}
	/* A vCPU that runs meanwhile sees rows of both. */
	vm->cpuid_count = (unsigned)min_u64(vm->cpuid_count, count);
	memcpy(own, c->page, count * sizeof(*own));
	vm->cpuid = own;
	vm->cpuid_count = (unsigned)count;
	return 0;
}

static int64_t call_DOORBELL(const struct call *c)
{
	struct pintle_doorbell bell;

	memcpy(&bell, c->page, sizeof(bell));
	if (bell.place > PINTLE_MEMORY || bell.match > 1 || bell.size > 8 ||
		c->argument[1] >= PINTLE_DOORBELLS) {
		return -EINVAL;
	}
	vmm_doorbell(c->vm, (unsigned)c->argument[1], &bell);
	return 0;
}

static int64_t call_STATE_GET(const struct call *c)
{
	bool set = c->number == PINTLE_STATE_SET;
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
#define call_STATE_SET call_STATE_GET

static int64_t call_BULK_GET(const struct call *c)
{
	bool set = c->number == PINTLE_BULK_SET, fpu = c->argument[0] == PINTLE_BULK_XSAVE;
	size_t size = fpu ? context_fpu_size() : 1024;
	bool good = true;

	if (c->argument[0] > PINTLE_BULK_LAPIC) {
		return -EINVAL;
	}
	vcpu_take(c->vcpu);
	void *pages = shared_pages(c->argument[1], PAGES_OF(size));
	if (pages == NULL) {
		return -EFAULT;
	}
	if (fpu && set) {
		good = context_set_fpu(c->vcpu, pages);
	} else if (fpu) {
		memcpy(pages, c->vcpu->context.fpu, size);
	} else {
		vcpu_lapic(c->vcpu, pages, set);
	}
	return good ? 0 : -EINVAL;
}
#define call_BULK_SET call_BULK_GET

/* Dispatch ------------------------------------------------------------------------------------ */

static const struct {
	int64_t (*run)(const struct call *call);
	unsigned right;
} calls[] = {
#define HYPERCALL(number, name, right, ...) [number] = {call_##name, right},
#include "abi/hypercalls.def"
};

/* Count as a user of the VM that the handle means; NULL: none. It does not go before it is let go.
 */
static struct vm *vm_find(uint64_t handle)
{
	unsigned id = handle & 0xffff;
	LOCK_HOLD(&vm_lock);
	struct vm *vm = id != 0 && id < VMS_MAX ? vm_table[id] : NULL;

	if (vm == NULL || vm->handle != handle) {
		return NULL;
	}
	vm->users++;
	return vm;
}

/* With all taken. The page comes last: it may be used until this CPU answers others. */
static int64_t run(struct call *c, unsigned right)
{
	if ((right & RIGHT) == VCPU) {
		if (!c->vcpu->stopped) {
			return -EBUSY;
		}
		dispatch_stop(c->vcpu); /* it may still be on its way out */
	}
	if (right >= PAGE(0)) {
		c->page = shared_pages(c->argument[right / PAGE(0) - 1], 1);
	}
	bool bad = right >= PAGE(0) && c->page == NULL;
	return bad ? -EFAULT : calls[c->number - PINTLE_CALL].run(c);
}

static int64_t call_any(struct call *c)
{
	unsigned right = calls[c->number - PINTLE_CALL].right, kind = right & RIGHT;
	atomic_bool *busy = kind == ALONE ? &vms_busy : NULL;
	int64_t result;

	if (kind >= LOOK) {
		c->vm = vm_find(*c->argument++);
		if (c->vm == NULL) {
			return -ESTALE;
		}
		busy = kind == VM ? &c->vm->busy : NULL;
	}
	if (kind >= RUNNING) {
		uint64_t index = *c->argument++;
		c->vcpu = index < c->vm->vcpu_count ? c->vm->vcpu[index] : NULL;
		busy = kind == VCPU && c->vcpu != NULL ? &c->vcpu->busy : NULL;
	}
	if (kind >= RUNNING && c->vcpu == NULL) {
		result = -EINVAL;
	} else if (kind == ALONE ? !take_vms() : busy != NULL && !take(busy)) {
		result = -EAGAIN;
	} else {
		result = run(c, right);
		if (result == 0 && c->number == PINTLE_VM_DESTROY) {
			return 0;
		}
		if (busy != NULL) {
			*busy = false;
		}
	}
	if (c->vm != NULL) {
		c->vm->users--;
	}
	return result;
}

void hypercall_handle(struct vcpu *vcpu)
{
	uint64_t *gpr = vcpu->regs.gpr;
	const uint64_t arguments[] = {
		gpr[GPR_RDI], gpr[GPR_RSI], gpr[GPR_RDX], gpr[GPR_R8 + 2], gpr[GPR_R8]};
	struct call call = {(uint32_t)gpr[GPR_RAX], arguments, NULL, NULL, NULL};
	struct segment stack;

	backend->get_segment(vcpu, SEG_SS, &stack);
	if (stack.attributes & SEGMENT_DPL) {
		gpr[GPR_RAX] = (uint64_t)-EPERM;
	} else if (call.number - PINTLE_CALL >= ARRAY_COUNT(calls) ||
		calls[call.number - PINTLE_CALL].run == NULL) {
		gpr[GPR_RAX] = (uint64_t)-ENOSYS;
	} else {
		gpr[GPR_RAX] = (uint64_t)call_any(&call);
	}
}

void hypercall_reset(void)
{
	uint64_t flags = irq_save();

	for (unsigned id = 1; id < VMS_MAX; id++) {
		struct vm *vm = vm_table[id];
		if (vm != NULL) {
			vm->users++;
			vm_destroy(vm);
		}
	}
	for (unsigned cpu = 0; cpu < service_vm->vcpu_count; cpu++) {
		vmm_set_event_page(cpu, NULL);
	}
	pieces_reset();
	irq_restore(flags);
}
