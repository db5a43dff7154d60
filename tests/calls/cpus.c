/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/calls/cpus.c - two service CPUs: vCPUs on the other CPU, and both at work at once. */
#include "tests/calls/guest.h"

#define ROUNDS 40u
#define AREA   (4ull << 20)

static void (*volatile job)(void);
static volatile bool stop_it, other_runs;
static struct guest g;

/* CPU 1: jobs, one after the other; interrupts in between. */
static void other(void)
{
	other_runs = true;
	for (;;) {
		if (job != NULL) {
			job();
			__atomic_store_n(&job, NULL, __ATOMIC_RELEASE);
		}
		__asm__ volatile("sti; nop; nop; pause; cli" : : : "memory");
	}
}

static void begin(void (*what)(void))
{
	stop_it = false;
	__atomic_store_n(&job, what, __ATOMIC_RELEASE);
}

static void end(void)
{
	stop_it = true;
	WAIT_FOR(job == NULL);
	EXPECT_TRUE(job == NULL);
}

/* Schedule a vCPU on this CPU alone. */
static int64_t pin(uint64_t vm, unsigned vcpu, unsigned cpu)
{
	static struct pintle_sched *sched;

	sched = sched != NULL ? sched : AT(struct pintle_sched, shared_page());
	*sched = (struct pintle_sched){.weight = 100, .affinity = {1ull << cpu}};
	/* On its way, with a CPU that the host has taken away, it is to be tried again. */
	int64_t err = -EAGAIN;
	for (uint64_t limit = tsc() + milliseconds(10000); err == -EAGAIN && tsc() < limit;) {
		err = CALL(SCHED_SET, vm, vcpu, (uintptr_t)sched);
	}
	return err;
}

/* Counts in memory and in RBX. */
GUEST(counter, 64, "sti; xor %ebx, %ebx; 1: inc %rbx; mov %rbx, 0x10000; jmp 1b");
GUEST(quiet, 64, "1: sti; hlt; jmp 1b");

static void stop_elsewhere(void)
{
	volatile uint64_t *count;

	CASE("SCHED_SET moves a vCPU to the other CPU, where STOP stops it");
	g = NEW(64, counter);
	count = AT(volatile uint64_t, g.ram + 0x10000);
	EXPECT(0, pin(g.vm, 0, 1));
	for (unsigned i = 0; i < 10; i++) {
		uint64_t before = *count;
		g.record->exit = PINTLE_EXIT_NONE;
		EXPECT(0, CALL(VCPU_RUN, g.vm, 0, 0));
		for (uint64_t limit = tsc() + milliseconds(10000);
			*count == before && tsc() < limit;) { /* this CPU is busy: it runs there */
		}
		EXPECT_TRUE(*count != before);
		EXPECT(1, CALL(VCPU_STOP, g.vm, 0));
		EXPECT(PINTLE_EXIT_STOPPED, g.record->exit);
		before = *count;
		uint64_t inside =
			state_get(&g, PINTLE_GPR(3)); /* one further, if it was just counted */
		EXPECT_TRUE(inside == before || inside == before + 1);
		EXPECT(before, *count);
		EXPECT_TRUE(!event_is_set(0, g.event));
		EXPECT(0, pin(g.vm, 0, 1));
	}

	CASE("moved while it runs, it goes on");
	EXPECT(0, CALL(VCPU_RUN, g.vm, 0, 0));
	for (unsigned i = 0; i < 10; i++) {
		uint64_t before = *count;
		EXPECT(0, pin(g.vm, 0, i % 2));
		WAIT_FOR(*count != before);
		EXPECT_TRUE(*count != before);
	}
	EXPECT(1, CALL(VCPU_STOP, g.vm, 0));
	EXPECT(0, CALL(VCPU_STOP, g.vm, 0));

	CASE("SCHED_SET refuses what is out of range");
	struct pintle_sched *sched = AT(struct pintle_sched, shared_page());
	static const struct pintle_sched bad[] = {
		{.weight = 0},
		{.weight = UINT32_MAX},
		{.weight = 100, .latency = 99},
		{.weight = 100, .affinity = {4}}, /* no such CPU */
		{.weight = 100, .affinity = {[7] = 1}},
		{.weight = 100, .budget = 5, .period = 1},
		{.weight = 100, .budget = 1, .period = 0},
	};
	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		*sched = bad[i];
		EXPECT(-EINVAL, CALL(SCHED_SET, g.vm, 0, (uintptr_t)sched));
	}
	EXPECT(-EFAULT, CALL(SCHED_SET, g.vm, 0, piece()));
	EXPECT(-EINVAL, CALL(SCHED_SET, g.vm, 1, (uintptr_t)sched));
	guest_end(&g);

	CASE("what a VM has reserved is free again when it goes");
	for (unsigned i = 0; i < 5; i++) {
		g = NEW(64, counter);
		*sched =
			(struct pintle_sched){.weight = 100, .budget = 6000000, .period = 10000000};
		EXPECT(0, CALL(SCHED_SET, g.vm, 0, (uintptr_t)sched));
		struct guest second = g;
		EXPECT(1, guest_add(&second, 1));
		EXPECT(0, CALL(SCHED_SET, g.vm, 1, (uintptr_t)sched)); /* the other CPU */
		EXPECT(2, guest_add(&second, 2));
		EXPECT(-ENOSPC, CALL(SCHED_SET, g.vm, 2, (uintptr_t)sched));
		EXPECT(0, CALL(VCPU_RUN, g.vm, 0, 0));
		guest_end(&g);
	}
}

