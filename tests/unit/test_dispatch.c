/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/test_dispatch.c - the scheduler on its CPUs: who is woken and kicked, who sleeps, what
 * timers do, how vCPUs come from one CPU to another. Four CPUs: two cores of two threads.
 *
 * Links: kernel/dispatch.c kernel/sched.c kernel/sched_move.c kernel/sched_tree.c
 * Flags: -Itests/unit/shim
 */
#define _GNU_SOURCE
#include "tests/unit/fake.h"

#include <asm/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/dispatch.h"
#include "kernel/frame.h"
#include "kernel/time.h"

#define CPUS  4u
#define VCPUS 8u
#define MS    1000000ull

static struct pcpu cpus[CPUS];
static struct vcpu vcpus[VCPUS];
static uint64_t now, alarm_of[VCPUS];
static unsigned woken;
static uint8_t distances[CPUS * CPUS];

struct pcpu *cpu_table[CPUS_MAX];
unsigned cpu_count = CPUS;
struct vm *vm_table[VMS_MAX];

/* A tick is a nanosecond. */
uint64_t time_ns(void)
{
	return now;
}
uint64_t time_from_tsc(uint64_t tsc)
{
	return tsc;
}
uint64_t time_to_tsc(uint64_t ns)
{
	return ns;
}
void smp_wake(unsigned index)
{
	woken |= 1u << index;
}
void *frame_alloc(size_t count, enum frame_owner owner)
{
	return distances;
}
uint64_t tsc_read(void)
{
	return now;
}
struct cpuid cpuid_read(uint32_t leaf, uint32_t subleaf)
{
	static const struct cpuid threads = {1, 2, 0x100, 0}, cores = {2, 4, 0x201, 0};
	return leaf == 0xb ? (subleaf == 0 ? threads : cores) : (struct cpuid){.eax = 0xb};
}
uint64_t vcpu_alarm(const struct vcpu *vcpu)
{
	return alarm_of[vcpu - vcpus];
}
void vcpu_request(struct vcpu *vcpu, unsigned requests)
{
	atomic_fetch_or(&vcpu->requests, requests);
	dispatch_wake(vcpu, NULL);
}
uint64_t lock_acquire_both(struct spinlock *a, struct spinlock *b)
{
	fake_locks_held += a == b ? 1 : 2;
	return 0;
}
void lock_release_both(struct spinlock *a, struct spinlock *b, uint64_t flags)
{
	fake_locks_held -= a == b ? 1 : 2;
}

/* Be this CPU. */
static void on(unsigned cpu)
{
	assert_int_equal(syscall(SYS_arch_prctl, ARCH_SET_GS, &cpus[cpu]), 0);
}

static struct sched_params params_on(uint64_t mask)
{
	return (struct sched_params){
		.weight = 100, .latency = SCHED_NORMAL, .affinity.word[0] = mask};
}

/* A vCPU on CPU `cpu` that may run on those of `mask`. */
static struct vcpu *add(unsigned n, unsigned cpu, uint64_t mask)
{
	struct sched_params params = params_on(mask);
	sched_entity_init(&vcpus[n].sched, &cpus[cpu].sched, &params);
	return &vcpus[n];
}

/* What the main loop of `cpu` does after `how` of its vCPU. */
static struct vcpu *next(unsigned cpu, enum sched_how how)
{
	on(cpu);
	struct vcpu *vcpu = dispatch_next(how, now);
	assert_ptr_equal(vcpu, cpus[cpu].vcpu);
	assert_false(cpus[cpu].resched);
	return vcpu;
}

static int begin(void **state)
{
	memset(cpus, 0, sizeof(cpus));
	memset(vcpus, 0, sizeof(vcpus));
	for (unsigned i = 0; i < CPUS; i++) {
		cpus[i].self = cpu_table[i] = &cpus[i];
		cpus[i].index = cpus[i].apic_id = i;
		cpus[i].until = cpus[i].alarm_at = UINT64_MAX;
		cpus[i].state = CPU_ONLINE;
	}
	for (unsigned i = 0; i < VCPUS; i++) {
		alarm_of[i] = UINT64_MAX;
	}
	now = 1000 * MS;
	woken = 0;
	on(0);
	assert_int_equal(dispatch_init(), 0);
	return fake_setup(state);
}

