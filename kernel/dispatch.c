/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/dispatch.c - the scheduler on this machine: locks, kicks, timers of those who sleep,
 * moves. Runs: on every CPU; see dispatch.h.
 */
#include "kernel/dispatch.h"

#include "kernel/sched_private.h"

struct sched_machine dispatch_machine = {.reserve_max = SCHED_SHARE_ONE / 4 * 3};

static struct pcpu *cpu_of(const struct sched_cpu *cpu)
{
	return cpu_table[cpu->index];
}

int dispatch_init(void)
{
	struct sched_machine *m = &dispatch_machine;
	size_t frames = ALIGN_UP(cpu_count * cpu_count, PAGE_SIZE) / PAGE_SIZE;
	uint8_t *distances = frame_alloc(frames, FRAME_CPU);
	/* Bits of an APIC id below the part that names the core, and the package (SDM vol. 2, CPUID
	 * leaf 0bh; without it each CPU counts as a package). */
	bool told = cpuid_read(0, 0).eax >= 0xb;
	unsigned core = told ? cpuid_read(0xb, 0).eax & 31 : 0;
	unsigned package = told ? cpuid_read(0xb, 1).eax & 31 : 0;

	if (distances == NULL) {
		return trace_err(-ENOMEM);
	}
	m->cpu_count = cpu_count;
	for (unsigned i = 0; i < cpu_count; i++) {
		struct pcpu *cpu = cpu_table[i];
		uint8_t *distance = distances + i * cpu_count;
		unsigned next = i;
		for (unsigned j = 0; j < cpu_count; j++) {
			uint32_t differ = cpu->apic_id ^ cpu_table[j]->apic_id;
			distance[j] = differ >> core == 0 ? 1 : differ >> package == 0 ? 2 : 3;
		}
		distance[i] = 0;
		do {
			next = (next + 1) % cpu_count;
		} while (distance[next] > 1);
		m->cpu[i] = &cpu->sched;
		cpu->sched_lock = SPINLOCK(SCHED);
		cpu->sched = (struct sched_cpu){.machine = m,
			.index = i,
			.sibling = &cpu_table[next]->sched,
			.distance = distance};
		sched_cpu_init(&cpu->sched);
	}
	return 0;
}

/* What may have changed is for the CPU's main loop to see. */
static void kick(struct pcpu *cpu)
{
	cpu->resched = true;
	if (cpu != this_cpu()) {
		smp_wake(cpu->index);
	} else if (cpu->vcpu != NULL) {
		atomic_fetch_or(&cpu->vcpu->requests, VCPU_REQUEST_KICK);
	}
}

/* Lock the CPU that an entity is on: it may go elsewhere before the lock is had. */
static struct pcpu *lock_home(const struct sched_entity *entity, uint64_t *flags)
{
	for (;;) {
		struct sched_cpu *at = __atomic_load_n(&entity->cpu, __ATOMIC_RELAXED);
		*flags = lock_acquire(&cpu_of(at)->sched_lock);
		if (at == entity->cpu) {
			return cpu_of(at);
		}
		lock_release(&cpu_of(at)->sched_lock, *flags);
	}
}

/* An entity that is on its way arrives; its ->cpu changes with both CPUs locked. */
static void carry(struct sched_entity *entity, struct sched_cpu *to)
{
	struct pcpu *from = cpu_of(entity->cpu), *cpu = cpu_of(to);
	uint64_t flags = lock_acquire_both(&from->sched_lock, &cpu->sched_lock);
	bool kicks = sched_join(to, entity, time_ns());

	lock_release_both(&from->sched_lock, &cpu->sched_lock, flags);
	if (kicks) {
		kick(cpu);
	}
}

/* A waiting vCPU from one CPU to another, if that helps: whether one went. */
static bool pull(struct sched_cpu *to, struct sched_cpu *from)
{
	struct pcpu *a = cpu_of(to), *b = cpu_of(from);
	uint64_t flags = lock_acquire_both(&a->sched_lock, &b->sched_lock);
	bool kicks = sched_pull(to, from, time_ns());

	lock_release_both(&a->sched_lock, &b->sched_lock, flags);
	if (kicks && a != this_cpu()) {
		kick(a);
	}
	return kicks;
}

/* The timer of one that sleeps is its CPU's affair. The CPU is locked. */
static void set_alarm(struct pcpu *cpu, struct vcpu *vcpu, uint64_t at)
{
	if (vcpu->alarm.chance == 0 && at == UINT64_MAX) {
		return;
	}
	if (vcpu->alarm.chance != 0) {
		sched_tree_remove(&cpu->alarms, &vcpu->alarm);
	}
	if (at != UINT64_MAX) {
		vcpu->alarm.key = at;
		sched_tree_insert(&cpu->alarms, &vcpu->alarm);
	}
	struct sched_node *first = sched_tree_eligible(&cpu->alarms, 0);
	cpu->alarm_at = first == NULL ? UINT64_MAX : first->key;
}