GUEST(outs, 64, "1: out %al, $0x99; jmp 1b");

static void steer(void)
{
	CASE("an event of the other CPU tells it by its vector and its page");
	g = NEW(64, outs);
	EXPECT(1, CALL(VCPU_WAIT, g.vm, 0, PINTLE_EVENT_ID(1, 77)));
	unsigned before[2] = {event_interrupts[0], event_interrupts[1]};
	EXPECT(0, CALL(VCPU_RUN, g.vm, 0, 0));
	WAIT_FOR(event_interrupts[1] != before[1]);
	EXPECT(before[1] + 1, event_interrupts[1]);
	EXPECT(before[0], event_interrupts[0]);
	EXPECT_TRUE(event_is_set(1, 77));
	EXPECT_TRUE(!event_is_set(0, g.event));
	guest_end(&g);
}

static void lend(void)
{
	CASE("WAIT for one that runs on the other CPU alone is back when it stops there");
	g = NEW(64, outs);
	EXPECT(0, pin(g.vm, 0, 1));
	for (unsigned i = 0; i < 20; i++) {
		g.record->exit = PINTLE_EXIT_NONE;
		EXPECT_TRUE(CALL(VCPU_RUN, g.vm, 0, PINTLE_RUN_WAIT) >= 0);
		while (g.record->exit == PINTLE_EXIT_NONE && CALL(VCPU_WAIT, g.vm, 0) >= 0) {
		}
		EXPECT(PINTLE_EXIT_IO, g.record->exit);
	}
	EXPECT_TRUE(!event_is_set(0, g.event));
	guest_end(&g);
}

GUEST(reader, 64, "sti; 1: mov 0x400000, %rax; mov %rax, 0x10000; incq 0x10008; jmp 1b");

static void unmap(void)
{
	volatile uint64_t *page = AT(volatile uint64_t, piece()), *seen;

	CASE("when UNMAP returns a vCPU on the other CPU sees the page no more");
	for (unsigned i = 0; i < 10; i++) {
		g = NEW(64, reader);
		seen = AT(volatile uint64_t, g.ram + 0x10000);
		*page = 0x1111;
		EXPECT(0, pin(g.vm, 0, 1));
		EXPECT(0, guest_map(g.vm, AREA, (uintptr_t)page, 1, 7));
		EXPECT(0, CALL(VCPU_RUN, g.vm, 0, 0));
		WAIT_FOR(seen[1] > 100);
		EXPECT(0x1111, seen[0]);
		EXPECT(0, CALL(UNMAP, g.vm, AREA, PAGE));
		*page = 0x2222;
		EXPECT_TRUE(event_comes(g.event));
		EXPECT(PINTLE_EXIT_MMIO, g.record->exit);
		EXPECT(AREA, g.record->address);
		EXPECT(0x1111, seen[0]);
		guest_end(&g);
	}

	CASE("PROTECT takes effect there, too");
	g = NEW(64, counter);
	volatile uint64_t *count = AT(volatile uint64_t, g.ram + 0x10000);
	EXPECT(0, pin(g.vm, 0, 1));
	EXPECT(0, CALL(VCPU_RUN, g.vm, 0, 0));
	WAIT_FOR(*count > 100);
	EXPECT(0, CALL(PROTECT, g.vm, 0x10000, PAGE, PINTLE_READ));
	uint64_t then = *count;
	EXPECT_TRUE(event_comes(g.event));
	EXPECT(PINTLE_EXIT_MMIO, g.record->exit);
	EXPECT(then, *count);
	guest_end(&g);
}