static void the_topology_is_that_of_the_cpus_ids(void **state)
{
	(void)state;
	static const uint8_t expected[CPUS * CPUS] = {
		0, 1, 2, 2, 1, 0, 2, 2, 2, 2, 0, 1, 2, 2, 1, 0};
	assert_memory_equal(distances, expected, sizeof(expected));
	for (unsigned i = 0; i < CPUS; i++) {
		assert_ptr_equal(cpus[i].sched.sibling, &cpus[i ^ 1].sched);
	}
}

static void one_that_is_woken_runs(void **state)
{
	(void)state;
	struct vcpu *vcpu = add(0, 0, 1);
	assert_null(next(0, SCHED_GOES_ON));
	dispatch_wake(vcpu, NULL);
	assert_true(cpus[0].resched);
	assert_int_equal(woken, 0); /* it is this CPU */
	assert_ptr_equal(next(0, SCHED_GOES_ON), vcpu);
	assert_int_equal(vcpu->exited_at, now);
}

static void another_cpu_is_woken_by_ipi(void **state)
{
	(void)state;
	struct vcpu *vcpu = add(0, 2, 4);
	dispatch_wake(vcpu, NULL);
	assert_int_equal(woken, 4);
	assert_true(cpus[2].resched);
	next(2, SCHED_GOES_ON);
	on(0);
	woken = 0;
	dispatch_wake(vcpu, NULL); /* it runs: it has to look */
	assert_int_equal(woken, 4);
	assert_false(cpus[2].resched);
}

static void one_that_is_called_to_a_cpu_wakes_there_if_it_may(void **state)
{
	(void)state;
	struct vcpu *busy = add(0, 1, 2), *vcpu = add(1, 0, 7), *other = add(2, 0, 4);
	on(1);
	dispatch_wake(busy, NULL);
	next(1, SCHED_GOES_ON);
	dispatch_wake(vcpu, &cpus[1]);
	assert_ptr_equal(vcpu->sched.cpu, &cpus[1].sched); /* though CPU 0 is idle */
	assert_null(vcpu->sched.target);
	dispatch_wake(other, &cpus[1]);
	assert_ptr_equal(other->sched.cpu, &cpus[2].sched);
	busy->requests = 0; /* it has looked */
	assert_ptr_equal(next(1, SCHED_SLEEPS), vcpu);
}

static void one_that_lends_its_cpu_is_swapped_if_nobody_waits(void **state)
{
	(void)state;
	struct vcpu *lender = add(0, 0, 1), *guest = add(1, 0, 15), *third = add(2, 0, 1);
	dispatch_wake(lender, NULL);
	next(0, SCHED_GOES_ON);
	now += MS;
	alarm_of[0] = now + 5 * MS;
	assert_true(dispatch_swap(guest, now));
	assert_ptr_equal(cpus[0].vcpu, guest);
	assert_ptr_equal(cpus[0].sched.running, &guest->sched);
	assert_int_equal(cpus[0].sched.weight, 100);
	assert_int_equal(lender->sched.state, SCHED_ASLEEP);
	assert_int_equal(lender->sched.ran, MS);
	assert_int_equal(cpus[0].alarm_at, now + 5 * MS); /* its timer goes on */
	now += 2 * MS;
	guest->requests = VCPU_REQUEST_LOOK;
	assert_false(dispatch_swap(lender, now)); /* it was asked something */
	guest->requests = 0;
	assert_true(dispatch_swap(lender, now));
	assert_int_equal(guest->sched.ran, 2 * MS);
	assert_int_equal(cpus[0].alarm_at, UINT64_MAX);
	assert_int_equal(lender->sched.waited + guest->sched.waited, 0);
	dispatch_wake(third, NULL);
	assert_false(dispatch_swap(guest, now)); /* the scheduler has to decide */
	assert_int_equal(guest->sched.state, SCHED_ASLEEP);
	assert_int_equal(lender->sched.state, SCHED_FAIR);
}