void dispatch_alarm(uint64_t now)
{
	struct pcpu *cpu = this_cpu();

	while (now >= cpu->alarm_at) {
		uint64_t flags = lock_acquire(&cpu->sched_lock);
		struct sched_node *first = sched_tree_eligible(&cpu->alarms, 0);
		struct vcpu *vcpu = NULL;
		if (first != NULL && now >= first->key) {
			vcpu = OWNER_OF(first, struct vcpu, alarm);
			set_alarm(cpu, vcpu, UINT64_MAX);
		}
		lock_release(&cpu->sched_lock, flags);
		if (vcpu != NULL) {
			vcpu_request(vcpu, VCPU_REQUEST_LOOK);
		}
	}
}

void dispatch_wake(struct vcpu *vcpu, struct pcpu *place)
{
	struct sched_entity *entity = &vcpu->sched;
	uint64_t now = time_ns(), flags;
	struct pcpu *cpu = lock_home(entity, &flags);
	bool runs = cpu->sched.running == entity, kicks = false;

	if (place != NULL && entity->state == SCHED_ASLEEP && entity->params.budget == 0 &&
		sched_mask_has(&entity->params.affinity, place->index)) {
		entity->target = &place->sched;
	}
	struct sched_cpu *to = sched_wake(entity, now);

	if (to != NULL) {
		set_alarm(cpu, vcpu, UINT64_MAX);
	}
	if (to == &cpu->sched) {
		kicks = sched_join(to, entity, now);
	}
	lock_release(&cpu->sched_lock, flags);
	if (kicks) {
		kick(cpu);
	} else if (to != NULL && to != &cpu->sched) {
		carry(entity, to);
	} else if (runs && cpu != this_cpu()) {
		smp_wake(cpu->index);
	}
}

/* What of a decision needs other CPUs' locks. True: somebody came here. */
static bool settle(struct pcpu *cpu, const struct sched_decision *picked, struct sched_cpu *spread)
{
	if (picked->leaving != NULL) {
		carry(picked->leaving, picked->leaving->target);
	}
	if (spread != NULL) {
		pull(spread, &cpu->sched);
	}
	if (picked->run != NULL) {
		return false;
	}
	struct sched_cpu *busy = sched_busiest(&cpu->sched);
	return busy != NULL && pull(&cpu->sched, busy);
}

struct vcpu *dispatch_next(enum sched_how how, uint64_t now)
{
	struct pcpu *cpu = this_cpu();
	struct vcpu *old = cpu->vcpu;
	uint64_t ns = time_from_tsc(now);
	struct sched_decision decision;
	struct sched_cpu *spread;

	STATIC_ASSERT(offsetof(struct sched_entity, run) == 0, "a vCPU by its entity");
	do {
		lock_take(&cpu->sched_lock);
		/* The lock orders it: who changes something sets it behind that. */
		atomic_store_explicit(&cpu->resched, false, memory_order_relaxed);
		cpu->yields = false;
		if (how == SCHED_SLEEPS &&
			((old->requests & VCPU_REQUEST_LOOK) || old->sched.target != NULL)) {
			how = SCHED_GOES_ON;
		} else if (how == SCHED_SLEEPS) {
			set_alarm(cpu, old, vcpu_alarm(old));
		}
		decision = sched_pick(&cpu->sched, ns, how);
		spread = decision.spread ? sched_spread(&cpu->sched) : NULL;
		lock_give(&cpu->sched_lock);
		how = SCHED_GOES_ON;
	} while (settle(cpu, &decision, spread));
	cpu->until = UINT64_MAX;
	if (decision.until != UINT64_MAX) {
		cpu->until = now + time_to_tsc(max_u64(decision.until, ns) - ns) + 1;
	}
	cpu->vcpu = decision.run != NULL ? OWNER_OF(decision.run, struct vcpu, sched) : NULL;
	if (cpu->vcpu != old && cpu->vcpu != NULL) {
		cpu->vcpu->exited_at = now; /* the time without the CPU is no exit's cost */
	}
	return cpu->vcpu;
}

bool dispatch_swap(struct vcpu *next, uint64_t now)
{
	struct pcpu *cpu = this_cpu();
	struct vcpu *old = cpu->vcpu;
	LOCK_HOLD(&cpu->sched_lock);
	bool done = !cpu->resched && !(old->requests & VCPU_REQUEST_LOOK) &&
		sched_swap(&cpu->sched, &next->sched, time_from_tsc(now));

	if (done) {
		set_alarm(cpu, next, UINT64_MAX);
		set_alarm(cpu, old, vcpu_alarm(old));
		cpu->vcpu = next;
		cpu->until = UINT64_MAX;
		next->exited_at = now;
	}
	return done;
}

