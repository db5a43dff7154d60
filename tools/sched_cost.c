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

#define ROUNDS 100u

/* What is measured, told by the child between its second trap and its third. */
enum kind { NOTHING, GOES_ON, SWITCH, SLEEP, WAKE_UP, KINDS };
static enum kind *kind;

/*
 * The mean with up to 8 queued and up to 1000, and the most: who is put back comes up in the tree
 * by chance, seldom past all of the dozen or more nodes on its way, at 35 instructions each. With
 * all classes queued, those of short slices are not eligible most of the time and have to be passed
 * by.
 */
static const struct {
	const char *name;
	struct {
		unsigned few, mean, most;
	} one, all;
} kinds[KINDS] = {
	[GOES_ON] = {"a decision to go on", {200, 200, 400}, {200, 350, 500}},
	[SWITCH] = {"a switch (put and pick)", {350, 400, 1000}, {350, 700, 1500}},
	[SLEEP] = {"a sleep, and a pick", {350, 350, 700}, {350, 650, 1200}},
	[WAKE_UP] = {"a wake-up", {700, 750, 1200}, {700, 800, 1400}},
};

static struct sched_machine machine = {.cpu_count = 2, .reserve_max = SCHED_SHARE_ONE};
static struct sched_cpu cpus[2];
static const uint8_t distance[2][2] = {{0, 1}, {1, 0}};
static uint64_t now = 1000000000;

static struct sched_entity *sleeper;

/* It wakes, and stays where it was. */
static struct sched_decision wake(struct sched_cpu *cpu, uint64_t at, enum sched_how how)
{
	sched_wake(sleeper, at);
	if (sched_join(cpu, sleeper, at)) {
		cpu->until = at;
	}
	return (struct sched_decision){0};
}

void trap(void);
struct sched_decision nothing(struct sched_cpu *cpu, uint64_t at, enum sched_how how);
__asm__("trap: int3\n ret\nnothing: ret");

static void measured(struct sched_decision (*call)(struct sched_cpu *, uint64_t, enum sched_how),
	enum sched_how how, enum kind what)
{
	trap();
	call(&cpus[0], now, how);
	trap();
	*kind = what;
}

/* Decide when it is time, until another one runs. */
static void run_on(void)
{
	for (bool switched = false; !switched;) {
		struct sched_entity *before = cpus[0].running;
		now = cpus[0].until;
		measured(sched_pick, SCHED_GOES_ON, GOES_ON);
		switched = cpus[0].running != before;
		*kind = switched ? SWITCH : GOES_ON;
		trap();
	}
}

static void child(unsigned count, bool classes)
{
	struct sched_entity *entities = calloc(count + 1, sizeof(*entities));

	for (unsigned i = 0; i < 2; i++) {
		cpus[i] = (struct sched_cpu){
			.machine = &machine, .index = i, .distance = distance[i]};
		cpus[i].sibling = &cpus[!i];
		machine.cpu[i] = &cpus[i];
		sched_cpu_init(&cpus[i]);
	}
	srand(count);
	for (unsigned i = 0; i <= count; i++) {
		struct sched_params params = {.weight = 50 + (unsigned)rand() % 200,
			.latency = classes ? (enum sched_latency)(i % 3) : SCHED_NORMAL,
			.affinity.word[0] = i % 2 ? 1 : 3};
		sched_entity_init(&entities[i], &cpus[0], &params);
		sleeper = &entities[i];
		wake(&cpus[0], now, SCHED_GOES_ON);
		now += 1000;
		sched_pick(&cpus[0], now, SCHED_GOES_ON);
	}
	for (unsigned i = 0; i < 20 * count; i++) {
		now = sched_pick(&cpus[0], now, SCHED_GOES_ON).until;
	}
	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	for (unsigned round = 0; round < ROUNDS; round++) {
		measured(nothing, SCHED_GOES_ON, NOTHING);
		trap();
		run_on();
		sleeper = cpus[0].running;
		now += 100000;
		measured(sched_pick, SCHED_SLEEPS, SLEEP);
		trap();
		now += 50000;
		measured(wake, SCHED_GOES_ON, WAKE_UP);
		trap();
	}
	_exit(0);
}

static long counted_rip(pid_t pid)
{
	return ptrace(PTRACE_PEEKUSER, pid, (void *)(16 * sizeof(long)), NULL);
}

/* To the next trap. */
static unsigned long step(pid_t pid, int *status)
{
	unsigned long steps = 0;

	do {
		ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL);
		waitpid(pid, status, 0);
		steps++;
	} while (WIFSTOPPED(*status) && counted_rip(pid) != (long)trap);
	ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL);
	waitpid(pid, status, 0);
	return steps;
}

static int measure(unsigned count, bool classes)
{
	unsigned long sum[KINDS] = {0}, most[KINDS] = {0}, times[KINDS] = {0};
	int status, failed = 0;
	pid_t pid = fork();

	if (pid == 0) {
		child(count, classes);
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
		unsigned long mean = times[i] == 0 ? 0 : sum[i] / times[i];
		printf("%6u queued, %s: %-24s %5lu instructions, at most %5lu\n", count,
			classes ? "all classes" : "one class  ", kinds[i].name, mean, most[i]);
		unsigned few = classes ? kinds[i].all.few : kinds[i].one.few;
		unsigned many = classes ? kinds[i].all.mean : kinds[i].one.mean;
		unsigned limit = classes ? kinds[i].all.most : kinds[i].one.most;
		failed |= count <= 1000 && (mean > (count <= 8 ? few : many) || most[i] > limit);
	}
	return failed;
}

int main(void)
{
	static const unsigned counts[] = {1, 2, 8, 100, 1000, 10000};
	int failed = 0;

	kind = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (unsigned i = 0; i < 2 * sizeof(counts) / sizeof(*counts); i++) {
		failed |= measure(counts[i / 2], i % 2);
	}
	return failed;
}