static void what_was_asked_before_the_sleep_is_not_slept_over(void **state)
{
	(void)state;
	struct vcpu *vcpu = add(0, 0, 1);
	dispatch_wake(vcpu, NULL);
	next(0, SCHED_GOES_ON);
	vcpu->requests = VCPU_REQUEST_LOOK;
	assert_ptr_equal(next(0, SCHED_SLEEPS), vcpu);
	vcpu->requests = 0;
	assert_null(next(0, SCHED_SLEEPS));
	assert_int_equal(cpus[0].until, UINT64_MAX);
}

static void timers_wake_who_sleeps_in_their_order(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		add(i, 0, 1);
		dispatch_wake(&vcpus[i], NULL);
	}
	alarm_of[0] = now + 7 * MS;
	alarm_of[1] = now + 5 * MS;
	for (unsigned i = 0; i < 3; i++) {
		assert_non_null(next(0, i == 0 ? SCHED_GOES_ON : SCHED_SLEEPS));
	}
	assert_null(next(0, SCHED_SLEEPS));
	assert_int_equal(cpus[0].alarm_at, alarm_of[1]);
	now += 5 * MS - 1;
	dispatch_alarm(now);
	assert_int_equal(vcpus[1].requests, 0);
	now += 1;
	dispatch_alarm(now);
	assert_true(vcpus[1].requests & VCPU_REQUEST_LOOK);
	assert_int_equal(vcpus[0].requests, 0);
	assert_int_equal(cpus[0].alarm_at, alarm_of[0]);
	assert_ptr_equal(next(0, SCHED_GOES_ON), &vcpus[1]);
	dispatch_wake(&vcpus[0], NULL); /* by something else, before its time */
	assert_int_equal(cpus[0].alarm_at, UINT64_MAX);
}

static void a_cpu_without_work_takes_what_waits_elsewhere(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		add(i, 0, 1);
		dispatch_wake(&vcpus[i], NULL);
	}
	struct vcpu *runs = next(0, SCHED_GOES_ON);
	assert_null(next(1, SCHED_GOES_ON)); /* they are not for it */
	for (unsigned i = 0; i < 3; i++) {
		struct sched_params params = params_on(3);
		assert_int_equal(dispatch_set(&vcpus[i], &params), 0);
	}
	struct vcpu *other = next(1, SCHED_GOES_ON);
	assert_non_null(other);
	assert_ptr_not_equal(other, runs);
	assert_ptr_equal(other->sched.cpu, &cpus[1].sched);
	assert_int_equal(other->sched.migrations, 1);
}

static void one_that_may_not_stay_is_carried_away(void **state)
{
	(void)state;
	struct vcpu *vcpu = add(0, 0, 1);
	struct sched_params params = params_on(8);
	dispatch_wake(vcpu, NULL);
	assert_ptr_equal(next(0, SCHED_GOES_ON), vcpu);
	assert_int_equal(dispatch_set(vcpu, &params), 0);
	assert_true(cpus[0].resched);
	assert_null(next(0, SCHED_GOES_ON));
	assert_true(woken & 8);
	assert_ptr_equal(next(3, SCHED_GOES_ON), vcpu);
}

static void the_timer_of_one_that_sleeps_goes_with_it(void **state)
{
	(void)state;
	struct vcpu *vcpu = add(0, 0, 1);
	struct sched_params params = params_on(8);
	dispatch_wake(vcpu, NULL);
	next(0, SCHED_GOES_ON);
	alarm_of[0] = now + MS;
	next(0, SCHED_SLEEPS);
	assert_int_equal(dispatch_set(vcpu, &params), 0);
	assert_int_equal(cpus[0].alarm_at, UINT64_MAX);
	assert_int_equal(cpus[3].alarm_at, now + MS);
	assert_true(woken & 8);
	now += MS;
	on(3);
	dispatch_alarm(now);
	assert_ptr_equal(next(3, SCHED_GOES_ON), vcpu);
}