int dispatch_set(struct vcpu *vcpu, const struct sched_params *params)
{
	struct sched_entity *e = &vcpu->sched;

	if (!sched_valid(params, &dispatch_machine)) {
		return trace_err(-EINVAL);
	}
	for (unsigned tries = 0; tries < 1000; tries++) {
		uint64_t flags;
		struct pcpu *from = lock_home(e, &flags);
		struct sched_cpu *target = sched_target(e, params);
		lock_release(&from->sched_lock, flags);
		if (target == NULL) {
			return trace_err(-ENOSPC);
		}
		struct pcpu *to = cpu_of(target);
		flags = lock_acquire_both(&from->sched_lock, &to->sched_lock);
		bool done = e->cpu == &from->sched && sched_set(e, params, target, time_ns());
		if (done && from != to && vcpu->alarm.chance != 0) {
			uint64_t at = vcpu->alarm.key;
			set_alarm(from, vcpu, UINT64_MAX);
			set_alarm(to, vcpu, at);
		}
		lock_release_both(&from->sched_lock, &to->sched_lock, flags);
		if (done) {
			kick(from);
			kick(to);
			return 0;
		}
		cpu_pause();
	}
	return trace_err(-EAGAIN);
}

void dispatch_skip(uint64_t from)
{
	struct sched_cpu *cpu = &this_cpu()->sched;
	LOCK_HOLD(&this_cpu()->sched_lock);

	sched_advance(cpu, time_from_tsc(from));
	cpu->now = max_u64(cpu->now, time_ns());
}

void dispatch_yield(struct vcpu *vcpu)
{
	struct pcpu *self = this_cpu();
	uint64_t flags;

	if (vcpu->sched.state == SCHED_FAIR && vcpu != self->vcpu) {
		struct pcpu *cpu = lock_home(&vcpu->sched, &flags);
		bool kicks = sched_favour(&vcpu->sched, time_ns());
		lock_release(&cpu->sched_lock, flags);
		if (kicks) {
			kick(cpu);
		}
	}
	if (self->sched.queue[0].count != 0) {
		self->yields = true;
		atomic_fetch_or(&self->vcpu->requests, VCPU_REQUEST_LOOK);
	}
}

uint64_t dispatch_ran(const struct vcpu *vcpu)
{
	uint64_t flags;
	struct pcpu *cpu = lock_home(&vcpu->sched, &flags);
	const struct sched_cpu *sched = &cpu->sched;
	uint64_t now = time_ns(), ran = vcpu->sched.ran;

	ran += sched->running == &vcpu->sched ? max_u64(now, sched->now) - sched->now : 0;
	lock_release(&cpu->sched_lock, flags);
	return ran;
}

void dispatch_stop(struct vcpu *vcpu)
{
	/* Who sleeps has nothing left to do with a CPU's lock: a look is enough. Who is let go by
	 * another CPU meanwhile may never sleep again. */
	while (vcpu->stopped && vcpu->sched.state != SCHED_ASLEEP) {
		uint64_t flags;
		struct pcpu *cpu = lock_home(&vcpu->sched, &flags);
		if (cpu->sched.running != &vcpu->sched) {
			sched_dismiss(&vcpu->sched, time_ns());
		}
		lock_release(&cpu->sched_lock, flags);
		if (this_cpu()->vcpu == vcpu) { /* in the main loop, which has not entered it */
			atomic_fetch_and(&vcpu->requests, ~(unsigned)VCPU_REQUEST_LOOK);
			dispatch_next(SCHED_SLEEPS, tsc_read());
		}
		smp_answer();
	}
}

void dispatch_answer(void)
{
	struct vcpu *own = this_cpu()->vcpu;

	if (own != NULL && own->stopped) {
		dispatch_stop(own);
	}
	smp_answer();
}

void dispatch_sample(void)
{
	static uint64_t then;
	uint64_t now = time_ns(), length = max_u64(now - then, 1);

	for (unsigned id = 0; id < VMS_MAX; id++) {
		for (unsigned i = 0; vm_table[id] != NULL && i < vm_table[id]->vcpu_count; i++) {
			struct vcpu *vcpu = vm_table[id]->vcpu[i];
			uint64_t ran = dispatch_ran(vcpu);
			vcpu->got = (uint32_t)((ran - vcpu->ran_then) * 1000 / length);
			vcpu->ran_then = ran;
		}
	}
	then = now;
}