static void destroy(void)
{
	CASE("a VM goes while its vCPUs run, sleep and wait");
	for (unsigned i = 0; i < 10; i++) {
		g = NEW(64, counter);
		memcpy(AT(void, g.ram + 0x4000), quiet, (size_t)(quiet_end - quiet));
		EXPECT(0, pin(g.vm, 0, i % 2));
		for (unsigned vcpu = 1; vcpu < 4; vcpu++) {
			struct guest more = g;
			EXPECT(vcpu, guest_add(&more, vcpu));
			guest_state(&more, vcpu, more.record, 64, vcpu == 3 ? 0x4000 : GUEST_CODE);
			EXPECT(0, pin(g.vm, vcpu, vcpu % 2));
			EXPECT(0, CALL(VCPU_RUN, g.vm, vcpu, 0));
		}
		EXPECT(0, CALL(VCPU_RUN, g.vm, 0, 0));
		if (i % 3 != 0) {
			doze();
		}
		guest_end(&g);
	}
}

#define X2APIC                                                                                     \
	"mov $0x1b, %ecx; rdmsr; or $0xc00, %eax; wrmsr;"                                          \
	"mov $0x80f, %ecx; mov $0x1ff, %eax; xor %edx, %edx; wrmsr;"
/* An NMI for all others, over and over: each wakes, though its first one ends its run. */
GUEST(caller, 64, "cli;" X2APIC "mov $0x830, %ecx; mov $0xc4400, %eax; 1: wrmsr; jmp 1b");
GUEST(sleeper, 64, "cli;" X2APIC "1: hlt; jmp 1b");

static void destroy_while_they_call(void)
{
	CASE("a VM goes while its last vCPU wakes the others");
	for (unsigned i = 0; i < 20; i++) {
		g = NEW(64, sleeper);
		memcpy(AT(void, g.ram + 0x4000), caller, (size_t)(caller_end - caller));
		for (unsigned vcpu = 1; vcpu < 4; vcpu++) {
			struct guest more = g;
			EXPECT(vcpu, guest_add(&more, vcpu));
			guest_state(&more, vcpu, more.record, 64, vcpu == 3 ? 0x4000 : GUEST_CODE);
			EXPECT(0, pin(g.vm, vcpu, vcpu == 3));
		}
		for (unsigned vcpu = 0; vcpu < 4; vcpu++) {
			EXPECT(0, CALL(VCPU_RUN, g.vm, vcpu, 0));
		}
		doze();
		guest_end(&g);
	}
}

/* Both at once -------------------------------------------------------------------------------- */

static volatile unsigned done[2], again[2], wrong[2];
static uint64_t give_up;

static unsigned is_other(void)
{
	return (unsigned)msr_read(0x802); /* the APIC id */
}

/* Let the other one have its turn. */
static int64_t turn(int64_t result)
{
	static volatile unsigned tries[2];
	unsigned cpu = is_other();

	if (result == -EAGAIN) {
		again[cpu]++;
		for (uint64_t end_of = tsc() + milliseconds(1) * (++tries[cpu] % 5) / 4;
			tsc() < end_of;) {
		}
	}
	return result;
}

/* One of these results, or try again. */
static void note(unsigned cpu, int64_t result, int64_t first, int64_t second)
{
	turn(result);
	done[cpu] += result == first || result == second;
	wrong[cpu] += result != first && result != second && result != -EAGAIN;
}