static void settings_that_cannot_be_are_refused(void **state)
{
	(void)state;
	struct vcpu *one = add(0, 0, 1), *two = add(1, 0, 1);
	struct sched_params params = params_on(1);
	params.weight = 0;
	assert_int_equal(dispatch_set(one, &params), -EINVAL);
	assert_int_equal(one->sched.params.weight, 100);
	params = params_on(1);
	params.budget = 7 * MS;
	params.period = 10 * MS;
	assert_int_equal(dispatch_set(one, &params), 0);
	assert_int_equal(dispatch_set(two, &params), -ENOSPC);
	assert_int_equal(two->sched.params.budget, 0);
	dispatch_wake(two, NULL);
	two->sched.target = &cpus[1].sched; /* on its way */
	params = params_on(3);
	assert_int_equal(dispatch_set(two, &params), -EAGAIN);
}

static void one_that_spins_lets_a_waiting_one_run(void **state)
{
	(void)state;
	struct vcpu *a = add(0, 0, 1), *b = add(1, 0, 1), *c = add(2, 0, 1);
	dispatch_wake(a, NULL);
	assert_ptr_equal(next(0, SCHED_GOES_ON), a);
	dispatch_yield(b); /* it sleeps, and nobody waits */
	assert_false(cpus[0].yields);
	dispatch_wake(c, NULL);
	dispatch_wake(b, NULL);
	now += MS;
	dispatch_yield(b);
	assert_true(cpus[0].yields);
	assert_true(a->requests & VCPU_REQUEST_LOOK);
	assert_ptr_equal(next(0, SCHED_YIELDS), b);
	assert_false(cpus[0].yields);
}

static unsigned answers;

/* While one CPU waits CPU 1 goes on: at the third time its vCPU goes to sleep. */
static struct vcpu *let_go; /* by another CPU, while this one waits */

void smp_answer(void)
{
	if (let_go != NULL) {
		let_go->stopped = false;
	}
	if (++answers == 3) {
		on(1);
		cpus[1].vcpu->requests = 0;
		next(1, SCHED_SLEEPS);
		on(0);
	}
}

static void one_that_is_stopped_sleeps(void **state)
{
	(void)state;
	struct vcpu *asleep = add(0, 0, 1), *waits = add(1, 0, 1), *runs = add(2, 1, 2);
	struct vcpu *own = add(3, 0, 1);
	on(0);
	dispatch_wake(own, NULL);
	assert_ptr_equal(next(0, SCHED_GOES_ON), own);
	dispatch_wake(waits, NULL);
	dispatch_wake(runs, NULL);
	on(1);
	assert_ptr_equal(next(1, SCHED_GOES_ON), runs);
	on(0);
	asleep->stopped = waits->stopped = runs->stopped = own->stopped = true;
	dispatch_stop(asleep);
	dispatch_stop(waits);
	assert_int_equal(waits->sched.state, SCHED_ASLEEP);
	answers = 0;
	dispatch_stop(runs); /* waits for CPU 1 */
	assert_int_equal(answers, 3);
	assert_int_equal(runs->sched.state, SCHED_ASLEEP);
	atomic_fetch_or(&own->requests, VCPU_REQUEST_LOOK);
	dispatch_stop(own);
	assert_int_equal(own->sched.state, SCHED_ASLEEP);
	assert_null(cpus[0].vcpu);
	assert_null(next(0, SCHED_GOES_ON));
}

static void one_that_is_let_go_again_is_not_waited_for(void **state)
{
	(void)state;
	struct vcpu *runs = add(0, 1, 2);
	on(0);
	dispatch_wake(runs, NULL);
	on(1);
	assert_ptr_equal(next(1, SCHED_GOES_ON), runs);
	on(0);
	runs->stopped = true;
	let_go = runs;
	answers = 10;
	dispatch_stop(runs); /* comes back */
	let_go = NULL;
	assert_int_equal(runs->sched.state, SCHED_FAIR);
}

