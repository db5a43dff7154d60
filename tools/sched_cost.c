/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tools/sched_cost.c - count the instructions of the scheduler's calls, single-stepped in a child;
 * the objects are those of the image. Fails above the limits that the scheduler was promised with.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/sched.h"

#define ROUNDS 60u

static struct sched_machine machine = {.cpu_count = 2, .reserve_max = SCHED_SHARE_ONE};
static struct sched_cpu cpus[2];
static const uint8_t distance[2][2] = {{0, 1}, {1, 0}};
static uint64_t now = 1000000000;

/* What is measured: each is called between two breakpoints. */
static void pick(struct sched_entity *entity)
{
	sched_pick(&cpus[0], now, SCHED_GOES_ON);
}
static void wake(struct sched_entity *entity)
{
	sched_join(sched_wake(entity, now), entity, now);
}
static void nothing(struct sched_entity *entity)
{
}

#define TRAP() __asm__ volatile("int3" ::: "memory")

/* What was measured, told by the child before its third trap. */
enum kind {
	NOTHING,
	GOES_ON,
	SWITCH,
	WAKE_UP,
	KINDS
};
static enum kind *kind;

static void measured(
	void (*call)(struct sched_entity *), struct sched_entity *entity, enum kind what)
{
	*kind = what;
	TRAP();
	call(entity);
	TRAP();
}

/* A decision that goes on, one that switches (put and pick), a sleep with a wake-up, and no call.
 */
static void child(unsigned count)
{
	struct sched_entity *entities = calloc(count + 1, sizeof(*entities));
	struct sched_params params;

	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	for (unsigned i = 0; i < 2; i++) {
		cpus[i] = (struct sched_cpu){
			.machine = &machine, .index = i, .distance = distance[i]};
		cpus[i].sibling = &cpus[!i];
		machine.cpu[i] = &cpus[i];
		sched_cpu_init(&cpus[i]);
	}
	srand(count);
	for (unsigned i = 0; i <= count; i++) {
		sched_entity_init(&entities[i], &cpus[0]);
		params = entities[i].params;
		params.affinity.word[0] = 1;
		params.weight = 50 + (unsigned)rand() % 200;
		sched_set(&entities[i], &params, &cpus[0], now);
		wake(&entities[i]);
		now += 1000;
		sched_pick(&cpus[0], now, SCHED_GOES_ON);
	}
	for (unsigned i = 0; i < 20 * count; i++) {
		now = sched_pick(&cpus[0], now, SCHED_GOES_ON).until;
	}
	for (unsigned round = 0; round < ROUNDS; round++) {
		measured(nothing, NULL, NOTHING);
		TRAP();
		for (bool switched = false; !switched;) {
			struct sched_entity *before = cpus[0].running;
			now = cpus[0].until;
			measured(pick, NULL, GOES_ON);
			switched = cpus[0].running != before;
			*kind = switched ? SWITCH : GOES_ON;
			TRAP();
		}
		struct sched_entity *sleeper = cpus[0].running;
		sched_pick(&cpus[0], now += 1000, SCHED_SLEEPS);
		measured(wake, sleeper, WAKE_UP);
		TRAP();
	}
	_exit(0);
}

static const char *const names[] = {
	"", "a decision to go on", "a switch (put and pick)", "a wake-up"};
static const unsigned limits[] = {0, 400, 900, 1500};

static unsigned long step(pid_t pid, int *status)
{
	unsigned long steps = 0;

	do {
		ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL);
		waitpid(pid, status, 0);
		steps++;
		long word = ptrace(PTRACE_PEEKUSER, pid, (void *)(16 * sizeof(long)), NULL);
		long text = ptrace(PTRACE_PEEKTEXT, pid, (void *)word, NULL);
		if ((text & 0xff) == 0xcc) {
			ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL);
			waitpid(pid, status, 0);
			break;
		}
	} while (WIFSTOPPED(*status));
	return steps;
}

static int measure(unsigned count)
{
	unsigned long sum[KINDS] = {0}, most[KINDS] = {0}, times[KINDS] = {0};
	int status, failed = 0;
	pid_t pid = fork();

	if (pid == 0) {
		child(count);
	}
	for (waitpid(pid, &status, 0); WIFSTOPPED(status); waitpid(pid, &status, 0)) {
		unsigned long steps = step(pid, &status);
		ptrace(PTRACE_CONT, pid, NULL, NULL);
		waitpid(pid, &status, 0);
		steps -= *kind == NOTHING ? 0 : most[NOTHING];
		times[*kind]++;
		sum[*kind] += steps;
		most[*kind] = steps > most[*kind] ? steps : most[*kind];
		ptrace(PTRACE_CONT, pid, NULL, NULL);
	}
	for (unsigned i = 1; i < KINDS; i++) {
		unsigned long mean = sum[i] / (times[i] != 0 ? times[i] : 1);
		printf("%6u queued: %-24s %5lu instructions, at most %5lu\n", count, names[i], mean,
			most[i]);
		failed |= count <= 1000 && mean > limits[i];
	}
	return failed;
}

int main(void)
{
	static const unsigned counts[] = {1, 10, 100, 1000, 10000, 100000};
	int failed = 0;

	kind = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (unsigned i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
		failed |= measure(counts[i]);
	}
	return failed;
}