/* CPU 0 until both have done something, CPU 1 until it is told. */
static bool goes_on(unsigned cpu)
{
	return cpu == 0 ? (done[0] < ROUNDS || done[1] < ROUNDS / 4) && tsc() < give_up : !stop_it;
}

static void forget(void)
{
	give_up = tsc() + milliseconds(60000);
	done[0] = done[1] = again[0] = again[1] = wrong[0] = wrong[1] = 0;
}

static uint64_t lists[2], rams[2];

static void map_and_unmap(unsigned cpu)
{
	uint64_t at = AREA + cpu * (16ull << 20);

	for (unsigned i = 0; i < 512; i++) {
		AT(uint64_t, lists[cpu])[i] = rams[cpu] + PAGE * i;
	}
	for (unsigned i = 0; goes_on(cpu); i++) {
		note(cpu, CALL(MAP, g.vm, at, lists[cpu], 5 + i % 508, 7), 0, -EEXIST);
		note(cpu, CALL(PROTECT, g.vm, at, 3 * PAGE, PINTLE_READ), 0, 0);
		note(cpu, CALL(UNMAP, g.vm, at, PINTLE_PIECE), 0, 0);
	}
}

static void map_there(void)
{
	map_and_unmap(1);
}

static void maps(void)
{
	CASE("two CPUs that change one VM's memory do no harm: done, or EAGAIN");
	forget();
	g = NEW(64, reader);
	EXPECT(0, pin(g.vm, 0, 1));
	EXPECT(0, guest_map(g.vm, 1ull << 30, rams[0], 1, 7));
	uint64_t free = (uint64_t)CALL(PAGES_FREE, g.vm);
	EXPECT(0, CALL(VCPU_RUN, g.vm, 0, 0));
	begin(map_there);
	map_and_unmap(0);
	end();
	EXPECT(0, wrong[0] + wrong[1]);
	EXPECT_TRUE(done[0] >= ROUNDS && done[1] >= ROUNDS / 4);
	while (CALL(UNMAP, g.vm, AREA, 1ull << 29) != 0) {
	}
	EXPECT(free, CALL(PAGES_FREE, g.vm));
	guest_end(&g);
	EXPECT(0, CALL(SHARE, rams[0])); /* no page of them is counted as mapped */
	EXPECT(0, CALL(SHARE, rams[1]));
	EXPECT(0, CALL(UNSHARE, rams[0]));
	EXPECT(0, CALL(UNSHARE, rams[1]));
}

static void run_and_stop(unsigned cpu)
{
	static uint64_t pages[2];

	pages[cpu] = pages[cpu] != 0 ? pages[cpu] : lists[cpu];
	for (unsigned i = 0; goes_on(cpu); i++) {
		note(cpu, CALL(VCPU_RUN, g.vm, 0, i % 2), 0, -EBUSY);
		note(cpu, CALL(STATE_GET, g.vm, 0, 0), 0, -EBUSY);
		note(cpu, CALL(BULK_GET, g.vm, 0, PINTLE_BULK_LAPIC, pages[cpu]), 0, -EBUSY);
		note(cpu, CALL(VCPU_STOP, g.vm, 0), 0, 1);
		note(cpu, CALL(MSI, g.vm, 0xfee00000, 0x40), 0, 1);
	}
}

static void run_there(void)
{
	run_and_stop(1);
}

static void runs(void)
{
	CASE("two CPUs that run and stop one vCPU do no harm");
	forget();
	g = NEW(64, outs);
	begin(run_there);
	run_and_stop(0);
	end();
	EXPECT(0, wrong[0] + wrong[1]);
	EXPECT_TRUE(done[0] >= ROUNDS && done[1] >= ROUNDS / 4);
	CALL(VCPU_STOP, g.vm, 0);
	EXPECT(0, CALL(VCPU_STOP, g.vm, 0));
	guest_end(&g);
}

static volatile uint64_t handle;