/* Who waits for another CPU, which waits until this one's vCPU sleeps. */
static void who_waits_lets_its_own_sleep_that_others_wait_for(void **state)
{
	(void)state;
	struct vcpu *own = add(0, 0, 1);
	on(0);
	dispatch_wake(own, NULL);
	assert_ptr_equal(next(0, SCHED_GOES_ON), own);
	answers = 10;
	dispatch_answer();
	assert_int_equal(own->sched.state, SCHED_FAIR);
	own->stopped = true;
	dispatch_answer();
	assert_int_equal(own->sched.state, SCHED_ASLEEP);
	assert_null(cpus[0].vcpu);
}

/* One that is to go elsewhere falls asleep there, not on its way: it can be told to go again. */
static void one_that_is_to_move_sleeps_where_it_belongs(void **state)
{
	(void)state;
	struct vcpu *own = add(0, 0, 3);
	struct sched_params params = own->sched.params;
	on(0);
	dispatch_wake(own, NULL);
	assert_ptr_equal(next(0, SCHED_GOES_ON), own);
	params.affinity.word[0] = 2;
	assert_int_equal(dispatch_set(own, &params), 0);
	answers = 10;
	own->stopped = true;
	dispatch_stop(own);
	assert_int_equal(own->sched.state, SCHED_ASLEEP);
	assert_ptr_equal(own->sched.cpu, &cpus[1].sched);
	assert_null(own->sched.target);
	params.affinity.word[0] = 1;
	assert_int_equal(dispatch_set(own, &params), 0);
}

static void what_pintle_does_itself_is_no_vcpu_s_cost(void **state)
{
	(void)state;
	struct vcpu *vcpu = add(0, 0, 1);
	on(0);
	dispatch_wake(vcpu, NULL);
	next(0, SCHED_GOES_ON);
	now += 10 * MS;
	uint64_t from = now;
	now += 5 * MS;
	dispatch_skip(from);
	now += MS;
	assert_int_equal(dispatch_ran(vcpu), 11 * MS);
}

static void what_a_vcpu_got_counts_up_to_now(void **state)
{
	(void)state;
	struct vcpu *vcpu = add(0, 0, 1);
	static struct vm vm = {.vcpu_count = 1};
	vm.vcpu[0] = vcpu;
	vm_table[5] = &vm;
	dispatch_wake(vcpu, NULL);
	next(0, SCHED_GOES_ON);
	dispatch_sample();
	now += 30 * MS;
	assert_int_equal(dispatch_ran(vcpu), 30 * MS);
	next(0, SCHED_SLEEPS);
	now += 70 * MS;
	assert_int_equal(dispatch_ran(vcpu), 30 * MS);
	dispatch_sample();
	assert_int_equal(vcpu->got, 300);
	vm_table[5] = NULL;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, fake_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_topology_is_that_of_the_cpus_ids),
		TEST(one_that_is_woken_runs),
		TEST(another_cpu_is_woken_by_ipi),
		TEST(one_that_is_called_to_a_cpu_wakes_there_if_it_may),
		TEST(one_that_lends_its_cpu_is_swapped_if_nobody_waits),
		TEST(what_was_asked_before_the_sleep_is_not_slept_over),
		TEST(timers_wake_who_sleeps_in_their_order),
		TEST(a_cpu_without_work_takes_what_waits_elsewhere),
		TEST(one_that_may_not_stay_is_carried_away),
		TEST(the_timer_of_one_that_sleeps_goes_with_it),
		TEST(settings_that_cannot_be_are_refused),
		TEST(one_that_spins_lets_a_waiting_one_run),
		TEST(one_that_is_stopped_sleeps),
		TEST(one_that_is_let_go_again_is_not_waited_for),
		TEST(who_waits_lets_its_own_sleep_that_others_wait_for),
		TEST(one_that_is_to_move_sleeps_where_it_belongs),
		TEST(what_pintle_does_itself_is_no_vcpu_s_cost),
		TEST(what_a_vcpu_got_counts_up_to_now),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