/* Use the VM that is being made and ended: valid, stale or busy, never anything else. */
static void use_there(void)
{
	while (!stop_it) {
		uint64_t vm = handle;
		note(1,
			CALL(PAGES_FREE, vm) > 0           ? 0
				: CALL(PAGES_FREE, vm) > 0 ? 0
							   : -ESTALE,
			0, -ESTALE);
		note(1, CALL(VCPU_STOP, vm, 0) >= 0 ? 0 : -ESTALE, 0, -ESTALE);
		int64_t result = CALL(VCPU_RUN, vm, 0, 0);
		note(1, result == -EINVAL || result == -EBUSY ? 0 : result, 0, -ESTALE);
	}
}

static void ends(void)
{
	CASE("a VM goes while the other CPU uses its handle");
	forget();
	begin(use_there);
	for (unsigned i = 0; i < 15; i++) {
		struct guest one = NEW(64, outs);
		handle = one.vm;
		EXPECT(0, pin(one.vm, 0, i % 2));
		doze();
		while (turn(CALL(VM_DESTROY, one.vm)) == -EAGAIN) {
		}
		EXPECT(-ESTALE, CALL(VM_DESTROY, one.vm));
	}
	end();
	EXPECT(0, wrong[1]);
	EXPECT(0, QUERY(VMS));
	EXPECT(0, QUERY(PIECES));
}

static uint64_t contended, contended_vm;

static void set_there(void)
{
	uint64_t page = contended + 17 * PAGE;

	while (!stop_it) {
		note(1, CALL(CPUID_SET, contended_vm, page, PINTLE_CPUID_MAX), 0, -EFAULT);
	}
}

static void unshare(void)
{
	uint64_t spare = piece();

	CASE("a piece goes while the other CPU uses a page of it");
	forget();
	contended = spare;
	contended_vm = (uint64_t)CALL(VM_CREATE, rams[0]);
	begin(set_there);
	for (unsigned i = 0; i < ROUNDS / 2; i++) {
		int64_t vm;
		EXPECT(0, CALL(SHARE, spare));
		for (unsigned then = done[1]; done[1] == then && tsc() < give_up;) {
		}
		EXPECT(0, CALL(UNSHARE, spare));
		EXPECT_TRUE((vm = CALL(VM_CREATE, spare)) > 0);
		EXPECT(0, CALL(VM_DESTROY, vm));
	}
	end();
	EXPECT(0, CALL(VM_DESTROY, contended_vm));
	EXPECT(0, wrong[1]);
	EXPECT_TRUE(done[1] > 0);
}

/* Both rest after each VM. In Bochs the other CPU would else run always when the VMs are taken: it
 * answers us in each VM_DESTROY, and goes on from there. */
static void make_there(void)
{
	uint64_t home = rams[1];

	while (!stop_it) {
		int64_t vm = CALL(VM_CREATE, home);
		note(1, vm > 0 ? 0 : vm, 0, 0);
		while (vm > 0 && turn(CALL(VM_DESTROY, vm)) == -EAGAIN) {
		}
		if (vm > 0) {
			doze();
		}
	}
}

static void both_make(void)
{
	CASE("two CPUs make and end VMs");
	forget();
	begin(make_there);
	for (unsigned i = 0; (i < ROUNDS / 4 || done[1] == 0) && tsc() < give_up; i++) {
		int64_t vm;
		while ((vm = turn(CALL(VM_CREATE, rams[0]))) == -EAGAIN) {
		}
		EXPECT_TRUE(vm > 0);
		while (turn(CALL(VM_DESTROY, vm)) == -EAGAIN) {
		}
		doze();
	}
	end();
	EXPECT(0, wrong[1]);
	EXPECT_TRUE(done[1] > 0);
	EXPECT(0, QUERY(VMS));
	EXPECT(0, QUERY(PIECES));
}

void service(void)
{
	for (unsigned i = 0; i < 2; i++) {
		lists[i] = shared_page();
		rams[i] = piece();
	}
	CASE("the other CPU starts");
	other_cpu(other);
	WAIT_FOR(other_runs);
	EXPECT_TRUE(other_runs);
	EXPECT(2, QUERY(CPUS));
	stop_elsewhere();
	steer();
	lend();
	unmap();
	destroy();
	destroy_while_they_call();
	maps();
	runs();
	ends();
	unshare();
	both_make();
}
